"""Everything mode: which of all candidates of a photo are its masks.

Kirillov et al., Segment Anything (2023), appendix B: the sure and stable ones, of several that say the same the best.
As published it takes a minute a photo; here stability and overlaps are measured on the model's own small masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.encoders.masks.base import EverythingSettings, ProposedMasks
from langfield.encoders.masks.crops import Crop
from langfield.encoders.masks.frame import ModelFrame
from langfield.encoders.masks.suppression import best_of_overlapping, mask_ious

_COMPARED_PX = 384  # masks of different crops are compared in a picture whose longer side has at most so many


@dataclass(frozen=True)
class Candidates:
    """What the decoder says of N prompts, three masks each, before anything is dropped: the model's own small masks."""

    logits: Float[Tensor, "n lh lw"]
    predicted_iou: Float[Tensor, " n"]
    stability: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.logits)

    def some(self, which: Int64[Tensor, " k"] | Bool[Tensor, " n"] | slice) -> "Candidates":
        """Some of them. A mask of booleans waits for the device, numbers do not."""
        which = which.nonzero()[:, 0] if isinstance(which, Tensor) and which.dtype == torch.bool else which
        return Candidates(self.logits[which], self.predicted_iou[which], self.stability[which])

    @classmethod
    def joined(cls, parts: Sequence["Candidates"]) -> "Candidates":
        """Those of several, in their order."""
        logits, iou, stability = zip(*((p.logits, p.predicted_iou, p.stability) for p in parts), strict=True)
        return cls(torch.cat(logits), torch.cat(iou), torch.cat(stability))


@dataclass(frozen=True)
class Region:
    """A crop of a photo that was searched.

    Attributes:
        crop: of the photo.
        frame: where the crop lies in the model's square.
        candidates: what was found in it.
    """

    crop: Crop
    frame: ModelFrame
    candidates: Candidates


def best(found: Candidates, frame: ModelFrame, settings: EverythingSettings) -> Candidates:
    """Those of one region that everything mode keeps, highest predicted IoU first."""
    sure = (found.predicted_iou >= settings.min_predicted_iou) & (found.stability >= settings.min_stability)
    which = sure.nonzero()[:, 0]
    sorted_ = found.some(which[found.predicted_iou[which].argsort(descending=True, stable=True)])
    ious = mask_ious(frame.used(sorted_.logits) > 0)
    return sorted_.some(best_of_overlapping(ious, settings.max_overlap_iou))


def masks_of_photo(
    regions: Sequence[Region], settings: EverythingSettings, height_px: int, width_px: int
) -> ProposedMasks:
    """The masks of a photo, highest predicted IoU first: the best of each region, and of those the best again.

    A crop's mask that the crop cuts off is left out. The device is waited for a few times a region.
    """
    kept = [best(region.candidates, region.frame, settings) for region in regions]
    if len(regions) > 1:
        kept = _best_of_regions(regions, kept, settings, (height_px, width_px))
    found = Candidates.joined(kept)
    if len(regions) == 1:
        masks = regions[0].frame.masks(found.logits)
        some = masks.flatten(1).any(1).nonzero()[:, 0]
        return ProposedMasks(masks[some], found.predicted_iou[some], found.stability[some])
    masks = torch.zeros(len(found), height_px, width_px, dtype=torch.bool, device=found.logits.device)
    start = 0
    for region, part in zip(regions, kept, strict=True):
        region.crop.paste(region.frame.masks(part.logits), masks[start : start + len(part)])
        start += len(part)
    some = masks.flatten(1).any(1).nonzero()[:, 0]
    some = some[found.predicted_iou[some].argsort(descending=True, stable=True)]
    return ProposedMasks(masks[some], found.predicted_iou[some], found.stability[some])


def _best_of_regions(
    regions: Sequence[Region], kept: Sequence[Candidates], settings: EverythingSettings, photo: tuple[int, int]
) -> list[Candidates]:
    """Of what several regions keep those that no crop cuts off, and of several that say the same the surest."""
    scale = min(1.0, _COMPARED_PX / max(photo))
    height, width = (max(round(size * scale), 1) for size in photo)
    device = kept[0].logits.device
    masks = torch.zeros(sum(map(len, kept)), height, width, dtype=torch.bool, device=device)
    whole = torch.ones(len(masks), dtype=torch.bool, device=device)
    start = 0
    for region, part in zip(regions, kept, strict=True):
        end, crop = start + len(part), region.crop.scaled(height, width, photo)
        small = replace(region.frame, height_px=crop.height_px, width_px=crop.width_px).masks(part.logits)
        crop.paste(small, masks[start:end])
        whole[start:end] = ~crop.cuts(small, height, width)
        start = end
    said = torch.cat([part.predicted_iou for part in kept])
    order = said.masked_fill(~whole, -torch.inf).argsort(descending=True, stable=True)
    ious = mask_ious(masks[order]) * whole[order][:, None]  # what is cut off stands in nobody's way
    best_ones = torch.zeros_like(whole)
    best_ones[order] = best_of_overlapping(ious, settings.max_overlap_iou)
    best_ones &= whole
    return [part.some(mine) for part, mine in zip(kept, best_ones.split([len(p) for p in kept]), strict=True)]
