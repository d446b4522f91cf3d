"""The nearest voxels of points, on any device: by the cells of the regular grid that the voxels were made in.

A k-d tree answers a point at a time, on a CPU: a raster of 160 × 120 points takes it 20 to 100 ms.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.voxels import KEY_BITS
from langfield.ops.nearest_voxels import REACH, VoxelGrid, nearest_voxels


@dataclass(frozen=True)
class VoxelSearch:
    """V voxels, ordered by their cells.

    Attributes:
        grid: the voxels in that order.
        number: which voxel each is.
    """

    grid: VoxelGrid
    number: Int64[Tensor, " v"]

    @classmethod
    def of_voxels(cls, centres: Float[np.ndarray, "v 3"], side_scene: float, device: torch.device) -> "VoxelSearch":
        """At least one voxel.

        Raises:
            ValueError: they are more than two million voxels apart.
        """
        cell = np.floor(centres / side_scene).astype(np.int64)
        low = cell.min(axis=0) - REACH - 1
        extent = cell.max(axis=0) - low + REACH + 2
        if extent.max() >= 2**KEY_BITS:
            raise ValueError(f"{extent.max()} voxels side by side are too many to number, at most {2**KEY_BITS}")
        x, y, z = (cell - low).T
        keys = (x << (2 * KEY_BITS)) | (y << KEY_BITS) | z
        order = np.argsort(keys, kind="stable")
        ordered, keys, number = (
            torch.from_numpy(np.ascontiguousarray(values)).to(device)
            for values in (centres[order].astype(np.float32), keys[order], order)
        )
        (a, b, c), (d, e, f) = low.tolist(), extent.tolist()
        return cls(VoxelGrid(side_scene, ordered, keys, (a, b, c), (d, e, f)), number)

    def nearest(self, points: Float[Tensor, "q 3"], count: int) -> tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]:
        """Distances and numbers of the `count` voxels whose centres are nearest to each of Q finite points.

        Only those within `REACH` voxel sides: where there are fewer, distances are infinite and numbers any.
        """
        distance, row = nearest_voxels(points, self.grid, count)
        return distance, self.number[row]
