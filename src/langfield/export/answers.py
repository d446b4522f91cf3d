"""Answers taken out of a run: what photos' cameras see of them, as COCO annotations, and the elements they are of."""

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
from langfield.query.session import Session
from langfield.runs.info import RunView

_PHRASES_AT_ONCE = 16  # a phrase's maps are let go before the next group's are made


@dataclass(frozen=True, eq=False)
class InPhoto:
    """One phrase in the picture of one photo's camera, at the photo's size and with its lens.

    Attributes:
        view: the photo's, of the run.
        relevancy, refined, mask: as in `langfield.query.answers.ViewAnswers`.
    """

    phrase: str
    view: RunView
    relevancy: Float32[np.ndarray, "h w"]
    refined: Float32[np.ndarray, "h w"]
    mask: Bool[np.ndarray, "h w"]


def in_photos(
    session: Session,
    wanted: Sequence[tuple[RunView, Sequence[str]]],
    *,
    negatives: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Iterator[InPhoto]:
    """Photo by photo, each phrase that is wanted of it; a photo's camera is rendered once."""
    start = time.monotonic()
    for done, (view, phrases) in enumerate(wanted):
        progress(ProgressEvent("pictures", done, len(wanted), "views", time.monotonic() - start))
        for first in range(0, len(phrases), _PHRASES_AT_ONCE):
            seen = session.ask_view(view.camera, phrases[first : first + _PHRASES_AT_ONCE], negatives=negatives)
            for index, phrase in enumerate(seen.phrases):
                yield InPhoto(phrase, view, seen.relevancy[index], seen.refined[index], seen.masks[index])
    progress(ProgressEvent("pictures", len(wanted), len(wanted), "views", time.monotonic() - start))


class CocoDocument:
    """A COCO file of object instances: every hit that a photo shows is an annotation, every phrase a category."""

    def __init__(self, views: Sequence[RunView], phrases: Sequence[str]) -> None:
        """Args: views: the photos, all of which are listed, also those that show nothing. phrases: differ."""
        self._images = {view.name: number for number, view in enumerate(views, start=1)}
        self._categories = {phrase: number for number, phrase in enumerate(phrases, start=1)}
        self._sizes = [(view.camera.width_px, view.camera.height_px) for view in views]
        self._annotations: list[dict[str, Any]] = []

    def add(self, view: RunView, phrase: str, masks: Bool[np.ndarray, "k h w"], scores: Sequence[float]) -> None:
        """The hits of a phrase in a photo, best first; those without a pixel there are left out."""
        for rank, (mask, score) in enumerate(zip(masks, scores, strict=True), start=1):
            if mask.any():
                where = {"image_id": self._images[view.name], "category_id": self._categories[phrase]}
                number = {"id": len(self._annotations) + 1}
                self._annotations.append(number | where | annotation(mask) | {"score": score, "hit": rank})

    def to_json(self) -> Mapping[str, Any]:
        """The file's content. `score` and `hit` (the rank among the phrase's hits) come on top of what COCO has."""
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


def elements_of(
    session: Session, phrases: Sequence[str], *, negatives: Sequence[str] | None = None
) -> Bool[np.ndarray, " n"] | None:
    """Which of the run's elements belong to any hit of any of the phrases; None if none of the phrases is there."""
    masks = [mask for phrase in phrases for mask in session.elements(phrase, negatives=negatives)]
    return np.any(masks, axis=0) if masks else None


def write_elements(session: Session, path: Path, chosen: Bool[np.ndarray, " n"]) -> int:
    """Write some of a run's elements as PLY, in the world frame: its Gaussians, or coloured points of its surface.

    Args: chosen: see `Session.elements`. Returns how many. Raises RunError if the file cannot be written.
    """
    if session.has_splats:
        return write_splat_ply(path, session.splats(), chosen)
    xyz_world, rgb = session.surface()
    write_points_ply(path, xyz_world[chosen], rgb[chosen])
    return int(chosen.sum())
