"""Boxes about points of a surface: along the frame's axes, along the points' own, and upright."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull, QhullError

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


@dataclass(frozen=True, eq=False)
class Ends:
    """Where a cloud of K points ends along an axis, when few of them may be wrong.

    Attributes:
        percent: of the points that are left out on either side of each axis.
        margin: how far what the points stand for reaches beyond them: half a voxel's side, of voxels' middles.
        weight: (K,) of the points, positive; None counts each once.
    """

    percent: float
    margin: float = 0.0
    weight: Float[np.ndarray, " k"] | None = None

    def of(self, values: Float[np.ndarray, "k a"]) -> tuple[Float[np.ndarray, " a"], Float[np.ndarray, " a"]]:
        """The lower and the upper end of each column."""
        percents = np.array([self.percent, 100 - self.percent])
        if self.weight is None:
            low, high = np.percentile(values, percents, axis=0)
        else:
            low, high = _weighted_percentiles(values, self.weight, percents)
        return low - self.margin, high + self.margin

    def thinned(self, step: int) -> "Ends":
        """The same for every so many points."""
        return self if self.weight is None else replace(self, weight=self.weight[::step])


REGION = Ends(REGION_ENDS)


def _weighted_percentiles(
    values: Float[np.ndarray, "k a"], weight: Float[np.ndarray, " k"], percents: Float[np.ndarray, " p"]
) -> Float[np.ndarray, "p a"]:
    """Percentiles of each column; a value lies in the middle of its own weight."""
    order = values.argsort(axis=0)
    ordered, own = np.take_along_axis(values, order, axis=0), weight[order]
    place = own.cumsum(axis=0) - own / 2
    wanted = percents / 100 * weight.sum()
    columns = [np.interp(wanted, place[:, number], ordered[:, number]) for number in range(values.shape[1])]
    return np.stack(columns, axis=1)


def box_centre(points: Float[np.ndarray, "k 3"], ends: Ends = REGION) -> Float[np.ndarray, "3"]:
    """The centre of the axis-aligned box about at least one point.

    The points' mean would be drawn towards the side of a thing that more photos show.
    """
    low, high = ends.of(points)
    return (low + high) / 2


def axis_aligned_box(points: Float[np.ndarray, "k 3"], ends: Ends = REGION) -> Box:
    """The box along the frame's axes of at least one point."""
    low, high = ends.of(points)
    return Box(_triple(low), _triple(high))


def oriented_box(points: Float[np.ndarray, "k 3"], ends: Ends = REGION) -> OrientedBox:
    """The box along the principal axes of at least one point."""
    mean = points.mean(axis=0)
    axes = np.linalg.eigh((points - mean).T @ (points - mean))[1].T  # rows
    low, high = ends.of((points - mean) @ axes.T)
    longest_first = np.argsort(low - high)  # points may vary most along one axis and reach farthest along another
    axes, low, high = axes[longest_first], low[longest_first], high[longest_first]
    if np.linalg.det(axes) < 0:
        axes[2], low[2], high[2] = -axes[2], -high[2], -low[2]
    return _box_along(axes, mean, low, high)


def upright_box(points: Float[np.ndarray, "k 3"], up: Float[np.ndarray, "3"], ends: Ends = REGION) -> OrientedBox:
    """The box with one axis upwards (the last one) that covers least ground, of those with an edge along the outline.

    Args:
        points: at least one.
        up: unit.
    """
    mean = points.mean(axis=0)
    east = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    east /= np.linalg.norm(east)
    north = np.cross(up, east)
    step = -(-len(points) // _TURNED_POINTS)
    ground = (points - mean)[::step] @ np.stack([east, north], axis=1)

    angles = _edge_angles(ground)
    cos, sin = np.cos(angles), np.sin(angles)
    turned = np.concatenate([ground @ np.stack([cos, sin]), ground @ np.stack([-sin, cos])], axis=1)
    low, high = ends.thinned(step).of(turned)
    angle = angles[np.prod((high - low).reshape(2, -1), axis=0).argmin()]
    axes = np.stack([np.cos(angle) * east + np.sin(angle) * north, np.cos(angle) * north - np.sin(angle) * east, up])
    low, high = ends.of((points - mean) @ axes.T)
    return _box_along(axes, mean, low, high)


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
