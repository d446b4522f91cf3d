"""What an evaluation came to phrase by phrase: a listener between the evaluator and a session, and the worst first."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from langfield.core.cameras import Camera
from langfield.core.progress import Progress, silent
from langfield.data.views import View
from langfield.evaluation.askable import Asked
from langfield.evaluation.labels.base import ABSENT, Label, Labels, ViewLabels
from langfield.evaluation.masks import ious, lerf_ovs_masks
from langfield.evaluation.metrics import in_any_box, in_mask, resized_maps
from langfield.query.answers import Answer, ViewAnswers


@dataclass(frozen=True)
class PhraseInView:
    """One phrase asked in one test view that shows what it means.

    Attributes:
        in_box, in_mask: whether its answer lies in a box of a meant thing, and on that thing's very pixels.
        iou: of the mask that LERF-OVS's rule makes of the refined relevancy, as the evaluator counts it.
        score: relevancy of the answer in this view.
        meant_pixels: how many pixels of the labels' raster show what the phrase means.
    """

    view: str
    in_box: bool
    in_mask: bool
    iou: float
    score: float
    meant_pixels: int


@dataclass(frozen=True)
class PhraseResult:
    """One phrase over the whole scene.

    Attributes:
        kind: of the phrase, "" if no label knows it.
        expected: whether the thing is there; None if no label says so.
        answer: what the run says, in the frame and units of the input files.
        views: the test views it was compared in.
    """

    phrase: str
    kind: str
    expected: Literal["present", "absent"] | None
    answer: Answer
    views: tuple[PhraseInView, ...]

    @property
    def right(self) -> bool | None:
        """Whether the run says rightly that the thing is there, or that it is not; None if that is not known."""
        return None if self.expected is None else self.answer.present == (self.expected == "present")

    @property
    def hits(self) -> int:
        return sum(seen.in_box for seen in self.views)

    @property
    def hit_share(self) -> float | None:
        """Hits among the views; None without views."""
        return self.hits / len(self.views) if self.views else None

    @property
    def miou(self) -> float | None:
        """Mean over the views; None without views."""
        return sum(seen.iou for seen in self.views) / len(self.views) if self.views else None

    @property
    def meant(self) -> frozenset[tuple[str, int]]:
        """The same for phrases that mean the same things, as far as the views tell; empty without views."""
        return frozenset((seen.view, seen.meant_pixels) for seen in self.views)

    @property
    def worst(self) -> PhraseInView | None:
        """The view it did worst in: missed before hit, then the lowest IoU; None without views."""
        return min(self.views, key=lambda seen: (seen.in_box, seen.iou), default=None)

    def to_json(self) -> dict[str, Any]:
        worst = self.worst
        return {
            "phrase": self.phrase,
            "kind": self.kind,
            "expected": self.expected,
            "present": self.answer.present,
            "presence": self.answer.presence,
            "right": self.right,
            "position": None if self.answer.position is None else list(self.answer.position),
            "score": self.answer.score,
            "hits": self.hits,
            "total": len(self.views),
            "hits_in_mask": sum(seen.in_mask for seen in self.views),
            "miou": self.miou,
            "worst_view": None if worst is None else worst.view,
        }


def worst_first(results: Sequence[PhraseResult]) -> list[PhraseResult]:
    """Wrong about presence first, then the smallest share of hits, then the lowest mIoU, then the presence nearest to
    the wrong side. What was not measured counts as good."""

    def good(value: float | None) -> float:
        return 1.0 if value is None else value

    def key(result: PhraseResult) -> tuple[bool, float, float, float]:
        presence = result.answer.presence
        margin = 1 - presence if result.expected == "absent" else presence
        return result.right is not False, good(result.hit_share), good(result.miou), margin

    return sorted(results, key=key)


def to_show(results: Sequence[PhraseResult], count: int) -> list[PhraseResult]:
    """At most `count` phrases for pictures, worst first: half of them the worst, the others from every kind in turn.

    Of phrases that mean the same things only the worst is taken: their pictures hardly differ.
    """
    ordered, known = [], set()
    for result in worst_first(results):
        if not result.meant or result.meant not in known:
            ordered.append(result)
        known.add(result.meant)
    half = -(-count // 2)
    chosen, rest = ordered[:half], ordered[half:]
    of_kinds = [[result for result in rest if result.kind == kind] for kind in sorted({r.kind for r in rest})]
    # Each kind from its middle on: neither once more its worst nor its best.
    in_turn = itertools.zip_longest(*(of_kind[len(of_kind) // 2 :] for of_kind in of_kinds))
    more = [result for group in in_turn for result in group if result is not None]
    shown = {result.phrase for result in [*chosen, *more][:count]}
    return [result for result in ordered if result.phrase in shown]


class PhraseRecorder:
    """Passes the evaluator's questions on to a session, and remembers what each phrase came to.

    So the figures phrase by phrase are of the very answers that the evaluation counts, and nothing is asked twice.
    """

    def __init__(
        self, session: Asked, views: Sequence[View], labels: Labels | None, device: torch.device | str = "cpu"
    ) -> None:
        """Args: views: the test views. labels: what is where in them. device: where maps become masks."""
        self._session, self._device = session, device
        self._views = {_place(view.camera): view for view in views}
        self._labels = labels
        self._answers: dict[str, Answer] = {}
        self._seen: dict[tuple[str, str], PhraseInView] = {}
        self._last_labels: tuple[str, ViewLabels | None] = ("", None)

    @property
    def info(self) -> Any:
        return self._session.info

    def query(self, phrases: Sequence[str], **options: Any) -> list[Answer]:
        answers = self._session.query(phrases, **options)
        self._answers |= {answer.phrase: answer for answer in answers}
        return answers

    def ask_view(self, camera: Camera, phrases: Sequence[str], **options: Any) -> ViewAnswers:
        answers = self._session.ask_view(camera, phrases, **options)
        view = self._views.get(_place(camera))
        if view is not None:
            self._record(view, answers)
        return answers

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        return self._session.picture(camera)

    def results(self, more: Sequence[str] = (), progress: Progress = silent) -> list[PhraseResult]:
        """Every phrase of the labels and `more` ones, in that order; those not queried yet are queried now."""
        known = {} if self._labels is None else {phrase.text: phrase.kind for phrase in self._labels.phrases}
        texts = list(dict.fromkeys([*known, *more]))
        new = [text for text in texts if text not in self._answers]
        if new:
            self.query(new, progress=progress)
        return [self._result(text, known.get(text, "")) for text in texts]

    def _result(self, text: str, kind: str) -> PhraseResult:
        expected = None if not kind else "absent" if kind == ABSENT else "present"
        views = tuple(seen for (phrase, _), seen in self._seen.items() if phrase == text)
        return PhraseResult(text, kind, expected, self._answers[text], views)

    def _record(self, view: View, answers: ViewAnswers) -> None:
        seen = self._labels_of(view)
        if seen is None:
            return
        by_phrase = {label.phrase: label for label in seen.labels}
        labelled = {index: by_phrase[text] for index, text in enumerate(answers.phrases) if text in by_phrase}
        for phrase, found in compared(labelled, seen, answers, self._device).items():
            self._seen[phrase, view.name] = found

    def _labels_of(self, view: View) -> ViewLabels | None:
        if self._last_labels[0] != view.name and self._labels is not None:
            self._last_labels = view.name, self._labels.of_view(view)
        return self._last_labels[1]


def compared(
    labelled: Mapping[int, Label], seen: ViewLabels, answers: ViewAnswers, device: torch.device | str = "cpu"
) -> dict[str, PhraseInView]:
    """A view's answers, by their index, and their labels, on the labels' raster; by phrase."""
    if not labelled:
        return {}
    height, width = answers.refined.shape[1:]
    points = answers.best_xy_px * np.array([seen.width_px / width, seen.height_px / height])
    maps = torch.from_numpy(answers.refined[list(labelled)]).to(device)
    truth = torch.from_numpy(np.stack([label.mask for label in labelled.values()])).to(device)
    fits = ious(lerf_ovs_masks(resized_maps(maps, seen.width_px, seen.height_px)), truth).tolist()
    return {
        label.phrase: PhraseInView(
            view=seen.view,
            in_box=in_any_box(points[index], label.boxes),
            in_mask=in_mask(points[index], label.mask),
            iou=fit,
            score=float(answers.score[index]),
            meant_pixels=int(label.mask.sum()),
        )
        for (index, label), fit in zip(labelled.items(), fits, strict=True)
    }


def _place(camera: Camera) -> bytes:
    """What a camera keeps when it is resized: two photos from one place are the same picture."""
    return camera.world_from_camera.tobytes()
