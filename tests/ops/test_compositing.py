"""Volume rendering against closed forms."""

import torch

from langfield.ops.compositing import composite, render_weights


def test_constant_density_is_the_exponential_law():
    edges = torch.linspace(0, 3, 31, dtype=torch.float64)[None]
    sigma = torch.full((1, 30), 1.7, dtype=torch.float64)
    weights = render_weights(sigma, edges)
    expected = torch.exp(-1.7 * edges[:, :-1]) - torch.exp(-1.7 * edges[:, 1:])
    torch.testing.assert_close(weights, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(weights.sum(), 1 - torch.exp(torch.tensor(-1.7 * 3, dtype=torch.float64)))


def test_splitting_an_interval_changes_nothing():
    coarse = torch.tensor([[0.0, 1.0, 2.5]])
    fine = torch.tensor([[0.0, 0.3, 1.0, 2.5]])
    a = render_weights(torch.tensor([[0.4, 2.0]]), coarse)
    b = render_weights(torch.tensor([[0.4, 0.4, 2.0]]), fine)
    torch.testing.assert_close(a[:, 0], b[:, 0] + b[:, 1])
    torch.testing.assert_close(a[:, 1], b[:, 2])


def test_an_opaque_first_interval_hides_the_rest_and_nothing_is_nan():
    weights = render_weights(torch.tensor([[1e30, 1.0, 1e30]]), torch.tensor([[0.0, 1.0, 2.0, 3.0]]))
    torch.testing.assert_close(weights, torch.tensor([[1.0, 0.0, 0.0]]))


def test_gradient_is_the_finite_difference():
    torch.manual_seed(0)
    sigma = torch.rand(4, 6, dtype=torch.float64, requires_grad=True)
    edges = torch.rand(4, 7, dtype=torch.float64).sort(dim=-1).values
    assert torch.autograd.gradcheck(lambda s: render_weights(s, edges), (sigma,))


def test_composite_is_the_weighted_sum():
    weights, values = torch.rand(5, 3), torch.rand(5, 3, 2)
    torch.testing.assert_close(composite(weights, values), (weights[..., None] * values).sum(1))
