"""What training hands to a model: batches with named targets, and the groups of parameters that it gets back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from langfield.core.cameras import Camera
from langfield.core.rays import Rays


@dataclass(frozen=True)
class RayBatch:
    """What one step sees of a model that learns from rays.

    Attributes:
        rays: R of them, in the scene frame; their `camera_index` counts the training photos.
        targets: tensors by name, a row for each of the first rays: "rgb" (R, 3) has one for every ray, those that
            encoders made one for the first L ≤ R. See `langfield.features.targets`.
        jitter: uniform numbers in [0, 1) for stratified sampling, so that a loss is a pure function of parameters,
            batch and step; None puts samples at their middles.
    """

    rays: Rays
    targets: Mapping[str, Tensor]
    jitter: Float[Tensor, "r k"] | None = None


@dataclass(frozen=True)
class Photo:
    """A photo to learn from.

    Attributes:
        number: counts the training photos.
        camera: a pinhole in the scene frame.
        rgb: the photo as that camera sees it, in [0, 1].
        used: pixels that may be learnt from; None for all.
    """

    number: int
    camera: Camera
    rgb: Float[Tensor, "h w 3"]
    used: Bool[Tensor, "h w"] | None = None


@dataclass(frozen=True)
class PhotoBatch:
    """What one step sees of a model that learns from whole photos: one or more of them, of any size."""

    photos: tuple[Photo, ...]


@dataclass(frozen=True)
class RayBatching:
    """The model learns from `RayBatch`es."""


@dataclass(frozen=True)
class PhotoBatching:
    """The model learns from `PhotoBatch`es of so many photos, seen at half their size in the first steps."""

    photos_per_step: int = 1
    half_size_until: int = 0


@dataclass(frozen=True)
class ParamGroup:
    """Parameters that share an optimiser setting.

    The learning rate falls exponentially from `lr` at step 0 to `lr_end` at `lr_end_step`, then stays. With
    `rectified`, Adam's step is scaled by RAdam's variance rectification (a warm-up without a setting).
    """

    name: str
    params: list[nn.Parameter]
    lr: float
    lr_end: float
    lr_end_step: int
    eps: float = 1e-15
    weight_decay: float = 0.0
    rectified: bool = False


@runtime_checkable
class OptimiserAccess(Protocol):
    """What a model may see of the optimiser after a step."""

    def moments(self, parameter: nn.Parameter) -> Sequence[Tensor]:
        """Adam's two moments of a parameter, to be changed in place; empty before its first step."""
        ...

    def learning_rate(self, group: str, step: int) -> float:
        """Of the parameter group of that name at a step."""
        ...
