"""Encoders whose answers are known, and scenes of small drawn photos."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity
from langfield.data.views import Scene, View
from langfield.encoders.base import EncoderCard
from langfield.encoders.masks.base import PromptableImage, ProposedMasks


class ColourEncoder:
    """Embeds a crop as the mean colours of its quarters (and a constant), so that place and size show."""

    device = torch.device("cpu")

    def __init__(self, weights: str = "0" * 64, size_px: int = 8, largest_batch: int = 10**9) -> None:
        self.card = EncoderCard(
            "test:colours", weights, "1" * 64, 13, size_px, (0.0,) * 3, (1.0,) * 3, "bicubic", "none", 0
        )
        self.crops = 0
        self.largest_batch = largest_batch

    def encode_images(self, crops: Tensor) -> Tensor:
        if len(crops) > self.largest_batch:
            raise torch.OutOfMemoryError("made up")
        self.crops += len(crops)
        quarters = torch.nn.functional.adaptive_avg_pool2d(crops, 2).flatten(1)
        constant = torch.full((len(crops), 1), 0.25)
        return torch.nn.functional.normalize(torch.cat([quarters, constant], dim=1), dim=1)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        return torch.eye(13)[: len(texts)]


class CellEncoder:
    """A dense encoder of 4-pixel cells: their mean colours."""

    device = torch.device("cpu")
    patch_px = 4

    def __init__(self) -> None:
        self.card = EncoderCard("test:cells", "2" * 64, "3" * 64, 3, 4, (0.0,) * 3, (1.0,) * 3, "bicubic", "none", 0)
        self.photos = 0

    def grid(self, height_px: int, width_px: int) -> tuple[int, int]:
        return height_px // 4, width_px // 4

    def encode(self, image: Tensor) -> Tensor:
        self.photos += 1
        pooled = torch.nn.functional.adaptive_avg_pool2d(
            image.permute(2, 0, 1).float() / 255, self.grid(image.shape[0], image.shape[1])
        )
        return pooled.permute(1, 2, 0).contiguous()


@pytest.fixture(scope="session")
def colours() -> Callable[..., ColourEncoder]:
    return ColourEncoder


@pytest.fixture(scope="session")
def cells() -> Callable[..., CellEncoder]:
    return CellEncoder


@pytest.fixture
def draw() -> Callable[..., None]:
    """Write a photo of smooth noise."""

    def photo(path: Path, size: tuple[int, int], seed: int) -> None:
        noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)

    return photo


@pytest.fixture
def make_scene(tmp_path: Path, draw) -> Callable[..., Scene]:
    """A scene of photos with the given (width, height) each."""

    def scene(*sizes: tuple[int, int]) -> Scene:
        views = []
        for index, size in enumerate(sizes):
            path = tmp_path / f"photo{index}.png"
            draw(path, size, index)
            camera = Camera(np.eye(4), *size, 50.0, 50.0, size[0] / 2, size[1] / 2)
            views.append(View(path.name, path, camera))
        train = tuple(range(len(views)))
        return Scene(tmp_path, "drawn", tuple(views), train, (), None, Similarity.identity())

    return scene


class QuartersProposer:
    """Proposes the photo's quarters, all of it, its brighter half and one pixel, the surest first."""

    device = torch.device("cpu")

    def __init__(self, weights: str = "4" * 64) -> None:
        self.card = EncoderCard("test:quarters", weights, "5" * 64, 1, 4, (0.0,) * 3, (1.0,) * 3, "bilinear", "none", 0)
        self.photos = 0

    def propose(self, image: Tensor) -> ProposedMasks:
        self.photos += 1
        height, width = image.shape[:2]
        masks = torch.zeros(7, height, width, dtype=torch.bool)
        for quarter in range(4):
            rows = slice(0, height // 2) if quarter < 2 else slice(height // 2, height)
            columns = slice(0, width // 2) if quarter % 2 == 0 else slice(width // 2, width)
            masks[quarter, rows, columns] = True
        brightness = image.float().mean(dim=2)
        masks[4], masks[5], masks[6, 0, 0] = True, brightness > brightness.median(), True
        return ProposedMasks(masks, torch.linspace(0.9, 0.3, 7), torch.linspace(1, 0.4, 7))

    def begin(self, image: Tensor) -> Callable[[], ProposedMasks]:
        return partial(self.propose, image)

    def embed(self, image: Tensor) -> PromptableImage:
        raise AssertionError("nobody prompts it")


@pytest.fixture(scope="session")
def quarters() -> Callable[..., QuartersProposer]:
    return QuartersProposer
