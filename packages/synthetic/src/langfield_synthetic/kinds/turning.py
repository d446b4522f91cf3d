"""Bodies turned on a wheel: hollow ones, what is wrapped around them, handles and spouts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from langfield_synthetic.meshes import Mesh, Points, grid_mesh, lathe, smooth_curve, sweep


def radius_at(profile: Points, z: float) -> float:
    """Of a turned body whose outer profile (N, 2) of (radius, z) goes up."""
    line = np.asarray(profile)
    return float(np.interp(z, line[:, 1], line[:, 0]))


def handle(profile: Points, low: float, high: float, reach: float, thickness: float, flatten: float = 0.7) -> Mesh:
    """A loop on the +x side of a turned body, between two heights of it."""
    top, bottom, tall = radius_at(profile, high), radius_at(profile, low), high - low
    knots = [
        (top - 0.002, 0, high),
        (top + 0.6 * reach, 0, high + 0.06 * tall),
        (max(top, bottom) + reach, 0, high - 0.3 * tall),
        (bottom + 0.75 * reach, 0, low + 0.25 * tall),
        (bottom - 0.002, 0, low),
    ]
    return sweep(smooth_curve(knots, 32), thickness, segments=14, flatten=flatten)


def spout(knots: Points, wide: float, narrow: float) -> list[Mesh]:
    """A tube that tapers along `knots` (N, 3), and the dark of its opening."""
    path = smooth_curve(knots, 28)
    tube = sweep(path, narrow + (wide - narrow) * np.linspace(1, 0, 28) ** 1.5, segments=20)
    ahead = (path[-1] - path[-2]) / np.linalg.norm(path[-1] - path[-2])
    return [tube, sweep([path[-1] - 0.002 * ahead, path[-1] + 0.0004 * ahead], 0.75 * narrow)]


def around(
    profile: Points, low: float, high: float, arc: float = 360.0, facing: float = 0.0, out: float = 0.0004
) -> Mesh:
    """A skin just outside a turned body, between two heights and over an arc in degrees about the direction `facing`.

    uv: u from 0 to 1 over the arc, to the right as seen from outside; v up.
    """
    corners = np.asarray(profile)[:, 1]  # of which none is cut off
    heights = np.union1d(np.linspace(low, high, 4), corners[(corners > low) & (corners < high)])
    angles = np.radians(facing + np.linspace(-arc / 2, arc / 2, 49))
    radii = np.array([radius_at(profile, z) for z in heights]) + out
    x, y = radii[:, None] * np.cos(angles), radii[:, None] * np.sin(angles)
    mesh = grid_mesh(np.stack([x, y, np.broadcast_to(heights[:, None], x.shape)], -1))
    uv = np.stack([mesh.uv[:, 0], (mesh.vertices[:, 2] - low) / (high - low)], -1)
    return replace(mesh, faces=mesh.faces[:, ::-1].copy(), uv=uv.astype(np.float32))


def hollow(outside: np.ndarray, wall: float, floor: float, segments: int = 48) -> Mesh:
    """A closed vessel: `outside` (N, 2) goes from the foot to the rim; its hollow ends at the height `floor`."""
    base = float(outside[0, 1])
    foot = [(0.0, base + 0.001), (outside[0, 0] - 0.0025, base + 0.001), (outside[0, 0] - 0.0015, base)]
    upper = outside[outside[:, 1] > floor + wall][::-1]
    inner = np.stack([np.maximum(upper[:, 0] - wall, 0.0008), upper[:, 1]], -1)
    rim = [(outside[-1, 0] - wall / 2, outside[-1, 1] + wall / 2)]
    deep = [(0.93 * inner[-1, 0], floor + 0.3 * (inner[-1, 1] - floor)), (0.8 * inner[-1, 0], floor), (0.0, floor)]
    return lathe(np.concatenate([foot, outside, rim, inner, deep]), segments)


def dish(profile: Points, thickness: float) -> Mesh:
    """A flat turned body: its underside (N, 2) of (radius, z) from the axis to the rim, and the same again above."""
    under = np.asarray(profile, dtype=np.float64)
    over = (under + np.array([0.0, thickness]))[::-1]
    rim = [[under[-1, 0] + 0.4 * thickness, under[-1, 1] + thickness / 2]]
    return lathe(np.concatenate([under, rim, over]), 64)


def footed(radii: Sequence[float] | np.ndarray, heights: Sequence[float] | np.ndarray, samples: int = 30) -> np.ndarray:
    """An outer profile through these radii and heights, its lower edge rounded."""
    line = smooth_curve(np.stack([radii, heights], -1), samples)
    line[:, 0] = np.maximum(line[:, 0], 0.002)
    line = line[np.concatenate([[True], np.diff(np.maximum.accumulate(line[:, 1])) > 1e-7])]
    return np.concatenate([[[line[0, 0] - 0.003, line[0, 1]], [line[0, 0] - 0.0008, line[0, 1] + 0.0008]], line[1:]])
