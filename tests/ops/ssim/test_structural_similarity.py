"""Mean SSIM: its definition by loops, laws, and the Triton kernels against the reference (interpreted, on a CPU)."""

import math
import os
import re
import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from langfield.ops.ssim import structural_similarity


def pictures(height: int, width: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    one = torch.rand(height, width, 3, generator=generator, dtype=torch.float64)
    other = (one + 0.2 * torch.randn(height, width, 3, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return one.to(dtype), other.to(dtype)


def by_loops(one: Tensor, other: Tensor) -> float:
    """Every window's moments in float64, what is outside counting as 0."""
    bell = [math.exp(-0.5 * (step / 1.5) ** 2) for step in range(-5, 6)]
    weights = {(v, u): bell[v] * bell[u] / sum(bell) ** 2 for v in range(11) for u in range(11)}
    height, width, _ = one.shape
    total = 0.0
    for row in range(height):
        for column in range(width):
            for channel in range(3):
                x, y, xx, yy, xy = [0.0] * 5
                for (v, u), weight in weights.items():
                    i, j = row + v - 5, column + u - 5
                    if 0 <= i < height and 0 <= j < width:
                        a, b = float(one[i, j, channel]), float(other[i, j, channel])
                        x, y = x + weight * a, y + weight * b
                        xx, yy, xy = xx + weight * a * a, yy + weight * b * b, xy + weight * a * b
                alike = (2 * x * y + 1e-4) * (2 * (xy - x * y) + 9e-4)
                total += alike / ((x * x + y * y + 1e-4) * (xx - x * x + yy - y * y + 9e-4))
    return total / (height * width * 3)


@pytest.mark.parametrize("size", [(13, 14), (4, 6), (1, 1), (2, 17)])
def test_it_is_its_definition_by_loops(size: tuple[int, int]):
    one, other = pictures(*size, dtype=torch.float64)
    assert float(structural_similarity(one, other)) == pytest.approx(by_loops(one, other), abs=1e-12)


def test_framed_in_black_it_is_what_torchmetrics_says():
    """There every window that shows something is whole, and the two rules for borders agree."""
    framed = [torch.nn.functional.pad(v, (0, 0, 12, 12, 12, 12)) for v in pictures(30, 40)]
    pair = (v.permute(2, 0, 1)[None] for v in framed)
    _, picture = structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True, sigma=1.5)
    found = float(structural_similarity(*framed))
    assert found == pytest.approx(float(picture.mean()), abs=1e-5)
    assert found < 0.95


def test_the_same_picture_is_1_whatever_it_shows():
    one, _ = pictures(12, 9)
    for picture in (one, torch.zeros(12, 9, 3), torch.ones(12, 9, 3)):
        assert float(structural_similarity(picture, picture)) == pytest.approx(1.0, abs=1e-5)


def test_it_is_symmetric_and_turns_with_the_pictures():
    one, other = pictures(15, 12, dtype=torch.float64)
    value = structural_similarity(one, other)
    torch.testing.assert_close(structural_similarity(other, one), value)
    torch.testing.assert_close(structural_similarity(one.flip(0), other.flip(0)), value)
    torch.testing.assert_close(structural_similarity(one.transpose(0, 1), other.transpose(0, 1)), value)
    torch.testing.assert_close(structural_similarity(one.flip(2), other.flip(2)), value)


def test_its_gradient_is_that_of_differences_and_reaches_the_picture_only():
    one, other = pictures(7, 6, dtype=torch.float64)
    one.requires_grad_()
    other.requires_grad_()
    assert torch.autograd.gradcheck(lambda picture: structural_similarity(picture, other), (one,))
    structural_similarity(one, other).backward()
    assert other.grad is None


def test_several_pictures_are_their_mean():
    pairs = [pictures(9, 8, seed, torch.float64) for seed in range(3)]
    together = structural_similarity(*(torch.stack(side) for side in zip(*pairs, strict=True)))
    torch.testing.assert_close(together, torch.stack([structural_similarity(*pair) for pair in pairs]).mean())


def test_autocast_does_not_round_it():
    one, other = pictures(20, 20)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = structural_similarity(one, other)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, structural_similarity(one, other))


@pytest.mark.parametrize("size", [(0, 4), (4, 0)])
def test_pictures_without_pixels_are_refused(size: tuple[int, int]):
    with pytest.raises(ValueError, match="without pixels have no similarity"):
        structural_similarity(torch.zeros(*size, 3), torch.zeros(*size, 3))


INTERPRETED = """
import torch
from langfield.ops.ssim import reference, triton_kernels

generator = torch.Generator().manual_seed(0)
for size in [(19, 13), (8, 32), (3, 4), (1, 1), (2, 9, 12), (3, 1, 2)]:  # blocks are 8 rows of 32 numbers
    picture = torch.rand(*size, 3, generator=generator)
    photo = (picture + 0.2 * torch.randn(*size, 3, generator=generator)).clamp(0, 1)
    fast, slow = picture.clone().requires_grad_(), picture.double().requires_grad_()
    a = triton_kernels.structural_similarity(fast, photo)
    b = reference.structural_similarity(slow, photo.double())
    torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-6)
    (a * -1.7).backward()
    (b * -1.7).backward()
    assert fast.grad.isfinite().all()
    assert (fast.grad - slow.grad).norm() <= 1e-5 * slow.grad.norm()
    without = triton_kernels.structural_similarity(picture, photo)
    assert not without.requires_grad and torch.equal(without, a.detach())
turned = torch.rand(3, 9, 7, generator=generator).permute(1, 2, 0)  # a view, and half precision
a = triton_kernels.structural_similarity(turned.half(), turned.flip(0))
b = reference.structural_similarity(turned.half().float(), turned.flip(0))
torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
print("same")
"""


def test_the_kernels_are_the_reference_in_tritons_interpreter():
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
    """To machine code of compute capability 9.0, under the same import hook as all tests; nothing waits for anything:
    a program is one warp, and its sums are in registers."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from langfield.ops.ssim import triton_kernels as kernels

    function = getattr(kernels, kernel)
    constants = {"ROWS": kernels._ROWS, "COLUMNS": kernels._COLUMNS, "HALF": 5}
    if kernel == "_forward_kernel":
        constants |= {"SLOPES": True}
    types = {"height": "i32", "width": "i32", "share": "fp32", "c1": "fp32", "c2": "fp32"}
    signature = {name: types.get(name, "*fp32") for name in function.arg_names} | dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=function, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
    assert len(compiled.asm["cubin"]) > 1000
    assert not re.search(r"\bbar\.sync|\bst\.shared|\bst\.local", compiled.asm["ptx"])
