"""`structural_similarity` as Triton kernels: a pass for the value and its partial derivatives, one for the gradient.

A picture (h, w, 3) is read as a matrix of h rows and 3 w columns, in which the neighbours of a number in its own
channel are 3 columns apart; of several pictures, each has programs of its own. A program makes a block of results: it
goes down the rows, takes the window's mean along each row from memory (the L1 cache serves the neighbours' reads), and
adds it, times the window's weight between the rows, to every row of its block. Products are made anew in each program
that needs them; nothing but the results leaves the registers.

The mean's derivative by a pixel of `picture`: with the window's means m of x, q of x² and r of x·y, each pixel's SSIM
has the partial derivatives ∂m, ∂q and ∂r (the kernels' "slopes"). The gradient at a pixel of value x is
w∗∂m + 2 x (w∗∂q) + y (w∗∂r): the window w is symmetric, and outside the picture there is no SSIM to depend on it.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false

import math
from functools import lru_cache
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from langfield.ops.ssim import reference

# A block of results, for one warp: its five sums of ROWS · COLUMNS numbers are held in registers. More rows would read
# less often what lies between blocks, but too few warps would fit to hide the reads.
_ROWS, _COLUMNS = 8, 32
_HALF = reference.SSIM_WINDOW_PX // 2


@triton.jit
@no_type_check
def _forward_kernel(
    picture_ptr,
    photo_ptr,
    weight_ptr,
    sum_ptr,
    slope_ptr,
    height,
    width,
    share,
    c1,
    c2,
    SLOPES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    HALF: tl.constexpr,
):
    """Each program's sum of SSIM times `share`; with SLOPES also `share` times the slopes, one plane after another."""
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    rows = tl.arange(0, ROWS)
    first = tl.program_id(1) * ROWS
    plane = height * width
    before = tl.program_id(2).to(tl.int64) * plane  # what the pictures before this one take
    picture_ptr += before
    photo_ptr += before
    mx = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    my = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    xx = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    yy = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    xy = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for step in range(ROWS + 2 * HALF):
        row = first + step - HALF
        end = tl.where((row >= 0) & (row < height), width, 0)  # nothing of a row outside is there
        row_mx = tl.zeros((COLUMNS,), dtype=tl.float32)
        row_my = tl.zeros((COLUMNS,), dtype=tl.float32)
        row_xx = tl.zeros((COLUMNS,), dtype=tl.float32)
        row_yy = tl.zeros((COLUMNS,), dtype=tl.float32)
        row_xy = tl.zeros((COLUMNS,), dtype=tl.float32)
        for tap in tl.static_range(2 * HALF + 1):
            column = columns + (tap - HALF) * 3
            there = (column >= 0) & (column < end)
            x = tl.load(picture_ptr + row * width + column, mask=there, other=0.0)
            y = tl.load(photo_ptr + row * width + column, mask=there, other=0.0)
            weight = tl.load(weight_ptr + ROWS - 1 + tap)
            weighted_x = weight * x
            weighted_y = weight * y
            row_mx += weighted_x
            row_my += weighted_y
            row_xx += weighted_x * x
            row_yy += weighted_y * y
            row_xy += weighted_x * y
        down = tl.load(weight_ptr + ROWS - 1 + step - rows)[:, None]
        mx += down * row_mx[None, :]
        my += down * row_my[None, :]
        xx += down * row_xx[None, :]
        yy += down * row_yy[None, :]
        xy += down * row_xy[None, :]
    means = 2 * mx * my + c1
    spreads = 2 * (xy - mx * my) + c2
    mean_squares = mx * mx + my * my + c1
    variances = (xx - mx * mx) + (yy - my * my) + c2
    whole = 1.0 / (mean_squares * variances)
    ssim = means * spreads * whole
    inside = (first + rows < height)[:, None] & (columns < width)[None, :]
    program = tl.program_id(2) * tl.num_programs(1) + tl.program_id(1)
    program = program * tl.num_programs(0) + tl.program_id(0)
    tl.store(sum_ptr + program, share * tl.sum(tl.where(inside, ssim, 0.0)))
    if SLOPES:
        slope_ptr += 3 * before
        place = (first + rows)[:, None] * width + columns[None, :]
        by_mean = 2 * (my * (spreads - means) * whole + mx * ssim * (1.0 / variances - 1.0 / mean_squares))
        tl.store(slope_ptr + place, share * by_mean, mask=inside)
        tl.store(slope_ptr + plane + place, -share * ssim / variances, mask=inside)
        tl.store(slope_ptr + 2 * plane + place, share * 2 * means * whole, mask=inside)


