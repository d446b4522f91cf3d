"""Blending of Gaussians in tiles by plain torch: the drawing of `rasterize_reference`.

The picture is cut into square tiles. A tile blends the Gaussians that may touch it from front to back, a chunk of them
at a time and a few tiles at once, as dense (tile, pixel, Gaussian) tensors that fit into a core's cache. The backward
pass computes them anew: memory grows with the pairs of tile and Gaussian, not with pixels times Gaussians.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from langfield.core.cameras import Camera
from langfield.ops.gaussians.conventions import ALPHA_THRESHOLD, MAX_ALPHA, TRANSMITTANCE_THRESHOLD

TILE_PX = 8  # half as much work as 16: most Gaussians are small
_CHUNK = 32  # Gaussians of a tile that are blended at once
_TENSOR_SIZE = 2**17  # of a (tile, pixel, Gaussian) tensor


@dataclass(frozen=True)
class TilePairs:
    """Which Gaussians may touch which tile; tiles are numbered row by row.

    Attributes:
        gaussian: the Gaussian of each pair, tile after tile, front to back within a tile.
        first: where each tile's pairs start, and after the last tile the number of pairs.
        across: tiles in a row of them.
        down: tiles in a column of them.
    """

    gaussian: Int64[Tensor, " pairs"]
    first: Int64[Tensor, " ends"]
    across: int
    down: int

    def corner_px(self, tiles: Int64[Tensor, " t"]) -> Int64[Tensor, "t 2"]:
        return TILE_PX * torch.stack([tiles % self.across, tiles // self.across], dim=-1)

    def groups(self) -> Iterator[Int64[Tensor, " t"]]:
        """The tiles that have Gaussians, in groups of tiles that have about as many."""
        count = self.first.diff()
        order = count.argsort(descending=True, stable=True)
        filled = order[: int(count.count_nonzero())]
        return iter(filled.split(_TENSOR_SIZE // (TILE_PX**2 * _CHUNK)) if len(filled) else ())

    def steps(self, tiles: Int64[Tensor, " t"]) -> int:
        """How many chunks the fullest of the tiles has."""
        return -(-int((self.first[tiles + 1] - self.first[tiles]).max()) // _CHUNK)


def tile_pairs(means2d_px: Float[Tensor, "m 2"], radius_px: Float[Tensor, "m 2"], camera: Camera) -> TilePairs:
    """Pairs of every tile and every Gaussian whose bounding box overlaps it; Gaussians are given front to back."""
    device = radius_px.device
    across, down = -(-camera.width_px // TILE_PX), -(-camera.height_px // TILE_PX)
    most = torch.tensor([across, down], device=device)
    low = ((means2d_px - radius_px) / TILE_PX).floor().clamp_min(0).long()
    high = torch.minimum(((means2d_px + radius_px) / TILE_PX).ceil().long(), most)
    span = (high - low).clamp_min(0)
    count = span.prod(dim=-1)
    gaussian = torch.arange(len(count), device=device).repeat_interleave(count)
    within = torch.arange(len(gaussian), device=device) - (count.cumsum(0) - count)[gaussian]
    wide = span[gaussian, 0]
    tile = (low[gaussian, 1] + within // wide) * across + low[gaussian, 0] + within % wide
    tile, order = tile.sort(stable=True)
    first = torch.searchsorted(tile, torch.arange(across * down + 1, device=device))
    return TilePairs(gaussian[order], first, across, down)


class BlendTiles(torch.autograd.Function):
    """Σ w f at every pixel of every tile: (tiles, pixels row by row, c)."""

    @staticmethod
    def forward(
        ctx: Any,
        means2d_px: Float[Tensor, "m 2"],
        conics: Float[Tensor, "m 3"],
        opacities: Float[Tensor, " m"],
        values: Float[Tensor, "m c"],
        pairs: TilePairs,
    ) -> Float[Tensor, "tiles p c"]:
        out = values.new_zeros(pairs.across * pairs.down, TILE_PX**2, values.shape[1])
        starts: list[list[Tensor]] = []  # for each group and step: the transmittance that the step begins with
        for tiles in pairs.groups():
            blended = out[tiles]
            starts.append([])
            for chunk, start, weights in front_to_back(means2d_px, conics, opacities, pairs, tiles):
                starts[-1].append(start)
                blended.baddbmm_(weights, values[chunk.gaussian])
            out[tiles] = blended
        ctx.save_for_backward(means2d_px, conics, opacities, values)
        ctx.pairs, ctx.starts = pairs, starts
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Float[Tensor, "tiles p c"]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None, None]:
        """Back to front. With g = ∂L/∂w, the derivative by ln α_i is α_i (T_i g_i − Σ_{j>i} w_j g_j / (1 − α_i))."""
        (grad_out,) = grad_outputs
        means2d_px, conics, opacities, values = ctx.saved_tensors
        shape_wanted, values_wanted = any(ctx.needs_input_grad[:3]), ctx.needs_input_grad[3]
        grad_shape, grad_values = values.new_zeros(len(values), 6), torch.zeros_like(values)
        later = values.new_ones(_CHUNK, _CHUNK).tril(-1)  # a matrix product is faster than a reversed cumsum
        for tiles, starts in zip(ctx.pairs.groups(), ctx.starts, strict=True):
            grad = grad_out[tiles]
            behind = torch.zeros_like(grad[..., :1])  # Σ w g of the chunks that are done
            for step in reversed(range(len(starts))):
                chunk = _chunk(means2d_px, conics, opacities, ctx.pairs, tiles, step)
                before, _ = _transmittances(chunk.alpha, starts[step])
                weights, number = before * chunk.alpha, chunk.gaussian.reshape(-1)
                if values_wanted:
                    grad_values.index_add_(0, number, (weights.mT @ grad).flatten(0, 1))
                if not shape_wanted:
                    continue
                by_weight = grad @ values[chunk.gaussian].mT
                gained = weights.mul_(by_weight)
                lost = (gained @ later).add_(behind).div_(1 - chunk.alpha)
                behind = behind + gained.sum(dim=-1, keepdim=True)
                by_log_alpha = before.mul_(by_weight).sub_(lost).mul_(_unclamped(chunk.alpha))
                grad_shape.index_add_(0, number, _shape_gradient(chunk, by_log_alpha).flatten(0, 1))
        if not shape_wanted:
            return None, None, None, grad_values, None
        return grad_shape[:, :2], grad_shape[:, 2:5], grad_shape[:, 5] / opacities, grad_values, None


class _Chunk(NamedTuple):
    """The next Gaussians of some tiles.

    Attributes:
        gaussian: their indices; any where a tile has no more, with an alpha of 0.
        centre_px: their centres, from the tile's middle.
        conics: (a, b, c) = (xx, xy, yy) of each inverse covariance.
        alpha: of each at each pixel.
    """

    gaussian: Int64[Tensor, "t k"]
    centre_px: Float[Tensor, "t k 2"]
    conics: Float[Tensor, "t k 3"]
    alpha: Float[Tensor, "t p k"]


def front_to_back(
    means2d_px: Float[Tensor, "m 2"],
    conics: Float[Tensor, "m 3"],
    opacities: Float[Tensor, " m"],
    pairs: TilePairs,
    tiles: Int64[Tensor, " t"],
) -> Iterator[tuple["_Chunk", Float[Tensor, "t p"], Float[Tensor, "t p k"]]]:
    """The Gaussians of some tiles, chunk by chunk until no light is left.

    Yields:
        The chunk, the transmittance in front of it at each pixel, and its weights w.
    """
    ahead = means2d_px.new_ones(len(tiles), TILE_PX**2)
    for step in range(pairs.steps(tiles)):
        if ahead.max() <= TRANSMITTANCE_THRESHOLD:
            return
        chunk, start = _chunk(means2d_px, conics, opacities, pairs, tiles, step), ahead
        before, ahead = _transmittances(chunk.alpha, start)
        yield chunk, start, before.mul_(chunk.alpha)


def _chunk(
    means2d_px: Float[Tensor, "m 2"],
    conics: Float[Tensor, "m 3"],
    opacities: Float[Tensor, " m"],
    pairs: TilePairs,
    tiles: Int64[Tensor, " t"],
    step: int,
) -> _Chunk:
    place = pairs.first[tiles, None] + torch.arange(step * _CHUNK, (step + 1) * _CHUNK, device=tiles.device)
    there = place < pairs.first[tiles + 1, None]
    gaussian = pairs.gaussian[place.clamp_max(len(pairs.gaussian) - 1)]
    centre_px = means2d_px[gaussian] - (pairs.corner_px(tiles) + TILE_PX / 2)[:, None].to(means2d_px.dtype)
    own_conics = conics[gaussian]
    a, b, c = own_conics[:, None].unbind(dim=-1)
    dx, dy = (_side(means2d_px)[:, None, None] - centre_px[:, None]).unbind(dim=-1)  # (t, side, k) each
    power = (-0.5 * c * dy * dy)[:, :, None] + (-0.5 * a * dx * dx)[:, None]  # (t, y, x, k)
    power.addcmul_((-b * dy)[:, :, None], dx[:, None])
    # Positive by rounding only.
    alpha = power.clamp_(max=0).exp_().mul_((opacities[gaussian] * there)[:, None, None]).clamp_(max=MAX_ALPHA)
    return _Chunk(gaussian, centre_px, own_conics, torch.threshold_(alpha, ALPHA_THRESHOLD, 0).flatten(1, 2))


def _side(like: Tensor) -> Float[Tensor, " side"]:
    """Pixel centres along a tile's side, from its middle."""
    return torch.arange(TILE_PX, device=like.device).to(like.dtype) + (0.5 - TILE_PX / 2)


