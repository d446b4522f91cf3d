"""Of masks that say the same, the best: greedy non-maximum suppression by the IoU of masks, on the device."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# Sums of so many products of zeros and ones are whole numbers that float16 holds exactly, however they are added up.
_EXACT_HALF = 2048
_COLUMNS_CPU = 1 << 14
_ROUNDS_BETWEEN_LOOKS = 16


def mask_ious(masks: Bool[Tensor, "m h w"]) -> Float[Tensor, "m m"]:
    """IoU of each two masks (float32, exact counts); 0 where both are empty."""
    flat = masks.flatten(1)
    half = masks.device.type == "cuda"
    columns, dtype = (_EXACT_HALF, torch.float16) if half else (_COLUMNS_CPU, torch.float32)
    common = torch.zeros(len(flat), len(flat), device=masks.device)
    for start in range(0, flat.shape[1], columns):
        part = flat[:, start : start + columns].to(dtype)
        common += part @ part.T
    areas = common.diagonal()
    return common / (areas[:, None] + areas[None] - common).clamp(min=1)


def best_of_overlapping(ious: Float[Tensor, "m m"], max_iou: float) -> Bool[Tensor, " m"]:
    """Which of m masks, best first, are kept: each that overlaps no better kept one by more than `max_iou`.

    Every mask asks at once which better ones are kept, until nothing changes: that is the greedy answer, because a
    mask's is right once all better masks' are. A device is looked at once in 16 rounds, not once a mask.
    """
    beats = (ious > max_iou).triu(diagonal=1).to(torch.float32)  # beats[better, worse]
    kept = torch.ones(len(ious), device=ious.device)
    for round_ in range(1, len(ious) + 1):
        before, kept = kept, (kept @ beats == 0).to(torch.float32)
        if round_ % _ROUNDS_BETWEEN_LOOKS == 0 and torch.equal(before, kept):
            break
    return kept.bool()
