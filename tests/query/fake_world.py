"""A world for tests of answers: a flat wall, on it one thing that only shows at its own scale.

The wall is the plane z = 4 in the scene frame. A crop of height s about a point shows the thing (first axis) as far as
the point is near its centre and s is near its size; otherwise it shows wall (second axis). `bait` is one point that
shows the thing perfectly at scales that no photo ever had.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from langfield.core.cameras import Camera, Cameras
from langfield.core.observed_scales import ObservedScales
from langfield.models.base import Model, Rendered, RenderedView
from langfield.models.batches import ParamGroup
from langfield.models.config import ModelConfig, ModelContext
from langfield.models.geometry import distance_and_points
from langfield.models.relevancy import EncodedPhrases
from langfield.renderers.volume import SurfaceSamples

THING = torch.tensor([0.8, 0.4, 4.0])
SIZE = 0.6
BAIT = torch.tensor([-1.0, -0.6, 4.0])
PHRASES = EncodedPhrases(
    texts=("thing", "wall", "nothing"),
    embeddings=torch.eye(4)[[0, 1, 3]],
    negatives=torch.nn.functional.normalize(torch.tensor([[0.0, 0.3, 1.0, 0.0], [0.2, 0.0, 1.0, 0.0]]), dim=-1),
    temperature=10.0,
)


class Wall(Model):
    """A field in closed form."""

    name = "wall"

    def __init__(self, language: bool = True) -> None:
        super().__init__(ModelConfig(), ModelContext(4, {"embedding": 4}, (0.04, 0.4) if language else None))

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def answers_phrases(self) -> bool:
        return True

    def param_groups(self) -> list[ParamGroup]:
        return []

    def loss(self, batch: object, step: int) -> dict[str, torch.Tensor]:
        raise AssertionError("nothing is learnt here")

    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        return self.surface(camera)[0]

    def view(self, camera: Camera) -> "WallView":
        rendered, samples = self.surface(camera)
        assert rendered.depth_scene is not None
        return WallView(camera, rendered, *distance_and_points(rendered.depth_scene, camera), self, samples)

    def boundary_features(self, samples: SurfaceSamples) -> torch.Tensor | None:
        return None

    def surface(self, camera: Camera) -> tuple[Rendered, SurfaceSamples]:
        pixels = camera.pixel_centres().reshape(-1, 2)
        rays = Cameras.from_list([camera]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
        along = (4 - rays.origins[:, 2]) / rays.directions[:, 2]
        distance = torch.where(along > 0, along, torch.inf)  # the wall may be behind the camera
        points = rays.origins + rays.directions * along.clamp_min(0)[:, None]
        shape = (camera.height_px, camera.width_px)
        rendered = Rendered(
            rgb=torch.full((*shape, 3), 0.5),
            alpha=torch.ones(shape),
            depth_scene=(distance * rays.z_per_distance).reshape(shape),
        )
        return rendered, SurfaceSamples(points, torch.ones(len(points)), torch.arange(len(points)), len(points))

    def embed(self, samples: SurfaceSamples, scale_scene: torch.Tensor) -> torch.Tensor:
        away = (samples.points - THING).norm(dim=-1)
        thing = torch.exp(-((away / SIZE) ** 2) - ((scale_scene - SIZE) / SIZE) ** 2)
        bait = ((samples.points - BAIT).norm(dim=-1) < 0.05) & (scale_scene > 3)
        thing = torch.where(bait, torch.tensor(1.5), thing)
        out = torch.stack([thing, 0.5 * torch.ones_like(thing), 0.2 * torch.ones_like(thing), 0 * thing], dim=-1)
        return torch.nn.functional.normalize(out, dim=-1)


@dataclass(frozen=True)
class WallPixels:
    """Some pixels of a view of the wall."""

    wall: Wall
    samples: SurfaceSamples

    def embedding(self, scale_scene: torch.Tensor) -> torch.Tensor:
        return self.wall.embed(self.samples, scale_scene)

    def relevancy_at(self, scale_scene: torch.Tensor) -> Callable[[EncodedPhrases], torch.Tensor]:
        embedding = self.embedding(scale_scene)
        return lambda phrases: phrases.relevancy(embedding)


@dataclass(frozen=True)
class WallView(RenderedView):
    """A camera that looks at the wall."""

    wall: Wall
    samples: SurfaceSamples

    def of_pixels(self, pixels: torch.Tensor) -> WallPixels:
        return WallPixels(self.wall, self.samples.of_rays(pixels)[0])

    def embedding(self, scale_scene: torch.Tensor) -> torch.Tensor:
        return self.wall.embed(self.samples, scale_scene)

    def relevancy(self, phrases: EncodedPhrases, scale_scene: torch.Tensor) -> torch.Tensor:
        relevancy = phrases.relevancy(self.embedding(scale_scene))
        return relevancy.T.reshape(len(phrases), self.camera.height_px, self.camera.width_px)

    def boundary_features(self, pixels: torch.Tensor) -> torch.Tensor | None:
        return self.wall.boundary_features(self.samples.of_rays(pixels)[0])


def camera_at(x: float, y: float, width: int = 64, height: int = 48) -> Camera:
    """Looking along +z from (x, y, 0) of the scene frame."""
    pose = np.eye(4)
    pose[:2, 3] = x, y
    return Camera(pose, width, height, 0.9 * width, 0.9 * width, width / 2, height / 2)


def observed_scales() -> ObservedScales:
    """Photos from z = 0 with crops of 0.05 … 0.5 of a picture as high as it is far."""
    return ObservedScales.between(0.04, 0.4, torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]]))
