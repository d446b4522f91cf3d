"""Masks of relevancy maps and how well they fit, on whole batches of maps at once and on any device."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Float64, Int64, Shaped
from torch import Tensor

_BOX_PX = 30
_MAJORITY_REACH_PX = 3
_LERF_OVS_THRESHOLD = 0.4
_BOUNDARY_SHARE = 0.02


@dataclass(frozen=True)
class MaskRule:
    """How relevancy maps become masks; `name` goes into results."""

    name: str
    masks: Callable[[Float32[Tensor, "p h w"]], Bool[Tensor, "p h w"]]


def box_filtered(maps: Float32[Tensor, "p h w"]) -> Float32[Tensor, "p h w"]:
    """The mean over 30 × 30 pixels as OpenCV's `filter2D` takes it: from 15 pixels before to 14 after, the picture
    mirrored about its outermost pixels (reflect 101). Sums are in float64 and then rounded, so that means which differ
    by the order of a sum alone are ties."""
    before, after = _BOX_PX // 2, _BOX_PX - 1 - _BOX_PX // 2
    height, width = maps.shape[1:]
    rows, columns = (_mirrored(side, before, after, maps.device) for side in (height, width))
    along = _running(maps.double()[:, rows], _BOX_PX, 1, torch.add)
    return (_running(along[:, :, columns], _BOX_PX, 2, torch.add) / _BOX_PX**2).float()


def half_smoothed(maps: Float32[Tensor, "p h w"]) -> Float32[Tensor, "p h w"]:
    """Half the map and half its `box_filtered`."""
    return (maps + box_filtered(maps)) / 2


def cut(smoothed: Float32[Tensor, "p h w"]) -> Bool[Tensor, "p h w"]:
    """The masks that LERF-OVS's evaluation cuts out of smoothed maps: each stretched to [0, 1] (its range + 1e-9),
    kept where 2x − 1 > 0.4, then the `majority`. A map that is the same everywhere gives an empty mask."""
    low = smoothed - smoothed.amin(dim=(1, 2), keepdim=True)
    stretched = low / (low.amax(dim=(1, 2), keepdim=True) + 1e-9)
    return majority((2 * stretched - 1).clamp(0, 1) > _LERF_OVS_THRESHOLD)


def lerf_ovs_masks(maps: Float32[Tensor, "p h w"]) -> Bool[Tensor, "p h w"]:
    """The masks that LERF-OVS's evaluation makes of relevancy maps (LangSplat, Qin et al. 2024)."""
    return cut(half_smoothed(maps))


LERF_OVS_RULE = MaskRule("lerf-ovs", lerf_ovs_masks)
ANSWER_RULE = MaskRule("answer", lambda masks: masks > 0.5)  # of masks that answers have, as 0 and 1


def majority(masks: Bool[Tensor, "p h w"]) -> Bool[Tensor, "p h w"]:
    """Whether most of the 7 × 7 pixels about each are true; a tie is false.

    As in LERF-OVS's evaluation, windows are cut at the picture's border, and their slice's end at the last row and
    column, which therefore never vote (pictures are larger than one pixel both ways).
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


def boundaries(masks: Bool[Tensor, "p h w"], share: float = _BOUNDARY_SHARE) -> Bool[Tensor, "p h w"]:
    """The pixels of masks near their edges (Cheng et al. 2021, "Boundary IoU"): what erosion by 3 × 3 pixels takes
    away, done round(share · the picture's diagonal) times and at least once. Outside the picture nothing is true.

    n erosions by 3 × 3 are one by (2n + 1) × (2n + 1), and that is one along rows after one along columns.
    """
    height, width = masks.shape[1:]
    reach = max(1, round(share * (height**2 + width**2) ** 0.5))
    framed = torch.nn.functional.pad(masks, (reach, reach, reach, reach))
    eroded = _running(framed, 2 * reach + 1, 1, torch.logical_and)
    return masks & ~_running(eroded, 2 * reach + 1, 2, torch.logical_and)


def ious(one: Bool[Tensor, "p h w"], other: Bool[Tensor, "p h w"]) -> Float64[Tensor, " p"]:
    """Intersection over union of each pair; 0 where both are empty (nothing was found)."""
    both, either = ((part).sum(dim=(1, 2)).double() for part in (one & other, one | other))
    return both / either.clamp_min(1)


def _running(
    values: Shaped[Tensor, "p h w"], length: int, dim: int, combine: Callable[[Tensor, Tensor], Tensor]
) -> Shaped[Tensor, "p h2 w2"]:
    """values[i] ∘ … ∘ values[i + length − 1] along one dimension, in log₂(length) steps and one order for every i:
    runs of 1, 2, 4, … are made from each other, and those that `length` is the sum of are put in a row."""
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
    """Indices −before … side + after − 1, mirrored about the first and the last one as often as needed."""
    index = torch.arange(-before, side + after, device=device)
    if side == 1:
        return torch.zeros_like(index)
    index = index.remainder(2 * side - 2)
    return torch.where(index < side, index, 2 * side - 2 - index)
