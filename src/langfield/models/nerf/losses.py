"""Losses of the radiance and language fields, as pure functions."""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.renderers.sampling import RaySamples


def proposal_loss(
    samples: RaySamples, weights: Float[Tensor, "r s"], proposal: RaySamples, proposal_weights: Float[Tensor, "r p"]
) -> Float[Tensor, ""]:
    """How much of the final weights a proposal's histogram fails to cover (Mip-NeRF 360, eq. 13).

    Gradients reach the proposal only.
    """
    weights = weights.detach()
    cumulative = torch.cat([torch.zeros_like(proposal_weights[:, :1]), proposal_weights.cumsum(dim=-1)], dim=-1)
    edges = proposal.s_edges.contiguous()
    last = edges.shape[1] - 1
    low = (torch.searchsorted(edges, samples.s_edges[:, :-1].contiguous(), right=True) - 1).clamp(0, last)
    high = torch.searchsorted(edges, samples.s_edges[:, 1:].contiguous(), right=False).clamp(0, last)
    bound = cumulative.gather(-1, high) - cumulative.gather(-1, low)
    excess = (weights - bound).clamp_min(0)
    return (excess**2 / (weights + 1e-7)).sum(dim=-1).mean()


def distortion_loss(samples: RaySamples, weights: Float[Tensor, "r s"]) -> Float[Tensor, ""]:
    """Σ_ij w_i w_j |s_i − s_j| + ⅓ Σ_i w_i² δ_i: weights should lie together (Mip-NeRF 360, eq. 15).

    Computed in linear time: for sorted middles the double sum is 2 Σ_i w_i (s_i W_i − S_i) with the running sums
    W_i = Σ_{j<i} w_j and S_i = Σ_{j<i} w_j s_j.
    """
    edges = samples.s_edges
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    weighted = weights * middle
    before = weights.cumsum(dim=-1) - weights
    before_weighted = weighted.cumsum(dim=-1) - weighted
    between = 2 * (weights * (middle * before - before_weighted)).sum(dim=-1)
    within = (weights**2 * (edges[:, 1:] - edges[:, :-1])).sum(dim=-1) / 3
    return (between + within).mean()


def language_loss(predicted: Float[Tensor, "r d"], target: Float[Tensor, "r d"]) -> Float[Tensor, ""]:
    """LERF's: Huber with δ = 1.25 summed over the embedding, mean over rays (its code, `lerf.py`)."""
    return torch.nn.functional.huber_loss(predicted, target, delta=1.25, reduction="none").sum(dim=-1).nanmean()


def dense_loss(predicted: Float[Tensor, "r s"], target: Float[Tensor, "r s"]) -> Float[Tensor, ""]:
    """Squared error summed over the features, mean over rays."""
    return ((predicted - target) ** 2).sum(dim=-1).nanmean()
