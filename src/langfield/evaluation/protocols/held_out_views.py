"""The protocols "langfield" and "lerf": pictures, and the point and the map that answer each phrase in a test view."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8

from langfield.core.cameras import Camera
from langfield.data.images import decode_image, decode_mask
from langfield.data.views import View
from langfield.evaluation.askable import Asked, AskedProtocol, asked_in_views
from langfield.evaluation.labels.base import Label, Labels, ViewLabels
from langfield.evaluation.masks import ANSWER_RULE, LERF_OVS_RULE, MaskRule, ious
from langfield.evaluation.metrics import Lpips, in_any_box, in_mask, psnr, resized_maps, ssim
from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult
from langfield.query.answers import ViewAnswers


@dataclass(frozen=True)
class Pointing:
    """How views are asked.

    Attributes:
        max_side_px: phrases are asked on a raster no longer than this; answers and maps are brought to the labels'.
        device: where maps become masks and SSIM is worked out.
        lpips: what compares pictures, beside PSNR and SSIM; None to compare no pictures.
    """

    session: Asked
    protocol: AskedProtocol
    labels: Labels | None
    max_side_px: int | None
    device: torch.device
    lpips: Lpips | None
    rule: MaskRule = LERF_OVS_RULE

    def measure(self, view: View) -> ViewResult:
        """Render a view once; compare its picture, and the answers to the phrases that can be seen in it.

        A point hits if it lies in a box of one of the phrase's things (LERF's rule), or on their very pixels. IoUs, of
        the headline kinds, are of masks that the rule makes of maps ("iou"), and of the answers' own ("mask_iou").
        """
        result = ViewResult(view.name)
        seen = self.labels.of_view(view) if self.labels is not None else None
        by_phrase = {label.phrase: label for label in seen.labels} if seen is not None else {}
        # LERF's evidence for presence is a view's own, so that every phrase must be asked in every view.
        everything = self.labels is not None and self.protocol == "lerf"
        asked = [phrase.text for phrase in self.labels.phrases] if self.labels and everything else list(by_phrase)
        camera = view.camera.fit_within(self.max_side_px)
        picture = None
        for answers in asked_in_views(self.session, camera, asked, self.protocol):
            if answers.rgb.shape[1::-1] == view.size_px:
                picture = answers.rgb
            result.scores |= dict(zip(answers.phrases, answers.score.tolist(), strict=True))
            if seen is not None:
                labelled = {i: by_phrase[text] for i, text in enumerate(answers.phrases) if text in by_phrase}
                result.questions += self._compared(answers, labelled, seen)
        if self.lpips is not None:
            picture = self._picture(view.camera) if picture is None else picture
            measure_picture(result, view, picture, self.lpips, self.device)
        return result

    def _picture(self, camera: Camera) -> UInt8[np.ndarray, "h w 3"]:
        return self.session.picture(camera)[0]

    def _compared(self, answers: ViewAnswers, labelled: Mapping[int, Label], seen: ViewLabels) -> list[Question]:
        """Compare answers, by their index, with labels on the labels' raster."""
        height, width = answers.relevancy.shape[1:]
        points = answers.best_xy_px * np.array([seen.width_px / width, seen.height_px / height])
        chosen = {index: label for index, label in labelled.items() if label.kind in HEADLINE_KINDS}
        by_rule: dict[int, float] = {}
        by_mask: dict[int, float] = {}
        if chosen:
            truth = torch.from_numpy(np.stack([label.mask for label in chosen.values()])).to(self.device)
            for maps, rule, fits in (
                (answers.refined, self.rule, by_rule),
                (answers.masks.astype(np.float32), ANSWER_RULE, by_mask),
            ):
                given = torch.from_numpy(maps[list(chosen)]).to(self.device)
                found = rule.masks(resized_maps(given, seen.width_px, seen.height_px))
                fits |= dict(zip(chosen, ious(found, truth).tolist(), strict=True))
        questions = []
        for index, label in labelled.items():
            values = {
                "hit": float(in_any_box(points[index], label.boxes)),
                "hit_in_mask": float(in_mask(points[index], label.mask)),
                "iou": by_rule.get(index),
                "mask_iou": by_mask.get(index),
            }
            questions.append(Question(label.phrase, label.kind, seen.view, values))
        return questions


def measure_picture(
    result: ViewResult, view: View, picture: UInt8[np.ndarray, "h w 3"], lpips: Lpips, device: torch.device
) -> None:
    """Compare a rendered picture with the view's photo at the picture's size."""
    size = (picture.shape[1], picture.shape[0])
    used = None if view.mask_path is None else decode_mask(view.mask_path, size)
    if used is not None and not used.any():
        return
    photo = decode_image(view.image_path, size)
    result.psnr, result.ssim = psnr(picture, photo, used), ssim(picture, photo, used, device)
    result.lpips = lpips(picture, photo, used)
