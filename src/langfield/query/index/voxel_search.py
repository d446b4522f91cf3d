"""The nearest voxels of points, on a GPU: by the cells of the regular grid that the voxels were made in.

A k-d tree answers a point at a time, on a CPU: a raster of 160 × 120 points takes it 20 to 100 ms. Here a point looks
at the cells up to `_REACH` about its own, in runs along z, which lie beside each other in the sorted list of voxels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.voxels import KEY_BITS

_REACH = 3  # cells: every voxel centre within three sides of a point is in one of these
_POINTS_AT_ONCE = 2**15
_FAR_POINTS_AT_ONCE = 2**8


@dataclass(frozen=True)
class VoxelSearch:
    """V voxels, ordered by their cells.

    Attributes:
        side_scene: length of a voxel's edge, scene units.
        centres: their centres, which lie in their cells.
        number: which voxel each is.
        keys: their cells as numbers, rising.
        low: the cell from which cells are counted.
        extent: cells along each axis.
    """

    side_scene: float
    centres: Float[Tensor, "v 3"]
    number: Int64[Tensor, " v"]
    keys: Int64[Tensor, " v"]
    low: Int64[Tensor, "3"]
    extent: Int64[Tensor, "3"]

    @classmethod
    def of_voxels(cls, centres: Float[np.ndarray, "v 3"], side_scene: float, device: torch.device) -> "VoxelSearch":
        """At least one voxel.

        Raises:
            ValueError: they are more than two million voxels apart.
        """
        cell = np.floor(centres / side_scene).astype(np.int64)
        low = cell.min(axis=0) - _REACH - 1
        extent = cell.max(axis=0) - low + _REACH + 2
        if extent.max() >= 2**KEY_BITS:
            raise ValueError(f"{extent.max()} voxels side by side are too many to number, at most {2**KEY_BITS}")
        x, y, z = (cell - low).T
        keys = (x << (2 * KEY_BITS)) | (y << KEY_BITS) | z
        order = np.argsort(keys, kind="stable")
        arrays = centres[order].astype(np.float32), order, keys[order], low, extent
        return cls(side_scene, *(torch.from_numpy(np.ascontiguousarray(values)).to(device) for values in arrays))

    def nearest(
        self, points: Float[Tensor, "q 3"], count: int, least: float
    ) -> tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]:
        """Distances and numbers of the `count` voxels whose centres are nearest to each of Q finite points.

        They are exact for points that have a voxel within `least`; for others they may be any, farther than `least`.

        Args:
            count: at most V.
            least: below three voxel sides.
        """
        parts = [self._nearest(part, count, least) for part in points.float().split(_POINTS_AT_ONCE)]
        if not parts:
            return points.new_zeros(0, count), self.number.new_zeros(0, count)
        distance, row = (torch.cat(column) for column in zip(*parts, strict=True))
        return distance, self.number[row]

    def _nearest(
        self, points: Float[Tensor, "q 3"], count: int, least: float
    ) -> tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]:
        device, last = points.device, len(self.keys) - 1
        cell = (points / self.side_scene).floor().clamp(-(2.0**40), 2.0**40).long() - self.low
        # Outside of all cells any will do: what is nearest there is too far.
        cell = torch.minimum(cell.clamp_min(_REACH), self.extent - _REACH - 1)
        step = torch.arange(-_REACH, _REACH + 1, device=device)
        x, y = cell[:, 0, None, None] + step[:, None], cell[:, 1, None, None] + step
        column = ((x << (2 * KEY_BITS)) | (y << KEY_BITS)).flatten(1) + cell[:, 2:]
        first = torch.searchsorted(self.keys, column - _REACH)
        candidate = first[..., None] + torch.arange(len(step) + 1, device=device)
        row = candidate.clamp_max(last)
        is_near = (candidate <= last) & (self.keys[row] <= (column + _REACH)[..., None])
        row, is_near = row.flatten(1), is_near.flatten(1)
        squared = (self.centres[row] - points[:, None]).square().sum(dim=-1)
        squared = torch.where(is_near, squared, torch.inf)
        found = squared.topk(count, dim=1, largest=False)
        distance, nearest = found.values.sqrt(), row.gather(1, found.indices)
        # The last of them may be farther than the cells reach that were looked at.
        unsure = (distance[:, 0] < least) & (distance[:, -1] > _REACH * self.side_scene)
        for some in torch.nonzero(unsure)[:, 0].split(_FAR_POINTS_AT_ONCE):
            apart = (self.centres - points[some, None]).square().sum(dim=-1).topk(count, dim=1, largest=False)
            distance[some], nearest[some] = apart.values.sqrt(), apart.indices
        return distance, nearest
