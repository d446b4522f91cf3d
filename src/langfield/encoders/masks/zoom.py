"""Prompts that are asked twice: in the whole photo, and then in a crop about what was found there.

A small encoder sees a photo at a few hundred pixels, a small thing in it at a few dozen. In a crop three times as large
as the thing its mask is as sharp as the photo is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from langfield.core.devices import to_host
from langfield.encoders.masks.base import INSIDE, NO_POINT, OUTSIDE, PromptableImage, PromptedMasks
from langfield.encoders.masks.crops import Crop

_LEAST_PX = 48  # of a crop's longer side
_WHOLE = 0.85  # of the photo's sides: a crop as large as that is not worth asking
_THING = 1  # of a prompt's candidates, the smallest first


@dataclass(frozen=True)
class ZoomedImage:
    """A photo whose prompts are answered in crops of it, one for each prompt: each costs what embedding the photo did.

    Attributes:
        image: the photo.
        whole: the same, embedded.
        embed: embeds a crop.
        zoom: a crop's sides by those of the box of what was found, the middle candidate of three.
    """

    image: UInt8[Tensor, "h w 3"]
    whole: PromptableImage
    embed: Callable[[UInt8[Tensor, "ch cw 3"]], PromptableImage]
    zoom: float

    @torch.no_grad()
    def masks_at(
        self,
        points_px: Float[Tensor, "q p 2"],
        labels: Int64[Tensor, "q p"],
        boxes_px: Float[Tensor, "q 4"] | None = None,
    ) -> PromptedMasks:
        """See `PromptableImage.masks_at`. A candidate that its crop does not hold, in the photo's answer or
        its own, stays the whole photo's."""
        labels = labels.to(points_px.device)
        found = self.whole.masks_at(points_px, labels, boxes_px)
        masks, said = found.masks.clone(), found.predicted_iou.clone()
        extents = _extents(found.masks)
        for row, boxes in enumerate(extents):
            thing = boxes[_THING]
            if thing is None:
                continue
            points, kinds = points_px[row], labels[row]
            here = [tuple(point) for point in points[kinds == INSIDE].tolist()]
            asked = None if boxes_px is None else boxes_px[row : row + 1]
            crop = self._crop(thing, here, None if asked is None else asked[0].tolist())
            if crop is None:
                continue
            inner = self._asked_in(crop, points, kinds, asked)
            there = inner.masks[0].flatten(1).any(1) & ~crop.cuts(inner.masks[0], *self.image.shape[:2])
            usable = there.tolist()
            for number, box in enumerate(boxes):
                if box is not None and _holds(crop, box) and usable[number]:
                    masks[row, number] = False
                    crop.paste(inner.masks[:, number], masks[row, number : number + 1])
                    said[row, number] = inner.predicted_iou[0, number]
        return PromptedMasks.smallest_first(masks, said)

    def _crop(
        self,
        thing: tuple[int, int, int, int],
        points: Sequence[tuple[float, ...]],
        asked: Sequence[float] | None,
    ) -> Crop | None:
        """The crop about a thing's box that holds what was asked for, in the photo's shape; None if that is nearly all
        of the photo."""
        height, width = self.image.shape[:2]
        corners = [(x, y) for x, y in points] + ([] if asked is None else [(asked[0], asked[1]), (asked[2], asked[3])])
        left, right = (pick([thing[at], *(x for x, _ in corners)]) for pick, at in ((min, 0), (max, 2)))
        top, bottom = (pick([thing[at], *(y for _, y in corners)]) for pick, at in ((min, 1), (max, 3)))
        scale = max(self.zoom * max((right - left) / width, (bottom - top) / height), _LEAST_PX / max(height, width))
        if scale >= _WHOLE:
            return None
        wide, tall = max(1, round(scale * width)), max(1, round(scale * height))
        start_x, start_y = round((left + right - wide) / 2), round((top + bottom - tall) / 2)
        return Crop(min(max(start_x, 0), width - wide), min(max(start_y, 0), height - tall), wide, tall)

    def _asked_in(
        self, crop: Crop, points: Float[Tensor, "p 2"], kinds: Int64[Tensor, " p"], box: Float[Tensor, "1 4"] | None
    ) -> PromptedMasks:
        """The same prompt in a crop. Points outside of the thing that the crop does not show say nothing there."""
        corner = torch.tensor([crop.left_px, crop.top_px], dtype=points.dtype, device=points.device)
        moved = points - corner
        size = torch.tensor([crop.width_px, crop.height_px], dtype=points.dtype, device=points.device)
        beyond = ((moved < 0) | (moved > size)).any(dim=1) & (kinds == OUTSIDE)
        asked = None if box is None else box - corner.to(box.device).repeat(2)
        return self.embed(crop.of(self.image)).masks_at(moved[None], kinds.masked_fill(beyond, NO_POINT)[None], asked)


def _holds(crop: Crop, box: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = box
    return crop.left_px <= left and crop.top_px <= top and right <= crop.right_px and bottom <= crop.bottom_px


def _extents(masks: Bool[Tensor, "q k h w"]) -> list[list[tuple[int, int, int, int] | None]]:
    """Left, top, right and bottom (the latter exclusive) of each mask; None for one without a pixel."""
    columns, rows = to_host(masks.any(dim=2), masks.any(dim=3))
    boxes: list[list[tuple[int, int, int, int] | None]] = []
    for of_columns, of_rows in zip(columns, rows, strict=True):
        found: list[tuple[int, int, int, int] | None] = []
        for column, row in zip(of_columns, of_rows, strict=True):
            xs, ys = column.nonzero()[0], row.nonzero()[0]
            found.append((int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1) if len(xs) else None)
        boxes.append(found)
    return boxes