@triton.jit
@no_type_check
def _backward_kernel(
    picture_ptr,
    photo_ptr,
    weight_ptr,
    slope_ptr,
    grad_ptr,
    out_ptr,
    height,
    width,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    HALF: tl.constexpr,
):
    """The gradient by the picture, times the number at `grad_ptr`."""
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    rows = tl.arange(0, ROWS)
    first = tl.program_id(1) * ROWS
    plane = height * width
    before = tl.program_id(2).to(tl.int64) * plane
    picture_ptr += before
    photo_ptr += before
    slope_ptr += 3 * before
    out_ptr += before
    by_mean = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    by_xx = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    by_xy = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for step in range(ROWS + 2 * HALF):
        row = first + step - HALF
        end = tl.where((row >= 0) & (row < height), width, 0)  # nothing of a row outside is there
        row_mean = tl.zeros((COLUMNS,), dtype=tl.float32)
        row_xx = tl.zeros((COLUMNS,), dtype=tl.float32)
        row_xy = tl.zeros((COLUMNS,), dtype=tl.float32)
        for tap in tl.static_range(2 * HALF + 1):
            column = columns + (tap - HALF) * 3
            there = (column >= 0) & (column < end)
            slope = slope_ptr + row * width + column
            weight = tl.load(weight_ptr + ROWS - 1 + tap)
            row_mean += weight * tl.load(slope, mask=there, other=0.0)
            row_xx += weight * tl.load(slope + plane, mask=there, other=0.0)
            row_xy += weight * tl.load(slope + 2 * plane, mask=there, other=0.0)
        down = tl.load(weight_ptr + ROWS - 1 + step - rows)[:, None]
        by_mean += down * row_mean[None, :]
        by_xx += down * row_xx[None, :]
        by_xy += down * row_xy[None, :]
    inside = (first + rows < height)[:, None] & (columns < width)[None, :]
    place = (first + rows)[:, None] * width + columns[None, :]
    x = tl.load(picture_ptr + place, mask=inside, other=0.0)
    y = tl.load(photo_ptr + place, mask=inside, other=0.0)
    grad = tl.load(grad_ptr)
    tl.store(out_ptr + place, grad * (by_mean + 2 * x * by_xx + y * by_xy), mask=inside)


@lru_cache(maxsize=8)
def _weights(device: torch.device) -> Tensor:
    """The window, with zeros before and after it: what a row gives to each row of a block, in its reach or not."""
    nothing = [0.0] * (_ROWS - 1)
    return torch.tensor([*nothing, *reference.ssim_window(), *nothing], device=device, dtype=torch.float32)


class _StructuralSimilarity(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, picture: Tensor, photo: Tensor) -> Tensor:
        pictures, height, width = picture.shape[0], picture.shape[1], 3 * picture.shape[2]
        grid = (triton.cdiv(width, _COLUMNS), triton.cdiv(height, _ROWS), pictures)
        wanted = ctx.needs_input_grad[0]
        weights = _weights(picture.device)
        sums = picture.new_empty(math.prod(grid))
        slopes = picture.new_empty(pictures, 3, height, width) if wanted else sums
        _forward_kernel[grid](
            picture,
            photo,
            weights,
            sums,
            slopes,
            height,
            width,
            1 / picture.numel(),
            reference.SSIM_C1,
            reference.SSIM_C2,
            SLOPES=wanted,
            ROWS=_ROWS,
            COLUMNS=_COLUMNS,
            HALF=_HALF,
            num_warps=1,
        )
        if wanted:
            ctx.save_for_backward(picture, photo, slopes)
        return sums.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grad_outputs
        picture, photo, slopes = ctx.saved_tensors
        out = torch.empty_like(picture)
        pictures, _, height, width = slopes.shape
        grid = (triton.cdiv(width, _COLUMNS), triton.cdiv(height, _ROWS), pictures)
        _backward_kernel[grid](
            picture,
            photo,
            _weights(picture.device),
            slopes,
            grad.contiguous(),
            out,
            height,
            width,
            ROWS=_ROWS,
            COLUMNS=_COLUMNS,
            HALF=_HALF,
            num_warps=1,
        )
        return out, None


def structural_similarity(
    picture: Float[Tensor, "*batch h w 3"], photo: Float[Tensor, "*batch h w 3"]
) -> Float[Tensor, ""]:
    """See `langfield.ops.ssim.structural_similarity`."""
    one, other = (values.float().reshape(-1, *values.shape[-3:]).contiguous() for values in (picture, photo.detach()))
    return _StructuralSimilarity.apply(one, other)
