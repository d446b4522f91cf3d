"""The pictures of `langfield query --out`: each phrase in the view that shows its answer best."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from langfield.cli.files import make_folder, numbered_slugs, write_picture
from langfield.core.progress import Progress, ProgressEvent
from langfield.data.images import decode_image
from langfield.query.answers import Answer, ViewAnswers
from langfield.query.best_views import views_of_point
from langfield.query.pictures import composited, relevancy_picture
from langfield.query.session import Session
from langfield.reports.contact_sheet import SheetRow, contact_sheet
from langfield.runs.info import RunView

_LOOK_SIDE_PX = {"cuda": 160, "cpu": 80}
_PICTURE_SIDE_PX = {"cuda": 960, "cpu": 320}


def write_answers(
    session: Session, answers: Sequence[Answer], negatives: Sequence[str] | None, folder: Path, progress: Progress
) -> list[Path]:
    """Write for each phrase rgb, relevancy, refined, composited and mask PNGs, and last `answers.png` with all of
    them."""
    make_folder(folder)
    start = time.monotonic()
    files: list[Path] = []
    rows: list[SheetRow] = []
    slugs = numbered_slugs([answer.phrase for answer in answers])
    views = best_views(session, answers, negatives)
    for done, (answer, view, name) in enumerate(zip(answers, views, slugs, strict=True)):
        progress(ProgressEvent("pictures", done, len(answers), "phrases", time.monotonic() - start))
        seen = _seen(session, answer, view, negatives)
        refined = relevancy_picture(seen.refined[0])
        answered = composited(seen.rgb, seen.refined[0], seen.masks[0])
        pictures = {
            "rgb": seen.rgb,
            "relevancy": relevancy_picture(seen.relevancy[0]),
            "refined": refined,
            "composited": answered,
            "mask": seen.masks[0],
        }
        files += [write_picture(folder / f"{name}_{output}.png", picture) for output, picture in pictures.items()]
        evidence = f"presence {answer.presence:.2f}" + (f", score {answer.score:.2f}" if answer.present else "")
        label = f"{answer.phrase}: {verdict(answer)} ({evidence}), view {view.name}"
        rows.append(SheetRow(label, (seen.rgb, refined, answered)))
    progress(ProgressEvent("pictures", len(answers), len(answers), "phrases", time.monotonic() - start))
    return [*files, write_picture(folder / "answers.png", contact_sheet(rows))]


def photo_row(
    session: Session, answer: Answer, view: RunView, photo_of: Callable[[str], Path], note: str = ""
) -> SheetRow:
    """The photo of a view, with the answer over it.

    Args:
        view: which shows the answer best (`best_views`).
        photo_of: where the photo of a view's name lies.
        note: follows the phrase in the row's label.

    Raises DataError if the photo cannot be read.
    """
    seen = _seen(session, answer, view, None)
    photo = decode_image(photo_of(view.name), (seen.rgb.shape[1], seen.rgb.shape[0]))
    label = f"{answer.phrase}{note}: {verdict(answer)} (presence {answer.presence:.2f})"
    answered = composited(photo, seen.refined[0], seen.masks[0])
    return SheetRow(label, (photo, relevancy_picture(seen.refined[0]), answered))


def verdict(answer: Answer) -> str:
    """Whether the phrase is in the scene, in words."""
    return "there" if answer.present else "not there"


def best_views(session: Session, answers: Sequence[Answer], negatives: Sequence[str] | None) -> list[RunView]:
    """For each answer the view in which its phrase scores best, among those that look at it; each is rendered once."""
    cameras = [view.camera for view in session.views]
    askers: dict[int, list[int]] = {}
    for number, answer in enumerate(answers):
        for candidate in views_of_point(cameras, answer.position):
            askers.setdefault(candidate, []).append(number)
    best: list[tuple[float, int]] = [(-1.0, 0)] * len(answers)
    for candidate, numbers in askers.items():
        camera = cameras[candidate].fit_within(_LOOK_SIDE_PX[session.device.type])
        look = session.ask_view(camera, [answers[number].phrase for number in numbers], negatives=negatives)
        for number, score in zip(numbers, look.score, strict=True):
            if score > best[number][0]:
                best[number] = float(score), candidate
    return [session.views[candidate] for _, candidate in best]


def _seen(session: Session, answer: Answer, view: RunView, negatives: Sequence[str] | None) -> ViewAnswers:
    camera = view.camera.fit_within(_PICTURE_SIDE_PX[session.device.type])
    return session.ask_view(camera, [answer.phrase], negatives=negatives)
