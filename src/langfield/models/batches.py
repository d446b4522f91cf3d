"""What training and models exchange: batches with named targets, and groups of parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from langfield.core.cameras import Camera
from langfield.core.rays import Rays


@dataclass(frozen=True)
class RayBatch:
    """The batch of one step for a model that learns from R rays.

    Attributes:
        rays: in the scene frame; their `camera_index` is that of the training photo.
        targets: by name: "rgb" (R, 3), and others (L, …) for the first L ≤ R rays, see `langfield.features.targets`.
        jitter: uniform random numbers in [0, 1) for stratified sampling, a column for each round of samples. They are
            part of the batch, so that a loss is a pure function of parameters, batch and step. None puts samples at the
            middles of their intervals.
    """

    rays: Rays
    targets: Mapping[str, Tensor]
    jitter: Float[Tensor, "r k"] | None = None


@dataclass(frozen=True)
class Photo:
    """A photo to learn from.

    Attributes:
        index: which of the training photos it is.
        camera: a pinhole in the scene frame.
        rgb: (H, W, 3) the undistorted photo, in [0, 1].
        mask: (H, W) the pixels that may be learnt from; None for all.
    """

    index: int
    camera: Camera
    rgb: Float[Tensor, "h w 3"]
    mask: Bool[Tensor, "h w"] | None = None


@dataclass(frozen=True)
class PhotoBatch:
    """The batch of one step for a model that learns from whole photos.

    Attributes:
        photos: one or more, of any sizes.
    """

    photos: tuple[Photo, ...]


@dataclass(frozen=True)
class RayBatching:
    """The model learns from `RayBatch`es."""


@dataclass(frozen=True)
class PhotoBatching:
    """The model learns from `PhotoBatch`es.

    Attributes:
        photos_per_step: photos in a batch.
        half_size_until: first steps, in which photos have half their width and height.
    """

    photos_per_step: int = 1
    half_size_until: int = 0


@dataclass(frozen=True)
class ParamGroup:
    """Parameters that share an optimiser setting.

    The learning rate decays exponentially from `lr` at step 0 to `lr_end` at step `lr_end_step`, and then stays.

    Attributes:
        name: unique within a model.
        params: the parameters.
        lr: see above.
        lr_end: see above.
        lr_end_step: see above.
        eps: Adam's ε.
        weight_decay: L2 regularisation, added to the gradient.
        rectified: multiply Adam's steps by RAdam's variance rectification, which warms up without a setting.
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
    """What a model may read and change of the optimiser after a step."""

    def moments(self, parameter: nn.Parameter) -> Sequence[Tensor]:
        """Adam's two moments of a parameter, to be changed in place; empty before its first step."""
        ...

    def learning_rate(self, group: str, step: int) -> float:
        """The learning rate of a parameter group, given by name, at a step."""
        ...
