"""The results of an evaluation phrase by phrase."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from langfield.core.cameras import Camera
from langfield.core.progress import Progress, silent
from langfield.data.queries import ABSENT
from langfield.data.views import Scene, View
from langfield.evaluation.askable import AskableSession
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.labels.base import Label, Labels, ViewLabels
from langfield.evaluation.labels.layouts import open_labels
from langfield.evaluation.metrics import in_any_box, in_mask
from langfield.evaluation.protocols.held_out_views import best_points, refined_ious
from langfield.query.answers import Answer, ViewAnswers


@dataclass(frozen=True)
class PhraseInView:
    """One phrase asked in one test view that shows what it means.

    Attributes:
        in_box: whether the point that answers it lies in a box of a thing that it means.
        in_mask: whether that point lies on that thing's very pixels.
        iou: of the mask that LERF-OVS's rule makes of the refined relevancy.
        truth_px: how many pixels of the labels' raster show what the phrase means.
    """

    view: str
    in_box: bool
    in_mask: bool
    iou: float
    truth_px: int


@dataclass(frozen=True)
class PhraseResult:
    """One phrase over the whole scene.

    Attributes:
        kind: of the phrase, "" if no label knows it.
        expected: whether the thing is there; None if no label says so.
        answer: the run's, in the frame and units of the input files.
        views: the test views in which it was compared with labels.
    """

    phrase: str
    kind: str
    expected: Literal["present", "absent"] | None
    answer: Answer
    views: tuple[PhraseInView, ...]

    @property
    def right(self) -> bool | None:
        """Whether the answer is right about the thing being there or not; None if no label says."""
        return None if self.expected is None else self.answer.present == (self.expected == "present")

    @property
    def hits(self) -> int:
        """In how many of the views the answer's point lies in a box."""
        return sum(compared.in_box for compared in self.views)

    @property
    def hit_share(self) -> float | None:
        """Hits divided by views; None without views."""
        return self.hits / len(self.views) if self.views else None

    @property
    def miou(self) -> float | None:
        """Mean over the views; None without views."""
        return sum(compared.iou for compared in self.views) / len(self.views) if self.views else None

    @property
    def truth_key(self) -> frozenset[tuple[str, int]]:
        """Equal for phrases that mean the same things, as far as the number of their pixels in each view tells; empty
        without views."""
        return frozenset((compared.view, compared.truth_px) for compared in self.views)

    @property
    def worst(self) -> PhraseInView | None:
        """The view it did worst in: missed before hit, then the lowest IoU; None without views."""
        return min(self.views, key=lambda compared: (compared.in_box, compared.iou), default=None)

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
            "hits_in_mask": sum(compared.in_mask for compared in self.views),
            "miou": self.miou,
            "worst_view": None if worst is None else worst.view,
        }


def worst_first(results: Sequence[PhraseResult]) -> list[PhraseResult]:
    """Sorted by: wrong about presence first, the smallest share of hits, the lowest mIoU, and the presence that is
    nearest to being wrong (or most wrong). What was not measured counts as 1."""

    def or_best(value: float | None) -> float:
        return 1.0 if value is None else value

    def key(result: PhraseResult) -> tuple[bool, float, float, float]:
        presence = result.answer.presence
        margin = 1 - presence if result.expected == "absent" else presence
        return result.right is not False, or_best(result.hit_share), or_best(result.miou), margin

    return sorted(results, key=key)


@dataclass(frozen=True)
class PhraseEvaluation:
    """One evaluation by the protocol "langfield", as a whole and phrase by phrase.

    Attributes:
        evaluation: as `langfield eval --json` prints it; empty if the scene has no test views.
        phrases: every phrase of the labels, and those asked for beside them.
        labels: opened for the test views; None if there are none.
    """

    evaluation: dict[str, Any]
    phrases: list[PhraseResult]
    labels: Labels | None


