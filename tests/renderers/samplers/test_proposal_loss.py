"""The proposal loss against its definition by loops."""

import torch

from langfield.renderers.samplers.base import RaySamples
from langfield.renderers.samplers.proposal import proposal_loss


def histogram(rays: int, bins: int, seed: int) -> tuple[RaySamples, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inner = torch.rand(rays, bins - 1, generator=generator).sort(dim=-1).values
    edges = torch.cat([torch.zeros(rays, 1), inner, torch.ones(rays, 1)], dim=-1)
    weights = torch.rand(rays, bins, generator=generator)
    return RaySamples(edges, edges), weights / weights.sum(-1, keepdim=True)


def test_a_proposal_that_is_the_same_histogram_costs_nothing():
    samples, weights = histogram(4, 9, 1)
    assert proposal_loss(samples, weights, samples, weights) < 1e-9


def test_proposal_loss_is_the_uncovered_weight():
    """By loops: the bound of a bin is the sum of the proposal's bins that it touches (Mip-NeRF 360, eq. 12)."""
    samples, weights = histogram(2, 5, 2)
    proposal, proposal_weights = histogram(2, 8, 3)
    proposal_weights = proposal_weights * 0.3  # too little, so that something is uncovered
    expected = 0.0
    for r in range(2):
        for i in range(5):
            low, high = samples.s_edges[r, i], samples.s_edges[r, i + 1]
            bound = sum(
                float(proposal_weights[r, j])
                for j in range(8)
                if proposal.s_edges[r, j] < high and proposal.s_edges[r, j + 1] > low
            )
            expected += max(0.0, float(weights[r, i]) - bound) ** 2 / (float(weights[r, i]) + 1e-7)
    loss = proposal_loss(samples, weights, proposal, proposal_weights)
    torch.testing.assert_close(loss, torch.tensor(expected / 2), rtol=1e-4, atol=1e-6)
    assert loss > 0.01


def test_proposal_loss_trains_the_proposal_only():
    samples, weights = histogram(2, 5, 4)
    proposal, proposal_weights = histogram(2, 5, 5)
    weights.requires_grad_()
    proposal_weights = (proposal_weights * 0.5).requires_grad_()
    proposal_loss(samples, weights, proposal, proposal_weights).backward()
    assert weights.grad is None
    assert proposal_weights.grad is not None
    assert (proposal_weights.grad <= 0).all()
    assert proposal_weights.grad.sum() < 0