# Threshold and sign below stand for masks: on a CPU comparisons take ten times as long.


def _transmittances(
    alpha: Float[Tensor, "t p k"], start: Float[Tensor, "t p"]
) -> tuple[Float[Tensor, "t p k"], Float[Tensor, "t p"]]:
    """Transmittance in front of each Gaussian, 0 for those that are not drawn any more; and behind the last one."""
    all_along = torch.cat([start[..., None], 1 - alpha], dim=-1).cumprod(dim=-1)
    drawn = torch.threshold(all_along[..., 1:], TRANSMITTANCE_THRESHOLD, 0).sign_()
    return drawn.mul_(all_along[..., :-1]), all_along[..., -1].clone()  # a view would keep all of it in memory


def _unclamped(alpha: Float[Tensor, "t p k"]) -> Float[Tensor, "t p k"]:
    """alpha, or 0 where it was clamped, for there its gradient is 0."""
    return torch.threshold_(alpha.neg(), -MAX_ALPHA, 0).neg_()


def _shape_gradient(chunk: _Chunk, by_log_alpha: Float[Tensor, "t p k"]) -> Float[Tensor, "t k 6"]:
    """Derivatives by centre x and y, conic a, b and c, and the logarithm of the opacity."""
    y, x = torch.meshgrid(_side(by_log_alpha), _side(by_log_alpha), indexing="ij")
    monomials = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y]).flatten(1)
    # Moments over the pixels, about the tile's middle; then about the Gaussian's centre.
    m, mx, my, mxx, mxy, myy = (monomials @ by_log_alpha).unbind(dim=1)
    (x, y), (a, b, c) = chunk.centre_px.unbind(dim=-1), chunk.conics.unbind(dim=-1)
    dx, dy = mx - x * m, my - y * m
    dxx, dxy, dyy = mxx - x * (mx + dx), mxy - x * my - y * dx, myy - y * (my + dy)
    return torch.stack([a * dx + b * dy, b * dx + c * dy, -0.5 * dxx, -dxy, -0.5 * dyy, m], dim=-1)
