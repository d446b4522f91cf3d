"""Drawing sparse codes, and its transpose, as Triton kernels: see `Projected.splat_codes` and `Projected.lift_codes`.

A program has the pixels of one tile. It goes through the tile's Gaussians front to back, a few at a time, finds how
much of each pixel's light each of them stops, and stops itself where nothing is left of the light. What is drawn is
scattered: a pixel gets the codes of its Gaussians, a Gaussian those of its pixels. So the cost depends on what elements
keep, not on how many codes or numbers of an embedding there are, and no picture of many channels has a gradient.

What pixels say is lifted as `PixelRows`, whose slots are summed by a product of matrices before anything is scattered.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false

from typing import TYPE_CHECKING, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int, Int64, Shaped
from torch import Tensor

from langfield.ops.gaussians.pixel_rows import LIFTED_TILE_PX, PixelRows
from langfield.ops.gaussians.rasterize import LEAST_ALPHA, LEAST_TRANSMITTANCE, MOST_ALPHA

if TYPE_CHECKING:
    from langfield.ops.gaussians.rasterize_gsplat import Tiled

# At once, and slots at once: the least that a product of matrices takes. With a warp for 16 pixels nothing needs memory
# beside the registers.
#
# What differs from picture to picture is not specialised: Triton would compile anew for multiples of 16, and for 1.
_GAUSSIANS = 16
_OF_PICTURE = ["width", "height", "across", "tiles", "pairs"]


@triton.jit
@no_type_check
def _weights(xy_ptr, conic_ptr, opacity_ptr, gaussian, there, px, py, light, least_alpha, most_alpha, min_contribution):
    """Shares of the pixels' light that some Gaussians stop, in their order, and the light that is left behind them."""
    x = tl.load(xy_ptr + gaussian * 2, mask=there, other=0.0)[:, None] - px[None, :]
    y = tl.load(xy_ptr + gaussian * 2 + 1, mask=there, other=0.0)[:, None] - py[None, :]
    a = tl.load(conic_ptr + gaussian * 3, mask=there, other=0.0)[:, None]
    b = tl.load(conic_ptr + gaussian * 3 + 1, mask=there, other=0.0)[:, None]
    c = tl.load(conic_ptr + gaussian * 3 + 2, mask=there, other=0.0)[:, None]
    opacity = tl.load(opacity_ptr + gaussian, mask=there, other=0.0)[:, None]
    power = 0.5 * (a * x * x + c * y * y) + b * x * y
    alpha = tl.minimum(opacity * tl.exp(-power), most_alpha)
    alpha = tl.where((power >= 0) & (alpha >= least_alpha), alpha, 0.0)
    passed = 1.0 - alpha
    behind = light[None, :] * tl.cumprod(passed, axis=0)
    share = tl.where(behind > min_contribution, alpha * behind / passed, 0.0)
    return share, tl.min(behind, axis=0)


