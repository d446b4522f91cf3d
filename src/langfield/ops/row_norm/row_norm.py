"""Layer normalisation of millions of rows of some ten to some hundred numbers, with a GELU after it: `row_norm`.

torch's kernel takes a block of threads for each row: five million rows of 32 numbers take it milliseconds. Here a
program has as many rows as make a few thousand numbers. Cost: each number is read once and written once.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.ops.row_norm import reference

MAX_WIDTH = 1024


@torch.no_grad()
def row_norm(
    values: Float[Tensor, "*n c"],
    weight: Float[Tensor, " c"],
    bias: Float[Tensor, " c"],
    eps: float,
    gelu: bool = False,
) -> Float[Tensor, "*n c"]:
    """Each row made of mean 0 and variance 1, times weight and plus bias; then the exact GELU of that, if asked for.

    Works in float32 within, in the values' type outside. Runs a Triton kernel on CUDA for up to 1024 numbers a row, and
    `reference.row_norm` elsewhere. No gradients.

    Args:
        eps: added to the variance.
    """
    if values.is_cuda and values.shape[-1] <= MAX_WIDTH:
        from langfield.ops.row_norm import triton_kernel

        return triton_kernel.row_norm(values, weight, bias, eps, gelu)
    return reference.row_norm(values, weight, bias, eps, gelu)
