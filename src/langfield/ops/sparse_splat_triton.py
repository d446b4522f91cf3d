"""Drawing sparse codes, and its transpose, as Triton kernels: see `Projected.splat_codes` and `Projected.lift_codes`.

A program has the pixels of one tile. It goes through the tile's Gaussians front to back, a few at a time, finds how
much of each pixel's light each of them stops, and stops itself where nothing is left of the light. What is drawn is
scattered: a pixel gets the codes of its Gaussians, a Gaussian those of its pixels. So the cost depends on what elements
keep, not on how many codes or numbers of an embedding there are, and no picture of many channels has a gradient.

The pixels of a tile read few rows of codes, each of them many times. They are numbered within the tile (its *slots*),
and a product of matrices sums what a Gaussian gives to all pixels of a slot before anything is scattered.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false

from typing import TYPE_CHECKING, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from langfield.ops.rasterize import LEAST_ALPHA, LEAST_TRANSMITTANCE, MOST_ALPHA

if TYPE_CHECKING:
    from langfield.ops.rasterize_gsplat import Tiled

# At once, and slots at once: the least that a product of matrices takes. With a warp for 16 pixels nothing needs memory
# beside the registers, but for lifting from tiles of 16 pixels a side.
_GAUSSIANS = 16


@triton.jit
@no_type_check
def _weights(xy_ptr, conic_ptr, opacity_ptr, gaussian, there, px, py, light, least_alpha, most_alpha, least_light):
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
    share = tl.where(behind > least_light, alpha * behind / passed, 0.0)
    return share, tl.min(behind, axis=0)


@triton.jit
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
    least_light,
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
    while (at < end) & (tl.max(light, axis=0) > least_light):
        number = at + tl.arange(0, GAUSSIANS)
        there = number < end
        gaussian = tl.load(gaussian_ptr + number, mask=there, other=0).to(tl.int64)
        weight, light = _weights(
            xy_ptr, conic_ptr, opacity_ptr, gaussian, there, px, py, light, least_alpha, most_alpha, least_light
        )
        for k in tl.static_range(KEEP):
            code = tl.load(code_ptr + gaussian * KEEP + k, mask=there, other=0).to(tl.int64)
            share = tl.load(share_ptr + gaussian * KEEP + k, mask=there, other=0.0).to(tl.float32)
            value = weight * share[:, None]
            tl.atomic_add(out_ptr + place[None, :] + code[:, None], value, mask=value != 0, sem="relaxed")
        at += GAUSSIANS


@triton.jit
@no_type_check
def _lift_kernel(
    xy_ptr,
    conic_ptr,
    opacity_ptr,
    gaussian_ptr,
    first_ptr,
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
    codes,
    least_alpha,
    most_alpha,
    least_light,
    ROWS: tl.constexpr,
    KEEP: tl.constexpr,
    SIDE: tl.constexpr,
    GAUSSIANS: tl.constexpr,
    SLOTS: tl.constexpr,
):
    """`slot_ptr`, `weight_ptr`: (tiles, SIDE², ROWS); `slot_row_ptr`: (tiles, slots), −1 for none."""
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
    code_row = tl.load(slot_row_ptr + tile * slots + own_slot, mask=own_slot < slots, other=-1).to(tl.int64)
    light = tl.where((column < width) & (row < height), 1.0, 0.0)
    px = column.to(tl.float32) + 0.5
    py = row.to(tl.float32) + 0.5
    while (at < end) & (tl.max(light, axis=0) > least_light):
        number = at + tl.arange(0, GAUSSIANS)
        there = number < end
        gaussian = tl.load(gaussian_ptr + number, mask=there, other=0).to(tl.int64)
        weight, light = _weights(
            xy_ptr, conic_ptr, opacity_ptr, gaussian, there, px, py, light, least_alpha, most_alpha, least_light
        )
        of_slot = tl.dot(weight, says, input_precision="ieee")
        for k in tl.static_range(KEEP):
            code = tl.load(code_ptr + code_row * KEEP + k, mask=code_row >= 0, other=0).to(tl.int64)
            share = tl.load(share_ptr + code_row * KEEP + k, mask=code_row >= 0, other=0.0)
            value = of_slot * share[None, :]
            place = out_ptr + gaussian[:, None] * codes + code[None, :]
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
    rows: Int64[Tensor, "r j"],
    weights: Float[Tensor, "r j"],
    codes: Int64[Tensor, "t k"],
    shares: Float[Tensor, "t k"],
    out: Float[Tensor, "m c"],
) -> None:
    """Add to `out`, for each Gaussian of one picture, Σ over pixels of w times what their rows say of each code."""
    width, height = tiled.size_px
    down, across = tiled.first.shape[1:]
    if not out.is_contiguous():
        raise ValueError("codes are lifted into contiguous memory")
    if not len(tiled.gaussian) or not len(codes):
        return
    slot, weight, slot_row = _slots(tiled, rows, weights)
    slots = slot_row.shape[1]
    _lift_kernel[(down * across, triton.cdiv(slots, _GAUSSIANS))](
        *_of_picture(tiled), slot, weight, slot_row, codes.int().contiguous(), shares.float().contiguous(), out,
        width, height, across, down * across, len(tiled.gaussian), slots, out.shape[1],
        LEAST_ALPHA, MOST_ALPHA, LEAST_TRANSMITTANCE,
        ROWS=rows.shape[1], KEEP=codes.shape[1], SIDE=tiled.tile_px, GAUSSIANS=_GAUSSIANS, SLOTS=_GAUSSIANS,
        num_warps=tiled.tile_px**2 // 16,
    )  # fmt: skip


def _of_picture(tiled: "Tiled") -> tuple[Tensor, ...]:
    shapes = tiled.shapes
    arrays = shapes.xy_px[0], shapes.conic[0], shapes.opacity[0]
    return *(values.detach().contiguous() for values in arrays), tiled.gaussian, tiled.first.reshape(-1)


def _slots(tiled: "Tiled", rows: Int64[Tensor, "r j"], weights: Float[Tensor, "r j"]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and weights sorted into tiles, (tiles, pixels, j), a row by its number among its tile's; and which rows
    those are, (tiles, slots). Rows without weight take no slot: theirs is −1."""
    (width, height), side = tiled.size_px, tiled.tile_px
    down, across = tiled.first.shape[1:]
    device, j = rows.device, rows.shape[1]
    y, x = torch.arange(down * side, device=device), torch.arange(across * side, device=device)
    flat = torch.where((y < height)[:, None] & (x < width)[None, :], y[:, None] * width + x[None, :], width * height)
    pixel = flat.reshape(down, side, across, side).transpose(1, 2).reshape(down * across, side * side)
    nothing = torch.iinfo(torch.int64).max
    used = torch.where(weights > 0, rows, nothing)
    own = torch.cat([used, used.new_full((1, j), nothing)])[pixel].flatten(1)
    own_weight = torch.cat([weights.float(), weights.new_zeros(1, j).float()])[pixel].flatten(1)
    ordered, order = own.sort(dim=1)
    new = torch.cat([torch.zeros_like(ordered[:, :1], dtype=torch.int32), (ordered.diff(dim=1) != 0).int()], dim=1)
    number = new.cumsum(dim=1)
    real = ordered != nothing
    slots = int(torch.where(real, number, 0).max()) + 1
    slot = torch.empty_like(number).scatter_(1, order, torch.where(real, number, -1))
    slot_row = own.new_full((len(own), slots + 1), -1)
    slot_row.scatter_(1, torch.where(real, number, slots), torch.where(real, ordered, -1))
    return slot.int(), own_weight.contiguous(), slot_row[:, :slots].int().contiguous()
