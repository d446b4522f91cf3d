"""The protocols "langfield" and "lerf": pictures against photos and answers against labels in test views."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from langfield.data.images import decode_image
from langfield.data.masks import used_pixels
from langfield.data.views import View
from langfield.evaluation.askable import AnswerProtocol, AskableSession, ask_view_in_batches
from langfield.evaluation.labels.base import Label, Labels, ViewLabels
from langfield.evaluation.masks import ious, lerf_ovs_masks, truth_masks
from langfield.evaluation.metrics import Lpips, in_any_box, in_mask, psnr, resized_maps, resized_masks, ssim
from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult
from langfield.query.answers import ViewAnswers


@dataclass(frozen=True)
class HeldOutViews:
    """Measures a session in one view after the other.

    Attributes:
        protocol: how the session is to answer.
        labels: None to ask no phrases.
        max_side_px: phrases are asked on a picture no longer than this, and answers brought to the labels' raster; None
            for the size that photos are used at.
        device: where IoUs and SSIM are computed.
        lpips: compares pictures, beside PSNR and SSIM; None to compare no pictures at all.
    """

    session: AskableSession
    protocol: AnswerProtocol
    labels: Labels | None
    max_side_px: int | None
    device: torch.device
    lpips: Lpips | None

    def measure(self, view: View) -> ViewResult:
        """Ask a view for what its labels name, and compare its rendered picture with its photo; it is rendered once.

        By the protocol "lerf" every phrase is asked in every view, because its presence is its highest score in any.
        """
        result = ViewResult(view.name)
        view_labels = self.labels.of_view(view) if self.labels is not None else None
        by_phrase = {} if view_labels is None else view_labels.by_phrase
        phrases = list(by_phrase)
        if self.labels is not None and self.protocol == "lerf":
            phrases = [phrase.text for phrase in self.labels.phrases]
        picture = None
        camera = view.camera.fit_within(self.max_side_px)
        for answers in ask_view_in_batches(self.session, camera, phrases, self.protocol):
            if answers.rgb.shape[1::-1] == view.size_px:
                picture = answers.rgb
            result.scores |= dict(zip(answers.phrases, answers.score.tolist(), strict=True))
            if view_labels is not None:
                labelled = {i: by_phrase[text] for i, text in enumerate(answers.phrases) if text in by_phrase}
                result.questions += self._questions(answers, labelled, view_labels)
        if self.lpips is not None:
            picture = self.session.picture(view.camera)[0] if picture is None else picture
            measure_picture(result, view, picture, self.lpips, self.device)
        return result

    def _questions(self, answers: ViewAnswers, labelled: Mapping[int, Label], raster: ViewLabels) -> list[Question]:
        """What the answers to the labelled phrases (by their index among `answers`) come to on the labels' raster.

        "hit": whether the answer's point lies in a box of a thing that the phrase means (LERF's localisation);
        "hit_in_mask": whether it lies on that thing's very pixels. Of the headline kinds "iou" of the mask that
        LERF-OVS's rule makes of the refined relevancy, and "mask_iou" of the answer's own mask.
        """
        points = best_points(answers, raster)
        headline = {index: label for index, label in labelled.items() if label.kind in HEADLINE_KINDS}
        refined_iou = refined_ious(answers, headline, raster, self.device)
        mask_iou = _mask_ious(answers, headline, raster, self.device)
        return [
            Question(
                label.phrase,
                label.kind,
                raster.view,
                {
                    "hit": float(in_any_box(points[index], label.boxes)),
                    "hit_in_mask": float(in_mask(points[index], label.mask)),
                    "iou": refined_iou.get(index),
                    "mask_iou": mask_iou.get(index),
                },
            )
            for index, label in labelled.items()
        ]


def best_points(answers: ViewAnswers, raster: ViewLabels) -> Float[np.ndarray, "p 2"]:
    """The point that answers each of P phrases, (x, y) in pixels of the labels' raster."""
    height, width = answers.refined.shape[1:]
    return answers.best_xy_px * np.array([raster.width_px / width, raster.height_px / height])


def refined_ious(
    answers: ViewAnswers, labelled: Mapping[int, Label], raster: ViewLabels, device: torch.device | str
) -> dict[int, float]:
    """IoUs with the labels of the masks that LERF-OVS's rule makes of the refined relevancy.

    Args:
        labelled: labels by the index of their phrase among `answers`.
    Returns: by the same indices.
    """
    if not labelled:
        return {}
    maps = torch.from_numpy(answers.refined[list(labelled)]).to(device)
    predicted = lerf_ovs_masks(resized_maps(maps, raster.width_px, raster.height_px))
    return dict(zip(labelled, ious(predicted, truth_masks(labelled.values(), device)).tolist(), strict=True))


def _mask_ious(
    answers: ViewAnswers, labelled: Mapping[int, Label], raster: ViewLabels, device: torch.device
) -> dict[int, float]:
    """As `refined_ious`, of the answers' own masks."""
    if not labelled:
        return {}
    predicted = resized_masks(answers.masks[list(labelled)], raster.width_px, raster.height_px, device)
    return dict(zip(labelled, ious(predicted, truth_masks(labelled.values(), device)).tolist(), strict=True))


def measure_picture(
    result: ViewResult, view: View, picture: UInt8[np.ndarray, "h w 3"], lpips: Lpips, device: torch.device
) -> None:
    """Fill in PSNR, SSIM and LPIPS of a rendered picture against the view's photo, at the picture's size.

    Pixels that the photo's mask forbids do not count; where it forbids all, nothing is measured.
    """
    size = (picture.shape[1], picture.shape[0])
    used = used_pixels(view, size)
    if used is not None and not used.any():
        return
    photo = decode_image(view.image_path, size, view.white_level)
    result.psnr, result.ssim = psnr(picture, photo, used), ssim(picture, photo, used, device)
    result.lpips = lpips(picture, photo, used)
