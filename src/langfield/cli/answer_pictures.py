"""The pictures of `langfield query --out`: each phrase in the view that shows its answer best."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from langfield.cli.contact_sheet import SheetRow, contact_sheet
from langfield.cli.files import make_folder, numbered_slugs, write_picture
from langfield.core.cameras import Camera, Cameras
from langfield.core.progress import Progress, ProgressEvent
from langfield.core.transforms import Similarity
from langfield.query.answers import Answer, ViewAnswers
from langfield.query.pictures import DECISION, composited, relevancy_picture
from langfield.query.session import Session, shrunk
from langfield.runs.info import RunView

# Of so many views that may show a phrase's answer, the one with the highest relevancy is taken.
_CANDIDATES = 4
_WELL_INSIDE = 0.36  # of the picture's side, from its middle: room for the thing around the point
_LOOK_SIDE_PX = {"cuda": 160, "cpu": 80}
_PICTURE_SIDE_PX = {"cuda": 960, "cpu": 320}


def write_answers(
    session: Session, answers: Sequence[Answer], negatives: Sequence[str] | None, folder: Path, progress: Progress
) -> list[Path]:
    """Write for each phrase rgb, relevancy, composited and mask PNGs, and last `answers.png` with all of them."""
    make_folder(folder)
    start = time.monotonic()
    files: list[Path] = []
    rows: list[SheetRow] = []
    slugs = numbered_slugs([answer.phrase for answer in answers])
    for done, (answer, name) in enumerate(zip(answers, slugs, strict=True)):
        progress(ProgressEvent("pictures", done, len(answers), "phrases", time.monotonic() - start))
        view, seen = best_view(session, answer, negatives)
        relevancy = seen.relevancy[0]
        pictures = (seen.rgb, relevancy_picture(relevancy), composited(seen.rgb, relevancy))
        outputs = zip(("rgb", "relevancy", "composited"), pictures, strict=True)
        files += [write_picture(folder / f"{name}_{output}.png", picture) for output, picture in outputs]
        files.append(write_picture(folder / f"{name}_mask.png", relevancy > DECISION))
        verdict = "there" if answer.present else "not there"
        label = f"{answer.phrase}: {verdict} (presence {answer.presence:.2f}, score {answer.score:.2f}), view {view}"
        rows.append(SheetRow(label, pictures))
    progress(ProgressEvent("pictures", len(answers), len(answers), "phrases", time.monotonic() - start))
    return [*files, write_picture(folder / "answers.png", contact_sheet(rows))]


def best_view(session: Session, answer: Answer, negatives: Sequence[str] | None) -> tuple[str, ViewAnswers]:
    """The name of the view in which the phrase scores best, among those that look at its answer, and what it shows."""
    (best,) = best_views(session, [answer], negatives)
    camera = shrunk(best.camera, _PICTURE_SIDE_PX[session.device.type])
    return best.name, session.ask_view(camera, [answer.phrase], negatives=negatives)


def best_views(session: Session, answers: Sequence[Answer], negatives: Sequence[str] | None) -> list[RunView]:
    """For each answer the view in which its phrase scores best, among those that look at it; each is rendered once."""
    cameras = [view.camera for view in session.views]
    askers: dict[int, list[int]] = {}
    for number, answer in enumerate(answers):
        for candidate in views_of_point(cameras, answer.position):
            askers.setdefault(candidate, []).append(number)
    best: list[tuple[float, int]] = [(-1.0, 0)] * len(answers)
    for candidate, numbers in askers.items():
        camera = shrunk(cameras[candidate], _LOOK_SIDE_PX[session.device.type])
        look = session.ask_view(camera, [answers[number].phrase for number in numbers], negatives=negatives)
        for number, score in zip(numbers, look.score, strict=True):
            if score > best[number][0]:
                best[number] = float(score), candidate
    return [session.views[candidate] for _, candidate in best]


def views_of_point(cameras: Sequence[Camera], position_world: tuple[float, float, float] | None) -> list[int]:
    """Up to four cameras to look for a point with: the nearest of those that have it well inside of their pictures,
    then those that have it least near an edge.

    Without a point, or where no camera has it in its picture: cameras spread evenly over all.
    """
    evenly = np.unique(np.linspace(0, len(cameras) - 1, _CANDIDATES).round().astype(int)).tolist()
    if position_world is None:
        return evenly
    import torch

    # In a frame about the point, so that far-away world origins cost no digits.
    about = Similarity(np.eye(3), -np.array(position_world, dtype=np.float64))
    many = Cameras.from_list([camera.moved(about) for camera in cameras])
    ranks: dict[int, tuple[bool, float]] = {}
    for index, camera in enumerate(cameras):
        xy, depth = many.project(index, torch.zeros(1, 3))
        sides = np.array([camera.width_px, camera.height_px])
        offset = float(np.abs(xy[0].numpy() / sides - 0.5).max())
        if float(depth[0]) > 0 and offset < 0.5:
            near_edge = offset > _WELL_INSIDE
            ranks[index] = (near_edge, offset if near_edge else float(depth[0]))
    return sorted(ranks, key=lambda index: ranks[index])[:_CANDIDATES] or evenly
