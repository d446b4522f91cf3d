"""`row_norm` as a Triton kernel: a program has a block of whole rows.

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

_NUMBERS = 4096  # of a program


@triton.jit(do_not_specialize=["rows"])
@no_type_check
def _kernel(
    value_ptr,
    weight_ptr,
    bias_ptr,
    out_ptr,
    rows,
    width,
    eps,
    GELU: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    column = tl.arange(0, WIDTH)
    there = column < width
    inside = (row < rows)[:, None] & there[None, :]
    place = row[:, None] * width + column[None, :]
    value = tl.load(value_ptr + place, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(value, axis=1) / width
    apart = tl.where(inside, value - mean[:, None], 0.0)
    variance = tl.sum(apart * apart, axis=1) / width
    weight = tl.load(weight_ptr + column, mask=there, other=0.0).to(tl.float32)
    bias = tl.load(bias_ptr + column, mask=there, other=0.0).to(tl.float32)
    out = apart / tl.sqrt(variance + eps)[:, None] * weight[None, :] + bias[None, :]
    if GELU:
        out = 0.5 * out * (1.0 + tl.erf(out * 0.7071067811865476))
    tl.store(out_ptr + place, out.to(out_ptr.dtype.element_ty), mask=inside)


def row_norm(
    values: Float[Tensor, "*n c"],
    weight: Float[Tensor, " c"],
    bias: Float[Tensor, " c"],
    eps: float,
    gelu: bool = False,
) -> Float[Tensor, "*n c"]:
    """See `langfield.ops.row_norm.row_norm`."""
    values = values.contiguous()
    out, columns = torch.empty_like(values), values.shape[-1]
    rows = values.numel() // columns
    if rows:
        width = triton.next_power_of_2(columns)
        block = max(_NUMBERS // width, 1)
        _kernel[(triton.cdiv(rows, block),)](
            values, weight, bias, out, rows, columns, eps, GELU=gelu, BLOCK=block, WIDTH=width
        )
    return out
