"""Masks made of relevancy maps, and how well masks fit the ground truth; for P maps at once, on any device."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, Shaped
from torch import Tensor

from langfield.evaluation.labels.base import Label

_BOX_PX = 30
_MAJORITY_REACH_PX = 3
_LERF_OVS_THRESHOLD = 0.4
_BOUNDARY_OF_DIAGONAL = 0.02


def box_filtered(maps: Float32[Tensor, "p h w"]) -> Float32[Tensor, "p h w"]:
    """The mean over 30 × 30 pixels as OpenCV's `filter2D` takes it: from 15 pixels before to 14 after, the picture
    mirrored about its outermost pixels (reflect 101).

    Sums are taken in float64 and then rounded to float32, so that equal neighbourhoods have equal means.
    """
    before, after = _BOX_PX // 2, _BOX_PX - 1 - _BOX_PX // 2
    height, width = maps.shape[1:]
    rows, columns = (_mirrored(side, before, after, maps.device) for side in (height, width))
    column_sums = _sliding(maps.double()[:, rows], _BOX_PX, 1, torch.add)
    return (_sliding(column_sums[:, :, columns], _BOX_PX, 2, torch.add) / _BOX_PX**2).float()


def half_smoothed(maps: Float32[Tensor, "p h w"]) -> Float32[Tensor, "p h w"]:
    """Half the map and half its `box_filtered`."""
    return (maps + box_filtered(maps)) / 2


def lerf_ovs_threshold(smoothed: Float32[Tensor, "p h w"]) -> Bool[Tensor, "p h w"]:
    """The masks that LERF-OVS's evaluation makes of smoothed maps: each stretched to [0, 1] (divided by its range +
    1e-9), true where 2x − 1 > 0.4, then the `majority_filter`. A map that is the same everywhere gives an empty mask.
    """
    above_least = smoothed - smoothed.amin(dim=(1, 2), keepdim=True)
    stretched = above_least / (above_least.amax(dim=(1, 2), keepdim=True) + 1e-9)
    return majority_filter((2 * stretched - 1).clamp(0, 1) > _LERF_OVS_THRESHOLD)


def lerf_ovs_masks(maps: Float32[Tensor, "p h w"]) -> Bool[Tensor, "p h w"]:
    """The masks that LERF-OVS's evaluation makes of relevancy maps (LangSplat, Qin et al. 2024)."""
    return lerf_ovs_threshold(half_smoothed(maps))


def majority_filter(masks: Bool[Tensor, "p h w"]) -> Bool[Tensor, "p h w"]:
    """Whether most of the 7 × 7 pixels about each are true; a tie is false. For pictures larger than 1 pixel each way.

    As in LERF-OVS's evaluation: windows end at the picture's border, and the last row and the last column, which its
    slices leave out, are in no window.
    """
    height, width = masks.shape[1:]
    reach = _MAJORITY_REACH_PX
    rows, columns = (torch.arange(side, device=masks.device) for side in (height, width))
    top, bottom = (rows - reach).clamp(min=0), (rows + reach + 1).clamp(max=height - 1)
    left, right = (columns - reach).clamp(min=0), (columns + reach + 1).clamp(max=width - 1)
    sums = torch.nn.functional.pad(masks.to(torch.int32), (1, 0, 1, 0)).cumsum(1, dtype=torch.int32)
    sums = sums.cumsum(2, dtype=torch.int32)
    bands = sums[:, bottom] - sums[:, top]
    votes = bands[:, :, right] - bands[:, :, left]
    voters = (bottom - top)[:, None] * (right - left)[None, :]
    return 2 * votes > voters


def boundaries(masks: Bool[Tensor, "p h w"], share: float = _BOUNDARY_OF_DIAGONAL) -> Bool[Tensor, "p h w"]:
    """The pixels of masks near their edges (Cheng et al. 2021, "Boundary IoU"): those that n erosions by 3 × 3 pixels
    take away, n = round(share · the picture's diagonal), at least 1. Outside the picture masks are false.

    n erosions by 3 × 3 are computed as one by (2n + 1) × (2n + 1): along columns, then along rows.
    """
    height, width = masks.shape[1:]
    reach = max(1, round(share * (height**2 + width**2) ** 0.5))
    framed = torch.nn.functional.pad(masks, (reach, reach, reach, reach))
    eroded = _sliding(framed, 2 * reach + 1, 1, torch.logical_and)
    return masks & ~_sliding(eroded, 2 * reach + 1, 2, torch.logical_and)


def ious(one: Bool[Tensor, "p h w"], other: Bool[Tensor, "p h w"]) -> Float64[Tensor, " p"]:
    """Intersection over union of each pair of masks; 0 where both are empty."""
    intersection, union = (pixels.sum(dim=(1, 2)).double() for pixels in (one & other, one | other))
    return intersection / union.clamp_min(1)


def truth_masks(labels: Iterable[Label], device: torch.device | str) -> Bool[Tensor, "p h w"]:
    """The ground-truth masks of P ≥ 1 labels of one view."""
    return torch.from_numpy(np.stack([label.mask for label in labels])).to(device)


def _sliding(
    values: Shaped[Tensor, "p h w"], length: int, dim: int, combine: Callable[[Tensor, Tensor], Tensor]
) -> Shaped[Tensor, "p h2 w2"]:
    """values[i] ∘ … ∘ values[i + length − 1] for every i along one dimension, where ∘ is `combine`.

    In log₂(length) steps: windows of 1, 2, 4, … values are made of each other, and those whose lengths sum to `length`
    are combined, in the same order for every i.
    """
    count = values.shape[dim] - length + 1
    total, start, step = None, 0, 1
    while step <= length:
        if length & step:
            piece = values.narrow(dim, start, count)
            total = piece if total is None else combine(total, piece)
            start += step
        if 2 * step <= length:
            pairs = values.shape[dim] - step
            values = combine(values.narrow(dim, 0, pairs), values.narrow(dim, step, pairs))
        step *= 2
    assert total is not None
    return total


def _mirrored(side: int, before: int, after: int, device: torch.device) -> Int64[Tensor, " n"]:
    """Indices −before … side + after − 1 brought into 0 … side − 1 by mirroring about the first and the last pixel."""
    index = torch.arange(-before, side + after, device=device)
    if side == 1:
        return torch.zeros_like(index)
    index = index.remainder(2 * side - 2)
    return torch.where(index < side, index, 2 * side - 2 - index)
