"""What masks are trained on: focal loss and Dice of each candidate, its own IoU, and the cells' agreement."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, normalize

FOCAL = 20.0  # SAM's weight beside Dice's 1


def mask_losses(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Loss (...,) of masks, and their IoU (...,) at the threshold 0 without a gradient.

    Args:
        logits: (..., M). truth: (..., M) share of each mask pixel that is inside.
    """
    logits, truth = logits.float(), truth.float()
    likely = logits.sigmoid()
    apart = (likely - truth).square()  # focal loss (γ = 2) for shares: 0 where the share is met
    focal = (apart * binary_cross_entropy_with_logits(logits, truth, reduction="none")).mean(-1)
    dice = 1 - (2 * (likely * truth).sum(-1) + 1) / (likely.sum(-1) + truth.sum(-1) + 1)
    with torch.no_grad():
        said, true = logits > 0, truth > 0.5
        iou = (said & true).sum(-1) / (said | true).sum(-1).clamp(min=1)
    return FOCAL * focal + dice, iou


def iou_loss(said: Tensor, iou: Tensor) -> Tensor:
    """(...,) squared error of what a model says its masks' IoUs are."""
    return mse_loss(said.float(), iou, reduction="none")


def agreement_loss(embedding: Tensor, label: Tensor, temperature: float = 0.1) -> Tensor:
    """() How badly cells of one thing look alike and those of different things apart (supervised contrastive loss,
    Khosla et al. 2020, eq. 2), within each picture.

    Args:
        embedding: (B, K, C) of drawn cells. label: (B, K) what each shows; below 0: not counted.
    """
    unit = normalize(embedding.float(), dim=-1)
    alike = unit @ unit.mT / temperature
    count = label.shape[1]
    self_or_unknown = torch.eye(count, dtype=torch.bool, device=label.device) | (label < 0)[:, None, :]
    alike = alike.masked_fill(self_or_unknown, -1e4)
    same = (label[:, :, None] == label[:, None, :]) & ~self_or_unknown
    chance = alike - alike.logsumexp(-1, keepdim=True)
    partners = same.sum(-1)
    mean = (chance * same).sum(-1) / partners.clamp(min=1)
    counted = ((partners > 0) & (label >= 0)).float()
    return -(mean * counted).sum() / counted.sum().clamp(min=1)
