"""`hash_encode` in plain torch: what the Triton kernels are tested against, and what runs on a CPU."""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int32, Num
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from langfield.ops.hash_grid.encoding import HashGridSpec

HASH_PRIMES = (1, 2654435761, 805459861)


def hash_encode(
    positions: Float[Tensor, "n 3"], table: Float[Tensor, "rows f"], spec: "HashGridSpec"
) -> Float[Tensor, "n out"]:
    """See `langfield.ops.hash_grid.hash_encode`."""
    rows, weights = hash_corners(positions, spec)
    features: Tensor = _WeightedRows.apply(table, rows.reshape(-1, 8), weights.reshape(-1, 8))
    return features.reshape(len(positions), spec.out_features)


def hash_corners(
    positions: Float[Tensor, "n 3"], spec: "HashGridSpec"
) -> tuple[Int32[Tensor, "n l 8"], Float[Tensor, "n l 8"]]:
    """Table rows and trilinear weights of the 8 corners about each point, on every level.

    Corner c takes the upper neighbour in x, y, z where bits 0, 1, 2 of c are set.
    """
    unit = positions.detach().clamp(0, 1).T.contiguous()
    # Points are the last axis: on a CPU some four times as fast as levels and corners last.
    rows = torch.empty(spec.levels, 8, len(positions), dtype=torch.int32, device=unit.device)
    weights = torch.empty(spec.levels, 8, len(positions), dtype=unit.dtype, device=unit.device)
    primes = torch.tensor(HASH_PRIMES, device=unit.device).to(torch.int32)
    for level, resolution in enumerate(spec.resolutions):
        scaled = unit * resolution
        cell = scaled.floor().clamp_(max=resolution - 1)
        fraction = scaled - cell
        _per_corner(1 - fraction, fraction, torch.mul, weights[level])
        if spec.dense[level]:
            side = resolution + 1
            step = torch.tensor([1, side, side * side], dtype=torch.int32, device=unit.device)
        else:
            step = primes
        # int32 products wrap, which leaves the low bits that the mask keeps unchanged.
        low = cell.int() * step[:, None]
        _per_corner(low, low + step[:, None], torch.add if spec.dense[level] else torch.bitwise_xor, rows[level])
        if not spec.dense[level]:
            rows[level] &= spec.rows[level] - 1
        rows[level] += spec.first_rows[level]
    return _points_first(rows), _points_first(weights)


def _points_first(values: Num[Tensor, "l 8 n"]) -> Num[Tensor, "n l 8"]:
    """The points' axis first. Stacking is up to twice as fast on a CPU as copying the transposed tensor."""
    return torch.stack(values.flatten(0, 1).unbind(), dim=1).unflatten(1, values.shape[:2])


def _per_corner(low: Num[Tensor, "3 n"], high: Num[Tensor, "3 n"], combine: Any, out: Num[Tensor, "8 n"]) -> None:
    """Combine, for each of the 8 corners, its lower or upper values along z, y and x."""
    sides = low, high
    yx = [combine(sides[j][1], sides[i][0]) for j in range(2) for i in range(2)]
    for corner in range(8):
        combine(sides[corner >> 2][2], yx[corner & 3], out=out[corner])


class _WeightedRows(torch.autograd.Function):
    """Σ_c weights[:, c] · table[rows[:, c]].

    The forward pass is `embedding_bag` (18 times as fast as indexing on a CPU); its own backward sorts, and adding up
    feature by feature is 3 times as fast and gives the same bits every time.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.table_shape = table.shape
        return torch.nn.functional.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grad_outputs
        rows, weights = ctx.saved_tensors
        count, features = ctx.table_shape
        flat_rows = rows.reshape(-1).long()
        out, of_one = grad.new_empty(count, features), grad.new_empty(count)
        for feature in range(features):
            of_one.zero_().scatter_add_(0, flat_rows, (weights * grad[:, feature : feature + 1]).reshape(-1))
            out[:, feature] = of_one
        return out, None, None