def evaluate_phrases(
    session: AskableSession,
    scene: Scene,
    *,
    queries: Path | None,
    more_phrases: Sequence[str] = (),
    max_side_px: int | None = None,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> PhraseEvaluation:
    """`evaluate` by the protocol "langfield", and what each phrase came to in it.

    Args:
        more_phrases: asked beside those of the labels; nothing says whether they are there.
        queries, max_side_px, device: as for `evaluate`.
    """
    views = [scene.views[index] for index in scene.test]
    labels = None if queries is None else open_labels(queries, views)
    recorder = PhraseRecorder(session, views, labels, device)
    evaluation: dict[str, Any] = {}
    if views:
        result = evaluate(recorder, scene, queries=queries, max_side_px=max_side_px, device=device, progress=progress)
        evaluation = result.to_json()
    return PhraseEvaluation(evaluation, recorder.results(more_phrases, progress), labels)


class PhraseRecorder:
    """An `AskableSession` that passes questions on to another one and records what each phrase came to.

    The results phrase by phrase are so of the very answers that the evaluation counts, and nothing is asked twice.
    """

    def __init__(
        self, session: AskableSession, views: Sequence[View], labels: Labels | None, device: torch.device | str = "cpu"
    ) -> None:
        """Args: views: the test views. labels: of these views. device: where masks are made and compared."""
        self._session, self._device = session, device
        self._views = {_pose_key(view.camera): view for view in views}
        self._labels = labels
        self._answers: dict[str, Answer] = {}
        self._in_views: dict[tuple[str, str], PhraseInView] = {}
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
        view = self._views.get(_pose_key(camera))
        if view is not None:
            self._record(view, answers)
        return answers

    def picture(self, camera: Camera) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
        return self._session.picture(camera)

    def results(self, more_phrases: Sequence[str] = (), progress: Progress = silent) -> list[PhraseResult]:
        """The phrases of the labels and then `more_phrases`, each once; those not queried yet are queried now."""
        kinds = {} if self._labels is None else {phrase.text: phrase.kind for phrase in self._labels.phrases}
        texts = list(dict.fromkeys([*kinds, *more_phrases]))
        new = [text for text in texts if text not in self._answers]
        if new:
            self.query(new, progress=progress)
        return [self._result(text, kinds.get(text, "")) for text in texts]

    def _result(self, text: str, kind: str) -> PhraseResult:
        expected = None if not kind else "absent" if kind == ABSENT else "present"
        views = tuple(compared for (phrase, _), compared in self._in_views.items() if phrase == text)
        return PhraseResult(text, kind, expected, self._answers[text], views)

    def _record(self, view: View, answers: ViewAnswers) -> None:
        view_labels = self._labels_of(view)
        if view_labels is None:
            return
        by_phrase = view_labels.by_phrase
        labelled = {index: by_phrase[text] for index, text in enumerate(answers.phrases) if text in by_phrase}
        for phrase, compared in compare_with_labels(answers, labelled, view_labels, self._device).items():
            self._in_views[phrase, view.name] = compared

    def _labels_of(self, view: View) -> ViewLabels | None:
        """The labels of a view; those of the last one are kept, because it may be asked in several batches."""
        if self._last_labels[0] != view.name and self._labels is not None:
            self._last_labels = view.name, self._labels.of_view(view)
        return self._last_labels[1]


def compare_with_labels(
    answers: ViewAnswers, labelled: Mapping[int, Label], raster: ViewLabels, device: torch.device | str = "cpu"
) -> dict[str, PhraseInView]:
    """Answers in a view against its labels, on the labels' raster.

    Args:
        labelled: labels by the index of their phrase among `answers`.
    Returns: by phrase.
    """
    points = best_points(answers, raster)
    iou = refined_ious(answers, labelled, raster, device)
    return {
        label.phrase: PhraseInView(
            view=raster.view,
            in_box=in_any_box(points[index], label.boxes),
            in_mask=in_mask(points[index], label.mask),
            iou=iou[index],
            truth_px=int(label.mask.sum()),
        )
        for index, label in labelled.items()
    }


def _pose_key(camera: Camera) -> bytes:
    """By what a camera is known after it was resized. Two photos of exactly one pose are taken for the same."""
    return camera.world_from_camera.tobytes()
