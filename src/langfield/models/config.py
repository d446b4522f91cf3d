"""What a model is built from: its config, and what it must know of the scene and the encoders."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch

from langfield.core.checks import check_counts, check_that
from langfield.core.errors import UsageError
from langfield.core.progress import Progress
from langfield.models.batches import PhotoBatching, RayBatching


@dataclass(frozen=True)
class ModelContext:
    """What a model's parameters depend on besides its config. Kept in run.json.

    Attributes:
        photos: number of training photos.
        target_dims: size of the vectors of each target that encoders make: "embedding" (image-text), "dense"
            (self-supervised). A head whose target is not there is not built.
        crop_angles: smallest and largest crop height over focal length in the training photos' pyramids; None without
            image-text features.
    """

    photos: int
    target_dims: Mapping[str, int] = field(default_factory=dict)
    crop_angles: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_counts(self, "photos")
        check_that(self, "target_dims", all(dim >= 1 for dim in self.target_dims.values()), "sizes of at least 1")
        if self.crop_angles is not None:
            smallest, largest = self.crop_angles
            rising = 0 < smallest <= largest < math.inf
            check_that(self, "crop_angles", rising, "a smallest and a largest finite angle above 0")


@dataclass(frozen=True)
class ModelConfig:
    """Base of all models' configs. Each names the model it belongs to."""

    model: ClassVar[str]

    @property
    def targets(self) -> frozenset[str]:
        """Every target that such a model can learn from, given the encoders that make them."""
        return frozenset({"rgb"})

    @property
    def batching(self) -> RayBatching | PhotoBatching:
        """What its batches are made of."""
        return RayBatching()

    @property
    def rays_at_once(self) -> int:
        """Of how many rays, or pixels, the pieces are that it renders: what threads of a CPU share."""
        return 2**15

    def prepare_device(self, device: torch.device, log: Path, progress: Progress, say: Callable[[str], None]) -> None:
        """Have what the model needs on a device (compiled kernels), before anything long begins.

        Raises UsageError that says what is missing. Args: log: file for what compilers say.
        """
        return

    def with_capacity(self, gaussians: int, sh_degree: int) -> "ModelConfig":
        """The config of a model with room for exactly so many Gaussians. UsageError if it holds none."""
        raise UsageError(f"the model {self.model} holds no Gaussians; use one that does, as of the preset splat")
