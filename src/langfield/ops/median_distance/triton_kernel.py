"""`median_distance` as a Triton kernel: a program has a block of points and all their distances.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

_BLOCK = 64


@triton.jit(do_not_specialize=["n"])
@no_type_check
def _kernel(points_ptr, places_ptr, out_ptr, n, count, BLOCK: tl.constexpr, PLACES: tl.constexpr):
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = point < n
    x = tl.load(points_ptr + point * 3, mask=inside, other=0.0)
    y = tl.load(points_ptr + point * 3 + 1, mask=inside, other=0.0)
    z = tl.load(points_ptr + point * 3 + 2, mask=inside, other=0.0)
    place = tl.arange(0, PLACES)
    there = place < count
    across = x[:, None] - tl.load(places_ptr + place * 3, mask=there, other=0.0)[None, :]
    down = y[:, None] - tl.load(places_ptr + place * 3 + 1, mask=there, other=0.0)[None, :]
    ahead = z[:, None] - tl.load(places_ptr + place * 3 + 2, mask=there, other=0.0)[None, :]
    squared = across * across + down * down + ahead * ahead
    less = tl.zeros((BLOCK, PLACES), dtype=tl.int32)
    for number in range(count):
        is_it = place[None, :] == number
        other = tl.sum(tl.where(is_it, squared, 0.0), axis=1)[:, None]
        # Of equal ones the first counts as less, so that each has a rank of its own.
        less += ((other < squared) | ((other == squared) & (number < place[None, :]))).to(tl.int32)
    median = there[None, :] & (less == (count - 1) // 2)
    tl.store(out_ptr + point, tl.sqrt(tl.sum(tl.where(median, squared, 0.0), axis=1)), mask=inside)


def median_distance(points: Float[Tensor, "n 3"], places: Float[Tensor, "c 3"]) -> Float[Tensor, " n"]:
    """See `langfield.ops.median_distance.median_distance`."""
    out = torch.empty(len(points), device=points.device)
    if len(points):
        _kernel[(triton.cdiv(len(points), _BLOCK),)](
            points.float().contiguous(),
            places.float().contiguous(),
            out,
            len(points),
            len(places),
            BLOCK=_BLOCK,
            PLACES=triton.next_power_of_2(len(places)),
        )
    return out
