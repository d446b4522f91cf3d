"""`splat_codes` and its transpose `lift_codes` as Triton kernels: see `ProjectedGaussians`.

A program has the pixels of one tile. It goes through the tile's Gaussians front to back, a few at a time, computes
their weights w at each pixel (the share of the pixel's light that they stop), and ends where no light is left. Results
are scattered: a pixel gets the codes of its Gaussians, a Gaussian those of its pixels. So the cost depends on how many
codes a Gaussian keeps, not on the size of the codebook or of an embedding, and there is no backward pass through a
picture of many channels.

`lift_codes` takes pixels as `PixelMixtures`, whose slots are summed by a matrix product before anything is scattered.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false

from typing import TYPE_CHECKING, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from langfield.ops.gaussians.conventions import ALPHA_THRESHOLD, MAX_ALPHA, TRANSMITTANCE_THRESHOLD
from langfield.ops.gaussians.pixel_mixtures import LIFT_TILE_PX, PixelMixtures

if TYPE_CHECKING:
    from langfield.ops.gaussians.rasterize_gsplat import TiledGaussians

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
    tiled: "TiledGaussians", code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
) -> Float[Tensor, "h w c"]:
    """See `langfield.ops.gaussians.projected.ProjectedGaussians.splat_codes`; `tiled` is of one picture."""
    width, height = tiled.size_px
    out = torch.zeros(height, width, codes, device=share.device)
    down, across = tiled.isect_offsets.shape[1:]
    if len(tiled.flatten_ids) and codes and code.shape[1]:
        _splat_kernel[(down * across,)](
            *_of_picture(tiled), code.contiguous(), share.contiguous(), out, width, height, across, down * across,
            len(tiled.flatten_ids), codes, ALPHA_THRESHOLD, MAX_ALPHA, TRANSMITTANCE_THRESHOLD,
            KEEP=code.shape[1], SIDE=tiled.tile_px, GAUSSIANS=_GAUSSIANS, num_warps=tiled.tile_px**2 // 16,
        )  # fmt: skip
    return out


def lift_codes(
    tiled: "TiledGaussians",
    pixels: PixelMixtures,
    first_row: int,
    codes: Int[Tensor, "t k"],
    shares: Float[Tensor, "t k"],
    out: Float[Tensor, "n c"],
) -> None:
    """See `langfield.ops.gaussians.projected.ProjectedGaussians.lift_codes`.

    Args:
        tiled: one picture in tiles of `LIFT_TILE_PX`.
        codes, shares: the table, shares not negative; int32 and float32 are taken as they are.
        out: contiguous.
    """
    width, height = tiled.size_px
    down, across = tiled.isect_offsets.shape[1:]
    if not out.is_contiguous():
        raise ValueError("codes are lifted into contiguous memory")
    if tiled.tile_px != LIFT_TILE_PX:
        raise ValueError(f"codes are lifted from tiles of {LIFT_TILE_PX} pixels, got {tiled.tile_px}")
    if not len(tiled.flatten_ids) or not len(codes):
        return
    slots, number = pixels.by_tile, pixels.by_tile.row.shape[1]
    _lift_kernel[(down * across, triton.cdiv(number, _GAUSSIANS))](
        *_of_picture(tiled), tiled.flatten_ids,  # in the place of element_ptr, which is not read without SOME
        slots.slot, slots.weight, slots.row, codes.int().contiguous(), shares.float().contiguous(), out,
        width, height, across, down * across, len(tiled.flatten_ids), number, first_row, out.shape[1],
        ALPHA_THRESHOLD, MAX_ALPHA, TRANSMITTANCE_THRESHOLD, SOME=False,
        ROWS=pixels.rows.shape[1], KEEP=codes.shape[1], SIDE=LIFT_TILE_PX, GAUSSIANS=_GAUSSIANS, SLOTS=_GAUSSIANS,
        num_warps=LIFT_TILE_PX**2 // 16,
    )  # fmt: skip


def _of_picture(tiled: "TiledGaussians") -> tuple[Tensor, ...]:
    gaussians = tiled.gaussians
    arrays = gaussians.means2d_px[0], gaussians.conics[0], gaussians.opacities[0]
    return *(values.detach().contiguous() for values in arrays), tiled.flatten_ids, tiled.isect_offsets.reshape(-1)
