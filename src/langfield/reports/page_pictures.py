"""What pages show of a run: its own files, one evaluation with what each phrase came to, and pictures."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from langfield.core.cameras import Camera
from langfield.core.errors import RunError
from langfield.core.progress import Progress, ProgressEvent
from langfield.data.images import decode_image
from langfield.data.views import View
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.labels.base import Labels
from langfield.evaluation.labels.layouts import open_labels
from langfield.evaluation.phrase_results import PhraseRecorder, PhraseResult
from langfield.pipelines.opening import OpenedToMeasure
from langfield.query.session import Session
from langfield.reports.answer_pictures import best_views
from langfield.reports.page_parts import PICTURE_SIDE_PX
from langfield.reports.phrase_sections import Box, PhrasePictures
from langfield.reports.report_page import ViewPictures
from langfield.reports.run_facts import RunFacts, training_curves
from langfield.runs.atomic import read_json
from langfield.runs.directory import load_run

_RENDER_SIDE_PX = {"cuda": PICTURE_SIDE_PX, "cpu": 320}


@dataclass(frozen=True)
class MeasuredRun:
    """A run that was measured.

    Attributes:
        evaluation: as `langfield eval --json` prints it; empty if the scene has no test views.
        phrases: what each phrase came to; empty if there was none to ask.
        labels: None if there are none.
    """

    opened: OpenedToMeasure
    evaluation: dict[str, Any]
    phrases: list[PhraseResult]
    labels: Labels | None

    @property
    def session(self) -> Session:
        return self.opened.session

    @property
    def test_views(self) -> list[View]:
        return test_views(self.opened)


def test_views(opened: OpenedToMeasure) -> list[View]:
    return [opened.scene.views[index] for index in opened.scene.test]


def labels_of(opened: OpenedToMeasure) -> Labels | None:
    return None if opened.queries is None else open_labels(opened.queries, test_views(opened))


def measure(opened: OpenedToMeasure, more_phrases: Sequence[str], progress: Progress) -> MeasuredRun:
    """Evaluate a run, and ask it also for phrases that no label knows."""
    views, labels = test_views(opened), labels_of(opened)
    recorder = PhraseRecorder(opened.session, views, labels, opened.session.device)
    evaluation: dict[str, Any] = {}
    if views:
        report = evaluate(
            recorder,
            opened.scene,
            queries=opened.queries,
            max_side_px=opened.max_side_px,
            device=opened.session.device,
            progress=progress,
        )
        evaluation = report.to_json()
    return MeasuredRun(opened, evaluation, recorder.results(more_phrases, progress), labels)


def run_facts(path: Path, name: str) -> RunFacts:
    """What the run's files say. Raises RunError if it is no run; metrics and events may be missing."""
    run = load_run(path)
    try:
        metrics = read_json(path / "metrics.json")
    except (OSError, RunError):
        metrics = {}
    size = run.files["model.safetensors"].size
    return RunFacts(name, run.info.document(), metrics, _curves(path / "events.jsonl"), size)


def _curves(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return training_curves(lines)
    except OSError:
        return {}


def view_pictures(measured: MeasuredRun, views: Iterable[View], progress: Progress) -> list[ViewPictures]:
    """Photo, render and depth of some views."""
    views, start, made = list(views), time.monotonic(), []
    for done, view in enumerate(views):
        progress(ProgressEvent("pictures of views", done, len(views), "views", time.monotonic() - start))
        render, depth = measured.session.picture(_small(view, measured.session))
        made.append(ViewPictures(view.name, photo_of(view), render, depth))
    progress(ProgressEvent("pictures of views", len(views), len(views), "views", time.monotonic() - start))
    return made


def phrase_pictures(
    measured: MeasuredRun, wanted: Sequence[tuple[PhraseResult, str]], progress: Progress
) -> list[PhrasePictures]:
    """Pictures of phrases, each in the view of that name; in the order of `wanted`."""
    by_name = {view.name: view for view in measured.opened.scene.views}
    # View by view, so that each is rendered once.
    in_views: dict[str, list[PhraseResult]] = {}
    for result, name in wanted:
        in_views.setdefault(name, []).append(result)
    start, made = time.monotonic(), {}
    for done, (name, results) in enumerate(in_views.items()):
        progress(ProgressEvent("pictures of phrases", done, len(in_views), "views", time.monotonic() - start))
        view = by_name[name]
        photo, boxes = photo_of(view), _boxes(measured.labels, view)
        seen = measured.session.ask_view(_small(view, measured.session), [result.phrase for result in results])
        height, width = seen.refined.shape[1:]
        for index, result in enumerate(results):
            x, y = seen.best_xy_px[index] / np.array([width, height])
            meant = boxes.get(result.phrase, ())
            answer_xy = (float(x), float(y)) if result.answer.present or meant else None
            made[result.phrase, name] = PhrasePictures(
                result.phrase, name, photo, seen.refined[index], answer_xy, meant
            )
    progress(ProgressEvent("pictures of phrases", len(in_views), len(in_views), "views", time.monotonic() - start))
    return [made[result.phrase, name] for result, name in wanted]


def telling_views(measured: MeasuredRun, results: Sequence[PhraseResult]) -> list[str]:
    """The test view in which each phrase did worst; the photo that shows its answer best if it was compared in none."""
    nowhere = [result for result in results if result.worst is None]
    best = best_views(measured.session, [result.answer for result in nowhere], None)
    names = {result.phrase: view.name for result, view in zip(nowhere, best, strict=True)}
    return [names[result.phrase] if result.worst is None else result.worst.view for result in results]


def photo_of(view: View) -> np.ndarray:
    """The photo at the size that pages show."""
    camera = view.camera.fit_within(PICTURE_SIDE_PX)
    return decode_image(view.image_path, (camera.width_px, camera.height_px))


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _small(view: View, session: Session) -> Camera:
    return view.camera.fit_within(_RENDER_SIDE_PX[session.device.type])


def _boxes(labels: Labels | None, view: View) -> dict[str, tuple[Box, ...]]:
    """The boxes of each phrase as shares of the picture; none for views without labels."""
    seen = labels.of_view(view) if labels is not None else None
    if seen is None:
        return {}

    def shares(box: np.ndarray) -> Box:
        x_from, y_from, x_to, y_to = (float(value) for value in box)
        return x_from / seen.width_px, y_from / seen.height_px, x_to / seen.width_px, y_to / seen.height_px

    return {label.phrase: tuple(shares(box) for box in label.boxes) for label in seen.labels}
