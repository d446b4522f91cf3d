"""What an evaluation measured, and its JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langfield.evaluation.protocols.names import HEADLINE_KINDS, ProtocolName
from langfield.evaluation.questions import HitCounts, Question
from langfield.evaluation.statistics import figures, finite, mean, standard_error


@dataclass
class ViewResult:
    """What was measured in one view. Figures that were not measured are None.

    Attributes:
        questions: what was asked in it.
        scores: for each phrase the relevancy of the point that answers it in this view.
    """

    view: str
    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None
    questions: list[Question] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One entry of `per_view`; hits and mIoU are of the headline kinds."""
        headline = [question for question in self.questions if question.kind in HEADLINE_KINDS]
        return {
            "view": self.view,
            "psnr": finite(self.psnr),
            "ssim": finite(self.ssim),
            "lpips": finite(self.lpips),
            **HitCounts.of_questions(headline, "hit").of(HEADLINE_KINDS),
            "hits_in_mask": HitCounts.of_questions(headline, "hit_in_mask").of(HEADLINE_KINDS)["hits"],
            "miou": mean([question.values.get("iou") for question in headline]),
        }


@dataclass(frozen=True)
class EvaluationReport:
    """What an evaluation measured.

    Attributes:
        views: those that phrases were asked in or whose pictures were compared.
        scene_questions: phrases asked of the whole scene.
        labels: file or folder of the labels; None where there are none, and only pictures were compared.
        label_layout: which layout they have; None without labels.
        language_side_px: longest side of the pictures that phrases were asked on; None for the photos' own size.
        presence: see `langfield.evaluation.protocols.presence`; None if it was not measured.
        miou_of: which mean of the IoUs the protocol calls mIoU: "micro", "macro_view", or "macro_phrase" (`summary`).
        details: further members of the JSON that only this protocol has.
    """

    protocol: ProtocolName
    seed: int
    views: tuple[ViewResult, ...]
    scene_questions: tuple[Question, ...]
    labels: Path | None
    label_layout: str | None
    language_side_px: int | None
    presence: Mapping[str, Any] | None
    seconds: float
    miou_of: str = "micro"
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield eval --json` prints. What was not measured is null.

        "localisation" and "localisation_in_mask": hits among questions by kind (`HitCounts.to_json`). "figures": of
        each value of the headline kinds' questions its `langfield.evaluation.statistics.summary`, and of "psnr",
        "ssim" and "lpips" their means over views with standard errors. "questions": everything that was asked.
        """
        questions = [question for view in self.views for question in view.questions] + list(self.scene_questions)
        of_questions = figures(questions, self.seed)
        pictures = {name: [getattr(view, name) for view in self.views] for name in ("psnr", "ssim", "lpips")}
        return {
            "protocol": self.protocol,
            "views": len(self.views),
            "seed": self.seed,
            **{name: mean(values) for name, values in pictures.items()},
            "localisation": _hit_counts(questions, "hit"),
            "localisation_in_mask": _hit_counts(questions, "hit_in_mask"),
            "miou": of_questions.get("iou", {}).get(self.miou_of),
            "presence": None if self.presence is None else dict(self.presence),
            "language_side_px": self.language_side_px,
            "labels": None if self.labels is None else str(self.labels),
            "label_layout": self.label_layout,
            "seconds": round(self.seconds, 3),
            **self.details,
            "figures": {**_picture_figures(pictures), **of_questions},
            "per_view": [view.to_json() for view in self.views],
            "questions": [question.to_json() for question in questions],
        }


def _hit_counts(questions: list[Question], name: str) -> dict[str, dict[str, int]] | None:
    """None where no question is of that kind of hit."""
    measured = any(name in question.values for question in questions)
    return HitCounts.of_questions(questions, name).to_json() if measured else None


def _picture_figures(pictures: Mapping[str, list[float | None]]) -> dict[str, dict[str, Any]]:
    """Mean and standard error over views of each figure that was measured in any."""
    out = {}
    for name, values in pictures.items():
        measured = [value for value in map(finite, values) if value is not None]
        if measured:
            error = standard_error(measured)
            out[name] = {"micro": mean(measured), "standard_error": error, "count": len(measured)}
    return out
