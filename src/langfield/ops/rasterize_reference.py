"""The plain-torch twin of `ops.rasterize.project`: what the fast path is tested against, and the CPU path.

The picture is cut into square tiles. A tile blends the Gaussians that may touch it from front to back, a chunk of them
at a time and a few tiles at once, as dense (tile, pixel, Gaussian) tensors that fit into a core's cache. The backward
pass makes them anew: memory grows with the pairs of tile and Gaussian, not with pixels times Gaussians.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, Shaped
from scipy.sparse import coo_array, csr_array
from torch import Tensor
from torch.autograd.function import once_differentiable

from langfield.core.cameras import Camera
from langfield.ops.pixel_rows import PixelRows
from langfield.ops.rasterize import (
    BLUR_PX2,
    FIELD_MARGIN,
    LEAST_ALPHA,
    LEAST_TRANSMITTANCE,
    MOST_ALPHA,
    NEAR,
    Footprints,
    Projected,
    frame_axes,
    kept_gradient,
    well_formed,
)

TILE_PX = 8  # half as much work as 16: most Gaussians are small
_CHUNK = 32  # Gaussians of a tile that are blended at once
_AT_ONCE = 2**17  # numbers in a (tile, pixel, Gaussian) tensor


def project(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    camera: Camera,
    features: Float[Tensor, "n c"] | None = None,
    footprints: bool = False,
) -> "Sorted":
    """See `langfield.ops.rasterize.project`, and `blend_all` for the footprints."""
    dtype = torch.promote_types(means.dtype, torch.float32)
    means, rotations, scales = means.to(dtype), rotations.to(dtype), scales.to(dtype)
    opacities = opacities.to(dtype)
    with torch.no_grad():
        in_view, radius_px = _in_view(means, rotations, scales, opacities, features, camera)
    # What is not drawn leaves the graph here: a derivative that is not finite would make NaN of its gradient of 0.
    gaussians = _project(means[in_view], rotations[in_view], scales[in_view], camera)
    with torch.no_grad():
        tiles = _pairs(gaussians, radius_px, camera)
    prints = None
    if footprints:
        centres_px = means.new_zeros(1, len(means), 2).index_copy(1, in_view, gaussians.xy_px[None])
        reach_px = means.new_zeros(len(means)).index_copy(0, in_view, radius_px.amax(dim=-1))
        prints = Footprints(kept_gradient(centres_px), reach_px, 0, (camera.width_px, camera.height_px))
        gaussians = gaussians._replace(xy_px=centres_px[0, in_view])
    return Sorted(camera, len(means), in_view, gaussians, opacities[in_view], radius_px, tiles, prints)


@dataclass(frozen=True)
class Sorted(Projected):
    """Gaussians in view, front to back, and which of them may touch which tile.

    Attributes:
        seen: their numbers among all Gaussians.
        gaussians, opacity: what they are in the picture.
        radius_px: how far in x and in y they reach.
        tiles: see `_Pairs`.
        footprints: see `Projected`.
    """

    camera: Camera
    all_given: int
    seen: Int64[Tensor, " m"]
    gaussians: "_Projected"
    opacity: Float[Tensor, " m"]
    radius_px: Float[Tensor, "m 2"]
    tiles: "_Pairs"
    footprints: Footprints | None = None

    @property
    def device(self) -> torch.device:
        return self.opacity.device

    @property
    def count(self) -> int:
        return self.all_given

    @property
    def pairs(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self.tiles.gaussian)

    def in_view(self) -> Int64[Tensor, " m"]:
        """See `Projected.in_view`."""
        return self.seen.sort().values

    @torch.no_grad()
    def only(self, numbers: Int64[Tensor, " m"]) -> "Sorted":
        """See `Projected.only`."""
        place = torch.full((self.count,), -1, device=numbers.device)
        place[numbers] = torch.arange(len(numbers), device=numbers.device)
        places = place[self.seen]
        chosen = torch.nonzero(places >= 0)[:, 0]
        gaussians = _Projected(*(values.detach()[chosen] for values in self.gaussians))
        radius_px, opacity = self.radius_px[chosen], self.opacity.detach()[chosen]
        tiles = _pairs(gaussians, radius_px, self.camera)
        return Sorted(self.camera, len(numbers), places[chosen], gaussians, opacity, radius_px, tiles)

    @torch.no_grad()
    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """See `Projected.splat_codes`: a product of two sparse matrices, in which the number of codes costs nothing."""
        said = _sparse(code[self.seen], share[self.seen].to(self.opacity.dtype), codes)
        mixed = csr_array(self._weights @ said).toarray()
        return torch.from_numpy(mixed).reshape(self.camera.height_px, self.camera.width_px, codes)

    @torch.no_grad()
    def lift_codes(
        self,
        said: PixelRows,
        first_row: int,
        codes: Int[Tensor, "t k"],
        shares: Float[Tensor, "t k"],
        out: Float[Tensor, "n c"],
    ) -> None:
        """See `Projected.lift_codes`, and `splat_codes`."""
        of_pixel = _sparse(said.rows + first_row, said.weights, len(codes))
        of_row = _sparse(codes, shares, out.shape[1])
        lifted = csr_array(self._weights.T @ (of_pixel @ of_row)).toarray()
        out.index_add_(0, self.seen, torch.from_numpy(lifted).to(out.dtype))

    @cached_property
    def _weights(self) -> csr_array:
        """w of each pixel, row by row, and Gaussian in view. Memory: 12 bytes for each that is not 0, tens a pixel."""
        (xy_px, _, conic, _), width, height = self.gaussians, self.camera.width_px, self.camera.height_px
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for tiles in self.tiles.groups():
            corner = self.tiles.corner_px(tiles)
            for chunk, _, weights in _front_to_back(xy_px, conic, self.opacity, self.tiles, tiles):
                tile, place, number = weights.nonzero(as_tuple=True)
                x, y = corner[tile, 0] + place % TILE_PX, corner[tile, 1] + place // TILE_PX
                shown = (x < width) & (y < height)
                found = y * width + x, chunk.gaussian[tile, number], weights[tile, place, number]
                parts.append((found[0][shown], found[1][shown], found[2][shown]))
        if not parts:
            return csr_array((width * height, len(self.seen)), dtype=self.opacity.numpy().dtype)
        pixel, gaussian, weight = (torch.cat(values).numpy() for values in zip(*parts, strict=True))
        return coo_array((weight, (pixel, gaussian)), shape=(width * height, len(self.seen))).tocsr()

    def _blended(
        self, features: Float[Tensor, "n c"], with_depth: bool
    ) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
        xy_px, _, conic, depth = self.gaussians
        columns = [depth[:, None]] if with_depth else []
        values = torch.cat([features.to(depth.dtype)[self.seen], *columns, torch.ones_like(depth)[:, None]], dim=-1)
        tiles: Tensor = _Blend.apply(xy_px, conic, self.opacity, values, self.tiles)
        across, down, camera = self.tiles.across, self.tiles.down, self.camera
        blended = tiles.reshape(down, across, TILE_PX, TILE_PX, -1).transpose(1, 2)
        blended = blended.reshape(down * TILE_PX, across * TILE_PX, -1)[: camera.height_px, : camera.width_px]
        return blended[..., :-1], blended[..., -1]


def _sparse(columns: Shaped[Tensor, "r k"], values: Float[Tensor, "r k"], width: int) -> csr_array:
    """A matrix whose row r holds values_rk in column columns_rk; those of one column add up."""
    start = np.arange(len(columns) + 1) * columns.shape[1]
    entries = values.flatten().numpy(), columns.flatten().numpy(), start
    matrix = csr_array(entries, shape=(len(columns), width), copy=True)  # what comes next changes it in place
    matrix.eliminate_zeros()
    return matrix


class _Projected(NamedTuple):
    """Gaussians in the picture: centre, the numbers (xx, xy, yy) of Σ' and of its inverse, z-depth."""

    xy_px: Float[Tensor, "m 2"]
    covariance_px2: Float[Tensor, "m 3"]
    conic: Float[Tensor, "m 3"]
    depth: Float[Tensor, " m"]


