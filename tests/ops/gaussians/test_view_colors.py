"""Colours of Gaussians: the reference by its definition, and the Triton kernels against it (interpreted, on a CPU)."""

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from langfield.ops.gaussians.view_colors import view_colors
from langfield.ops.spherical_harmonics import eval_sh_bases


def given(count: int = 12, functions: int = 15, views: int = 3, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(count + functions)
    shapes = (count, 3), (count, 3), (count, functions, 3), (views, 3)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_it_is_its_definition(degree: int):
    means, sh0, shN, eyes = given()
    found = view_colors(means, sh0, shN, eyes, degree)
    for eye, colors in zip(eyes, found, strict=True):
        for mean, c0, c, color in zip(means, sh0, shN, colors, strict=True):
            direction = (mean - eye) / (mean - eye).norm()
            values = eval_sh_bases(direction[None], degree)[0]
            expected = 0.5 + sum(v * k for v, k in zip(values, [c0, *c], strict=False))
            torch.testing.assert_close(color, expected.clamp_min(0))


def test_gradients_are_those_of_differences_and_reach_coefficients_only():
    means, sh0, shN, eyes = given(4, 8)
    for values in (means, sh0, shN, eyes):
        values.requires_grad_()
    assert torch.autograd.gradcheck(lambda c, d: view_colors(means, c, d, eyes, 2), (sh0, shN))
    view_colors(means, sh0, shN, eyes, 1).sum().backward()
    assert means.grad is None
    assert shN.grad is not None
    assert shN.grad[:, :3].any()
    assert not shN.grad[:, 3:].any()


def test_a_camera_within_a_gaussian_sees_a_finite_colour():
    means, sh0, shN, _ = given(2)
    assert view_colors(means, sh0, shN, means[:1], 3).isfinite().all()


@pytest.mark.parametrize(("degree", "functions"), [(-1, 3), (4, 15), (1, 0), (3, 8)])
def test_degrees_that_are_not_there_are_refused(degree: int, functions: int):
    with pytest.raises(ValueError, match=f"degree {degree} needs"):
        view_colors(*given(3, functions), degree)


INTERPRETED = """
import torch
from langfield.ops.gaussians import view_colors_reference, view_colors_triton
from tests.ops.gaussians.test_view_colors import given

cases = [(150, 15, 3, (0, 1, 2, 3)), (64, 8, 1, (2, 1)), (5, 0, 2, (0,)), (0, 15, 2, (3,))]
for count, functions, views, degrees in cases:
    for degree in degrees:
        means, sh0, shN, eyes = given(count, functions, views, torch.float32)
        fast = [v.clone().requires_grad_() for v in (sh0, shN)]
        slow = [v.double().requires_grad_() for v in (sh0, shN)]
        a = view_colors_triton.view_colors(means, *fast, eyes, degree)
        b = view_colors_reference.view_colors(means.double(), *slow, eyes.double(), degree)
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-5)
        weights = torch.randn(a.shape, generator=torch.Generator().manual_seed(1))
        (a * weights).sum().backward()
        (b * weights).sum().backward()
        for x, y in zip(fast, slow):
            assert y.grad is None or (x.grad - y.grad).norm() <= 1e-5 * y.grad.norm() + 1e-9, (count, degree)
print("same")
"""


def test_the_kernels_are_the_reference_in_tritons_interpreter():
    pytest.importorskip("triton")
    # Triton reads the variable when it is imported: a process of its own.
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + INTERPRETED],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


@pytest.mark.parametrize(("kernel", "warps"), [("_forward_kernel", 2), ("_backward_kernel", 4)])
def test_kernels_compile_for_a_gpu_that_is_not_here(kernel: str, warps: int):
    """To machine code of compute capability 9.0, as they are launched; what a program holds is in registers."""
    triton = pytest.importorskip("triton")
    from tests.ops.machine_code import stack_bytes
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from langfield.ops.gaussians import view_colors_triton as kernels

    function = getattr(kernels, kernel)
    constants = {"BLOCK": kernels._BLOCK, "FUNCTIONS": kernels._FUNCTIONS}
    types = dict.fromkeys(("n", "views", "own", "used"), "i32") | dict.fromkeys(constants, "constexpr")
    signature = {n: types.get(n, "*fp32" if n.endswith("_ptr") else "fp32") for n in function.arg_names}
    source = ASTSource(fn=function, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps})
    assert stack_bytes(compiled.asm["cubin"]) == 0
