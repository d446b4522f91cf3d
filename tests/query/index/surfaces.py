"""Surfaces to test with: a table, painted or not, and what becomes of relevancy on it."""

import numpy as np
import torch

from langfield.query.index.surface_graph import SurfaceGraph
from langfield.query.index.surface_voxels import SurfaceVoxels, voxelise_surface

UP = np.array([0.0, 0, 1])


def table(rgb=None, views: int = 3, step: float = 0.05) -> tuple[SurfaceVoxels, np.ndarray]:
    """A plane of 2 by 2, its points seen by every view, and where its voxels are; `rgb` paints it by x and y."""
    axis = np.arange(-1 + step / 2, 1, step)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    points = np.concatenate([np.c_[grid, np.full(len(grid), 0.01)]] * views)
    colours = np.full((len(points), 3), 0.5) if rgb is None else rgb(points)
    normals = np.broadcast_to(UP, points.shape)
    voxels = voxelise_surface(points, colours, normals, np.repeat(np.arange(views), len(grid)), 0.1)
    return voxels, voxels.centres_scene


def graph_of(
    voxels: SurfaceVoxels, observed: np.ndarray | None = None, features: np.ndarray | None = None
) -> SurfaceGraph:
    """Its graph; all voxels are observed if nothing else is said."""
    if observed is None:
        observed = np.ones(len(voxels), dtype=bool)
    return SurfaceGraph(voxels, observed, torch.device("cpu"), features)


def thing(centres: np.ndarray, x: float, y: float, value: float = 0.9) -> np.ndarray:
    return np.where(np.hypot(centres[:, 0] - x, centres[:, 1] - y) < 0.25, value, 0.3)
