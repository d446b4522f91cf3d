"""Triangle meshes made by code: turned, swept, boxed. Metres, z up, an object stands on z = 0 around the origin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, UInt32

Points = Sequence[Sequence[float] | np.ndarray] | np.ndarray


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices in metres, faces counter-clockwise as seen from outside, texture coordinates in [0, 1].

    smooth: whether normals are interpolated over the faces; otherwise every face is flat.
    """

    vertices: Float32[np.ndarray, "V 3"]
    faces: UInt32[np.ndarray, "F 3"]
    uv: Float32[np.ndarray, "V 2"]
    smooth: bool = True

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Mesh":
        return replace(self, vertices=(self.vertices + np.array([x, y, z])).astype(np.float32))

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> "Mesh":
        """By positive factors around the origin; one factor scales all axes."""
        factors = np.array([x, x if y is None else y, x if z is None else z])
        return replace(self, vertices=(self.vertices * factors).astype(np.float32))

    def turned(self, axis: str, degrees: float) -> "Mesh":
        """Around "x", "y" or "z" through the origin, counter-clockwise when the axis points at the eye."""
        a, (i, j) = np.radians(degrees), {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        rotation = np.eye(3)
        rotation[i, i], rotation[i, j], rotation[j, i], rotation[j, j] = np.cos(a), -np.sin(a), np.sin(a), np.cos(a)
        return replace(self, vertices=(self.vertices @ rotation.T).astype(np.float32))

    def on_table(self) -> "Mesh":
        return self.moved(z=-float(self.vertices[:, 2].min()))

    @property
    def bounds(self) -> Float32[np.ndarray, "2 3"]:
        """The lowest and the highest corner of the box around it."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])


def merged(meshes: Sequence[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]).astype(np.uint32),
        np.concatenate([m.uv for m in meshes]),
        all(m.smooth for m in meshes),
    )


def grid_mesh(points: Float[np.ndarray, "U V 3"], *, wrap_u: bool = False, wrap_v: bool = False) -> Mesh:
    """A surface through a grid of points; the outside is where u × v points. Wrapping joins last to first.

    Vertices on a seam are doubled so that the texture does not run backwards over it.
    """
    if wrap_u:
        points = np.concatenate([points, points[:1]])
    if wrap_v:
        points = np.concatenate([points, points[:, :1]], axis=1)
    rows, columns = points.shape[:2]
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None]).reshape(-1)
    a, b, c, d = corner, corner + columns, corner + columns + 1, corner + 1
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])
    u, v = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    uv = np.stack([v, u], -1).reshape(-1, 2).astype(np.float32)
    return Mesh(points.reshape(-1, 3).astype(np.float32), faces.astype(np.uint32), uv)


def smooth_curve(points: Points, samples: int = 48) -> np.ndarray:
    """(samples, D) points on a Catmull-Rom curve through `points` (N, D), N at least 2."""
    knots = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    at = np.linspace(0, len(knots) - 1, samples)
    i = np.minimum(at.astype(int), len(knots) - 2)
    t = (at - i)[:, None]
    p0, p1, p2, p3 = (padded[i + k] for k in range(4))
    return 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * (p1 - p2) + p3 - p0) * t**3)


def lathe(profile: Points, segments: int = 48) -> Mesh:
    """`profile` (N, 2) of (radius, z), bottom to top along the outside, turned around the z axis.

    For a vessel go on over the rim and down the inside to the axis: then it is closed, as glass must be.
    uv: u around, v along the profile.
    """
    line = np.asarray(profile, dtype=np.float64)
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], -1)
    points = np.concatenate(
        [
            line[:, None, :1] * around[None],
            np.broadcast_to(line[:, None, 1:], (len(line), segments, 1)),
        ],
        axis=-1,
    )
    mesh = grid_mesh(points, wrap_v=True)
    return replace(mesh, faces=mesh.faces[:, ::-1].copy())


def vessel(outside: Points, wall: float, floor: float | None = None, segments: int = 48) -> Mesh:
    """A closed, hollow turned body from its outer profile (N, 2) of (radius, z), foot to rim; `wall` metres thick."""
    outer = _resampled(np.asarray(outside, dtype=np.float64), 40)
    floor = wall if floor is None else floor
    inner = np.stack([np.maximum(outer[:, 0] - wall, 0.0005), outer[:, 1]], -1)[::-1]
    inner = inner[inner[:, 1] > outer[:, 1].min() + floor]
    bottom = float(outer[:, 1].min()) + floor
    rim = np.array([[(outer[-1, 0] + inner[0, 0]) / 2, outer[-1, 1] + wall / 2]])
    start = np.array([[0.0, float(outer[0, 1])]])
    return lathe(np.concatenate([start, outer, rim, inner, [[inner[-1, 0], bottom], [0.0, bottom]]]), segments)


def _resampled(line: np.ndarray, samples: int) -> np.ndarray:
    """The corners of a polyline (N, D) and points between them, evenly along it."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.union1d(length, np.linspace(0, length[-1], samples))
    return np.stack([np.interp(at, length, column) for column in line.T], -1)


def sweep(path: Points, radius: float | Sequence[float] | np.ndarray, segments: int = 16, flatten: float = 1.0) -> Mesh:
    """A tube along `path` (N, 3) with closed ends; `radius` is one or one a point; `flatten` squeezes it vertically."""
    line = np.asarray(path, dtype=np.float64)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(line),))
    tangents = np.gradient(line, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True).clip(1e-9)
    side = np.cross([0.0, 0.0, 1.0] if abs(tangents[0, 2]) < 0.9 else [1.0, 0.0, 0.0], tangents[0])
    sides = []
    for tangent in tangents:  # carry the frame along, so that the tube does not twist
        side = side - tangent * (side @ tangent)
        side = side / max(float(np.linalg.norm(side)), 1e-9)
        sides.append(side)
    sides = np.stack(sides)
    ups = np.cross(tangents, sides)
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    around = np.cos(angles)[None, :, None] * sides[:, None] + flatten * np.sin(angles)[None, :, None] * ups[:, None]
    points = line[:, None] + radii[:, None, None] * around
    ends = [np.broadcast_to(line[k], (1, segments, 3)) for k in (0, -1)]
    mesh = grid_mesh(np.concatenate([ends[0], points, ends[1]]), wrap_v=True)
    return replace(mesh, faces=mesh.faces[:, ::-1].copy())


