"""The target "mask": which of a photo's masks a pixel belongs to at a physical scale, drawn for each photo and step.

The masks of a photo overlap: a handle, its cup, the tea set. At a scale t a pixel belongs to the largest of its masks
whose scale is at most t. Two pixels are then together at t if some mask of scale t or less holds both and neither lies
in a larger one of those: for masks that are nested, the cut of their tree at t, so that what is together at one scale
is together at all larger ones. GARField (Kim et al. 2024, §3.2) draws one mask for each pixel instead, and compares
pixels at different scales; here all rays of a photo are compared at one scale, which is how the field is asked.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from langfield.core.errors import DataError
from langfield.features.photos import ScaledMasks, TrainingPhotos

MASK_TARGET = "mask"

# The range of drawn scales: quantiles of the masks' own, so that a few odd masks do not stretch it, and room above the
# largest, at which that one is still whole.
_LOW_QUANTILE, _HIGH_QUANTILE = 0.02, 0.98
_ROOM_ABOVE = 1.5


class MaskTargets:
    """Gives, of each pixel, the targets

    * "mask": (L,) int64, the mask that the pixel belongs to at "mask_scale": its number among the photo's masks, in
      the order of `ScaledMasks.masks_of_photo`, or −1 for none;
    * "mask_photo": (L,) int64, the scene's index of its photo: numbers of masks are a photo's own;
    * "mask_scale": (L,) the photo's scale in this step, scene units: uniform in its logarithm within `scale_range`;
    * "mask_larger" and "mask_larger_scale": likewise, at a scale between that and the largest of the range.

    Memory: a bit for each pixel and mask (of 130 photos of 640 × 480 with 60 masks, 320 MB), on the device.

    Attributes:
        scale_range: smallest and largest scale that is drawn, scene units.
    """

    scale_range: tuple[float, float]

    def __init__(self, photos: TrainingPhotos, masks: ScaledMasks, device: torch.device | str) -> None:
        """Pack the photos' masks.

        Args:
            photos: those that have masks.
            masks: theirs.
            device: where targets are needed.

        Raises:
            DataError: masks that are not of their photo's size, or no mask of a known scale.
        """
        packed = [_PackedPhoto.of(photos, masks, index) for index in photos.view_indices]
        scales = np.concatenate([photo.scales for photo in packed])
        if not len(scales):
            raise DataError("no photo has a mask of a known scale; use a mask proposer that finds some")
        low, high = np.quantile(scales, [_LOW_QUANTILE, _HIGH_QUANTILE])
        self.scale_range = float(low), float(high) * _ROOM_ABOVE
        views, most_bytes = len(photos.scene.views), max(photo.bits.shape[1] for photo in packed)
        table = np.zeros((3, views), np.int64)  # where a photo's bytes begin, its bytes a pixel, its width
        limit = np.full((views, 8 * most_bytes), np.inf, np.float32)
        number = np.zeros((views, 8 * most_bytes), np.int64)
        begin = 0
        for index, photo in zip(photos.view_indices, packed, strict=True):
            table[:, index] = begin, photo.bits.shape[1], photo.width_px
            limit[index, : len(photo.scales)], number[index, : len(photo.scales)] = photo.scales, photo.numbers
            begin += photo.bits.size
        # Reading `most_bytes` of a pixel goes on into the next pixel's, which the infinite limits leave out.
        every = np.concatenate([*(photo.bits.reshape(-1) for photo in packed), np.zeros(most_bytes, np.uint8)])
        self._bits, self._limit, self._number = (torch.from_numpy(a).to(device) for a in (every, limit, number))
        self._first, self._stride, self._width = torch.from_numpy(table).to(device)
        self._byte = torch.arange(most_bytes, device=device)
        self._bit = torch.arange(8, device=device, dtype=torch.uint8)
        self._rank = torch.arange(1, 8 * most_bytes + 1, device=device)

    def sample(
        self, view_index: Int64[Tensor, " l"], xy_px: Float[Tensor, "l 2"], generator: torch.Generator
    ) -> dict[str, Tensor]:
        """See `TargetSource.sample`."""
        low, high = self.scale_range
        drawn = torch.rand((2, len(self._first)), generator=generator, device=generator.device)[:, view_index]
        place = drawn[0] * math.log(high / low)
        scale = low * torch.exp(place)
        larger = scale * torch.exp(drawn[1] * (math.log(high / low) - place))
        return {
            "mask": self.mask_at(view_index, xy_px, scale),
            "mask_photo": view_index,
            "mask_scale": scale,
            "mask_larger": self.mask_at(view_index, xy_px, larger),
            "mask_larger_scale": larger,
        }

    def mask_at(
        self, view_index: Int64[Tensor, " l"], xy_px: Float[Tensor, "l 2"], scale_scene: Float[Tensor, " l"]
    ) -> Int64[Tensor, " l"]:
        """The number of the largest mask of at most a scale that holds each pixel; −1 for none."""
        column, row = xy_px.long().unbind(-1)
        pixel = row * self._width[view_index] + column
        at = (self._first[view_index] + pixel * self._stride[view_index])[:, None] + self._byte
        inside = ((self._bits[at][..., None] >> self._bit) & 1).flatten(1)
        allowed = inside.bool() & (self._limit[view_index] <= scale_scene[:, None])
        rank = (allowed * self._rank).amax(dim=1)  # masks rise in scale
        number = self._number[view_index].gather(1, (rank - 1).clamp_min(0)[:, None])[:, 0]
        return torch.where(rank > 0, number, -1)


class _PackedPhoto:
    """The masks of a photo whose scale is known, rising in scale, as bits.

    Attributes:
        bits: (H·W, B) a bit for each mask, lowest first.
        scales: of the masks, scene units.
        numbers: which of the photo's masks they are.
    """

    def __init__(
        self,
        bits: UInt8[np.ndarray, "p b"],
        scales: Float[np.ndarray, " m"],
        numbers: Int64[np.ndarray, " m"],
        width_px: int,
    ) -> None:
        self.bits, self.scales, self.numbers, self.width_px = bits, scales, numbers, width_px

    @classmethod
    def of(cls, photos: TrainingPhotos, masks: ScaledMasks, index: int) -> "_PackedPhoto":
        view = photos.scene.views[index]
        found, scales = masks.masks_of_photo(index), masks.scales_of_photo(index).double().cpu().numpy()
        width, height = view.size_px
        if tuple(found.shape) != (len(scales), height, width):
            raise DataError(
                f"the masks have the shape {list(found.shape)}; {len(scales)} of {height} by {width} pixels are needed",
                view.image_path,
            )
        order = np.argsort(scales, kind="stable")
        order = order[np.isfinite(scales[order]) & (scales[order] > 0)]
        dense = found[torch.from_numpy(order).to(found.device)].cpu().numpy().reshape(len(order), height * width)
        bits = np.packbits(dense, axis=0, bitorder="little").T
        return cls(np.ascontiguousarray(bits), scales[order].astype(np.float32), order, width)
