"""The protocol "lerf-mask": mIoU and boundary IoU as Gaussian Grouping's evaluation counts them (Ye et al. 2024, §4.2).

In labelled photos that are held out: the mean over the labels of a photo, then the mean over photos. Predictions are
the answers' own masks; an empty one counts 0. How a method makes its masks is left to it, so that no maps compete here.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from langfield.data.views import View
from langfield.evaluation.askable import AskableSession, ask_view_in_batches
from langfield.evaluation.labels.base import Labels
from langfield.evaluation.masks import boundaries, ious, truth_masks
from langfield.evaluation.metrics import resized_masks
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult


@dataclass(frozen=True)
class MaskFit:
    """How well P predicted masks fit the ground truth, from 0 to 1.

    Attributes:
        iou: of the masks.
        boundary_iou: of their pixels near the edges (Cheng et al. 2021).
    """

    iou: list[float]
    boundary_iou: list[float]


def mask_fit(predicted: Bool[Tensor, "p h w"], truth: Bool[Tensor, "p h w"]) -> MaskFit:
    """Compare masks with the ground truth; an empty one has 0 of both."""
    boundary = ious(boundaries(predicted), boundaries(truth))
    return MaskFit(ious(predicted, truth).tolist(), boundary.tolist())


def measure(
    session: AskableSession, view: View, labels: Labels, max_side_px: int | None, device: torch.device
) -> ViewResult:
    """Ask a labelled photo for everything that is labelled in it.

    Args:
        max_side_px: longest side of the picture that is asked; masks are then brought to the labels' raster.
        device: where masks are compared.
    """
    result = ViewResult(view.name)
    view_labels = labels.of_view(view)
    if view_labels is None:
        return result
    by_phrase, camera = view_labels.by_phrase, view.camera.fit_within(max_side_px)
    for answers in ask_view_in_batches(session, camera, list(by_phrase)):
        asked = [by_phrase[phrase] for phrase in answers.phrases]
        predicted = resized_masks(answers.masks, view_labels.width_px, view_labels.height_px, device)
        fit = mask_fit(predicted, truth_masks(asked, device))
        result.questions += [
            Question(label.phrase, label.kind, view.name, {"iou": iou, "boundary_iou": boundary_iou})
            for label, iou, boundary_iou in zip(asked, fit.iou, fit.boundary_iou, strict=True)
        ]
    return result
