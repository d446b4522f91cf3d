"""Where rays are sampled: spacing, inversion of histograms, and what resampling must keep."""

import pytest
import torch

from langfield.core.rays import Rays
from langfield.fields.radiance import DensityConfig
from langfield.renderers.samplers.base import distance_from_spacing, stratified_edges
from langfield.renderers.samplers.proposal import ProposalSampler, ProposalSamplerConfig, resample


class Density(torch.nn.Module):
    """A density that is known."""

    def __init__(self, density) -> None:
        super().__init__()
        self.density = density

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.density(points)


def sampler(density, proposal_samples: tuple[int, ...], samples: int) -> ProposalSampler:
    networks = tuple(DensityConfig(levels=1, log2_rows=4) for _ in proposal_samples)
    made = ProposalSampler(ProposalSamplerConfig(networks, proposal_samples, samples))
    made.networks = torch.nn.ModuleList(Density(density) for _ in proposal_samples)
    return made


def some_rays(n: int) -> Rays:
    directions = torch.nn.functional.normalize(torch.randn(n, 3), dim=-1)
    return Rays(torch.zeros(n, 3), directions, torch.zeros(n, dtype=torch.int64), torch.ones(n))


def test_spacing_goes_from_near_to_far_linear_first_then_in_inverse_distance():
    near, far = 0.05, 1000.0
    t = distance_from_spacing(torch.linspace(0, 1, 101, dtype=torch.float64), near, far)
    torch.testing.assert_close(t[[0, -1]], torch.tensor([near, far], dtype=torch.float64))
    assert (t.diff() > 0).all()
    linear = t[t < 1].diff()
    torch.testing.assert_close(linear, linear[:1].expand_as(linear))
    inverse = (1 / t[t > 1]).diff()
    torch.testing.assert_close(inverse, inverse[:1].expand_as(inverse))


def test_jitter_moves_inner_edges_only_and_keeps_their_order():
    edges = stratified_edges(some_rays(50), 8, torch.rand(50))
    assert (edges[:, 0] == 0).all()
    assert (edges[:, -1] == 1).all()
    assert (edges.diff(dim=-1) > 0).all()
    assert edges[:, 1].std() > 0


def test_resampling_puts_samples_where_the_weight_is():
    edges = torch.linspace(0, 1, 11).expand(1, -1)
    weights = torch.zeros(1, 10)
    weights[0, 6] = 1.0
    inside = resample(edges, weights, 1000, None, uniform=1e-3)
    share = ((inside >= 0.6) & (inside <= 0.7)).double().mean()
    assert share > 0.99


def test_resampling_a_uniform_histogram_is_uniform():
    edges = torch.linspace(0, 1, 11).expand(2, -1)
    out = resample(edges, torch.ones(2, 10), 4, None)
    torch.testing.assert_close(out, torch.tensor([[0.1, 0.3, 0.5, 0.7, 0.9]]).expand(2, -1))


def test_resampling_inverts_the_cumulative_sum():
    """The share of new edges under x is the histogram's cumulative sum at x, for any histogram."""
    torch.manual_seed(1)
    edges = torch.cat([torch.zeros(1, 1), torch.rand(1, 9).sort(dim=-1).values, torch.ones(1, 1)], dim=-1)
    weights = torch.rand(1, 10)
    out = resample(edges, weights, 20_000, torch.rand(1), uniform=0.0)
    cumulative = weights.cumsum(-1) / weights.sum()
    for i in range(10):
        share = (out <= edges[0, i + 1]).double().mean()
        torch.testing.assert_close(share, cumulative[0, i].double(), rtol=0, atol=2e-3)


def test_samples_find_a_wall_that_only_the_proposal_knows():
    """A thin wall at distance 2: after one proposal round most samples lie near it."""

    def wall(points: torch.Tensor) -> torch.Tensor:
        distance = points.norm(dim=-1)
        return torch.where((distance > 1.95) & (distance < 2.05), 100.0, 0.0)

    samples, rounds = sampler(wall, (512,), 32)(some_rays(10))
    near_wall = (samples.t_middle > 1.8) & (samples.t_middle < 2.2)
    assert near_wall.double().mean() > 0.6
    assert rounds[0][1].sum(dim=-1).min() > 0.99
    assert samples.s_edges.shape == (10, 33)


def test_evaluation_repeats_bit_for_bit():
    rays = some_rays(10)

    def fog(points: torch.Tensor) -> torch.Tensor:
        return torch.full((len(points),), 0.5)

    made = sampler(fog, (16, 8), 4)
    first, _ = made(rays)
    second, _ = made(rays)
    assert torch.equal(first.t_edges, second.t_edges)


def test_networks_train_at_every_step_first_and_at_every_fifth_later():
    made = ProposalSampler(ProposalSamplerConfig(warmup_steps=1000, update_every=5, anneal_steps=300))
    trains = [made.trains_at(step) for step in range(3000)]
    assert all(trains[:200])
    assert sum(trains[1000:]) == 400
    assert made.phase(0) is None
    assert made.phase(2000) is True
    assert made.phase(2001) is False


def test_as_many_counts_as_networks_are_needed():
    one = (DensityConfig(),)
    with pytest.raises(ValueError, match="proposal_samples has 2 counts for 1 networks; give one count for each"):
        ProposalSamplerConfig(networks=one)
    assert ProposalSamplerConfig(networks=one, proposal_samples=(64,)).samples == 48