def _project(
    means: Float[Tensor, "m 3"], rotations: Float[Tensor, "m 4"], scales: Float[Tensor, "m 3"], camera: Camera
) -> _Projected:
    """Σ' = M Mᵀ + ε I, M = J W R S, of Gaussians with axes R and standard deviations S (Zwicker et al. 2001, §6)."""
    turn, shift = frame_axes(camera, means)
    # No matrix product: its last rows may be rounded otherwise, and equal depths would no longer be equal.
    local = (means[:, None, :] * turn).sum(dim=-1) + shift
    depth = local[:, 2]
    plane = local[:, :2] / depth[:, None]
    focal_px = means.new_tensor([camera.fx_px, camera.fy_px])
    centre_px = means.new_tensor([camera.cx_px, camera.cy_px])
    size_px = means.new_tensor([camera.width_px, camera.height_px])
    margin = FIELD_MARGIN * 0.5 * size_px / focal_px
    # J at the point itself would stretch what lies far outside the picture all across it.
    held = torch.clamp(plane, -centre_px / focal_px - margin, (size_px - centre_px) / focal_px + margin)
    axes = turn @ _rotation_matrices(rotations) * scales[:, None, :]
    root = focal_px[:, None] * (axes[:, :2] - held[:, :, None] * axes[:, 2:]) / depth[:, None, None]
    u, v = root.unbind(dim=1)
    xx, xy, yy = (u * u).sum(dim=-1), (u * v).sum(dim=-1), (v * v).sum(dim=-1)
    # det(M Mᵀ) = |u × v|² (Cauchy–Binet); xx · yy − xy² would lose all digits for a thin Gaussian.
    bare = torch.linalg.cross(u, v).square().sum(dim=-1)
    determinant = bare + BLUR_PX2 * (xx + yy) + BLUR_PX2**2
    covariance = torch.stack([xx + BLUR_PX2, xy, yy + BLUR_PX2], dim=-1)
    conic = torch.stack([yy + BLUR_PX2, -xy, xx + BLUR_PX2], dim=-1) / determinant[:, None]
    return _Projected(plane * focal_px + centre_px, covariance, conic, depth)


