"""The protocols "3d-ovs" and "3d-ovs-held-out": mIoU over the classes of 3D-OVS's labelled photos (Liu et al. 2023).

The papers agree on the mean over classes of their IoU and not on the cut; LangSplat's was never published. Taken is the
one that LangSplatV2 (Li et al. 2025) reports with: relevancy, neither smoothed nor stretched, over 0.4, and of the
levels the one whose mean relevancy inside its own mask is the highest. A class that shows nowhere in a photo is not
asked there; one whose mask comes out empty counts 0.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from langfield.data.views import View
from langfield.evaluation.askable import AskedAtLevels, asked_at_levels
from langfield.evaluation.labels.base import Labels
from langfield.evaluation.masks import ious
from langfield.evaluation.metrics import resized_maps
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult

RULE: Final = "relevancy over 0.4, at the level with the highest mean there"
_THRESHOLD = 0.4


def choose(maps: Float32[Tensor, "l h w"]) -> tuple[Bool[Tensor, "h w"], int]:
    """A phrase's mask and its level; of equal means the first is taken, and the first of all if every mask is empty."""
    masks = maps > _THRESHOLD
    counts = masks.sum(dim=(1, 2))
    sums = torch.where(masks, maps, 0.0).sum(dim=(1, 2), dtype=torch.float64)
    means = torch.where(counts > 0, sums / counts.clamp(min=1), -torch.inf)
    level = int(means.argmax())
    return masks[level], level


def measure(session: AskedAtLevels, view: View, labels: Labels, max_side_px: int | None) -> ViewResult:
    """Ask a labelled photo for the classes that it shows; maps are brought to the labels' raster."""
    result = ViewResult(view.name)
    seen = labels.of_view(view)
    if seen is None:
        return result
    by_phrase = {label.phrase: label for label in seen.labels}
    camera = view.camera.fit_within(max_side_px)
    for phrases, maps in asked_at_levels(session, camera, list(by_phrase)):
        for index, phrase in enumerate(phrases):  # one after the other: labels may be far larger than what was asked
            mask, level = choose(resized_maps(maps[:, index], seen.width_px, seen.height_px))
            label = by_phrase[phrase]
            fit = float(ious(mask[None], torch.from_numpy(label.mask)[None].to(mask.device))[0])
            result.questions.append(Question(phrase, label.kind, view.name, {"iou": fit}, {"level": level}))
    return result
