"""The pictures of a run that pages show: test views rendered, and phrases asked in views of photos."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from langfield.core.cameras import Camera
from langfield.core.progress import Progress, ProgressEvent
from langfield.evaluation.labels.base import ViewLabels
from langfield.evaluation.phrase_results import PhraseResult
from langfield.query.session import Session
from langfield.reports.answer_pictures import best_view_indices
from langfield.reports.page_parts import PICTURE_SIDE_PX
from langfield.reports.phrase_sections import PhrasePictures, RelativeBox
from langfield.reports.report_page import ViewPictures

Rgb = UInt8[np.ndarray, "h w 3"]

_RENDER_SIDE_PX = {"cuda": PICTURE_SIDE_PX, "cpu": 320}


@dataclass(frozen=True, eq=False)
class PhotoView:
    """A photo of the scene that a page may show; what it takes from files is read when it is shown.

    Attributes:
        camera: of the world frame, for the size the photo is used at.
        read_photo: gives the photo at a size (width and height in pixels).
        read_labels: gives the photo's labels; None where it has none.
    """

    name: str
    camera: Camera
    read_photo: Callable[[tuple[int, int]], Rgb]
    read_labels: Callable[[], ViewLabels | None]

    def photo(self) -> Rgb:
        """The photo at the size that pages show."""
        camera = self.camera.fit_within(PICTURE_SIDE_PX)
        return self.read_photo((camera.width_px, camera.height_px))

    def boxes(self) -> dict[str, tuple[RelativeBox, ...]]:
        """The labels' boxes of each phrase as shares of the picture; empty for a photo without labels."""
        labels = self.read_labels()
        if labels is None:
            return {}
        size = np.array([labels.width_px, labels.height_px] * 2)
        return {label.phrase: tuple(_box(box / size) for box in label.boxes) for label in labels.labels}


def _box(values: np.ndarray) -> RelativeBox:
    x_from, y_from, x_to, y_to = (float(value) for value in values)
    return x_from, y_from, x_to, y_to


def view_pictures(session: Session, views: Sequence[PhotoView], progress: Progress) -> list[ViewPictures]:
    """Photo, render and depth of some views."""
    start, made = time.monotonic(), []
    for done, view in enumerate(views):
        progress(ProgressEvent("pictures of views", done, len(views), "views", time.monotonic() - start))
        render, depth_world = session.picture(_page_camera(view, session))
        made.append(ViewPictures(view.name, view.photo(), render, depth_world))
    progress(ProgressEvent("pictures of views", len(views), len(views), "views", time.monotonic() - start))
    return made


def phrase_pictures(
    session: Session, wanted: Sequence[tuple[PhraseResult, PhotoView]], progress: Progress
) -> list[PhrasePictures]:
    """Pictures of phrases, each in a view; in the order of `wanted`. Each view is rendered once."""
    views = {view.name: view for _, view in wanted}
    results_of: dict[str, list[PhraseResult]] = {}
    for result, view in wanted:
        results_of.setdefault(view.name, []).append(result)
    start, made = time.monotonic(), {}
    for done, (name, results) in enumerate(results_of.items()):
        progress(ProgressEvent("pictures of phrases", done, len(results_of), "views", time.monotonic() - start))
        view = views[name]
        photo, boxes = view.photo(), view.boxes()
        answers = session.ask_view(_page_camera(view, session), [result.phrase for result in results])
        height, width = answers.refined.shape[1:]
        for index, result in enumerate(results):
            x, y = answers.best_xy_px[index] / np.array([width, height])
            truth = boxes.get(result.phrase, ())
            answer_xy = (float(x), float(y)) if result.answer.present or truth else None
            refined = answers.refined[index]
            made[result.phrase, name] = PhrasePictures(result.phrase, name, photo, refined, answer_xy, truth)
    progress(ProgressEvent("pictures of phrases", len(results_of), len(results_of), "views", time.monotonic() - start))
    return [made[result.phrase, view.name] for result, view in wanted]


def views_to_show(session: Session, results: Sequence[PhraseResult]) -> list[str]:
    """The name of a view for each phrase: the test view in which it did worst, or the photo that shows its answer best
    if it was compared with labels in none."""
    not_compared = [result for result in results if result.worst is None]
    best = best_view_indices(session, [result.answer for result in not_compared])
    names = {result.phrase: session.views[index].name for result, index in zip(not_compared, best, strict=True)}
    return [names[result.phrase] if result.worst is None else result.worst.view for result in results]


def _page_camera(view: PhotoView, session: Session) -> Camera:
    return view.camera.fit_within(_RENDER_SIDE_PX[session.device.type])