def _rotation_matrices(quaternions: Float[Tensor, "m 4"]) -> Float[Tensor, "m 3 3"]:
    w, x, y, z = (quaternions / quaternions.norm(dim=-1, keepdim=True)).unbind(dim=-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _in_view(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "n c"] | None,
    camera: Camera,
) -> tuple[Int64[Tensor, " m"], Float[Tensor, "m 2"]]:
    """The Gaussians that may touch the picture, front to back (at equal depth: in the order given).

    Returns their numbers, and how far in x and in y they reach from their centres, in pixels.
    """
    gaussians = _project(means, rotations, scales, camera)
    own = None if features is None else features[None]
    # Bounds the ellipse on which α is the least that is drawn: ½ dᵀ Σ'⁻¹ d = ln(o / least).
    reach = (2 * (opacities / LEAST_ALPHA).log()).sqrt()
    radius_px = (reach[:, None] * gaussians.covariance_px2[:, ::2].sqrt()).ceil()
    size_px = means.new_tensor([camera.width_px, camera.height_px])
    inside = (gaussians.xy_px + radius_px > 0) & (gaussians.xy_px - radius_px < size_px)
    drawn = well_formed(means, rotations, scales, opacities, own, [camera]) & inside.all(dim=-1)
    drawn = drawn & (gaussians.depth >= NEAR) & (opacities >= LEAST_ALPHA)
    numbers = drawn.nonzero()[:, 0]
    numbers = numbers[gaussians.depth[numbers].argsort(stable=True)]
    return numbers, radius_px[numbers]


