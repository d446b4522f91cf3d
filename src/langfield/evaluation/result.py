"""What an evaluation found, and its JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langfield.evaluation.protocols.names import HEADLINE_KINDS, ProtocolName
from langfield.evaluation.questions import Question, Tally, figures, finite, mean, standard_error


@dataclass
class ViewResult:
    """What one view came to. Figures that were not measured are None.

    Attributes:
        questions: what was asked in it.
        scores: the relevancy of each phrase's answer in this view.
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
            **Tally.of_questions(headline, "hit").of(HEADLINE_KINDS),
            "hits_in_mask": Tally.of_questions(headline, "hit_in_mask").of(HEADLINE_KINDS)["hits"],
            "miou": mean([question.values.get("iou") for question in headline]),
        }


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        views: those that were asked or compared.
        scene_questions: what was asked of the whole scene.
        labels: where the labels are; None without them: then only pictures are measured.
        label_layout: what they were taken for.
        language_side_px: the longest side that phrases were asked at; None for the photos' own size.
        presence: see `langfield.evaluation.protocols.presence`; None if it was not measured.
        miou_of: which of the IoU's means is the protocol's own ("micro", "macro_view", or "macro_phrase").
        details: what a protocol alone has, added to the JSON.
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

        "figures": of each value of the headline kinds' questions, `langfield.evaluation.questions.summary`, and of
        "psnr" and "ssim" their means over views with standard errors. "questions": everything that was asked.
        """
        questions = [question for view in self.views for question in view.questions] + list(self.scene_questions)
        counted = figures(questions, self.seed)
        pictures = {name: [getattr(view, name) for view in self.views] for name in ("psnr", "ssim", "lpips")}
        return {
            "protocol": self.protocol,
            "views": len(self.views),
            "seed": self.seed,
            **{name: mean(values) for name, values in pictures.items()},
            "localisation": _tallied(questions, "hit"),
            "localisation_in_mask": _tallied(questions, "hit_in_mask"),
            "miou": counted.get("iou", {}).get(self.miou_of),
            "presence": None if self.presence is None else dict(self.presence),
            "language_side_px": self.language_side_px,
            "labels": None if self.labels is None else str(self.labels),
            "label_layout": self.label_layout,
            "seconds": round(self.seconds, 3),
            **self.details,
            "figures": {**_of_views(pictures), **counted},
            "per_view": [view.to_json() for view in self.views],
            "questions": [question.to_json() for question in questions],
        }


def _tallied(questions: list[Question], name: str) -> dict[str, dict[str, int]] | None:
    told = any(name in question.values for question in questions)
    return Tally.of_questions(questions, name).to_json() if told else None


def _of_views(pictures: Mapping[str, list[float | None]]) -> dict[str, dict[str, Any]]:
    out = {}
    for name, values in pictures.items():
        measured = [value for value in map(finite, values) if value is not None]
        if measured:
            out[name] = {
                "micro": mean(measured), "standard_error": standard_error(measured), "count": len(measured)
            }  # fmt: skip
    return out
