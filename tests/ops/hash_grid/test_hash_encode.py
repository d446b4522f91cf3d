"""Hash-grid encoding: laws of the reference, and the Triton kernels against it (in Triton's interpreter on a CPU)."""

import os
import re
import subprocess
import sys

import pytest
import torch

from langfield.ops.hash_grid import HashGridSpec, hash_encode, initial_table, reference

SPECS = [
    HashGridSpec(levels=1, features=2, log2_rows=12, min_resolution=8, max_resolution=8),
    HashGridSpec(levels=5, features=4, log2_rows=10, min_resolution=4, max_resolution=40),  # dense and hashed levels
    HashGridSpec(levels=3, features=1, log2_rows=6, min_resolution=16, max_resolution=32),  # all hashed
]


def test_layout_is_dense_where_it_fits_and_ends_at_the_largest_resolution():
    spec = SPECS[1]
    assert spec.resolutions[0] == 4
    assert spec.resolutions[-1] == 40
    assert spec.dense == (True, True, False, False, False)
    assert spec.rows[0] == 128  # 5³ = 125, aligned to 8
    assert spec.rows[-1] == 2**10
    assert spec.table_shape == (sum(spec.rows), 4)


def test_a_constant_table_gives_a_constant():
    spec = SPECS[1]
    out = hash_encode(torch.rand(100, 3), torch.full(spec.table_shape, 0.7), spec)
    torch.testing.assert_close(out, torch.full((100, spec.out_features), 0.7))


def test_a_linear_function_on_a_dense_grid_is_reproduced_exactly():
    spec = SPECS[0]
    side = 9
    index = torch.arange(side**3)
    corner = torch.stack([index % side, index // side % side, index // side**2], dim=-1) / 8
    slope = torch.tensor([[0.3, -1.0, 2.0], [5.0, 0.1, -0.2]])
    table = torch.zeros(spec.table_shape)
    table[: side**3] = corner @ slope.T
    points = torch.rand(200, 3)
    torch.testing.assert_close(hash_encode(points, table, spec), points @ slope.T, rtol=1e-5, atol=1e-5)


def brute_force(position: list[float], table: torch.Tensor, spec: HashGridSpec) -> torch.Tensor:
    """One point by loops, from the paper's formulas."""
    out = []
    for resolution, rows, first, dense in zip(spec.resolutions, spec.rows, spec.first_rows, spec.dense, strict=True):
        scaled = [min(max(p, 0.0), 1.0) * resolution for p in position]
        cell = [min(int(s), resolution - 1) for s in scaled]
        total = torch.zeros(spec.features, dtype=torch.float64)
        for c in range(8):
            bits = [(c >> axis) & 1 for axis in range(3)]
            corner = [a + b for a, b in zip(cell, bits, strict=True)]
            weight = 1.0
            for s, a, b in zip(scaled, cell, bits, strict=True):
                weight *= (s - a) if b else 1 - (s - a)
            if dense:
                row = corner[0] + (resolution + 1) * (corner[1] + (resolution + 1) * corner[2])
            else:
                row = (corner[0] ^ corner[1] * 2654435761 ^ corner[2] * 805459861) % rows
            total += weight * table[first + row].double()
        out.append(total)
    return torch.cat(out)


@pytest.mark.parametrize("spec", SPECS)
def test_reference_is_the_papers_formula(spec: HashGridSpec):
    table = torch.randn(spec.table_shape)
    points = torch.rand(20, 3) * 1.2 - 0.1  # some outside: clamped
    expected = torch.stack([brute_force(p.tolist(), table, spec) for p in points]).float()
    torch.testing.assert_close(hash_encode(points, table, spec), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spec", SPECS)
def test_gradient_of_the_table_is_that_of_plain_indexing(spec: HashGridSpec):
    points = torch.rand(64, 3)
    fast = torch.randn(spec.table_shape, requires_grad=True)
    plain = fast.detach().clone().requires_grad_()
    rows, weights = reference.hash_corners(points, spec)
    by_indexing = (plain[rows] * weights[..., None]).sum(-2).reshape(64, -1)
    out = hash_encode(points, fast, spec)
    torch.testing.assert_close(out, by_indexing)
    cotangent = torch.randn_like(out)
    out.backward(cotangent)
    by_indexing.backward(cotangent)
    torch.testing.assert_close(fast.grad, plain.grad)
    assert fast.grad is not None
    assert fast.grad.abs().sum() > 0


def test_a_wrong_table_is_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"must have shape \(736, 2\), got \(3, 2\)"):
        hash_encode(torch.rand(4, 3), torch.zeros(3, 2), SPECS[0])


def test_initial_table_is_tiny_and_repeatable():
    a = initial_table(SPECS[0], torch.Generator().manual_seed(3))
    b = initial_table(SPECS[0], torch.Generator().manual_seed(3))
    assert torch.equal(a, b)
    assert 0 < a.abs().max() <= 1e-4


INTERPRETED = """
import torch
from langfield.ops.hash_grid import HashGridSpec, reference, triton_kernels

torch.manual_seed(0)
shapes = [(1, 2, 12, 8, 8), (5, 4, 10, 4, 40), (3, 1, 6, 16, 32), (2, 8, 19, 128, 512)]
for levels, features, log2_rows, low, high in shapes:
    spec = HashGridSpec(levels, features, log2_rows, low, high)
    points = torch.rand(300, 3) * 1.2 - 0.1  # more than one block, the last one not full
    fast = torch.randn(spec.table_shape, requires_grad=True)
    slow = fast.detach().clone().requires_grad_()
    a = triton_kernels.hash_encode(points, fast, spec)
    b = reference.hash_encode(points, slow, spec)
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    cotangent = torch.randn_like(b)
    a.backward(cotangent)
    b.backward(cotangent)
    torch.testing.assert_close(fast.grad, slow.grad, rtol=1e-4, atol=1e-5)
    assert fast.grad.abs().sum() > 0
print("same")
"""


def test_triton_kernels_agree_with_the_reference_in_the_interpreter():
    pytest.importorskip("triton")
    # Triton reads the variable when it is imported: a process of its own.
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


@pytest.mark.parametrize("kernel", ["_forward_kernel", "_backward_kernel"])
def test_kernels_compile_for_a_gpu_that_is_not_here(kernel: str):
    """To machine code of compute capability 9.0, under the same import hook as all tests."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from langfield.ops.hash_grid import triton_kernels

    function = getattr(triton_kernels, kernel)
    pointers = function.arg_names[:4]
    signature = {name: "*i64" if name == "layout_ptr" else "*fp32" for name in pointers} | {"n": "i32"}
    constants = {"LEVELS": 12, "F": 8, "BLOCK": 256}
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=function, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert len(compiled.asm["cubin"]) > 1000
    adds = re.search(r"\b(red|atom)\.\S*global\S*\.f32", compiled.asm["ptx"])
    assert (adds is not None) == (kernel == "_backward_kernel")
