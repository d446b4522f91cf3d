"""Which voxel of a regular grid points lie in, and which points share one.

Voxel (i, j, k) of a grid holds the points x with floor(x / side) = (i, j, k). Nothing is stored for empty voxels.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

KEY_BITS = 21  # an axis: three of them in an int64

Cells = TypeVar("Cells", np.ndarray, Tensor)


@dataclass(frozen=True)
class VoxelGrid:
    """The V voxels that N points lie in, ordered by (i, j, k).

    Attributes:
        of_point: (N,) each point's voxel, 0 to V − 1.
        count: (V,) points in each voxel.
    """

    of_point: Int64[np.ndarray, " n"]
    count: Int64[np.ndarray, " v"]

    def __len__(self) -> int:
        return len(self.count)


def voxel_grid(points: Float[np.ndarray, "n 3"], side: float) -> VoxelGrid:
    """Sort points into voxels of a side, in the points' unit. Points must be finite. Cost: a sort of N numbers."""
    cell = np.floor(points / side).astype(np.int64)
    if len(cell):
        cell -= cell.min(axis=0)
    if cell.max(initial=0) < 2**KEY_BITS:
        keys = voxel_keys(cell - 2 ** (KEY_BITS - 1))  # sorted much faster than rows
        _, of_point, count = np.unique(keys, return_inverse=True, return_counts=True)
    else:
        _, of_point, count = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    return VoxelGrid(of_point.reshape(-1), count)


def voxel_keys(cell: Int64[Cells, "n 3"], bits: int = KEY_BITS) -> Int64[Cells, " n"]:
    """One number for each (i, j, k), the same whenever it is asked for; as numbers they are ordered as (i, j, k).

    Args:
        cell: within −2^(bits−1) ≤ i, j, k < 2^(bits−1).
        bits: for each axis, at most 21; the keys use the lowest 3 · bits.
    """
    half = 2 ** (bits - 1)
    return ((cell[:, 0] + half) << (2 * bits)) | ((cell[:, 1] + half) << bits) | (cell[:, 2] + half)
