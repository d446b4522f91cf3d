"""`view_colors` as Triton kernels: one pass over the coefficients for all cameras, forward and backward.

A program has a block of Gaussians. Its coefficients of a channel are a tile of BLOCK × 16, in which the first column
(degree 0) is not used: those coefficients, `sh0`, lie in a tensor of their own. Directions are computed anew for each
camera, which is cheaper than reading them. The kernels call `sh0` and `shN` constant and directed.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from langfield.ops.spherical_harmonics import NORMALISATION, num_sh_bases

_BLOCK = 64
_FUNCTIONS = 16
# The factors of the functions, as the kernels take them: one for each group of like ones.
_F = [factor for factors in NORMALISATION for factor in factors]
_FACTORS = (_F[1], _F[4], _F[6], _F[8], _F[9], _F[10], _F[11], _F[12], _F[14])


@triton.jit
@no_type_check
def _basis(
    means_ptr,
    eye_ptr,
    row,
    inside,
    f1,
    f4,
    f6,
    f8,
    f9,
    f10,
    f11,
    f12,
    f14,
    BLOCK: tl.constexpr,
    FUNCTIONS: tl.constexpr,
):
    """The functions of degree 1 to 3 for the directions from an eye to a block of centres; the first column is 0."""
    x = tl.load(means_ptr + row * 3, mask=inside, other=0.0) - tl.load(eye_ptr)
    y = tl.load(means_ptr + row * 3 + 1, mask=inside, other=0.0) - tl.load(eye_ptr + 1)
    z = tl.load(means_ptr + row * 3 + 2, mask=inside, other=0.0) - tl.load(eye_ptr + 2)
    length = tl.maximum(tl.sqrt(x * x + y * y + z * z), 1e-12)
    x = (x / length)[:, None]
    y = (y / length)[:, None]
    z = (z / length)[:, None]
    k = tl.arange(0, FUNCTIONS)[None, :]
    values = tl.zeros((BLOCK, FUNCTIONS), dtype=tl.float32)
    values = tl.where(k == 1, f1 * y, values)
    values = tl.where(k == 2, f1 * z, values)
    values = tl.where(k == 3, f1 * x, values)
    values = tl.where(k == 4, f4 * x * y, values)
    values = tl.where(k == 5, f4 * y * z, values)
    values = tl.where(k == 6, f6 * (3 * z * z - 1), values)
    values = tl.where(k == 7, f4 * x * z, values)
    values = tl.where(k == 8, f8 * (x * x - y * y), values)
    values = tl.where(k == 9, f9 * y * (3 * x * x - y * y), values)
    values = tl.where(k == 10, f10 * x * y * z, values)
    values = tl.where(k == 11, f11 * y * (5 * z * z - 1), values)
    values = tl.where(k == 12, f12 * z * (5 * z * z - 3), values)
    values = tl.where(k == 13, f11 * x * (5 * z * z - 1), values)
    values = tl.where(k == 14, f14 * z * (x * x - y * y), values)
    values = tl.where(k == 15, f9 * x * (x * x - 3 * y * y), values)
    return values


# Gaussians grow and functions come to count in training: no kernels of their own for multiples of 16, or for 1.
_ANY_NUMBER = ["n", "views", "used"]


@triton.jit(do_not_specialize=_ANY_NUMBER)
@no_type_check
def _forward_kernel(
    means_ptr,
    constant_ptr,
    directed_ptr,
    eyes_ptr,
    colors_ptr,
    n,
    views,
    own,
    used,
    f0,
    f1,
    f4,
    f6,
    f8,
    f9,
    f10,
    f11,
    f12,
    f14,
    BLOCK: tl.constexpr,
    FUNCTIONS: tl.constexpr,
):
    """`own`: functions that a row of `directed` has; `used`: how many of them count."""
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = row < n
    k = tl.arange(0, FUNCTIONS)[None, :] - 1
    there = inside[:, None] & (k >= 0) & (k < used)
    place = directed_ptr + (row[:, None] * own + k) * 3
    red = tl.load(place, mask=there, other=0.0)
    green = tl.load(place + 1, mask=there, other=0.0)
    blue = tl.load(place + 2, mask=there, other=0.0)
    base_red = f0 * tl.load(constant_ptr + row * 3, mask=inside, other=0.0) + 0.5
    base_green = f0 * tl.load(constant_ptr + row * 3 + 1, mask=inside, other=0.0) + 0.5
    base_blue = f0 * tl.load(constant_ptr + row * 3 + 2, mask=inside, other=0.0) + 0.5
    for view in range(views):
        values = _basis(
            means_ptr, eyes_ptr + view * 3, row, inside, f1, f4, f6, f8, f9, f10, f11, f12, f14, BLOCK, FUNCTIONS
        )
        color = colors_ptr + (view * n + row) * 3
        tl.store(color, tl.maximum(base_red + tl.sum(values * red, axis=1), 0.0), mask=inside)
        tl.store(color + 1, tl.maximum(base_green + tl.sum(values * green, axis=1), 0.0), mask=inside)
        tl.store(color + 2, tl.maximum(base_blue + tl.sum(values * blue, axis=1), 0.0), mask=inside)


@triton.jit(do_not_specialize=_ANY_NUMBER)
@no_type_check
def _backward_kernel(
    means_ptr,
    eyes_ptr,
    colors_ptr,
    grad_ptr,
    constant_grad_ptr,
    directed_grad_ptr,
    n,
    views,
    own,
    used,
    f0,
    f1,
    f4,
    f6,
    f8,
    f9,
    f10,
    f11,
    f12,
    f14,
    BLOCK: tl.constexpr,
    FUNCTIONS: tl.constexpr,
):
    """Gradients of all that a row has; those of functions that do not count are 0."""
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = row < n
    red = tl.zeros((BLOCK, FUNCTIONS), dtype=tl.float32)
    green = tl.zeros((BLOCK, FUNCTIONS), dtype=tl.float32)
    blue = tl.zeros((BLOCK, FUNCTIONS), dtype=tl.float32)
    all_red = tl.zeros((BLOCK,), dtype=tl.float32)
    all_green = tl.zeros((BLOCK,), dtype=tl.float32)
    all_blue = tl.zeros((BLOCK,), dtype=tl.float32)
    for view in range(views):
        values = _basis(
            means_ptr, eyes_ptr + view * 3, row, inside, f1, f4, f6, f8, f9, f10, f11, f12, f14, BLOCK, FUNCTIONS
        )
        place = (view * n + row) * 3
        # What was cut off at 0 has no slope.
        own_red = tl.where(
            tl.load(colors_ptr + place, mask=inside, other=0.0) > 0,
            tl.load(grad_ptr + place, mask=inside, other=0.0),
            0.0,
        )
        own_green = tl.where(
            tl.load(colors_ptr + place + 1, mask=inside, other=0.0) > 0,
            tl.load(grad_ptr + place + 1, mask=inside, other=0.0),
            0.0,
        )
        own_blue = tl.where(
            tl.load(colors_ptr + place + 2, mask=inside, other=0.0) > 0,
            tl.load(grad_ptr + place + 2, mask=inside, other=0.0),
            0.0,
        )
        red += own_red[:, None] * values
        green += own_green[:, None] * values
        blue += own_blue[:, None] * values
        all_red += own_red
        all_green += own_green
        all_blue += own_blue
    tl.store(constant_grad_ptr + row * 3, f0 * all_red, mask=inside)
    tl.store(constant_grad_ptr + row * 3 + 1, f0 * all_green, mask=inside)
    tl.store(constant_grad_ptr + row * 3 + 2, f0 * all_blue, mask=inside)
    k = tl.arange(0, FUNCTIONS)[None, :] - 1
    there = inside[:, None] & (k >= 0) & (k < own)
    place = directed_grad_ptr + (row[:, None] * own + k) * 3
    tl.store(place, tl.where(k < used, red, 0.0), mask=there)
    tl.store(place + 1, tl.where(k < used, green, 0.0), mask=there)
    tl.store(place + 2, tl.where(k < used, blue, 0.0), mask=there)


class _ViewColors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, means: Tensor, sh0: Tensor, shN: Tensor, eyes: Tensor, used: int) -> Tensor:
        colors = torch.empty(len(eyes), len(means), 3, device=means.device)
        ctx.used, ctx.own = used, shN.shape[1]
        if colors.numel():
            _forward_kernel[(triton.cdiv(len(means), _BLOCK),)](
                means, sh0, shN, eyes, colors, len(means), len(eyes), ctx.own, used, _F[0], *_FACTORS,
                BLOCK=_BLOCK, FUNCTIONS=_FUNCTIONS, num_warps=2,
            )  # fmt: skip
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            ctx.save_for_backward(means, eyes, colors)
        return colors

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        means, eyes, colors = ctx.saved_tensors
        sh0_grad = torch.empty(len(means), 3, device=means.device)
        shN_grad = torch.empty(len(means), ctx.own, 3, device=means.device)
        if len(means):
            _backward_kernel[(triton.cdiv(len(means), _BLOCK),)](
                means, eyes, colors, grad_outputs[0].contiguous(), sh0_grad, shN_grad, len(means), len(eyes),
                ctx.own, ctx.used, _F[0], *_FACTORS, BLOCK=_BLOCK, FUNCTIONS=_FUNCTIONS, num_warps=4,
            )  # fmt: skip
        return None, sh0_grad, shN_grad, None, None


def view_colors(
    means: Float[Tensor, "n 3"],
    sh0: Float[Tensor, "n 3"],
    shN: Float[Tensor, "n k 3"],
    eyes: Float[Tensor, "v 3"],
    degree: int,
) -> Float[Tensor, "v n 3"]:
    """See `langfield.ops.gaussians.view_colors`."""
    given = (values.float().contiguous() for values in (means.detach(), sh0, shN, eyes.detach()))
    return _ViewColors.apply(*given, num_sh_bases(degree) - 1)
