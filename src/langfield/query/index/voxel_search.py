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

_FAR_POINTS_AT_ONCE = {"cpu": 2**8, "cuda": 2**10}


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

    def nearest(
        self, points: Float[Tensor, "q 3"], count: int, least: float
    ) -> tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]:
        """Distances and numbers of the `count` voxels whose centres are nearest to each of Q finite points.

        They are exact for points that have a voxel within `least`; for others they may be any, farther than `least`.

        Args:
            count: at most V.
            least: below `REACH` voxel sides.
        """
        distance, row = nearest_voxels(points, self.grid, count)
        # Of a point at the surface's rim, some may be farther than the cells reach that were looked at.
        unsure = (distance[:, 0] < least) & (distance[:, -1] > REACH * self.grid.side_scene)
        for some in torch.nonzero(unsure)[:, 0].split(_FAR_POINTS_AT_ONCE[points.device.type]):
            apart = (self.grid.centres - points[some, None].float()).square().sum(dim=-1)
            found = apart.topk(count, dim=1, largest=False)
            distance[some], row[some] = found.values.sqrt(), found.indices
        return distance, self.number[row]
