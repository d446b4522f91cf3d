"""What a page knows beside its Gaussians, as plain data: answers, photos to stand at, colours."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from langfield.core.number_text import position_text
from langfield.core.transforms import Similarity
from langfield.query.answers import Answer, Hit
from langfield.query.pictures import DECISION, PHRASE_COLOURS, TURBO
from langfield.query.session import Session
from langfield.runs.info import RunView

_MOST_PHOTOS = 24  # to stand at, beside those that show hits best
_PHOTOS_OF_HIT = 2
_FIRST_PX = 240
_DIGITS = 6


def described(session: Session, answers: Sequence[Answer], page_from_world: Similarity) -> dict[str, Any]:
    """Photos, the one that is first stood at and how far what it shows is, answers, and colours."""
    photos = listed_photos(session, answers)
    return {
        "photos": described_photos(photos, page_from_world),
        "first": [photo.name for photo in photos].index(session.train_views()[0].name),
        "distance": first_distance(session, page_from_world),
        "answers": [described_answer(answer, photos, page_from_world) for answer in answers],
        "colours": {
            "phrases": [list(colour) for colour in PHRASE_COLOURS],
            "turbo": TURBO.tolist(),
            "decision": DECISION,
        },
    }


def listed_photos(session: Session, answers: Sequence[Answer]) -> list[RunView]:
    """The photos whose cameras the page knows, in the run's order: the first one of training, evenly chosen ones, and
    those that show each hit best."""
    step = max(1, -(-len(session.views) // _MOST_PHOTOS))
    names = {view.name for view in session.views[::step]} | {view.name for view in session.train_views()[:1]}
    names |= {name for answer in answers for hit in answer.hits for name in hit.views[:_PHOTOS_OF_HIT]}
    return [view for view in session.views if view.name in names]


def described_photos(photos: Sequence[RunView], page_from_world: Similarity) -> list[dict[str, Any]]:
    """Of each photo its name, the rows of its pose in the page's frame (OpenCV's axes), and the tangents of half its
    field of view, across and down."""
    return [
        {
            "name": photo.name,
            "pose": _numbers(page_from_world.pose(photo.camera.world_from_camera)[:3].ravel()),
            "tangents": _numbers(
                [
                    photo.camera.width_px / (2 * photo.camera.fx_px),
                    photo.camera.height_px / (2 * photo.camera.fy_px),
                ]
            ),
        }
        for photo in photos
    ]


def described_answer(answer: Answer, photos: Sequence[RunView], page_from_world: Similarity) -> dict[str, Any]:
    """A phrase, whether it is there, and its hits with boxes in the page's frame. Args: photos: that the page lists."""
    places = {photo.name: number for number, photo in enumerate(photos)}
    centres = [page_from_world.points(photo.camera.world_from_camera[:3, 3]) for photo in photos]

    def described_hit(hit: Hit) -> dict[str, Any]:
        seen_in = [places[name] for name in hit.views[:_PHOTOS_OF_HIT] if name in places]
        box = hit.upright_box
        return {
            "score": round(float(hit.score), 4),
            "position": position_text(hit.position, hit.box.size),
            "size": size_text(box.size),
            "centre": _numbers(page_from_world.points(np.array(box.centre))),
            "axes": _numbers((np.array(box.axes) @ page_from_world.rotation.T).ravel()),
            "edges": _numbers(np.array(box.size) * page_from_world.scale),
            "photos": seen_in,
            "eye": _numbers(centres[seen_in[0]]) if seen_in else None,
        }

    return {
        "phrase": answer.phrase,
        "present": answer.present,
        "presence": round(float(answer.presence), 4),
        "hits": [described_hit(hit) for hit in answer.hits],
    }


def first_distance(session: Session, page_from_world: Similarity) -> float:
    """How far what the first photo shows in its middle is, in the page's frame; 1 where it shows nothing."""
    camera = session.train_views()[0].camera.undistorted().fit_within(_FIRST_PX)
    depth = session.picture(camera)[1]
    height, width = depth.shape
    middle = depth[height // 3 : -(-2 * height // 3), width // 3 : -(-2 * width // 3)]
    seen = middle[np.isfinite(middle)]
    return float(np.median(seen)) * page_from_world.scale if len(seen) else 1.0


def size_text(size: Sequence[float]) -> str:
    """Edges of a box, world units, with the decimals that tell two digits of the longest."""
    longest = max(size)
    decimals = max(0, 1 - math.floor(math.log10(longest))) if 0 < longest < math.inf else 2
    return " \N{MULTIPLICATION SIGN} ".join(f"{side:.{decimals}f}" for side in size)


def _numbers(values: Iterable[float]) -> list[float]:
    """Finite numbers with as many digits as a page of a few units needs."""
    return [round(float(value), _DIGITS) for value in values]
