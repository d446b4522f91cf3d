"""The Triton kernels of Gaussians' colours and noise on a GPU against the torch references in float64 on the CPU."""

import pytest
import torch
from tests.ops.gaussians import test_covariant_noise, test_view_colors

from langfield.ops.gaussians import covariant_noise_reference, view_colors_reference
from langfield.ops.gaussians.covariant_noise import covariant_noise
from langfield.ops.gaussians.view_colors import view_colors


@pytest.mark.parametrize(("count", "functions"), [(1, 0), (63, 3), (1000, 8), (100_003, 15)])
@pytest.mark.parametrize("views", [1, 4])
def test_colours_and_gradients_are_the_references(count: int, functions: int, views: int):
    means, sh0, shN, eyes = test_view_colors.given(count, functions, views, torch.float32)
    for degree in range({0: 1, 3: 2, 8: 3, 15: 4}[functions]):
        fast = [v.cuda().requires_grad_() for v in (sh0, shN)]
        slow = [v.double().requires_grad_() for v in (sh0, shN)]
        with torch.autocast("cuda", dtype=torch.bfloat16):
            a = view_colors(means.cuda(), *fast, eyes.cuda(), degree)
        b = view_colors_reference.view_colors(means.double(), *slow, eyes.double(), degree)
        torch.testing.assert_close(a.cpu().double(), b, rtol=1e-4, atol=1e-4)
        weights = torch.randn(a.shape, generator=torch.Generator().manual_seed(1))
        (a * weights.cuda()).sum().backward()
        (b * weights).sum().backward()
        for x, y in zip(fast, slow, strict=True):
            assert x.grad is not None
            if y.grad is not None:
                assert (x.grad.cpu() - y.grad).norm() <= 1e-4 * y.grad.norm() + 1e-9


@pytest.mark.parametrize("count", [1, 257, 100_003])
def test_noise_is_the_references(count: int):
    parts = test_covariant_noise.given(count, 1, torch.float32)
    found = covariant_noise(*(part.cuda() for part in parts), 100.0, 0.005)
    expected = covariant_noise_reference.covariant_noise(*(part.double() for part in parts), 100.0, 0.005)
    assert (found.cpu() - expected).norm() <= 1e-4 * expected.norm()
