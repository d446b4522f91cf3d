"""What a question gets back: plain data, in the world frame and units of the input files."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from scipy.spatial import ConvexHull, QhullError
from torch import Tensor

from langfield.core.devices import to_host
from langfield.core.number_text import position_text

REGION_ENDS = 2.0  # percent of a region's points that boxes leave out on either side of each axis
GROUP_ENDS = 1.0  # likewise of a group's: it ends where the thing does
_TURNED_POINTS = 2048  # of a region: as many as that tell how a box is turned


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in the world frame, by its corners of smallest and largest coordinates."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def size(self) -> tuple[float, float, float]:
        """Lengths of the edges along x, y and z."""
        x, y, z = (high - low for low, high in zip(self.low, self.high, strict=True))
        return x, y, z

    def to_json(self) -> list[list[float]]:
        """The two corners."""
        return [list(self.low), list(self.high)]


@dataclass(frozen=True)
class OrientedBox:
    """A box along axes of its own, world frame and units.

    Attributes:
        centre: of the box.
        axes: three unit vectors, right-handed, along the box's edges. Of a box along principal axes (`oriented_box`)
            the longest edge is first; of an upright one (`upright_box`) the last axis points upwards.
        size: lengths of the edges, in their order.
    """

    centre: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    size: tuple[float, float, float]

    def to_json(self) -> dict[str, Any]:
        """A hit's "oriented_box"."""
        return {"centre": list(self.centre), "axes": [list(axis) for axis in self.axes], "size": list(self.size)}


@dataclass(frozen=True)
class Hit:
    """One place that answers a phrase: a connected region of the scene's surface.

    Attributes:
        position: the middle of the region's core, where relevancy is nearly as high as its peak; world units.
        box: axis-aligned, around the whole region.
        oriented_box: around the whole region, along its principal axes.
        upright_box: around the whole region, its last axis upwards, turned so that it covers least ground.
        score: its peak relevancy in [0, 1], a mean over crop levels, smoothed over the surface. 0.5 would mean, of
            LERF's relevancy at one level, that no negative phrase wins.
        scale_world: height, at this place, of the crops that fit the phrase best, world units.
        views: names of up to four photos that show it best, with nothing in front of it.
        elements: how many of the run's Gaussians lie in it; of a field, how many `points_world` are.
        points_world: (K, 3) the points of the scene's surface that lie in it.
    """

    position: tuple[float, float, float]
    box: Box
    oriented_box: OrientedBox
    upright_box: OrientedBox
    score: float
    scale_world: float
    views: tuple[str, ...]
    elements: int
    points_world: Float[np.ndarray, "k 3"] = field(repr=False, compare=False)

    @classmethod
    def from_points(
        cls,
        points_world: Float[np.ndarray, "k 3"],
        core_world: Float[np.ndarray, "c 3"],
        score: float,
        scale_world: float,
        elements: int,
        views: Sequence[str],
        up_world: Float[np.ndarray, "3"],
        ends: float = REGION_ENDS,
        margin: float = 0.0,
    ) -> "Hit":
        """The hit that a region's points make. Boxes and position leave out the outermost points on either side.

        Args:
            points_world: of the region, at least one.
            core_world: of the region's core, at least one: the position is the middle of their box.
            score: the region's peak relevancy.
            scale_world: height of the crops that fit best, world units.
            elements: how many of the run's Gaussians lie in the region; of a field, how many points.
            views: names of the photos that show it best.
            up_world: unit, upwards.
            ends: percent of the points that are left out on either side of each axis.
            margin: how far what the points stand for reaches beyond them, world units.
        """
        position = _triple(box_centre(core_world, ends))
        around, upright = oriented_box(points_world, ends, margin), upright_box(points_world, up_world, ends, margin)
        box = axis_aligned_box(points_world, ends, margin)
        return cls(position, box, around, upright, score, scale_world, tuple(views), elements, points_world)

    def to_json(self) -> dict[str, Any]:
        """One of an answer's "hits", without its points: plain lists and numbers."""
        return {
            "position": list(self.position),
            "box": self.box.to_json(),
            "oriented_box": self.oriented_box.to_json(),
            "obb": self.upright_box.to_json(),
            "score": float(self.score),
            "scale": float(self.scale_world),
            "views": list(self.views),
            "elements": self.elements,
        }


