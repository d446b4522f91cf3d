"""Noise in the shape of Gaussians: laws of the reference, and the Triton kernel against it (interpreted, on a CPU)."""

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from langfield.ops.gaussians.covariant_noise import covariant_noise


def given(count: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Rotations, scales' logarithms, opacities' logits near those that are shaken, noise."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(count, *rest, generator=generator, dtype=torch.float64) for rest in ((4,), (3,), (), (3,))]
    parts[2] = parts[2] - 5
    return [part.to(dtype) for part in parts]


def test_it_is_the_covariance_times_the_noise():
    """Σ from what many moved points of a Gaussian are like: R S² Rᵀ by its eigenvectors."""
    rotations, log_scales, logits, noise = given(50)
    found = covariant_noise(rotations, log_scales, logits, noise, 100.0, 0.005)
    for q, s, o, n, moved in zip(rotations, log_scales, logits, noise, found, strict=True):
        w, v = q[0] / q.norm(), q[1:] / q.norm()
        cross = torch.tensor([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]], dtype=torch.float64)
        turn = torch.eye(3, dtype=torch.float64) + 2 * w * cross + 2 * cross @ cross  # Rodrigues' formula
        covariance = turn @ torch.diag((2 * s).exp()) @ turn.T
        faintness = 1 / (1 + (100 * (1 / (1 + (-o).exp()) - 0.005)).exp())
        torch.testing.assert_close(moved, covariance @ n * faintness)


def test_what_is_not_faint_stays_and_what_is_round_goes_where_the_noise_goes():
    rotations, log_scales, logits, noise = given(20)
    assert covariant_noise(rotations, log_scales, torch.full_like(logits, 3.0), noise, 100.0, 0.005).abs().max() < 1e-30
    round_ones = torch.full_like(log_scales, -1.0)
    found = covariant_noise(rotations, round_ones, torch.full_like(logits, -50.0), noise, 100.0, 0.005)
    share = 1 / (1 + torch.tensor(-0.5).exp())
    torch.testing.assert_close(found, noise * torch.tensor(-2.0).exp() * share, rtol=1e-6, atol=0)


INTERPRETED = """
import torch
from langfield.ops.gaussians import covariant_noise_reference, covariant_noise_triton
from tests.ops.gaussians.test_covariant_noise import given

for count in (0, 1, 256, 300):
    parts = given(count, count, torch.float32)
    a = covariant_noise_triton.covariant_noise(*parts, 100.0, 0.005)
    b = covariant_noise_reference.covariant_noise(*(part.double() for part in parts), 100.0, 0.005)
    assert (a - b).norm() <= 1e-5 * b.norm(), count
print("same")
"""


def test_the_kernel_is_the_reference_in_tritons_interpreter():
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    program = "import sys; sys.path.insert(0, '.')\n" + INTERPRETED
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


def test_the_kernel_compiles_for_a_gpu_that_is_not_here():
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from langfield.ops.gaussians import covariant_noise_triton as kernels

    function = kernels._kernel
    types = {"n": "i32", "BLOCK": "constexpr"}
    signature = {n: types.get(n, "*fp32" if n.endswith("_ptr") else "fp32") for n in function.arg_names}
    source = ASTSource(fn=function, signature=signature, constexprs={"BLOCK": kernels._BLOCK})
    assert len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]) > 1000
