"""Losses against their definitions by loops."""

import torch

from langfield.models.nerf.losses import dense_loss, distortion_loss, language_loss, proposal_loss
from langfield.renderers.sampling import RaySamples


def histogram(rays: int, bins: int, seed: int) -> tuple[RaySamples, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inner = torch.rand(rays, bins - 1, generator=generator).sort(dim=-1).values
    edges = torch.cat([torch.zeros(rays, 1), inner, torch.ones(rays, 1)], dim=-1)
    weights = torch.rand(rays, bins, generator=generator)
    return RaySamples(edges, edges), weights / weights.sum(-1, keepdim=True)


def test_distortion_is_the_double_sum():
    samples, weights = histogram(3, 7, 0)
    middle = samples.t_middle
    width = samples.s_edges.diff(dim=-1)
    expected = 0.0
    for r in range(3):
        for i in range(7):
            expected += float(weights[r, i] ** 2 * width[r, i] / 3)
            for j in range(7):
                expected += float(weights[r, i] * weights[r, j] * (middle[r, i] - middle[r, j]).abs())
    torch.testing.assert_close(distortion_loss(samples, weights), torch.tensor(expected / 3), rtol=1e-5, atol=1e-6)


def test_distortion_of_one_bin_in_the_limit_is_nothing():
    edges = torch.tensor([[0.0, 0.5, 0.5001, 1.0]])
    loss = distortion_loss(RaySamples(edges, edges), torch.tensor([[0.0, 1.0, 0.0]]))
    assert 0 <= loss < 1e-4


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


def test_language_loss_is_the_summed_huber():
    a, b = torch.randn(6, 4) * 2, torch.randn(6, 4)
    difference = (a - b).abs()
    huber = torch.where(difference < 1.25, 0.5 * difference**2, 1.25 * (difference - 0.625))
    torch.testing.assert_close(language_loss(a, b), huber.sum(-1).mean())


def test_dense_loss_is_the_squared_distance():
    a, b = torch.randn(6, 4), torch.randn(6, 4)
    torch.testing.assert_close(dense_loss(a, b), (a - b).norm(dim=-1).square().mean())