def box_centre(points: Float[np.ndarray, "k 3"], ends: float = REGION_ENDS) -> Float[np.ndarray, "3"]:
    """The centre of the axis-aligned box about at least one point, without the outermost on either side.

    The points' mean would be drawn towards the side of a thing that more photos show.
    """
    return np.percentile(points, (ends, 100 - ends), axis=0).mean(axis=0)


def axis_aligned_box(points: Float[np.ndarray, "k 3"], ends: float = REGION_ENDS, margin: float = 0.0) -> Box:
    """The box along the frame's axes of at least one point.

    Args:
        ends: percent of the points that are left out on either side of each axis.
        margin: how far what the points stand for reaches beyond them: half a voxel's side, of voxels' middles.
    """
    low, high = np.percentile(points, (ends, 100 - ends), axis=0)
    return Box(_triple(low - margin), _triple(high + margin))


@dataclass(frozen=True)
class Answer:
    """Whether and where a phrase is in the scene.

    `json.dumps(answers, default=lambda value: value.to_json())` makes JSON of answers, hits and boxes.

    Attributes:
        phrase: what was asked.
        present: whether it is in the scene at all, as far as the run can tell: presence > `min_presence` of the
            question, which is 0.5 unless that says otherwise.
        presence: evidence for that, in [0, 1] (`langfield.query.presence`).
        score: of the best hit; 0 without one.
        scale_world: height of the crop that fits the phrase best, world units; None without a hit.
        hits: up to eight, best first; none where it is not present.
    """

    phrase: str
    present: bool
    presence: float
    score: float
    scale_world: float | None
    hits: tuple[Hit, ...]

    @property
    def position(self) -> tuple[float, float, float] | None:
        """World position of the best hit."""
        return self.hits[0].position if self.hits else None

    @property
    def position_text(self) -> str:
        """The position for a table, with the digits that the thing's size needs; "" for what is not there."""
        return position_text(self.hits[0].position, self.hits[0].box.size) if self.hits else ""

    @property
    def box(self) -> Box | None:
        """Axis-aligned box of the best hit, world frame."""
        return self.hits[0].box if self.hits else None

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield query --json` prints for this phrase: plain lists and numbers."""
        best = self.hits[0].to_json() if self.hits else {"position": None, "box": None}
        return {
            "phrase": self.phrase,
            "present": self.present,
            "presence": float(self.presence),
            "score": float(self.score),
            "position": best["position"],
            "box": best["box"],
            "scale": None if self.scale_world is None else float(self.scale_world),
            "hits": [hit.to_json() for hit in self.hits],
        }


@dataclass(frozen=True, eq=False)
class ViewTensors:
    """The arrays of `ViewAnswers`, by the same names, where they were worked out: on a session's device."""

    rgb: UInt8[Tensor, "h w 3"]
    depth_world: Float32[Tensor, "h w"]
    relevancy: Float32[Tensor, "p h w"]
    refined: Float32[Tensor, "p h w"]
    masks: Bool[Tensor, "p h w"]
    scale_world: Float32[Tensor, "p h w"]
    best_xy_px: Float[Tensor, "p 2"]
    score: Float[Tensor, " p"]


_ARRAYS = tuple(each.name for each in fields(ViewTensors))


@dataclass(frozen=True)
class ViewAnswers:
    """P phrases in the picture of one camera of H × W pixels.

    A session's answers stay on its device: `tensors` has them there, and an array is copied when it is first read.

    Attributes:
        phrases: what was asked.
        rgb: (H, W, 3) the rendered picture.
        depth_world: (H, W) z-depth in world units, infinite where nothing is.
        relevancy: (P, H, W) LERF's relevancy of every pixel as rendered, in [0, 1], at the query scale below.
        refined: (P, H, W) relevancy of the surface that each pixel shows, from all photos: the mean over crop levels
            up to the best one, smoothed where the surface shows no edge (`langfield.query.index.surface_graph`).
        masks: (P, H, W) the pixels of all hits; none for a phrase that is not present.
        scale_world: (P, H, W) the query scale of each pixel's relevancy: the height of a crop, world units.
        best_xy_px: (P, 2) the pixel that answers each phrase, (x, y), centres at + 0.5.
        score: (P,) relevancy there.
        note: a line for people where the camera sees nothing of the scene: its pose may be meant otherwise. Else None.
    """

    phrases: tuple[str, ...]
    rgb: UInt8[np.ndarray, "h w 3"]
    depth_world: Float32[np.ndarray, "h w"]
    relevancy: Float32[np.ndarray, "p h w"]
    refined: Float32[np.ndarray, "p h w"]
    masks: Bool[np.ndarray, "p h w"]
    scale_world: Float32[np.ndarray, "p h w"]
    best_xy_px: Float[np.ndarray, "p 2"]
    score: Float[np.ndarray, " p"]
    note: str | None = None

    @classmethod
    def of_tensors(cls, phrases: tuple[str, ...], tensors: ViewTensors, note: str | None = None) -> "ViewAnswers":
        """Answers whose arrays are on a device, and copied from there when they are first read; a CPU's are arrays
        at once."""
        if not tensors.rgb.is_cuda:
            arrays: dict[str, Any] = dict(zip(_ARRAYS, to_host(*vars(tensors).values()), strict=True))
            return cls(phrases, **arrays, note=note)
        answers = object.__new__(cls)
        vars(answers).update(phrases=phrases, tensors=tensors, note=note)
        return answers

    @cached_property
    def tensors(self) -> ViewTensors:
        """The arrays as tensors: on the device of the session that answered, without a copy."""
        return ViewTensors(**{name: torch.from_numpy(getattr(self, name)) for name in _ARRAYS})

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> np.ndarray:
            """An array that was not read before."""
            if name not in _ARRAYS or "tensors" not in vars(self):
                raise AttributeError(f"{type(self).__name__} has no {name}")
            (array,) = to_host(getattr(self.tensors, name))
            return vars(self).setdefault(name, array)


def oriented_box(points: Float[np.ndarray, "k 3"], ends: float = REGION_ENDS, margin: float = 0.0) -> OrientedBox:
    """The box along the principal axes of at least one point. Args: see `axis_aligned_box`."""
    mean = points.mean(axis=0)
    axes = np.linalg.eigh((points - mean).T @ (points - mean))[1].T  # rows
    low, high = np.percentile((points - mean) @ axes.T, (ends, 100 - ends), axis=0)
    longest_first = np.argsort(low - high)  # points may vary most along one axis and reach farthest along another
    axes, low, high = axes[longest_first], low[longest_first], high[longest_first]
    if np.linalg.det(axes) < 0:
        axes[2], low[2], high[2] = -axes[2], -high[2], -low[2]
    return _box_along(axes, mean, low - margin, high + margin)


def upright_box(
    points: Float[np.ndarray, "k 3"], up: Float[np.ndarray, "3"], ends: float = REGION_ENDS, margin: float = 0.0
) -> OrientedBox:
    """The box with one axis upwards (the last one) that covers least ground, of those with an edge along the outline.

    Args:
        points: at least one.
        up: unit.
        ends: percent of the points that are left out on either side of each axis.
        margin: see `axis_aligned_box`.
    """
    mean = points.mean(axis=0)
    east = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    east /= np.linalg.norm(east)
    north = np.cross(up, east)
    ground = (points - mean)[:: -(-len(points) // _TURNED_POINTS)] @ np.stack([east, north], axis=1)

    angles = _edge_angles(ground)
    cos, sin = np.cos(angles), np.sin(angles)
    turned = np.concatenate([ground @ np.stack([cos, sin]), ground @ np.stack([-sin, cos])], axis=1)
    low, high = np.percentile(turned, (ends, 100 - ends), axis=0)
    angle = angles[np.prod((high - low).reshape(2, -1), axis=0).argmin()]
    axes = np.stack([np.cos(angle) * east + np.sin(angle) * north, np.cos(angle) * north - np.sin(angle) * east, up])
    low, high = np.percentile((points - mean) @ axes.T, (ends, 100 - ends), axis=0)
    return _box_along(axes, mean, low - margin, high + margin)


def _edge_angles(ground: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, " a"]:
    """Directions of the edges of the outline of points in a plane, in [0, 90°); 0 for points that have no area."""
    try:
        outline = ground[ConvexHull(ground).vertices]
    except (QhullError, ValueError):
        return np.zeros(1)
    edges = np.roll(outline, -1, axis=0) - outline
    return np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 3))


def _box_along(
    axes: Float[np.ndarray, "3 3"],
    origin: Float[np.ndarray, "3"],
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
) -> OrientedBox:
    """The box between two corners given along axes (rows) from an origin."""
    x, y, z = (_triple(axis) for axis in axes)
    return OrientedBox(_triple(origin + (low + high) / 2 @ axes), (x, y, z), _triple(high - low))


def _triple(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
