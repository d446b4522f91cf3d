"""The protocol "3d": positions, 3D boxes and numbers of hits against where a `queries.json` says that things are.

Boxes are compared with the things' exact ones where the file gives them, else with those of the cylinders about the
things, which are up to twice as large: a perfect answer then has an IoU of about 0.5.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from langfield.core.progress import Progress
from langfield.data.queries import Instance, QueriesFile, TurnedBox
from langfield.evaluation.askable import AskableSession
from langfield.evaluation.questions import Question
from langfield.evaluation.statistics import figures
from langfield.query.answers import Answer
from langfield.query.boxes import OrientedBox

LOOSE_IOU, TIGHT_IOU = 0.25, 0.5
# Of an intersection, in units of the larger box's longest edge; its corners are not told apart below.
_LEAST_RADIUS, _LEAST_VOLUME = 1e-7, 1e-12


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


def true_boxes(things: Sequence[Instance]) -> Float64[np.ndarray, "k 2 3"]:
    """The axis-aligned boxes of K things, lower and upper corners: the exact ones, or those of the cylinders."""
    around = Cylinders.of(things).boxes()
    exact = [box if thing.box is None else thing.box for thing, box in zip(things, around, strict=True)]
    return np.array(exact, dtype=np.float64).reshape(-1, 2, 3)


def box_ious(one: Float64[np.ndarray, "n 2 3"], other: Float64[np.ndarray, "k 2 3"]) -> Float64[np.ndarray, "n k"]:
    """Intersection over union of axis-aligned boxes given by two corners; 0 where both have no volume."""
    low = np.maximum(one[:, None, 0], other[None, :, 0])
    high = np.minimum(one[:, None, 1], other[None, :, 1])
    intersection = np.clip(high - low, 0, None).prod(axis=-1)
    volumes = [(boxes[:, 1] - boxes[:, 0]).prod(axis=-1) for boxes in (one, other)]
    union = volumes[0][:, None] + volumes[1] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def oriented_box_iou(one: OrientedBox, other: OrientedBox) -> float:
    """Intersection over union of two boxes that are turned in any way; 0 where they share no volume.

    The intersection is the polytope of both boxes' twelve half-spaces. Its corners are computed about the middle of the
    largest ball in it (a linear program), its volume is that of their convex hull.
    """
    from scipy.optimize import linprog
    from scipy.spatial import ConvexHull, HalfspaceIntersection

    unit = max(*one.size, *other.size)
    volumes = [math.prod(length / unit for length in box.size) for box in (one, other)] if unit else [0.0, 0.0]
    if min(volumes) < _LEAST_VOLUME:
        return 0.0
    origin = np.array(one.centre)
    planes = np.concatenate([_half_spaces(box, origin, unit) for box in (one, other)])
    normals, offsets = planes[:, :3], planes[:, 3]
    ball = linprog([0, 0, 0, -1], np.c_[normals, np.ones(len(planes))], -offsets, bounds=[(None, None)] * 4)
    if not ball.success or ball.x[3] < _LEAST_RADIUS:
        return 0.0
    intersection = float(ConvexHull(HalfspaceIntersection(planes, ball.x[:3]).intersections).volume)
    return min(1.0, intersection / (sum(volumes) - intersection))


def _half_spaces(box: OrientedBox, origin: Float64[np.ndarray, "3"], unit: float) -> Float64[np.ndarray, "6 4"]:
    """Rows (n, d): a box's inside is where n·x + d ≤ 0 for all; x is counted from `origin` in multiples of `unit`."""
    axes, half = np.array(box.axes), np.array(box.size) / unit / 2
    middle = axes @ (np.array(box.centre) - origin) / unit
    return np.concatenate([np.c_[axes, -middle - half], np.c_[-axes, middle - half]])


def _oriented(box: TurnedBox) -> OrientedBox:
    cos, sin = math.cos(math.radians(box.yaw_degrees)), math.sin(math.radians(box.yaw_degrees))
    return OrientedBox(box.centre, ((cos, sin, 0.0), (-sin, cos, 0.0), (0.0, 0.0, 1.0)), box.size)


def matching_size(fits: Bool[np.ndarray, "n k"]) -> int:
    """The most pairs of a hit and a thing it fits in which each hit and each thing is at most once (a maximum bipartite
    matching)."""
    if not fits.any():
        return 0
    return int((maximum_bipartite_matching(csr_array(fits)) >= 0).sum())


def ask(session: AskableSession, file: QueriesFile, progress: Progress) -> list[Question]:
    """Ask the whole scene for each phrase that means things with a place.

    Raises DataError for instances that are missing or make no sense.
    """
    asked = [(query, things) for query in file.queries if (things := file.instances_of(query))]
    answers = session.query([query.text for query, _ in asked], progress=progress) if asked else []
    return [
        Question(
            query.text,
            query.kind,
            None,
            compare_hits(answer, things),
            {"hits": len(answer.hits), "things": len(things)},
        )
        for (query, things), answer in zip(asked, answers, strict=True)
    ]


def compare_hits(answer: Answer, things: Sequence[Instance]) -> dict[str, float | None]:
    """How an answer's hits agree with the K ≥ 1 things that its phrase means.

    Returns:
        "answered": whether there is a hit. Of the best hit: "position_error", to the middle of the nearest thing in
        world units (None without a hit); "in_object", whether it lies in a thing's cylinder; "in_radius", whether it is
        as near as the cylinder's radius to its middle; "iou_3d", its box's best IoU with the box of a thing
        (`true_boxes`); "acc_25" and "acc_50", whether that is above 0.25 and 0.5; "iou_3d_oriented", its oriented
        box's best IoU with a thing's turned box (None unless all things have one). Of all hits: "count_right", whether
        there are as many as things; "f1" of hits that lie in a thing, each paired with another (`matching_size`).
    """
    turned = [_oriented(thing.turned_box) for thing in things if thing.turned_box is not None]
    known = len(turned) == len(things)
    if not answer.hits:
        nothing = ("answered", "in_object", "in_radius", "iou_3d", "acc_25", "acc_50", "count_right", "f1")
        nowhere = {"position_error": None, "iou_3d_oriented": 0.0 if known else None}
        return nowhere | dict.fromkeys(nothing, 0.0)
    cylinders = Cylinders.of(things)
    points = np.array([hit.position for hit in answer.hits], dtype=np.float64)
    best_box = np.array([[answer.hits[0].box.low, answer.hits[0].box.high]], dtype=np.float64)
    distance, inside = cylinders.distance(points[:1])[0], cylinders.contain(points)
    iou = float(box_ious(best_box, true_boxes(things)).max())
    around = answer.hits[0].oriented_box
    return {
        "position_error": float(distance.min()),
        "answered": 1.0,
        "in_object": float(inside[0].any()),
        "in_radius": float((distance <= cylinders.radius).any()),
        "iou_3d": iou,
        "iou_3d_oriented": max(oriented_box_iou(around, box) for box in turned) if known else None,
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
