"""`nearest_voxels` as a Triton kernel: a program has some points, all their candidates, and takes the least of them.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.voxels import KEY_BITS
from langfield.ops.nearest_voxels.nearest_voxels import REACH, VoxelGrid

_BLOCK = 4  # points of a program: 512 candidates each


@triton.jit
@no_type_check
def _cell(value, low, extent, REACH: tl.constexpr):
    """The cell of a coordinate in voxel sides, within those that have voxels near."""
    cell = tl.floor(tl.minimum(tl.maximum(value, -1099511627776.0), 1099511627776.0)).to(tl.int64) - low
    return tl.minimum(tl.maximum(cell, REACH), extent - REACH - 1)


@triton.jit(
    do_not_specialize=["points", "voxels", "low_x", "low_y", "low_z", "extent_x", "extent_y", "extent_z"],
)
@no_type_check
def _kernel(
    point_ptr,
    centre_ptr,
    key_ptr,
    distance_ptr,
    row_ptr,
    points,
    voxels,
    side,
    low_x,
    low_y,
    low_z,
    extent_x,
    extent_y,
    extent_z,
    STEPS: tl.constexpr,
    COUNT: tl.constexpr,
    REACH: tl.constexpr,
    KEY_BITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    WIDTH: tl.constexpr = 2 * REACH + 1
    COLUMNS: tl.constexpr = 64  # of which WIDTH² are used
    RUN: tl.constexpr = 8  # voxels of a column: one more than cells, for a centre may lie on a cell's border
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = point < points
    x = tl.load(point_ptr + point * 3, mask=inside, other=0.0)
    y = tl.load(point_ptr + point * 3 + 1, mask=inside, other=0.0)
    z = tl.load(point_ptr + point * 3 + 2, mask=inside, other=0.0)
    number = tl.arange(0, COLUMNS)
    column_x = _cell(x / side, low_x, extent_x, REACH)[:, None] + (number // WIDTH - REACH)[None, :]
    column_y = _cell(y / side, low_y, extent_y, REACH)[:, None] + (number % WIDTH - REACH)[None, :]
    column = (column_x << (2 * KEY_BITS)) + (column_y << KEY_BITS) + _cell(z / side, low_z, extent_z, REACH)[:, None]
    used = (number < WIDTH * WIDTH)[None, :] & inside[:, None]
    # Binary search for the first voxel of each column.
    first = tl.zeros((BLOCK, COLUMNS), dtype=tl.int64)
    end = tl.zeros((BLOCK, COLUMNS), dtype=tl.int64) + voxels
    for _ in range(STEPS):
        middle = (first + end) // 2
        open_ = used & (first < end)
        before = tl.load(key_ptr + middle, mask=open_, other=0) < column - REACH
        first = tl.where(open_ & before, middle + 1, first)
        end = tl.where(open_ & (before == 0), middle, end)
    candidate = first[:, :, None] + tl.arange(0, RUN)[None, None, :]
    there = used[:, :, None] & (candidate < voxels)
    key = tl.load(key_ptr + candidate, mask=there, other=0)
    there = there & (key <= column[:, :, None] + REACH)
    apart_x = tl.load(centre_ptr + candidate * 3, mask=there, other=0.0) - x[:, None, None]
    apart_y = tl.load(centre_ptr + candidate * 3 + 1, mask=there, other=0.0) - y[:, None, None]
    apart_z = tl.load(centre_ptr + candidate * 3 + 2, mask=there, other=0.0) - z[:, None, None]
    squared = apart_x * apart_x + apart_y * apart_y + apart_z * apart_z
    squared = tl.where(there & (squared <= REACH * REACH * side * side), squared, float("inf"))
    squared = tl.reshape(squared, (BLOCK, COLUMNS * RUN))
    row = tl.reshape(candidate, (BLOCK, COLUMNS * RUN))
    place = tl.arange(0, COLUMNS * RUN)[None, :]
    for k in tl.static_range(COUNT):
        least, at = tl.min(squared, axis=1, return_indices=True)
        is_it = place == at[:, None]
        found = tl.sum(tl.where(is_it, row, 0), axis=1)
        tl.store(distance_ptr + point * COUNT + k, tl.sqrt(least), mask=inside)
        tl.store(row_ptr + point * COUNT + k, tl.where(least < float("inf"), found, 0), mask=inside)
        squared = tl.where(is_it, float("inf"), squared)


def nearest_voxels(
    points: Float[Tensor, "q 3"], grid: VoxelGrid, count: int
) -> tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]:
    """See `langfield.ops.nearest_voxels.nearest_voxels`."""
    distance = torch.empty(len(points), count, device=points.device)
    row = torch.empty(len(points), count, dtype=torch.int64, device=points.device)
    if len(points):
        _kernel[(triton.cdiv(len(points), _BLOCK),)](
            points.float().contiguous(),
            grid.centres,
            grid.keys,
            distance,
            row,
            len(points),
            len(grid.keys),
            grid.side_scene,
            *grid.low,
            *grid.extent,
            STEPS=len(grid.keys).bit_length(),
            COUNT=count,
            REACH=REACH,
            KEY_BITS=KEY_BITS,
            BLOCK=_BLOCK,
        )
    return distance, row