def ellipsoid(x: float, y: float | None = None, z: float | None = None, segments: int = 40) -> Mesh:
    """Half axes in metres, around the origin."""
    t = np.linspace(-np.pi / 2, np.pi / 2, segments // 2)
    return lathe(np.stack([np.cos(t), np.sin(t)], -1), segments).scaled(x, x if y is None else y, x if z is None else z)


def cylinder(radius: float, height: float, top_radius: float | None = None, bevel: float = 0.001) -> Mesh:
    """Closed, from z = 0 to `height`; another `top_radius` makes a cone."""
    top = radius if top_radius is None else top_radius
    b = min(bevel, radius / 2, height / 4)
    t = max(top - b, 0.0)
    return lathe([(0, 0), (radius - b, 0), (radius, b), (top, height - b), (t, height), (0, height)])


def torus(radius: float, thickness: float, segments: int = 48) -> Mesh:
    """A ring flat around the origin; `thickness` is the radius of its tube."""
    a = np.linspace(0, 2 * np.pi, segments, endpoint=False)[:, None]
    b = np.linspace(0, 2 * np.pi, 20, endpoint=False)[None]
    r = radius + thickness * np.cos(b)
    points = np.stack([r * np.cos(a), r * np.sin(a), thickness * np.sin(b) + 0 * a], -1)
    return grid_mesh(points, wrap_u=True, wrap_v=True)


def rounded_box(x: float, y: float, z: float, radius: float = 0.003, steps: int = 4) -> Mesh:
    """Full sides in metres, edges rounded by `radius`, standing on z = 0.

    Each of its six sides has uv from 0 to 1, upright on the four walls, so that a picture given as texture shows on
    every side; `box_sides` gives each side its own.
    """
    return merged(list(box_sides(x, y, z, radius, steps).values()))


def box_sides(x: float, y: float, z: float, radius: float = 0.003, steps: int = 4) -> dict[str, Mesh]:
    """`rounded_box` in six: "front" (-y), "back" (+y), "left" (-x), "right" (+x), "top" and "bottom"; uv as above."""
    half = np.array([x, y, z]) / 2
    r = min(radius, float(half.min()) * 0.999)
    sides = {}
    frames = {  # across to the right, up, and out, as seen from outside
        "front": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
        "back": ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
        "left": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
        "right": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
        "top": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "bottom": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    }
    for name, axes in frames.items():
        right, up, out = (np.array(axis, dtype=np.float64) for axis in axes)
        across = _stops(float(np.abs(right) @ half), r, steps)
        along = _stops(float(np.abs(up) @ half), r, steps)
        flat = across[:, None, None] * right + along[None, :, None] * up + float(np.abs(out) @ half) * out
        core = np.clip(flat, -(half - r), half - r)
        away = flat - core
        length = np.linalg.norm(away, axis=-1, keepdims=True)
        mesh = grid_mesh(core + away / np.maximum(length, 1e-12) * np.minimum(length, r))
        u = (across - across[0]) / (across[-1] - across[0])
        v = (along - along[0]) / (along[-1] - along[0])
        uv = np.stack(np.meshgrid(u, v, indexing="ij"), -1).reshape(-1, 2)
        sides[name] = replace(mesh, uv=uv.astype(np.float32)).moved(z=float(half[2]))
    return sides


def _stops(half: float, radius: float, steps: int) -> np.ndarray:
    bend = np.linspace(0, radius, steps + 1)
    return np.concatenate([-half + bend, (half - radius + bend)])


def extruded(outline: Points, height: float) -> Mesh:
    """A flat-sided prism over a polygon `outline` (N, 2), counter-clockwise, star-shaped as seen from its mean."""
    edge = np.asarray(outline, dtype=np.float64)
    n, centre = len(edge), edge.mean(axis=0)
    low, high = np.zeros((n, 1)), np.full((n, 1), height)
    vertices = np.concatenate(
        [np.hstack([edge, low]), np.hstack([edge, high]), [[*centre, 0.0]], [[*centre, height]]],
    )
    i = np.arange(n)
    j = (i + 1) % n
    faces = np.concatenate(
        [
            np.stack([i, j, n + j], -1),
            np.stack([i, n + j, n + i], -1),
            np.stack([j, i, np.full(n, 2 * n)], -1),
            np.stack([n + i, n + j, np.full(n, 2 * n + 1)], -1),
        ]
    )
    span = np.ptp(edge, axis=0).clip(1e-9)
    uv = (vertices[:, :2] - edge.min(axis=0)) / span
    return Mesh(vertices.astype(np.float32), faces.astype(np.uint32), uv.astype(np.float32), smooth=False)
