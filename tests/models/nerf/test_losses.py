"""Losses against their definitions by loops."""

import torch

from langfield.models.config import ModelContext
from langfield.models.nerf.heads import DenseHeadConfig, LanguageHeadConfig
from langfield.models.nerf.losses import distortion_loss
from langfield.renderers.samplers.base import RaySamples


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


CONTEXT = ModelContext(photos=1, target_dims={"embedding": 4, "dense": 4})


def test_language_loss_is_the_summed_huber():
    head = LanguageHeadConfig().build(2, CONTEXT)
    assert head is not None
    a, b = torch.randn(6, 4) * 2, torch.randn(6, 4)
    difference = (a - b).abs()
    huber = torch.where(difference < 1.25, 0.5 * difference**2, 1.25 * (difference - 0.625))
    torch.testing.assert_close(head.loss(a, {"embedding": b}), huber.sum(-1).mean())


def test_dense_loss_is_the_squared_distance():
    head = DenseHeadConfig().build(2, CONTEXT)
    assert head is not None
    a, b = torch.randn(6, 4), torch.randn(6, 4)
    torch.testing.assert_close(head.loss(a, {"dense": b}), (a - b).norm(dim=-1).square().mean())


def test_a_head_without_its_target_is_not_built():
    assert LanguageHeadConfig().build(2, ModelContext(photos=1, target_dims={"dense": 4})) is None
    assert DenseHeadConfig().build(2, ModelContext(photos=1, target_dims={"embedding": 4})) is None
