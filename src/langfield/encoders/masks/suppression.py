"""Of masks that say the same, the best: greedy non-maximum suppression by the IoU of masks, on the device."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_COLUMNS_CPU = 1 << 14
_ROUNDS_BETWEEN_LOOKS = 4  # chains of masks that suppress each other are seldom longer


def mask_ious(masks: Bool[Tensor, "m h w"]) -> Float[Tensor, "m m"]:
    """IoU of each two masks (float32, exact counts); 0 where both are empty."""
    flat = masks.flatten(1)
    if not len(flat):
        return torch.zeros(0, 0, device=masks.device)
    if masks.device.type == "cuda":  # sums in float32 of products in float16: exact up to 2^24 pixels
        # The fast kernels want sizes that are multiples of eight.
        half = torch.nn.functional.pad(flat.half(), (0, -flat.shape[1] % 8, 0, -len(flat) % 8))
        common = torch.mm(half, half.T, out_dtype=torch.float32)[: len(flat), : len(flat)]
    else:
        common = torch.zeros(len(flat), len(flat))
        for start in range(0, flat.shape[1], _COLUMNS_CPU):
            part = flat[:, start : start + _COLUMNS_CPU].float()
            common += part @ part.T
    areas = common.diagonal()
    return common / (areas[:, None] + areas[None] - common).clamp(min=1)


def best_of_overlapping(ious: Float[Tensor, "m m"], max_iou: float) -> Bool[Tensor, " m"]:
    """Which of m masks, best first, are kept: each that overlaps no better kept one by more than `max_iou`.

    Every mask asks at once which better ones are kept, until nothing changes: that is the greedy answer, because a
    mask's is right once all better masks' are. A device is looked at once in a few rounds, not once a mask.
    """
    beats = (ious > max_iou).triu(diagonal=1).to(torch.float32)  # beats[better, worse]
    kept = torch.ones(len(ious), device=ious.device)
    for round_ in range(1, len(ious) + 1):
        before, kept = kept, (kept @ beats == 0).to(torch.float32)
        if round_ % _ROUNDS_BETWEEN_LOOKS == 0 and torch.equal(before, kept):
            break
    return kept.bool()