@dataclass(frozen=True)
class _Pairs:
    """Which Gaussians may touch which tile; tiles are numbered row by row.

    Attributes:
        gaussian: the Gaussian of each pair, tile after tile, front to back within a tile.
        first: where each tile's pairs start, and after the last tile the number of pairs.
        across, down: tiles per row and per column.
    """

    gaussian: Int64[Tensor, " pairs"]
    first: Int64[Tensor, " ends"]
    across: int
    down: int

    def corner_px(self, tiles: Int64[Tensor, " t"]) -> Int64[Tensor, "t 2"]:
        return TILE_PX * torch.stack([tiles % self.across, tiles // self.across], dim=-1)

    def groups(self) -> Iterator[Int64[Tensor, " t"]]:
        """The tiles that have Gaussians, a few at a time that have about as many."""
        count = self.first.diff()
        order = count.argsort(descending=True, stable=True)
        filled = order[: int(count.count_nonzero())]
        return iter(filled.split(_AT_ONCE // (TILE_PX**2 * _CHUNK)) if len(filled) else ())

    def steps(self, tiles: Int64[Tensor, " t"]) -> int:
        """How many chunks the fullest of the tiles has."""
        return -(-int((self.first[tiles + 1] - self.first[tiles]).max()) // _CHUNK)


def _pairs(gaussians: _Projected, radius_px: Float[Tensor, "m 2"], camera: Camera) -> _Pairs:
    """Every tile with every Gaussian, given front to back, whose bounding box overlaps it."""
    device = radius_px.device
    across, down = -(-camera.width_px // TILE_PX), -(-camera.height_px // TILE_PX)
    most = torch.tensor([across, down], device=device)
    low = ((gaussians.xy_px - radius_px) / TILE_PX).floor().clamp_min(0).long()
    high = torch.minimum(((gaussians.xy_px + radius_px) / TILE_PX).ceil().long(), most)
    span = (high - low).clamp_min(0)
    count = span.prod(dim=-1)
    gaussian = torch.arange(len(count), device=device).repeat_interleave(count)
    within = torch.arange(len(gaussian), device=device) - (count.cumsum(0) - count)[gaussian]
    wide = span[gaussian, 0]
    tile = (low[gaussian, 1] + within // wide) * across + low[gaussian, 0] + within % wide
    tile, order = tile.sort(stable=True)
    first = torch.searchsorted(tile, torch.arange(across * down + 1, device=device))
    return _Pairs(gaussian[order], first, across, down)


class _Blend(torch.autograd.Function):
    """Σ w f at every pixel of every tile: (tiles, pixels row by row, c)."""

    @staticmethod
    def forward(
        ctx: Any,
        xy_px: Float[Tensor, "m 2"],
        conic: Float[Tensor, "m 3"],
        opacity: Float[Tensor, " m"],
        values: Float[Tensor, "m c"],
        pairs: _Pairs,
    ) -> Float[Tensor, "tiles p c"]:
        out = values.new_zeros(pairs.across * pairs.down, TILE_PX**2, values.shape[1])
        starts: list[list[Tensor]] = []  # for each group and step: the transmittance that the step begins with
        for tiles in pairs.groups():
            blended = out[tiles]
            starts.append([])
            for chunk, start, weights in _front_to_back(xy_px, conic, opacity, pairs, tiles):
                starts[-1].append(start)
                blended.baddbmm_(weights, values[chunk.gaussian])
            out[tiles] = blended
        ctx.save_for_backward(xy_px, conic, opacity, values)
        ctx.pairs, ctx.starts = pairs, starts
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Float[Tensor, "tiles p c"]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None, None]:
        """Back to front. With g = ∂L/∂w, the derivative by ln α_i is α_i (T_i g_i − Σ_{j>i} w_j g_j / (1 − α_i))."""
        (grad_out,) = grad_outputs
        xy_px, conic, opacity, values = ctx.saved_tensors
        shape_wanted, values_wanted = any(ctx.needs_input_grad[:3]), ctx.needs_input_grad[3]
        grad_shape, grad_values = values.new_zeros(len(values), 6), torch.zeros_like(values)
        later = values.new_ones(_CHUNK, _CHUNK).tril(-1)  # a matrix product is faster than a reversed cumsum
        for tiles, starts in zip(ctx.pairs.groups(), ctx.starts, strict=True):
            grad = grad_out[tiles]
            behind = torch.zeros_like(grad[..., :1])  # Σ w g of the chunks that are done
            for step in reversed(range(len(starts))):
                chunk = _chunk(xy_px, conic, opacity, ctx.pairs, tiles, step)
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
        return grad_shape[:, :2], grad_shape[:, 2:5], grad_shape[:, 5] / opacity, grad_values, None


class _Chunk(NamedTuple):
    """Some tiles' next Gaussians.

    Attributes:
        gaussian: their numbers; any where a tile has no more, with an alpha of 0.
        centre_px: their centres, from the tile's middle.
        conic: (a, b, c) of each.
        alpha: of each at each pixel.
    """

    gaussian: Int64[Tensor, "t k"]
    centre_px: Float[Tensor, "t k 2"]
    conic: Float[Tensor, "t k 3"]
    alpha: Float[Tensor, "t p k"]


def _front_to_back(
    xy_px: Float[Tensor, "m 2"],
    conic: Float[Tensor, "m 3"],
    opacity: Float[Tensor, " m"],
    pairs: _Pairs,
    tiles: Int64[Tensor, " t"],
) -> Iterator[tuple["_Chunk", Float[Tensor, "t p"], Float[Tensor, "t p k"]]]:
    """Some tiles' Gaussians, chunk by chunk until no light is left, with the transmittance that the chunk begins with
    and the weights w."""
    ahead = xy_px.new_ones(len(tiles), TILE_PX**2)
    for step in range(pairs.steps(tiles)):
        if ahead.max() <= LEAST_TRANSMITTANCE:
            return
        chunk, start = _chunk(xy_px, conic, opacity, pairs, tiles, step), ahead
        before, ahead = _transmittances(chunk.alpha, start)
        yield chunk, start, before.mul_(chunk.alpha)


def _chunk(
    xy_px: Float[Tensor, "m 2"],
    conic: Float[Tensor, "m 3"],
    opacity: Float[Tensor, " m"],
    pairs: _Pairs,
    tiles: Int64[Tensor, " t"],
    step: int,
) -> _Chunk:
    place = pairs.first[tiles, None] + torch.arange(step * _CHUNK, (step + 1) * _CHUNK, device=tiles.device)
    there = place < pairs.first[tiles + 1, None]
    gaussian = pairs.gaussian[place.clamp_max(len(pairs.gaussian) - 1)]
    centre_px = xy_px[gaussian] - (pairs.corner_px(tiles) + TILE_PX / 2)[:, None].to(xy_px.dtype)
    conics = conic[gaussian]
    a, b, c = conics[:, None].unbind(dim=-1)
    dx, dy = (_side(xy_px)[:, None, None] - centre_px[:, None]).unbind(dim=-1)  # (t, side, k) each
    power = (-0.5 * c * dy * dy)[:, :, None] + (-0.5 * a * dx * dx)[:, None]  # (t, y, x, k)
    power.addcmul_((-b * dy)[:, :, None], dx[:, None])
    # Positive by rounding only.
    alpha = power.clamp_(max=0).exp_().mul_((opacity[gaussian] * there)[:, None, None]).clamp_(max=MOST_ALPHA)
    return _Chunk(gaussian, centre_px, conics, torch.threshold_(alpha, LEAST_ALPHA, 0).flatten(1, 2))


def _side(like: Tensor) -> Float[Tensor, " side"]:
    """Pixel centres along a tile's side, from its middle."""
    return torch.arange(TILE_PX, device=like.device).to(like.dtype) + (0.5 - TILE_PX / 2)


# Threshold and sign below stand for masks: on a CPU comparisons take ten times as long.


def _transmittances(
    alpha: Float[Tensor, "t p k"], start: Float[Tensor, "t p"]
) -> tuple[Float[Tensor, "t p k"], Float[Tensor, "t p"]]:
    """Transmittance in front of each Gaussian, 0 for those that are not drawn any more; and behind the last one."""
    all_along = torch.cat([start[..., None], 1 - alpha], dim=-1).cumprod(dim=-1)
    drawn = torch.threshold(all_along[..., 1:], LEAST_TRANSMITTANCE, 0).sign_()
    return drawn.mul_(all_along[..., :-1]), all_along[..., -1].clone()  # a view would keep all of it in memory


def _unclamped(alpha: Float[Tensor, "t p k"]) -> Float[Tensor, "t p k"]:
    """alpha, or 0 where it was clamped: what it is multiplied by then has no say in it."""
    return torch.threshold_(alpha.neg(), -MOST_ALPHA, 0).neg_()


def _shape_gradient(chunk: _Chunk, by_log_alpha: Float[Tensor, "t p k"]) -> Float[Tensor, "t k 6"]:
    """Derivatives by centre x and y, conic a, b and c, and the logarithm of the opacity."""
    y, x = torch.meshgrid(_side(by_log_alpha), _side(by_log_alpha), indexing="ij")
    monomials = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y]).flatten(1)
    # Moments over the pixels, about the tile's middle; then about the Gaussian's centre.
    m, mx, my, mxx, mxy, myy = (monomials @ by_log_alpha).unbind(dim=1)
    (x, y), (a, b, c) = chunk.centre_px.unbind(dim=-1), chunk.conic.unbind(dim=-1)
    dx, dy = mx - x * m, my - y * m
    dxx, dxy, dyy = mxx - x * (mx + dx), mxy - x * my - y * dx, myy - y * (my + dy)
    return torch.stack([a * dx + b * dy, b * dx + c * dy, -0.5 * dxx, -dxy, -0.5 * dyy, m], dim=-1)
