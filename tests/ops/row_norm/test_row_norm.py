"""Layer normalisation of rows: its law, and the Triton kernel (interpreted, on a CPU)."""

import os
import subprocess
import sys

import pytest
import torch

from langfield.ops.row_norm import row_norm


def test_rows_have_mean_0_and_variance_1_whatever_they_were():
    values = 5 + 3 * torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, zero = torch.ones(32, dtype=torch.float64), torch.zeros(32, dtype=torch.float64)
    normal = row_norm(values, one, zero, 0.0)
    torch.testing.assert_close(normal.mean(dim=-1), torch.zeros(2, 9, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(normal.var(dim=-1, correction=0), torch.ones(2, 9, dtype=torch.float64))
    torch.testing.assert_close(row_norm(7 * values - 2, one, zero, 0.0), normal)
    weight, bias = torch.linspace(-1, 1, 32).double(), torch.linspace(0, 3, 32).double()
    torch.testing.assert_close(row_norm(values, weight, bias, 0.0), normal * weight + bias)
    half = 0.5 * normal * (1 + torch.erf(normal / 2**0.5))
    torch.testing.assert_close(row_norm(values, one, zero, 0.0, gelu=True), half)


INTERPRETED = """
import torch
from langfield.ops.row_norm import reference, triton_kernel

generator = torch.Generator().manual_seed(0)
for shape in [(1, 32), (3, 50, 4, 32), (300, 128), (5, 48), (2, 300)]:
    values = 2 + torch.randn(shape, generator=generator)
    weight, bias = torch.randn(2, shape[-1], generator=generator)
    for gelu in (False, True):
        expected = reference.row_norm(values, weight, bias, 1e-6, gelu)
        found = triton_kernel.row_norm(values, weight, bias, 1e-6, gelu)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
assert triton_kernel.row_norm(torch.zeros(0, 32), torch.ones(32), torch.ones(32), 1e-6).shape == (0, 32)
"""


def test_the_kernel_is_the_reference_in_tritons_interpreter():
    """In a process of its own: Triton reads the variable when it is imported. The GPU's arithmetic is in tests/gpu."""
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
