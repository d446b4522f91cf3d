"""Answers for other programs: maps and masks in photos' views, COCO annotations, PLY files of elements."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.export.coco import annotation
from langfield.export.ply import write_points_ply, write_splat_ply
from langfield.query.phrase_arguments import text_list
from langfield.query.session import Session
from langfield.runs.info import RunView

_PHRASES_AT_ONCE = 16  # so that the maps of only so many are in memory


@dataclass(frozen=True, eq=False)
class PhraseInPhoto:
    """One phrase in the view of one photo, H × W pixels: the photo's size, with its lens.

    Attributes:
        view: the run's view of the photo.
        relevancy: as in `langfield.query.answers.ViewAnswers`.
        refined: likewise.
        mask: likewise, one of its `masks`.
    """

    phrase: str
    view: RunView
    relevancy: Float32[np.ndarray, "h w"]
    refined: Float32[np.ndarray, "h w"]
    mask: Bool[np.ndarray, "h w"]


def phrases_in_photos(
    session: Session,
    phrases_by_view: Sequence[tuple[RunView, Sequence[str]]],
    *,
    negatives: Sequence[str] | None = None,
    min_presence: float = 0.5,
    progress: Progress = silent,
) -> Iterator[PhraseInPhoto]:
    """Each phrase in each view that it is to be shown in, view by view; a view is rendered once."""
    start = time.monotonic()
    for done, (view, phrases) in enumerate(phrases_by_view):
        progress(ProgressEvent("pictures", done, len(phrases_by_view), "views", time.monotonic() - start))
        for first in range(0, len(phrases), _PHRASES_AT_ONCE):
            asked = phrases[first : first + _PHRASES_AT_ONCE]
            answers = session.ask_view(view.camera, asked, negatives=negatives, min_presence=min_presence)
            maps = zip(answers.phrases, answers.relevancy, answers.refined, answers.masks, strict=True)
            yield from (PhraseInPhoto(phrase, view, *arrays) for phrase, *arrays in maps)
    progress(ProgressEvent("pictures", len(phrases_by_view), len(phrases_by_view), "views", time.monotonic() - start))


class CocoDocument:
    """A COCO file of object instances: every hit that a photo shows is an annotation, every phrase a category."""

    def __init__(self, views: Sequence[RunView], phrases: Sequence[str]) -> None:
        """Args: views: the images; those without annotations are listed, too. phrases: the categories, no two alike."""
        self._images = {view.name: number for number, view in enumerate(views, start=1)}
        self._categories = {phrase: number for number, phrase in enumerate(phrases, start=1)}
        self._sizes = [(view.camera.width_px, view.camera.height_px) for view in views]
        self._annotations: list[dict[str, Any]] = []

    def add(
        self,
        view: RunView,
        phrase: str,
        masks: Bool[np.ndarray, "k h w"],
        scores: Sequence[float],
        mask_file: str | None = None,
    ) -> None:
        """Add the masks of a phrase's K hits in a photo, best first, and their scores; empty masks are left out.

        Args: mask_file: the picture of all of them together, as a path from the COCO file's folder; None without one.
        """
        for rank, (mask, score) in enumerate(zip(masks, scores, strict=True), start=1):
            if mask.any():
                where = {"image_id": self._images[view.name], "category_id": self._categories[phrase]}
                found = {"score": score, "hit": rank} | ({} if mask_file is None else {"mask_file": mask_file})
                self._annotations.append({"id": len(self._annotations) + 1} | where | annotation(mask) | found)

    def to_json(self) -> Mapping[str, Any]:
        """The file's content: COCO's, and of each annotation `score`, `hit` (its rank among the phrase's hits) and
        `mask_file`."""
        return {
            "info": {"description": "answers of langfield", "version": "1.0"},
            "licenses": [],
            "images": [
                {"id": number, "file_name": name, "width": width, "height": height}
                for (name, number), (width, height) in zip(self._images.items(), self._sizes, strict=True)
            ],
            "categories": [
                {"id": number, "name": phrase, "supercategory": "phrase"} for phrase, number in self._categories.items()
            ],
            "annotations": self._annotations,
        }


def coco_document(
    session: Session,
    phrases: Sequence[str],
    *,
    views: Sequence[RunView] | None = None,
    negatives: Sequence[str] | None = None,
    min_presence: float = 0.5,
    progress: Progress = silent,
) -> Mapping[str, Any]:
    """Where phrases are in photos, as COCO's object instances: `json.dumps` makes the file of it.

    Every hit that a photo shows is an annotation: a run-length encoded mask of the photo's size, its area and box, and,
    beside what COCO knows, `score` and `hit`, its rank among the phrase's hits.

    Args:
        session: a run that `langfield.open` opened.
        phrases: the categories; one that is not in the scene has no annotations.
        views: which of the run's photos are the images; None for all.
        negatives, min_presence: as in `Session.query`.
        progress: gets the stage "masks" besides those of `Session.query`.
    """
    images = session.views if views is None else views
    answers = session.query(phrases, negatives=negatives, min_presence=min_presence, progress=progress)
    document, start = CocoDocument(images, [*dict.fromkeys(phrases)]), time.monotonic()
    present = {answer.phrase: answer for answer in answers if answer.present}
    for done, view in enumerate(images, start=1):
        for phrase, answer in present.items():
            masks = session.hit_masks(view.camera, phrase, negatives=negatives, min_presence=min_presence)
            document.add(view, phrase, masks, [hit.score for hit in answer.hits])
        progress(ProgressEvent("masks", done, len(images), "photos", time.monotonic() - start))
    return document.to_json()


def elements_of(
    session: Session, phrases: Sequence[str], *, negatives: Sequence[str] | None = None, min_presence: float = 0.5
) -> Bool[np.ndarray, " n"] | None:
    """Which of the run's elements belong to any hit of any of the phrases; None if none of the phrases is there."""
    masks: list[Bool[np.ndarray, " n"]] = []
    for phrase in text_list(phrases, "phrases"):
        masks += session.elements(phrase, negatives=negatives, min_presence=min_presence)
    return np.any(masks, axis=0) if masks else None


def write_elements(session: Session, path: str | Path, chosen: Bool[np.ndarray, " n"]) -> int:
    """Write some of a run's elements as PLY, in the world frame: its Gaussians, or coloured points of its surface.

    Args: chosen: see `Session.elements`. Returns how many. Raises RunError if the file cannot be written.
    """
    if session.has_splats:
        return write_splat_ply(path, session.splats(), chosen)
    xyz_world, rgb = session.surface()
    write_points_ply(path, xyz_world[chosen], rgb[chosen])
    return int(chosen.sum())
