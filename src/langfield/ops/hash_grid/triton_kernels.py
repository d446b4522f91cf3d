"""`hash_encode` as Triton kernels: one program per block of points and level, forward and backward.

The grid's slow axis is the level, so that neighbouring programs read one level's table and it stays in the L2 cache.
Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from functools import lru_cache
from typing import TYPE_CHECKING, Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from langfield.ops.hash_grid.encoding import HashGridSpec

_BLOCK = 256


@triton.jit
@no_type_check
def _corner(x, y, z, resolution, rows, dense, first):
    side = (resolution + 1).to(tl.uint32)
    ux, uy, uz = x.to(tl.uint32), y.to(tl.uint32), z.to(tl.uint32)
    dense_row = ux + side * (uy + side * uz)
    mixed = ux ^ (uy * 2654435761) ^ (uz * 805459861)
    hashed_row = mixed & (rows - 1).to(tl.uint32)
    return tl.where(dense != 0, dense_row, hashed_row).to(tl.int64) + first


@triton.jit
@no_type_check
def _cell(positions_ptr, points, inside, resolution):
    """The point's cell and its fraction in it, per axis."""
    limit = resolution - 1
    x = tl.load(positions_ptr + points * 3, mask=inside, other=0.0)
    y = tl.load(positions_ptr + points * 3 + 1, mask=inside, other=0.0)
    z = tl.load(positions_ptr + points * 3 + 2, mask=inside, other=0.0)
    x = tl.minimum(tl.maximum(x, 0.0), 1.0) * resolution
    y = tl.minimum(tl.maximum(y, 0.0), 1.0) * resolution
    z = tl.minimum(tl.maximum(z, 0.0), 1.0) * resolution
    cx = tl.minimum(tl.floor(x).to(tl.int32), limit)
    cy = tl.minimum(tl.floor(y).to(tl.int32), limit)
    cz = tl.minimum(tl.floor(z).to(tl.int32), limit)
    return cx, cy, cz, x - cx, y - cy, z - cz


@triton.jit
@no_type_check
def _forward_kernel(
    positions_ptr, table_ptr, layout_ptr, out_ptr, n, LEVELS: tl.constexpr, F: tl.constexpr, BLOCK: tl.constexpr
):
    points = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    inside = points < n
    resolution = tl.load(layout_ptr + level * 4).to(tl.int32)
    rows = tl.load(layout_ptr + level * 4 + 1).to(tl.int32)
    first = tl.load(layout_ptr + level * 4 + 2)
    dense = tl.load(layout_ptr + level * 4 + 3).to(tl.int32)
    cx, cy, cz, fx, fy, fz = _cell(positions_ptr, points, inside, resolution)
    features = tl.arange(0, F)
    total = tl.zeros((BLOCK, F), dtype=tl.float32)
    for corner in tl.static_range(8):
        bx, by, bz = corner & 1, (corner >> 1) & 1, (corner >> 2) & 1
        weight = (fx if bx else 1 - fx) * (fy if by else 1 - fy) * (fz if bz else 1 - fz)
        row = _corner(cx + bx, cy + by, cz + bz, resolution, rows, dense, first)
        value = tl.load(table_ptr + row[:, None] * F + features[None, :], mask=inside[:, None], other=0.0)
        total += weight[:, None] * value
    out = out_ptr + points[:, None].to(tl.int64) * (LEVELS * F) + level * F + features[None, :]
    tl.store(out, total, mask=inside[:, None])


@triton.jit
@no_type_check
def _backward_kernel(
    positions_ptr, grad_ptr, layout_ptr, grad_table_ptr, n, LEVELS: tl.constexpr, F: tl.constexpr, BLOCK: tl.constexpr
):
    points = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    inside = points < n
    resolution = tl.load(layout_ptr + level * 4).to(tl.int32)
    rows = tl.load(layout_ptr + level * 4 + 1).to(tl.int32)
    first = tl.load(layout_ptr + level * 4 + 2)
    dense = tl.load(layout_ptr + level * 4 + 3).to(tl.int32)
    cx, cy, cz, fx, fy, fz = _cell(positions_ptr, points, inside, resolution)
    features = tl.arange(0, F)
    grad = tl.load(
        grad_ptr + points[:, None].to(tl.int64) * (LEVELS * F) + level * F + features[None, :],
        mask=inside[:, None],
        other=0.0,
    )
    for corner in tl.static_range(8):
        bx, by, bz = corner & 1, (corner >> 1) & 1, (corner >> 2) & 1
        weight = (fx if bx else 1 - fx) * (fy if by else 1 - fy) * (fz if bz else 1 - fz)
        row = _corner(cx + bx, cy + by, cz + bz, resolution, rows, dense, first)
        tl.atomic_add(
            grad_table_ptr + row[:, None] * F + features[None, :],
            weight[:, None] * grad,
            mask=inside[:, None],
            sem="relaxed",
        )


@lru_cache(maxsize=64)
def _layout(spec: "HashGridSpec", device: torch.device) -> Tensor:
    """(levels, 4): resolution, rows, first row, dense."""
    columns = zip(spec.resolutions, spec.rows, spec.first_rows, spec.dense, strict=True)
    return torch.tensor([list(map(int, level)) for level in columns], dtype=torch.int64, device=device)


class _HashEncode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positions: Tensor, table: Tensor, spec: "HashGridSpec") -> Tensor:
        positions = positions.detach().float().contiguous()
        n = len(positions)
        out = torch.empty(n, spec.out_features, device=positions.device, dtype=torch.float32)
        if n:
            grid = (triton.cdiv(n, _BLOCK), spec.levels)
            layout = _layout(spec, positions.device)
            _forward_kernel[grid](positions, table, layout, out, n, LEVELS=spec.levels, F=spec.features, BLOCK=_BLOCK)
        ctx.save_for_backward(positions)
        ctx.spec = spec
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grad_outputs
        (positions,) = ctx.saved_tensors
        spec: HashGridSpec = ctx.spec
        grad_table = torch.zeros(spec.table_shape, device=grad.device, dtype=torch.float32)
        n = len(positions)
        if n:
            grid = (triton.cdiv(n, _BLOCK), spec.levels)
            _backward_kernel[grid](
                positions,
                grad.float().contiguous(),
                _layout(spec, grad.device),
                grad_table,
                n,
                LEVELS=spec.levels,
                F=spec.features,
                BLOCK=_BLOCK,
            )
        return None, grad_table, None


def hash_encode(
    positions: Float[Tensor, "n 3"], table: Float[Tensor, "rows f"], spec: "HashGridSpec"
) -> Float[Tensor, "n out"]:
    """See `langfield.ops.hash_grid.hash_encode`."""
    return _HashEncode.apply(positions, table.contiguous(), spec)
