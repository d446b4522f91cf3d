"""Volume rendering along rays, on intervals given by their edges (Max 1995; NeRF, Mildenhall et al. 2020, eq. 3)."""

import torch
from jaxtyping import Float
from torch import Tensor


def render_weights(density: Float[Tensor, "r s"], edges: Float[Tensor, "r s+1"]) -> Float[Tensor, "r s"]:
    """How much each interval adds to its ray: w_i = T_i (1 − exp(−σ_i δ_i)), T_i = exp(−Σ_{j<i} σ_j δ_j).

    Args:
        density: σ ≥ 0 of each interval, per unit of length.
        edges: increasing distances along the ray.
    """
    optical = density * (edges[:, 1:] - edges[:, :-1])
    before = torch.cumsum(optical, dim=-1) - optical
    return torch.exp(-before) * -torch.expm1(-optical)


def composite(weights: Float[Tensor, "r s"], values: Float[Tensor, "r s c"]) -> Float[Tensor, "r c"]:
    """Σ_i w_i v_i, in the inputs' precision (a matrix product would round to bfloat16 under autocast)."""
    return (weights[..., None] * values).sum(dim=1)
