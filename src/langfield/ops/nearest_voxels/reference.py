"""`nearest_voxels` in plain torch: what the Triton kernel is tested against."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.voxels import KEY_BITS
from langfield.ops.nearest_voxels.nearest_voxels import REACH, VoxelGrid

_POINTS_AT_ONCE = 2**15


def nearest_voxels(
    points: Float[Tensor, "q 3"], grid: VoxelGrid, count: int
) -> tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]:
    """See `langfield.ops.nearest_voxels.nearest_voxels`. 2¹⁵ points at a time."""
    if not len(points):
        return points.new_zeros(0, count), grid.keys.new_zeros(0, count)
    parts = [_nearest(part, grid, count) for part in points.float().split(_POINTS_AT_ONCE)]
    distance, row = (torch.cat(column) for column in zip(*parts, strict=True))
    return distance, row


def _nearest(
    points: Float[Tensor, "q 3"], grid: VoxelGrid, count: int
) -> tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]:
    device, last = points.device, len(grid.keys) - 1
    low, extent = (torch.tensor(cell, device=device) for cell in (grid.low, grid.extent))
    cell = (points / grid.side_scene).floor().clamp(-(2.0**40), 2.0**40).long() - low
    # Outside of all cells any will do: what is nearest there is too far.
    cell = torch.minimum(cell.clamp_min(REACH), extent - REACH - 1)
    step = torch.arange(-REACH, REACH + 1, device=device)
    x, y = cell[:, 0, None, None] + step[:, None], cell[:, 1, None, None] + step
    column = ((x << (2 * KEY_BITS)) | (y << KEY_BITS)).flatten(1) + cell[:, 2:]
    first = torch.searchsorted(grid.keys, column - REACH)
    candidate = first[..., None] + torch.arange(len(step) + 1, device=device)
    row = candidate.clamp_max(last)
    there = (candidate <= last) & (grid.keys[row] <= (column + REACH)[..., None])
    row, there = row.flatten(1), there.flatten(1)
    squared = (grid.centres[row] - points[:, None]).square().sum(dim=-1)
    squared = torch.where(there & (squared <= (REACH * grid.side_scene) ** 2), squared, torch.inf)
    found = squared.topk(count, dim=1, largest=False)
    nearest = torch.where(found.values.isfinite(), row.gather(1, found.indices), 0)
    return found.values.sqrt(), nearest
