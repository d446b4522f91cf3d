"""What a method is: the small protocol that training, runs and queries know.

A method owns its fields, renderer and losses. It knows nothing of loops, optimisers, files, or phrases.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from langfield.core.cameras import Camera
from langfield.core.rays import Rays


@dataclass(frozen=True)
class RayBatch:
    """What one training step sees: R rays and what the photos and encoders say about them.

    The encoders' features are of the first L ≤ R rays: language may be taught by fewer rays than colour.

    Attributes:
        rays: in the scene frame; their `camera_index` counts the training photos.
        rgb: the photos' colours in [0, 1].
        embedding: unit image-text embedding of a crop about the pixel, or None if the method has no language.
        crop_angle: height of that crop over the focal length (crop_fraction · height_px / fy); times the distance
            along the ray it is the crop's physical height there: LERF's scale.
        dense: self-supervised features at the pixel, or None.
        jitter: uniform numbers in [0, 1) for stratified sampling, so that a loss is a pure function of parameters,
            batch and step; None puts samples at their middles.
    """

    rays: Rays
    rgb: Float[Tensor, "r 3"]
    embedding: Float[Tensor, "l d"] | None = None
    crop_angle: Float[Tensor, " l"] | None = None
    dense: Float[Tensor, "l s"] | None = None
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
    """What one step sees of a method that learns from whole photos: one or more of them, of any size."""

    photos: tuple[Photo, ...]


@dataclass(frozen=True)
class MethodContext:
    """What a method's parameters depend on besides its config. Kept in run.json.

    Attributes:
        photos: number of training photos (`RayBatch.rays.camera_index` counts them).
        embed_dim: size of the image-text embeddings; None for a run without language.
        dense_dim: size of the self-supervised features; None without them.
        crop_angles: smallest and largest `RayBatch.crop_angle` of the training photos; None without language.
    """

    photos: int
    embed_dim: int | None = None
    dense_dim: int | None = None
    crop_angles: tuple[float, float] | None = None


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


@dataclass
class Rendered:
    """What a method shows for one camera: arrays of the picture's size, on the method's device.

    Attributes:
        rgb: (H, W, 3) in [0, 1].
        alpha: (H, W) in [0, 1].
        depth_scene: (H, W) z-depth in scene units; infinite where nothing is.
        channels: further outputs by name.
    """

    rgb: Float[Tensor, "h w 3"] | None = None
    alpha: Float[Tensor, "h w"] | None = None
    depth_scene: Float[Tensor, "h w"] | None = None
    channels: dict[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class Method(Protocol):
    """A trainable scene representation. Implementations are `torch.nn.Module`s."""

    name: str
    config: Any

    def param_groups(self) -> list[ParamGroup]: ...

    def loss(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Named loss terms (their sum is minimised); names starting with "_" are only reported. The batch is a
        `RayBatch` or a `PhotoBatch`, as the method takes it."""
        ...

    def phase(self, step: int) -> Hashable | None:
        """What `loss` does differently at some steps: steps of equal phase run the same operations on the same
        shapes, with no number that depends on the step itself. None where no such promise can be made."""
        ...

    def render(self, camera: Camera, outputs: Sequence[str]) -> Rendered:
        """Render a camera given in the scene frame; `outputs` are among "rgb", "alpha", "depth"."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]: ...

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> Any: ...

    def to(self, device: torch.device | str) -> Any: ...
