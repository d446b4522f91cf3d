"""What a question gets back: plain data, in the frame and units of the input files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from langfield.core.cameras import Camera
from langfield.query.best_views import views_of_point

_OUTLIERS = (2, 98)  # percentiles that a box reaches from and to


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in world units: two opposite corners."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


@dataclass(frozen=True)
class OrientedBox:
    """A box along the thing's own axes, world units.

    Attributes:
        centre: of the box.
        axes: unit vectors, a right-handed set; the thing is longest along the first.
        size: lengths of the box's sides along them.
    """

    centre: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    size: tuple[float, float, float]


@dataclass(frozen=True)
class Hit:
    """One place that answers a phrase.

    Attributes:
        position: the middle of where it stands out most, world units.
        box: around it.
        oriented_box: around it, along its own axes.
        score: its relevancy in [0, 1], the mean over sizes of crops; at one size 0.5 means that no negative wins.
        scale_world: height, at this place, of the crops that fit the phrase best, world units.
        views: names of the photos that show it best.
        elements: how many of the run's elements belong to it (Gaussians; of a field, points of its surface).
        points_world: what of the scene's surface belongs to it.
    """

    position: tuple[float, float, float]
    box: Box
    oriented_box: OrientedBox
    score: float
    scale_world: float
    views: tuple[str, ...]
    elements: int
    points_world: Float[np.ndarray, "k 3"] = field(repr=False, compare=False)

    @classmethod
    def of_points(
        cls,
        points_world: Float[np.ndarray, "k 3"],
        core_world: Float[np.ndarray, "c 3"],
        score: float,
        scale_world: float,
        elements: int,
        cameras: Sequence[tuple[str, Camera]],
    ) -> "Hit":
        """The hit that surface points make; boxes leave out the outermost 2 % on either side.

        Args:
            points_world: at least one.
            core_world: those that stand out most, at least one; the position is the middle of their box.
            cameras: of the world frame, with their photos' names.
        """
        low, high = np.percentile(points_world, _OUTLIERS, axis=0)
        position = _triple(middle(core_world))
        best = [cameras[i][0] for i in views_of_point([camera for _, camera in cameras], position)]
        box = Box(_triple(low), _triple(high))
        around = oriented_box(points_world)
        return cls(position, box, around, score, scale_world, tuple(best), elements, points_world)

    def to_json(self) -> dict[str, Any]:
        """One of an answer's "hits"."""
        around = self.oriented_box
        return {
            "position": list(self.position),
            "box": [list(self.box.low), list(self.box.high)],
            "oriented_box": {
                "centre": list(around.centre),
                "axes": [list(axis) for axis in around.axes],
                "size": list(around.size),
            },
            "score": self.score,
            "scale": self.scale_world,
            "views": list(self.views),
            "elements": self.elements,
        }


def middle(points: Float[np.ndarray, "k 3"]) -> Float[np.ndarray, "3"]:
    """The middle of the axis-aligned box about at least one point, without the outermost 2 % on either side.

    A mean would be drawn towards the sides that more photos show, and the surface is all that they show of a thing.
    """
    return np.percentile(points, _OUTLIERS, axis=0).mean(axis=0)


@dataclass(frozen=True)
class Answer:
    """Where a phrase is in the scene.

    Attributes:
        phrase: what was asked.
        present: whether it is in the scene at all, as far as the run can tell.
        presence: the evidence for that, in [0, 1]; `present` is presence > 0.5.
        score: relevancy of the best hit (0 without one).
        scale_world: height of the crop that fits the phrase best, world units; None without a hit.
        hits: best first; none where it is not present.
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

    def to_json(self) -> dict[str, Any]:
        """The object that `langfield query --json` prints for this phrase."""
        best = self.hits[0].to_json() if self.hits else {"position": None, "box": None}
        return {
            "phrase": self.phrase,
            "present": self.present,
            "presence": self.presence,
            "score": self.score,
            "position": best["position"],
            "box": best["box"],
            "scale": self.scale_world,
            "hits": [hit.to_json() for hit in self.hits],
        }


@dataclass(frozen=True)
class ViewAnswers:
    """What phrases look like from one camera of H × W pixels.

    Attributes:
        phrases: P phrases.
        rgb: the rendered picture.
        depth_world: z-depth in world units, infinite where nothing is.
        relevancy: raw relevancy of every pixel, in [0, 1], at the phrase's best scale.
        refined: relevancy brought into line with the scene's surface, from all photos: see
            `langfield.query.index.surface_voxels`.
        masks: the pixels of all hits; none for a phrase that is not present.
        scale_world: the scale of each pixel's relevancy, in world units (the height of a crop).
        best_xy_px: the point that answers each phrase, (x, y) in pixels.
        score: relevancy of that answer.
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


def oriented_box(points: Float[np.ndarray, "k 3"]) -> OrientedBox:
    """Along the principal axes of at least one point."""
    mean = points.mean(axis=0)
    _, axes = np.linalg.eigh((points - mean).T @ (points - mean))
    axes = axes[:, ::-1].T  # rows, the longest first
    axes[2] = np.cross(axes[0], axes[1])
    low, high = np.percentile((points - mean) @ axes.T, _OUTLIERS, axis=0)
    x, y, z = (_triple(axis) for axis in axes)
    return OrientedBox(_triple(mean + (low + high) / 2 @ axes), (x, y, z), _triple(high - low))


def _triple(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
