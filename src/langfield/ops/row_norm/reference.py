"""`row_norm` in plain torch: what the Triton kernel is tested against, and what runs on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor


def row_norm(
    values: Float[Tensor, "*n c"],
    weight: Float[Tensor, " c"],
    bias: Float[Tensor, " c"],
    eps: float,
    gelu: bool = False,
) -> Float[Tensor, "*n c"]:
    """See `langfield.ops.row_norm.row_norm`."""
    normal = torch.nn.functional.layer_norm(values, values.shape[-1:], weight, bias, eps)
    return torch.nn.functional.gelu(normal) if gelu else normal
