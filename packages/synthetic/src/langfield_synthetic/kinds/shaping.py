"""Mesh helpers that several kinds share: lofts, slabs, plates; and moving whole lists of parts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from langfield_synthetic.meshes import Mesh, Points, extruded, grid_mesh
from langfield_synthetic.things import Part


def loft(sections: np.ndarray) -> Mesh:
    """A closed body through rings (M, N, 3), counter-clockwise seen from the last; the ends are covered."""
    ends = [np.broadcast_to(sections[k].mean(axis=0), sections[k].shape)[None] for k in (0, -1)]
    mesh = grid_mesh(np.concatenate([ends[0], sections, ends[1]]), wrap_v=True)
    return replace(mesh, faces=mesh.faces[:, ::-1].copy())


def circle(radius: float, count: int = 48) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], -1)


def outward(mesh: Mesh) -> Mesh:
    """The mesh with its faces turned over if they look inwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - mesh.vertices.mean(axis=0) for k in range(3))
    return mesh if np.einsum("ij,ij->", a, np.cross(b, c)) > 0 else replace(mesh, faces=mesh.faces[:, ::-1].copy())


def settled(parts: Sequence[Part]) -> list[Part]:
    """The parts moved so that their lowest point is on the table and they are centred about the origin."""
    corners = np.stack([part.mesh.bounds for part in parts])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    x, y = (low[:2] + high[:2]) / 2
    return [replace(part, mesh=part.mesh.moved(-float(x), -float(y), -float(low[2]))) for part in parts]


def moved(parts: Sequence[Part], x: float = 0.0, y: float = 0.0, z: float = 0.0) -> list[Part]:
    return [replace(part, mesh=part.mesh.moved(x, y, z)) for part in parts]


def turned(parts: Sequence[Part], axis: str, degrees: float) -> list[Part]:
    return [replace(part, mesh=part.mesh.turned(axis, degrees)) for part in parts]


def scaled(parts: Sequence[Part], factor: float) -> list[Part]:
    return [replace(part, mesh=part.mesh.scaled(factor)) for part in parts]


def round_rectangle(x: float, y: float, corner: float, steps: int = 8) -> np.ndarray:
    """The outline (N, 2) of a rectangle with round corners, counter-clockwise around the origin."""
    corner = min(corner, 0.499 * x, 0.499 * y)
    points = []
    for k, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        a = np.linspace(0, np.pi / 2, steps) + k * np.pi / 2
        middle = np.array([sx * (x / 2 - corner), sy * (y / 2 - corner)])
        points.append(middle + corner * np.stack([np.cos(a), np.sin(a)], -1))
    return np.concatenate(points)


def slab(outline: np.ndarray, height: float, bevel: float = 0.0015, taper: float = 0.0) -> Mesh:
    """A prism over `outline` with bevelled rims, its top narrower by `taper` on each side; uv as seen from above."""
    b = min(bevel, height / 2.01)
    size = np.ptp(outline, axis=0)
    middle = (outline.max(axis=0) + outline.min(axis=0)) / 2
    rings = []
    for inset, z, up in (
        (b, 0.0, 0.0),
        (b * 0.3, b * 0.3, 0.0),
        (0, b, 0.0),
        (0, height - b, 1.0),
        (b * 0.3, height - b * 0.3, 1.0),
        (b, height, 1.0),
    ):
        shrink = 1 - 2 * (inset + up * taper) / size
        rings.append(np.column_stack([middle + (outline - middle) * shrink, np.full(len(outline), z)]))
    mesh = loft(np.stack(rings))
    low, high = mesh.bounds[:, :2]
    return replace(mesh, uv=((mesh.vertices[:, :2] - low) / (high - low)).astype(np.float32))


def sheet(width: float, height: float, z: float = 0.0) -> Mesh:
    """A rectangle that looks up; uv spans it."""
    x, y = np.array([-0.5, 0.5]) * width, np.array([-0.5, 0.5]) * height
    points = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((2, 2), z)], -1)
    mesh = grid_mesh(points)
    return replace(mesh, uv=mesh.uv[:, ::-1].copy())


def upright_plate(outline: Points, thickness: float) -> Mesh:
    """A flat plate that stands upright and looks to the front (-y), its back in the plane y = 0; uv spans its face."""
    return extruded(outline, thickness).turned("x", 90)
