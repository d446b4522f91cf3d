"""A session and phrases → one HTML file."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from langfield.core.errors import UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.splats import SH_C0
from langfield.core.version import package_version
from langfield.export.page import contents
from langfield.export.page.document import page_text
from langfield.export.page.elements import PageElements, elements_of_splats, elements_of_surface
from langfield.export.page.packing import Packed, packed, quantised, spanned, symmetric
from langfield.query.answers import Answer
from langfield.query.page_frame import page_frame
from langfield.query.session import Session
from langfield.runs.atomic import write_text

MOST_BYTES = 25_000_000  # of a file, as far as colours seen from different sides decide
MOST_PHRASES = 64
_MOST_OBJECTS = 16
_BYTES_EACH = 26  # of an element, beside harmonics of higher degrees and phrases
_BASE64 = 4 / 3


@dataclass(frozen=True)
class PageReport:
    """What was written.

    Attributes:
        answers: of the phrases, in their order.
        kind: "Gaussians" or "points".
        count: how many of these the page has.
        total: how many the run has.
        degree: of the colours' spherical harmonics that the page has.
        run_degree: that the run has.
        size: of the file, in bytes.
    """

    answers: tuple[Answer, ...]
    kind: str
    count: int
    total: int
    degree: int
    run_degree: int
    size: int


def default_phrases(session: Session, progress: Progress = silent) -> list[str]:
    """The names of the things that are there, the best seen first, 16 at most; none for a run without groups or
    language."""
    if not (session.has_groups and session.has_language):
        return []
    names = [found.name for found in session.objects(progress=progress)]
    return list(dict.fromkeys(name for name in names if name))[:_MOST_OBJECTS]


def write_page(
    session: Session,
    path: Path,
    phrases: Sequence[str],
    *,
    name: str,
    negatives: Sequence[str] | None = None,
    min_presence: float = 0.5,
    most_elements: int = 200_000,
    progress: Progress = silent,
) -> PageReport:
    """Write a page with a run's scene and its answers, all or nothing.

    Colours that depend on the direction are left out as far as the file would be larger than `MOST_BYTES`.

    Args:
        session: a run that `langfield.open` opened.
        path: the file to make or replace, in a folder that is there.
        phrases: whose answers it holds; none for the scene alone.
        name: by which the page calls the run.
        negatives, min_presence: as in `Session.query`.
        most_elements: so many Gaussians, or points of the surface of a run that has none.
        progress: gets the stage "page" besides those of `Session.query` and `Session.surface`.

    Raises UsageError for more phrases than `MOST_PHRASES`, RunError if the file cannot be written.
    """
    asked = list(dict.fromkeys(phrases))
    if len(asked) > MOST_PHRASES:
        raise UsageError(f"a page holds at most {MOST_PHRASES} phrases, got {len(asked)}: give fewer")
    question: dict[str, Any] = {"negatives": negatives, "min_presence": min_presence}
    answers = session.query(asked, **question, progress=progress) if asked else []
    page_from_world = page_frame(session)
    if session.has_splats:
        elements = elements_of_splats(session.splats(), page_from_world, most_elements)
    else:
        elements = elements_of_surface(*session.surface(progress=progress), page_from_world, most_elements)
    if not len(elements):
        raise UsageError("the run has nothing that could be drawn: no Gaussian is opaque, or no surface is seen")

    step = _steps(len(asked) + 2, time.monotonic(), progress)
    run_degree = round(elements.harmonics.shape[1] ** 0.5) - 1
    degree = degree_that_fits(run_degree, len(elements), len(asked))
    arrays = _scene_arrays(elements, degree)
    step()
    if asked:
        arrays |= _answer_arrays(session, asked, elements, question, step)
    entries, data = packed(arrays)
    drawn = {
        "name": name,
        "madeBy": f"langfield {package_version()}",
        "kind": elements.kind,
        "count": len(elements),
        "total": elements.total,
        "degree": degree,
        "runDegree": run_degree,
        "arrays": entries,
        "worldFromPageTurn": page_from_world.rotation.T.ravel().tolist(),
    }
    text = page_text(f"{name} · langfield", drawn | contents.described(session, answers, page_from_world), data)
    write_text(path, text)
    step()
    size = len(text.encode())
    return PageReport(tuple(answers), elements.kind, len(elements), elements.total, degree, run_degree, size)


def _scene_arrays(elements: PageElements, degree: int) -> dict[str, Packed]:
    """Those that say what the scene looks like. Colours may exceed [0, 1] before they are blended."""
    base = 0.5 + SH_C0 * elements.harmonics[:, 0]
    low, high = np.percentile(base, (0.1, 99.9)) if degree else (0.0, np.percentile(base, 99.9))
    arrays = {
        "positions": Packed(elements.positions.astype("<f4")),
        "logScales": spanned(elements.log_scales, 16),
        "rotations": quantised(elements.rotations, 8, -1.0, 1.0),
        "opacities": quantised(elements.opacities, 8, 0.0, 1.0),
        "colours": quantised(base, 8, min(0.0, float(low)), max(1.0, float(high))),
    }
    if degree:
        arrays["harmonics"] = symmetric(elements.harmonics[:, 1 : (degree + 1) ** 2])
    return arrays


def _answer_arrays(
    session: Session,
    phrases: Sequence[str],
    elements: PageElements,
    question: Mapping[str, Any],
    step: Callable[[], None],
) -> dict[str, Packed]:
    """Relevancy and hits of phrases, at least one. Args: step: is called after each."""
    relevancy = session.element_relevancy(phrases, negatives=question["negatives"])[:, elements.numbers]
    hits = []
    for phrase in phrases:
        hits.append(_hit_numbers(session, phrase, elements, question))
        step()
    return {"relevancy": quantised(relevancy, 8, 0.0, 1.0), "hits": Packed(np.stack(hits))}


def _hit_numbers(
    session: Session, phrase: str, elements: PageElements, question: Mapping[str, Any]
) -> UInt8[np.ndarray, " n"]:
    """Which of a phrase's hits each element is of, counted from 1; 0 for none."""
    number = np.zeros(elements.total, dtype=np.uint8)
    for rank, members in enumerate(session.elements(phrase, **question), start=1):
        number[members] = rank
    return number[elements.numbers]


def degree_that_fits(degree: int, count: int, phrases: int) -> int:
    """The highest degree of harmonics, at most `degree`, with which a file of so many elements and phrases stays below
    `MOST_BYTES`, however little its data can be compressed; 0 where none does."""
    each = MOST_BYTES / _BASE64 / count - _BYTES_EACH - 2 * phrases
    return max((d for d in range(degree + 1) if 3 * ((d + 1) ** 2 - 1) <= each), default=0)


def _steps(total: int, start: float, progress: Progress) -> Callable[[], None]:
    """A function that tells of one more step of the stage "page"."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(ProgressEvent("page", min(done, total), total, "steps", time.monotonic() - start))

    return step
