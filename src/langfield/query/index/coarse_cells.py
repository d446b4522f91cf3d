"""Cells as large as a scene's smallest crops: presence is judged by the mean relevancy of the surface in each.

A field cannot tell apart what is nearer than its smallest crops, so one voxel with a high relevancy may be noise.
"""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.voxels import voxel_grid


class CoarseCells:
    """C cubes of space (cells) that hold voxels of a surface; each voxel is in the cell that its centre is in.

    Args:
        centres_scene: (V, 3) of the voxels, scene frame.
        point_counts: (V,) how many points each voxel holds: its weight in a cell's mean.
        side_scene: length of a cell's edge, scene units.
    """

    def __init__(
        self, centres_scene: Float[np.ndarray, "v 3"], point_counts: Int64[np.ndarray, " v"], side_scene: float
    ) -> None:
        cell = voxel_grid(centres_scene, side_scene).of_point
        total = np.bincount(cell, weights=point_counts)
        self._count = len(total)
        self._cell = torch.from_numpy(cell)
        self._share = torch.from_numpy((point_counts / total[cell]).astype(np.float32))

    def __len__(self) -> int:
        return self._count

    def means(self, values: Float[Tensor, "p v"]) -> Float[Tensor, "p c"]:
        """The weighted mean of P rows of voxel values in each cell. Cost: P · V additions, on the values' device."""
        cell, share = self._cell.to(values.device), self._share.to(values.device)
        sums = values.new_zeros(self._count, len(values))
        return sums.index_add_(0, cell, (values * share).T).T
