"""The protocol "3d": positions, boxes and numbers of hits against where things truly are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from langfield.core.errors import DataError
from langfield.core.json_files import read_json
from langfield.core.progress import Progress
from langfield.evaluation.askable import Asked
from langfield.evaluation.labels.base import InstanceLabels
from langfield.evaluation.questions import Question, figures
from langfield.query.answers import Answer

LOOSE_IOU, TIGHT_IOU = 0.25, 0.5


@dataclass(frozen=True, eq=False)
class Things:
    """Upright cylinders (axis along the world's z) about K things, in world units.

    Attributes:
        centre: their middles.
        radius, height: across, and along z from end to end.
    """

    centre: Float64[np.ndarray, "k 3"]
    radius: Float64[np.ndarray, " k"]
    height: Float64[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.centre)

    def distance(self, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n k"]:
        """From each point to each middle."""
        return np.linalg.norm(points[:, None] - self.centre, axis=-1)

    def hold(self, points: Float64[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n k"]:
        """Whether each point lies in each cylinder, its surface included."""
        away = points[:, None] - self.centre
        across = np.hypot(away[..., 0], away[..., 1]) <= self.radius
        return across & (np.abs(away[..., 2]) <= self.height / 2)

    def boxes(self) -> Float64[np.ndarray, "k 2 3"]:
        """The axis-aligned boxes of the cylinders: lower and upper corners."""
        half = np.stack([self.radius, self.radius, self.height / 2], axis=-1)
        return np.stack([self.centre - half, self.centre + half], axis=1)


def open_things(path: Path, labels: InstanceLabels) -> list[Things]:
    """Where the things are that each phrase of a `queries.json` means.

    Returns:
        One for each of `labels.phrases`; of no thing for what is absent, and for background (negative ids).

    Raises DataError for instances that are missing, stand there twice, or have no size.
    """
    cylinders: dict[int, tuple[list[float], float, float]] = {}
    for item in (
        read_json(path).need("instances", "the protocol 3d needs each thing's position, radius, height").items()
    ):
        number = item.need("id").number()
        position = [entry.number() for entry in item.need("position").items()]
        if len(position) != 3:
            raise item.need("position").error(f"must be [x, y, z], found {len(position)} numbers")
        if number in cylinders or number != int(number):
            raise item.need("id").error(f"must be a whole number that no other instance has, found {number:g}")
        cylinders[int(number)] = position, item.need("radius").number(1e-9), item.need("height").number(1e-9)
    out = []
    for phrase, ids in zip(labels.phrases, labels.ids, strict=True):
        wanted = [thing for thing in ids if thing >= 0]
        missing = next((thing for thing in wanted if thing not in cylinders), None)
        if missing is not None:
            raise DataError(f"query {phrase.text!r} means thing {missing}, which instances has not: add it there", path)
        chosen = [cylinders[thing] for thing in wanted]
        out.append(
            Things(
                np.array([position for position, _, _ in chosen], dtype=np.float64).reshape(-1, 3),
                np.array([radius for _, radius, _ in chosen], dtype=np.float64),
                np.array([height for _, _, height in chosen], dtype=np.float64),
            )
        )
    return out


def box_ious(one: Float64[np.ndarray, "n 2 3"], other: Float64[np.ndarray, "k 2 3"]) -> Float64[np.ndarray, "n k"]:
    """Intersection over union of axis-aligned boxes given by two corners; 0 where both have no volume."""
    low = np.maximum(one[:, None, 0], other[None, :, 0])
    high = np.minimum(one[:, None, 1], other[None, :, 1])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    volumes = [(boxes[:, 1] - boxes[:, 0]).prod(axis=-1) for boxes in (one, other)]
    either = volumes[0][:, None] + volumes[1] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def most_pairs(fit: Bool[np.ndarray, "n k"]) -> int:
    """How many hits can be paired with things they fit, each at most once (a maximum matching)."""
    if not fit.any():
        return 0
    return int((maximum_bipartite_matching(csr_array(fit)) >= 0).sum())


def ask(session: Asked, labels: InstanceLabels, things: Sequence[Things], progress: Progress) -> list[Question]:
    """Ask the whole scene for each phrase that means things with a place."""
    asked = [(phrase, truth) for phrase, truth in zip(labels.phrases, things, strict=True) if len(truth)]
    answers = session.query([phrase.text for phrase, _ in asked], progress=progress) if asked else []
    return [
        Question(
            phrase.text, phrase.kind, None, compared(answer, truth), {"hits": len(answer.hits), "things": len(truth)}
        )
        for (phrase, truth), answer in zip(asked, answers, strict=True)
    ]


def compared(answer: Answer, things: Things) -> dict[str, float | None]:
    """What an answer's hits come to against the K ≥ 1 things that its phrase means.

    Returns:
        "answered": whether there is a hit. Of the best hit: "position_error", to the middle of the nearest thing in
        world units (None without a hit); "in_object", whether it lies in a thing's cylinder; "in_radius", whether it is
        as near as the cylinder's radius to its middle; "iou_3d", its box's best IoU with the box of a thing's
        cylinder; "acc_25" and "acc_50", whether that is above 0.25 and 0.5. Of all hits: "count_right", whether there
        are as many as things; "f1" of hits that lie in a thing, each paired with one (`most_pairs`).
    """
    if not answer.hits:
        nothing = ("answered", "in_object", "in_radius", "iou_3d", "acc_25", "acc_50", "count_right", "f1")
        return {"position_error": None} | dict.fromkeys(nothing, 0.0)
    points = np.array([hit.position for hit in answer.hits], dtype=np.float64)
    best_box = np.array([[answer.hits[0].box.low, answer.hits[0].box.high]], dtype=np.float64)
    distance, held = things.distance(points[:1])[0], things.hold(points)
    iou = float(box_ious(best_box, things.boxes()).max())
    return {
        "position_error": float(distance.min()),
        "answered": 1.0,
        "in_object": float(held[0].any()),
        "in_radius": float((distance <= things.radius).any()),
        "iou_3d": iou,
        "acc_25": float(iou > LOOSE_IOU),
        "acc_50": float(iou > TIGHT_IOU),
        "count_right": float(len(answer.hits) == len(things)),
        "f1": 2 * most_pairs(held) / (len(answer.hits) + len(things)),
    }


def by_number(questions: Sequence[Question], seed: int) -> Mapping[str, Any]:
    """`figures` of the phrases that mean one thing, and of those that mean several."""
    several = [question for question in questions if question.notes["things"] > 1]
    single = [question for question in questions if question.notes["things"] == 1]
    return {"single": figures(single, seed), "several": figures(several, seed)}
