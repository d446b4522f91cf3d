"""What a model is built from: its config, and facts about the scene and the encoders."""

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
    """What a model's parameters depend on besides its config. It is saved in run.json.

    Attributes:
        photos: number of training photos.
        target_dims: size of the vectors of each target that encoders make: "embedding" (image-text), "dense"
            (self-supervised). Heads whose target is missing are not built.
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
    """Base of all models' configs.

    Attributes:
        model: name of the model that the config is of.
    """

    model: ClassVar[str]

    @property
    def targets(self) -> frozenset[str]:
        """Names of all targets that the model can learn from, if encoders make them."""
        return frozenset({"rgb"})

    @property
    def batching(self) -> RayBatching | PhotoBatching:
        """What the model's batches are made of: rays or whole photos."""
        return RayBatching()

    @property
    def rays_at_once(self) -> int:
        """Of how many rays, or pixels, the pieces are that it renders: what threads of a CPU share."""
        return 2**15

    def prepare_device(
        self, device: torch.device, build_log: Path, progress: Progress, log: Callable[[str], None]
    ) -> None:
        """Make what the model needs on a device (compiled kernels), before any long work.

        Args:
            build_log: file for the output of compilers.
            progress: gets the stage "kernels".
            log: gets lines for people.

        Raises:
            UsageError: something is missing, and how to get it.
        """
        return

    def with_capacity(self, gaussians: int, sh_degree: int) -> "ModelConfig":
        """The config of a model for exactly so many Gaussians with harmonics of that degree.

        Raises:
            UsageError: the model holds no Gaussians.
        """
        raise UsageError(f"the model {self.model} holds no Gaussians; use one that does, as of the preset splat")