@triton.jit(do_not_specialize=_OF_PICTURE)
@no_type_check
def _splat_kernel(
    xy_ptr,
    conic_ptr,
    opacity_ptr,
    gaussian_ptr,
    first_ptr,
    code_ptr,
    share_ptr,
    out_ptr,
    width,
    height,
    across,
    tiles,
    pairs,
    codes,
    least_alpha,
    most_alpha,
    min_contribution,
    KEEP: tl.constexpr,
    SIDE: tl.constexpr,
    GAUSSIANS: tl.constexpr,
):
    tile = tl.program_id(0)
    at = tl.load(first_ptr + tile)
    end = tl.load(first_ptr + tile + 1, mask=tile + 1 < tiles, other=pairs)
    pixel = tl.arange(0, SIDE * SIDE)
    column = (tile % across) * SIDE + pixel % SIDE
    row = (tile // across) * SIDE + pixel // SIDE
    inside = (column < width) & (row < height)
    place = (row.to(tl.int64) * width + column) * codes
    light = tl.where(inside, 1.0, 0.0)
    px = column.to(tl.float32) + 0.5
    py = row.to(tl.float32) + 0.5
    while (at < end) & (tl.max(light, axis=0) > min_contribution):
        number = at + tl.arange(0, GAUSSIANS)
        there = number < end
        gaussian = tl.load(gaussian_ptr + number, mask=there, other=0).to(tl.int64)
        weight, light = _weights(
            xy_ptr, conic_ptr, opacity_ptr, gaussian, there, px, py, light, least_alpha, most_alpha, min_contribution
        )
        for k in tl.static_range(KEEP):
            code = tl.load(code_ptr + gaussian * KEEP + k, mask=there, other=0).to(tl.int64)
            share = tl.load(share_ptr + gaussian * KEEP + k, mask=there, other=0.0).to(tl.float32)
            value = weight * share[:, None]
            tl.atomic_add(out_ptr + place[None, :] + code[:, None], value, mask=value != 0, sem="relaxed")
        at += GAUSSIANS


@triton.jit(do_not_specialize=[*_OF_PICTURE, "slots", "first_row"])
@no_type_check
def _lift_kernel(
    xy_ptr,
    conic_ptr,
    opacity_ptr,
    gaussian_ptr,
    first_ptr,
    element_ptr,
    slot_ptr,
    weight_ptr,
    slot_row_ptr,
    code_ptr,
    share_ptr,
    out_ptr,
    width,
    height,
    across,
    tiles,
    pairs,
    slots,
    first_row,
    codes,
    least_alpha,
    most_alpha,
    min_contribution,
    SOME: tl.constexpr,
    ROWS: tl.constexpr,
    KEEP: tl.constexpr,
    SIDE: tl.constexpr,
    GAUSSIANS: tl.constexpr,
    SLOTS: tl.constexpr,
):
    """`element_ptr`: the row of `out_ptr` of each Gaussian, if SOME; `slot_ptr`, `weight_ptr`: (tiles, SIDE², ROWS);
    `slot_row_ptr`: (tiles, slots), counted from `first_row`, −1 for none."""
    tile = tl.program_id(0)
    at = tl.load(first_ptr + tile)
    end = tl.load(first_ptr + tile + 1, mask=tile + 1 < tiles, other=pairs)
    pixel = tl.arange(0, SIDE * SIDE)
    column = (tile % across) * SIDE + pixel % SIDE
    row = (tile // across) * SIDE + pixel // SIDE
    own_slot = tl.program_id(1) * SLOTS + tl.arange(0, SLOTS)
    says = tl.zeros((SIDE * SIDE, SLOTS), dtype=tl.float32)
    for j in tl.static_range(ROWS):
        entry = (tile.to(tl.int64) * SIDE * SIDE + pixel) * ROWS + j
        slot = tl.load(slot_ptr + entry)
        said = tl.load(weight_ptr + entry)
        says += tl.where(slot[:, None] == own_slot[None, :], said[:, None], 0.0)
    own_row = tl.load(slot_row_ptr + tile * slots + own_slot, mask=own_slot < slots, other=-1).to(tl.int64)
    code_row = tl.where(own_row >= 0, own_row + first_row, -1)
    light = tl.where((column < width) & (row < height), 1.0, 0.0)
    px = column.to(tl.float32) + 0.5
    py = row.to(tl.float32) + 0.5
    while (at < end) & (tl.max(light, axis=0) > min_contribution):
        number = at + tl.arange(0, GAUSSIANS)
        there = number < end
        gaussian = tl.load(gaussian_ptr + number, mask=there, other=0).to(tl.int64)
        weight, light = _weights(
            xy_ptr, conic_ptr, opacity_ptr, gaussian, there, px, py, light, least_alpha, most_alpha, min_contribution
        )
        of_slot = tl.dot(weight, says, input_precision="ieee")
        element = gaussian
        if SOME:
            element = tl.load(element_ptr + gaussian, mask=there, other=0)
        for k in tl.static_range(KEEP):
            code = tl.load(code_ptr + code_row * KEEP + k, mask=code_row >= 0, other=0).to(tl.int64)
            share = tl.load(share_ptr + code_row * KEEP + k, mask=code_row >= 0, other=0.0)
            value = of_slot * share[None, :]
            place = out_ptr + element[:, None] * codes + code[None, :]
            tl.atomic_add(place, value, mask=there[:, None] & (value != 0), sem="relaxed")
        at += GAUSSIANS


def splat_codes(
    tiled: "Tiled", code: Shaped[Tensor, "m k"], share: Float[Tensor, "m k"], codes: int
) -> Float[Tensor, "h w c"]:
    """Σ over the Gaussians of one picture of w times their shares of each code."""
    width, height = tiled.size_px
    out = torch.zeros(height, width, codes, device=share.device)
    down, across = tiled.first.shape[1:]
    if len(tiled.gaussian) and codes and code.shape[1]:
        _splat_kernel[(down * across,)](
            *_of_picture(tiled), code.contiguous(), share.contiguous(), out, width, height, across, down * across,
            len(tiled.gaussian), codes, LEAST_ALPHA, MOST_ALPHA, LEAST_TRANSMITTANCE,
            KEEP=code.shape[1], SIDE=tiled.tile_px, GAUSSIANS=_GAUSSIANS, num_warps=tiled.tile_px**2 // 16,
        )  # fmt: skip
    return out


def lift_codes(
    tiled: "Tiled",
    elements: Int64[Tensor, " m"] | None,
    said: PixelRows,
    first_row: int,
    codes: Int[Tensor, "t k"],
    shares: Float[Tensor, "t k"],
    out: Float[Tensor, "n c"],
) -> None:
    """Add to `out`, for each Gaussian of one picture, Σ over pixels of w times what their rows say of each code.

    Args:
        tiled: in tiles of `LIFTED_TILE_PX`.
        elements: which row of `out` each Gaussian's is, if not its own number's.
        codes, shares: of each row of the table, the latter not negative; int32 and float32 are taken as they are.
    """
    width, height = tiled.size_px
    down, across = tiled.first.shape[1:]
    if not out.is_contiguous():
        raise ValueError("codes are lifted into contiguous memory")
    if tiled.tile_px != LIFTED_TILE_PX:
        raise ValueError(f"codes are lifted from tiles of {LIFTED_TILE_PX} pixels, got {tiled.tile_px}")
    if not len(tiled.gaussian) or not len(codes):
        return
    slots, number = said.in_tiles, said.in_tiles.row.shape[1]
    _lift_kernel[(down * across, triton.cdiv(number, _GAUSSIANS))](
        *_of_picture(tiled), tiled.gaussian if elements is None else elements.contiguous(),
        slots.slot, slots.weight, slots.row, codes.int().contiguous(), shares.float().contiguous(), out,
        width, height, across, down * across, len(tiled.gaussian), number, first_row, out.shape[1],
        LEAST_ALPHA, MOST_ALPHA, LEAST_TRANSMITTANCE, SOME=elements is not None,
        ROWS=said.rows.shape[1], KEEP=codes.shape[1], SIDE=LIFTED_TILE_PX, GAUSSIANS=_GAUSSIANS, SLOTS=_GAUSSIANS,
        num_warps=LIFTED_TILE_PX**2 // 16,
    )  # fmt: skip


def _of_picture(tiled: "Tiled") -> tuple[Tensor, ...]:
    shapes = tiled.shapes
    arrays = shapes.xy_px[0], shapes.conic[0], shapes.opacity[0]
    return *(values.detach().contiguous() for values in arrays), tiled.gaussian, tiled.first.reshape(-1)
