"""The Triton kernels on a GPU against the torch reference, in float64 where that tells more."""

import pytest
import torch

from langfield.models.presets import LERF
from langfield.ops.hash_grid import HashGridSpec, reference, triton_kernels
from langfield.renderers.samplers.proposal import ProposalSamplerConfig

LERF_SAMPLER = LERF.sampler
assert isinstance(LERF_SAMPLER, ProposalSamplerConfig)
SPECS = {
    "one dense level": HashGridSpec(1, 2, 12, 8, 8),
    "one feature": HashGridSpec(3, 1, 6, 16, 32),
    "radiance": LERF.radiance.grid,
    "proposal": LERF_SAMPLER.networks[0].grid,
    "language": LERF.feature_grid.specs()[1],
}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("points", [1, 255, 256, 40_000])
def test_values_and_gradients_are_the_references(name: str, points: int):
    """Relative error seen on an H100: at most 2.4e-5 at a resolution of 2048, where a fraction of a cell in float32
    keeps 13 bits; 2e-6 elsewhere. The bound is twice that. Those are means over points: a single one, which may be
    worse, has products with resolutions that float32 holds exactly."""
    spec = SPECS[name]
    positions = torch.rand(points, 3, device="cuda") * 1.1 - 0.05
    if points == 1:
        positions = (positions * 4096).round() / 4096
    fast = torch.randn(spec.table_shape, device="cuda", requires_grad=True)
    slow = fast.detach().clone().requires_grad_()
    a = triton_kernels.hash_encode(positions, fast, spec)
    b = reference.hash_encode(positions, slow, spec)
    cotangent = torch.randn_like(b)
    a.backward(cotangent)
    b.backward(cotangent)
    assert fast.grad is not None
    assert slow.grad is not None
    assert a.isfinite().all()
    for ours, theirs in ((a, b), (fast.grad, slow.grad)):
        assert (ours - theirs).norm() <= 5e-5 * theirs.norm()
    assert torch.equal(fast.grad != 0, slow.grad != 0) or (fast.grad != 0).sum() > 0.999 * (slow.grad != 0).sum()


def test_no_points_give_no_features_and_no_gradient():
    spec = SPECS["radiance"]
    table = torch.randn(spec.table_shape, device="cuda", requires_grad=True)
    out = triton_kernels.hash_encode(torch.zeros(0, 3, device="cuda"), table, spec)
    assert out.shape == (0, spec.out_features)
    out.sum().backward()
    assert table.grad is not None
    assert table.grad.abs().sum() == 0
