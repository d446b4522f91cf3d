"""Inputs of the networks: contraction, and the density's activation."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.fields.encodings import contract, mlp
from langfield.fields.radiance import density_activation

cases = settings(deadline=None, max_examples=50)
seeds = st.integers(0, 2**32 - 1)


@cases
@given(seeds)
def test_contraction_is_the_identity_within_the_unit_cube(seed):
    points = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (30, 3)))
    torch.testing.assert_close(contract(points), points / 4 + 0.5)


@cases
@given(seeds)
def test_contraction_is_continuous_and_monotone_along_rays(seed):
    """In the maximum norm r ↦ 2 − 1/r, direction kept: within [0, 1], growing, without a jump at the cube."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=3)
    direction = torch.from_numpy(direction / np.abs(direction).max())
    radius = torch.from_numpy(np.sort(np.concatenate([[1 - 1e-9, 1, 1 + 1e-9], 10 ** rng.uniform(-3, 6, 40)])))
    out = contract(radius[:, None] * direction)
    assert out.min() >= 0
    assert out.max() <= 1
    offset = (out - 0.5) * 4
    norm = offset.abs().amax(dim=-1)
    torch.testing.assert_close(offset, norm[:, None] * direction)
    torch.testing.assert_close(norm, torch.where(radius > 1, 2 - 1 / radius, radius))
    assert (norm.diff() >= 0).all()
    assert (norm.diff() <= radius.diff() + 1e-12).all()


def test_what_is_infinitely_far_lands_on_a_face():
    far = torch.tensor([[1e30, 0, 0], [0, -1e30, 0], [1e30, 1e30, -1e30]])
    expected = torch.tensor([[1, 0.5, 0.5], [0.5, 0, 0.5], [1, 1, 0]])
    torch.testing.assert_close(contract(far), expected)
    torch.testing.assert_close(contract(torch.zeros(1, 3)), torch.full((1, 3), 0.5))


def test_density_is_an_exponential_whose_gradient_stays_finite():
    raw = torch.tensor([-100.0, -3.0, 0.0, 1.0, 5.0, 100.0], requires_grad=True)
    density = density_activation(raw)
    torch.testing.assert_close(density[1:5], torch.exp(raw.detach()[1:5] - 1))
    density.sum().backward()
    assert raw.grad is not None
    assert density.isfinite().all()
    torch.testing.assert_close(raw.grad[1:5], torch.exp(raw.detach()[1:5] - 1))
    assert raw.grad[5] == torch.exp(torch.tensor(15.0))
    assert raw.grad[0] > 0
    assert density_activation(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32


def test_a_network_is_linear_layers_with_relu_between():
    network, x = mlp([3, 5, 4, 2]), torch.randn(6, 3)
    a, b, c = (layer.weight for layer in network if isinstance(layer, torch.nn.Linear))
    expected = (((x @ a.T).relu() @ b.T).relu()) @ c.T
    torch.testing.assert_close(network(x), expected)
