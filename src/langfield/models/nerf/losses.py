"""Losses of radiance fields, as pure functions."""

from jaxtyping import Float
from torch import Tensor

from langfield.renderers.samplers.base import RaySamples


def distortion_loss(samples: RaySamples, weights: Float[Tensor, "r s"]) -> Float[Tensor, ""]:
    """Distortion loss Σ_ij w_i w_j |s_i − s_j| + ⅓ Σ_i w_i² δ_i, mean over rays (Mip-NeRF 360, eq. 15).

    s_i and δ_i are the middles and widths of a ray's intervals in the normalised coordinate. In linear time: for sorted
    middles the double sum is 2 Σ_i w_i (s_i W_i − S_i) with W_i = Σ_{j<i} w_j and S_i = Σ_{j<i} w_j s_j.
    """
    edges = samples.s_edges
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    weighted = weights * middle
    before = weights.cumsum(dim=-1) - weights
    before_weighted = weighted.cumsum(dim=-1) - weighted
    between = 2 * (weights * (middle * before - before_weighted)).sum(dim=-1)
    within = (weights**2 * (edges[:, 1:] - edges[:, :-1])).sum(dim=-1) / 3
    return (between + within).mean()
