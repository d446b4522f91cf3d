"""The protocol "3d": positions, 3D boxes and numbers of hits against where a `queries.json` says that things are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from langfield.core.progress import Progress
from langfield.data.queries import Instance, QueriesFile
from langfield.evaluation.askable import AskableSession
from langfield.evaluation.questions import Question
from langfield.evaluation.statistics import figures
from langfield.query.answers import Answer

LOOSE_IOU, TIGHT_IOU = 0.25, 0.5


@dataclass(frozen=True, eq=False)
class Cylinders:
    """The upright cylinders (axis along the world's z) about K things, in world units.

    Attributes:
        centre: their middles.
        radius: across.
        height: from end to end along z.
    """

    centre: Float64[np.ndarray, "k 3"]
    radius: Float64[np.ndarray, " k"]
    height: Float64[np.ndarray, " k"]

    @classmethod
    def of(cls, instances: Sequence[Instance]) -> "Cylinders":
        """Those of K ≥ 0 things."""
        return cls(
            np.array([thing.position for thing in instances], dtype=np.float64).reshape(-1, 3),
            np.array([thing.radius for thing in instances], dtype=np.float64),
            np.array([thing.height for thing in instances], dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.centre)

    def distance(self, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n k"]:
        """From each point to each middle."""
        return np.linalg.norm(points[:, None] - self.centre, axis=-1)

    def contain(self, points: Float64[np.ndarray, "n 3"], slack_world: float = 0.0) -> Bool[np.ndarray, "n k"]:
        """Whether each point lies in each cylinder, or no further than `slack_world` outside of its side and ends."""
        away = points[:, None] - self.centre
        across = np.hypot(away[..., 0], away[..., 1]) <= self.radius + slack_world
        return across & (np.abs(away[..., 2]) <= self.height / 2 + slack_world)

    def boxes(self) -> Float64[np.ndarray, "k 2 3"]:
        """The axis-aligned boxes of the cylinders: lower and upper corners."""
        half = np.stack([self.radius, self.radius, self.height / 2], axis=-1)
        return np.stack([self.centre - half, self.centre + half], axis=1)


def cylinders_of(file: QueriesFile) -> list[Cylinders]:
    """For each of the file's queries the cylinders of the things that it means; none for background and what is absent.

    Raises DataError for instances that are missing or make no sense.
    """
    return [Cylinders.of(file.instances_of(query)) for query in file.queries]


def box_ious(one: Float64[np.ndarray, "n 2 3"], other: Float64[np.ndarray, "k 2 3"]) -> Float64[np.ndarray, "n k"]:
    """Intersection over union of axis-aligned boxes given by two corners; 0 where both have no volume."""
    low = np.maximum(one[:, None, 0], other[None, :, 0])
    high = np.minimum(one[:, None, 1], other[None, :, 1])
    intersection = np.clip(high - low, 0, None).prod(axis=-1)
    volumes = [(boxes[:, 1] - boxes[:, 0]).prod(axis=-1) for boxes in (one, other)]
    union = volumes[0][:, None] + volumes[1] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def matching_size(fits: Bool[np.ndarray, "n k"]) -> int:
    """The most pairs of a hit and a thing it fits in which each hit and each thing is at most once (a maximum bipartite
    matching)."""
    if not fits.any():
        return 0
    return int((maximum_bipartite_matching(csr_array(fits)) >= 0).sum())


def ask(session: AskableSession, file: QueriesFile, progress: Progress) -> list[Question]:
    """Ask the whole scene for each phrase that means things with a place. Raises as `cylinders_of`."""
    asked = [(query, truth) for query, truth in zip(file.queries, cylinders_of(file), strict=True) if len(truth)]
    answers = session.query([query.text for query, _ in asked], progress=progress) if asked else []
    return [
        Question(
            query.text,
            query.kind,
            None,
            compare_hits(answer, truth),
            {"hits": len(answer.hits), "things": len(truth)},
        )
        for (query, truth), answer in zip(asked, answers, strict=True)
    ]


def compare_hits(answer: Answer, things: Cylinders) -> dict[str, float | None]:
    """How an answer's hits agree with the K ≥ 1 things that its phrase means.

    Returns:
        "answered": whether there is a hit. Of the best hit: "position_error", to the middle of the nearest thing in
        world units (None without a hit); "in_object", whether it lies in a thing's cylinder; "in_radius", whether it is
        as near as the cylinder's radius to its middle; "iou_3d", its box's best IoU with the box of a thing's
        cylinder; "acc_25" and "acc_50", whether that is above 0.25 and 0.5. Of all hits: "count_right", whether there
        are as many as things; "f1" of hits that lie in a thing, each paired with another (`matching_size`).
    """
    if not answer.hits:
        nothing = ("answered", "in_object", "in_radius", "iou_3d", "acc_25", "acc_50", "count_right", "f1")
        return {"position_error": None} | dict.fromkeys(nothing, 0.0)
    points = np.array([hit.position for hit in answer.hits], dtype=np.float64)
    best_box = np.array([[answer.hits[0].box.low, answer.hits[0].box.high]], dtype=np.float64)
    distance, inside = things.distance(points[:1])[0], things.contain(points)
    iou = float(box_ious(best_box, things.boxes()).max())
    return {
        "position_error": float(distance.min()),
        "answered": 1.0,
        "in_object": float(inside[0].any()),
        "in_radius": float((distance <= things.radius).any()),
        "iou_3d": iou,
        "acc_25": float(iou > LOOSE_IOU),
        "acc_50": float(iou > TIGHT_IOU),
        "count_right": float(len(answer.hits) == len(things)),
        "f1": 2 * matching_size(inside) / (len(answer.hits) + len(things)),
    }


def by_number(questions: Sequence[Question], seed: int) -> Mapping[str, Any]:
    """`figures` of the phrases that mean one thing ("single") and of those that mean more ("several")."""
    several = [question for question in questions if question.notes["things"] > 1]
    single = [question for question in questions if question.notes["things"] == 1]
    return {"single": figures(single, seed), "several": figures(several, seed)}
