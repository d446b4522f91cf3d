"""Named targets: what a step's pixels are compared with besides their colour.

"embedding" and "crop_angle" come from the image-text encoder's crop pyramid, "dense" from the self-supervised encoder;
a head may bring a source of its own (`langfield.models.base.HeadConfig.target_source`).
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from langfield.core.cameras import Cameras
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos


@runtime_checkable
class TargetSource(Protocol):
    """Says of pixels what heads learn from."""

    def sample(
        self, view_index: Int64[Tensor, " l"], xy_px: Float[Tensor, "l 2"], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Targets by name, a row for each pixel, without waiting for the device.

        Args:
            view_index: which of the scene's views each pixel is of.
            xy_px: where in the photo, as it is used.
            generator: for what is random.
        """
        ...


class EncoderTargets:
    """What encoders say of pixels: "embedding" with "crop_angle", and "dense", as far as they are wanted.

    Each pixel gets one pyramid level, uniform in [0, L − 1] with fractions, as in LERF (Kerr et al. 2023, §3.3).
    "embedding" is the unit image-text embedding of a crop about the pixel, "crop_angle" the crop's height over the
    focal length: times the distance along the ray it is the crop's physical height there, LERF's scale.
    """

    def __init__(self, features: FeatureBank, cameras: Cameras, wanted: frozenset[str]) -> None:
        """Args: cameras: of all the scene's views, on the features' device. wanted: names of targets."""
        self._features, self._cameras, self._wanted = features, cameras, wanted

    def sample(
        self, view_index: Int64[Tensor, " l"], xy_px: Float[Tensor, "l 2"], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `TargetSource.sample`."""
        targets: dict[str, Tensor] = {}
        pyramid, dense = self._features.pyramid, self._features.dense
        if "embedding" in self._wanted:
            level = torch.rand(len(view_index), generator=generator, device=generator.device) * (pyramid.levels - 1)
            height_px = self._cameras.size_px[view_index, 1]
            focal_px = self._cameras.focal_px[view_index, 1]
            targets["embedding"] = pyramid.sample(view_index, xy_px, level)
            targets["crop_angle"] = pyramid.crop_fraction(view_index, level) * height_px / focal_px
        if "dense" in self._wanted and dense is not None:
            targets["dense"] = dense.sample(view_index, xy_px)
        return targets


class PictureTarget:
    """A target that is a picture of C channels for each photo, as large as the photo: what is at the pixel.

    Memory: all the pictures, 4 · C bytes a pixel, on the device.
    """

    def __init__(
        self,
        name: str,
        photos: TrainingPhotos,
        picture: Callable[[UInt8[np.ndarray, "h w 3"]], Float32[np.ndarray, "h w c"]],
        device: torch.device | str,
    ) -> None:
        """Make all the pictures, on the device.

        Args:
            name: of the target.
            photos: those that learn it.
            picture: what it is of a photo's pixels.
            device: where training runs.
        """
        self._name = name
        made = [picture(photos.rgb(index)) for index in photos.view_indices]
        sizes = torch.tensor([values.shape[:2] for values in made])
        pixels = sizes.prod(dim=1)
        table = torch.zeros(2, len(photos.scene.views), dtype=torch.int64)
        table[0, list(photos.view_indices)] = pixels.cumsum(0) - pixels
        table[1, list(photos.view_indices)] = sizes[:, 1]
        self._first, self._width = table.to(device)
        self._rows = torch.cat([torch.from_numpy(np.array(values)).flatten(0, 1) for values in made]).to(device)

    def sample(
        self, view_index: Int64[Tensor, " l"], xy_px: Float[Tensor, "l 2"], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `TargetSource.sample`."""
        column, row = xy_px.long().unbind(-1)
        return {self._name: self._rows[self._first[view_index] + row * self._width[view_index] + column]}
