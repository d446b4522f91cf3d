"""Cells as large as a scene's smallest crops: presence is judged by the mean relevancy of the surface in each.

A field cannot tell apart what is nearer than its smallest crops, so one voxel with a high relevancy may be noise.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.voxels import voxel_grid


class CoarseCells:
    """C cubes of space (cells) that hold voxels of a surface; each voxel is in the cell that its centre is in.

    What was not observed counts nowhere: a cell's mean at a crop level is over its voxels that were observed at that
    level, and voxels that no level observed make no cell.

    Args:
        centres_scene: (V, 3) of the voxels, scene frame.
        point_counts: (V,) how many points each voxel holds: its weight in a cell's mean.
        observed: (L, V) whether a voxel was observed at a crop level.
        side_scene: length of a cell's edge, scene units.
    """

    def __init__(
        self,
        centres_scene: Float[np.ndarray, "v 3"],
        point_counts: Int64[np.ndarray, " v"],
        observed: Bool[Tensor, "l v"],
        side_scene: float,
    ) -> None:
        self.side_scene = side_scene
        seen = observed.any(dim=0)
        grid = voxel_grid(centres_scene[seen.cpu().numpy()], side_scene)
        self._count = len(grid)
        self._seen = torch.nonzero(seen)[:, 0]
        self._cell = torch.from_numpy(grid.of_point).to(observed.device)
        self._weight = torch.from_numpy(point_counts).to(observed.device)[self._seen] * observed[:, self._seen].float()

    def __len__(self) -> int:
        return self._count

    def means(self, values: Float[Tensor, "p v"], level: int) -> Float[Tensor, "p c"]:
        """The weighted mean of P rows of voxel values in each cell, over the voxels that were observed at a level; −∞,
        which no maximum takes, where none of a cell's voxels was. Cost: P · V additions, on the device of `observed`.
        """
        weight = self._weight[level]
        sums = values.new_zeros(self._count, len(values)).index_add_(0, self._cell, (values[:, self._seen] * weight).T)
        total = values.new_zeros(self._count).index_add_(0, self._cell, weight)
        return torch.where(total > 0, sums.T / total.clamp_min(1), -torch.inf)
