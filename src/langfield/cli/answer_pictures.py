"""The pictures of `langfield query --out`: each phrase in the view that shows its answer best."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from langfield.cli.contact_sheet import SheetRow, contact_sheet
from langfield.cli.files import make_folder, numbered_slugs, write_picture
from langfield.core.progress import Progress, ProgressEvent
from langfield.query.answers import Answer, ViewAnswers
from langfield.query.best_views import views_of_point
from langfield.query.outlook import shrunk
from langfield.query.pictures import DECISION, composited, relevancy_picture
from langfield.query.session import Session

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
    candidates = views_of_point([view.camera for view in session.views], answer.position)
    look_side_px = _LOOK_SIDE_PX[session.device.type]
    looks = [
        session.ask_view(shrunk(session.views[i].camera, look_side_px), [answer.phrase], negatives=negatives)
        for i in candidates
    ]
    best = session.views[candidates[int(np.argmax([look.score[0] for look in looks]))]]
    camera = shrunk(best.camera, _PICTURE_SIDE_PX[session.device.type])
    return best.name, session.ask_view(camera, [answer.phrase], negatives=negatives)
