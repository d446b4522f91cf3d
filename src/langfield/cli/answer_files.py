"""The files of `langfield query --out`."""

import time
from collections.abc import Sequence
from pathlib import Path

from langfield.cli.files import make_folder, numbered_slugs, write_picture
from langfield.core.progress import Progress, ProgressEvent
from langfield.query.answers import Answer
from langfield.query.session import Session
from langfield.reports.answer_pictures import answer_pictures, best_view_indices
from langfield.reports.contact_sheet import SheetRow, contact_sheet


def write_answers(
    session: Session,
    answers: Sequence[Answer],
    negatives: Sequence[str] | None,
    folder: Path,
    progress: Progress,
    *,
    min_presence: float = 0.5,
) -> list[Path]:
    """Write for each phrase rgb, relevancy, refined, composited and mask PNGs, and last `answers.png` with all of
    them. Args: negatives, min_presence: with which they were asked."""
    make_folder(folder)
    start = time.monotonic()
    files: list[Path] = []
    rows: list[SheetRow] = []
    slugs = numbered_slugs([answer.phrase for answer in answers])
    views = best_view_indices(session, answers, negatives)
    for done, (answer, view_index, slug) in enumerate(zip(answers, views, slugs, strict=True)):
        progress(ProgressEvent("pictures", done, len(answers), "phrases", time.monotonic() - start))
        pictures = answer_pictures(session, answer, view_index, negatives, min_presence)
        for output in ("rgb", "relevancy", "refined", "composited", "mask"):
            files.append(write_picture(folder / f"{slug}_{output}.png", getattr(pictures, output)))
        rows.append(pictures.row)
    progress(ProgressEvent("pictures", len(answers), len(answers), "phrases", time.monotonic() - start))
    return [*files, write_picture(folder / "answers.png", contact_sheet(rows))]
