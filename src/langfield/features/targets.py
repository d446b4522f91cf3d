"""Named targets: what heads learn from at a step's pixels, besides their colour.

"embedding" and "crop_angle" come from the image-text encoder's crop pyramid, "dense" from the self-supervised encoder;
a head may bring a source of its own (`langfield.models.heads.HeadConfig.target_source`).
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
    """Gives targets of pixels of photos."""

    def sample(
        self, view_index: Int64[Tensor, " l"], xy_px: Float[Tensor, "l 2"], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Targets by name, a row for each pixel, without waiting for the device.

        Args:
            view_index: the scene's index of each pixel's view.
            xy_px: x, y of the pixel in the photo at its used size, with pixel centres at +0.5.
            generator: for random numbers, on the device.
        """
        ...


class EncoderTargets:
    """Targets from encoders' features: "embedding" with "crop_angle", and "dense".

    Each pixel gets one pyramid level, uniform in [0, L − 1] with fractions, as in LERF (Kerr et al. 2023, §3.3).
    "embedding" is the unit image-text embedding of a crop about the pixel, "crop_angle" the crop's height over the
    focal length: times the distance along the ray it is the crop's physical height there, LERF's scale.
    """

    def __init__(self, features: FeatureBank, cameras: Cameras, wanted: frozenset[str]) -> None:
        """Take the features.

        Args:
            features: of some of the scene's views.
            cameras: of all the scene's views, on the features' device.
            wanted: names of the targets that are needed.
        """
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
    """A target given by a picture of C channels for each photo, of the photo's size: its value at the pixel.

    Memory: all pictures, 4 · C bytes a pixel, on the device.
    """

    def __init__(
        self,
        name: str,
        photos: TrainingPhotos,
        picture: Callable[[UInt8[np.ndarray, "h w 3"]], Float32[np.ndarray, "h w c"]],
        device: torch.device | str,
    ) -> None:
        """Make the pictures.

        Args:
            name: of the target.
            photos: those that have targets.
            picture: a function that gives the picture of a photo's pixels.
            device: where targets are needed.
        """
        self._name = name
        pictures = [picture(photos.rgb(index)) for index in photos.view_indices]
        sizes = torch.tensor([values.shape[:2] for values in pictures])
        pixels = sizes.prod(dim=1)
        table = torch.zeros(2, len(photos.scene.views), dtype=torch.int64)
        table[0, list(photos.view_indices)] = pixels.cumsum(0) - pixels
        table[1, list(photos.view_indices)] = sizes[:, 1]
        self._first, self._width = table.to(device)
        self._rows = torch.cat([torch.from_numpy(np.array(values)).flatten(0, 1) for values in pictures]).to(device)

    def sample(
        self, view_index: Int64[Tensor, " l"], xy_px: Float[Tensor, "l 2"], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `TargetSource.sample`."""
        column, row = xy_px.long().unbind(-1)
        return {self._name: self._rows[self._first[view_index] + row * self._width[view_index] + column]}
