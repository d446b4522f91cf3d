"""The protocol "lerf-mask": mIoU and boundary IoU as Gaussian Grouping's evaluation counts them (Ye et al. 2024, §4.2).

In each labelled photo that is not to train on, the mean over what is labelled there, then the mean over photos. A label
whose mask comes out empty counts 0 and is never left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from langfield.data.views import View
from langfield.evaluation.askable import Asked, asked_in_views
from langfield.evaluation.labels.base import Label, Labels, ViewLabels
from langfield.evaluation.masks import MaskRule, boundaries, ious
from langfield.evaluation.metrics import resized_maps
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult


@dataclass(frozen=True)
class MaskFit:
    """How well P masks fit their labels, from 0 to 1.

    Attributes:
        iou: of the masks.
        boundary_iou: of what lies near their edges (Cheng et al. 2021).
    """

    iou: list[float]
    boundary_iou: list[float]


def fits(found: Bool[Tensor, "p h w"], truth: Bool[Tensor, "p h w"]) -> MaskFit:
    """Compare masks with the truth; an empty one has 0 of both."""
    edges = ious(boundaries(found), boundaries(truth))
    return MaskFit(ious(found, truth).tolist(), edges.tolist())


def measure(
    session: Asked, view: View, labels: Labels, rule: MaskRule, max_side_px: int | None, device: torch.device
) -> ViewResult:
    """Ask a labelled photo for everything that is labelled in it; maps are brought to the labels' raster."""
    result = ViewResult(view.name)
    seen = labels.of_view(view)
    if seen is None:
        return result
    by_phrase = {label.phrase: label for label in seen.labels}
    camera = view.camera.fit_within(max_side_px)
    for answers in asked_in_views(session, camera, list(by_phrase)):
        maps = torch.from_numpy(answers.masks.astype(np.float32)).to(device)
        result.questions += _compared(maps, [by_phrase[phrase] for phrase in answers.phrases], seen, rule)
    return result


def _compared(
    maps: Float32[Tensor, "p h w"], labels: Sequence[Label], seen: ViewLabels, rule: MaskRule
) -> list[Question]:
    found = rule.masks(resized_maps(maps, seen.width_px, seen.height_px))
    truth = torch.from_numpy(np.stack([label.mask for label in labels])).to(maps.device)
    fit = fits(found, truth)
    return [
        Question(label.phrase, label.kind, seen.view, {"iou": iou, "boundary_iou": edge})
        for label, iou, edge in zip(labels, fit.iou, fit.boundary_iou, strict=True)
    ]
