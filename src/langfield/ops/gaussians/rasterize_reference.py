"""The plain-torch twin of `ops.rasterize.project`: what the fast path is tested against, and the CPU path.

Gaussians are projected and sorted here; `langfield.ops.gaussians.tile_blending` blends them in tiles.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, Shaped
from scipy.sparse import coo_array, csr_array
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.pixel_rows import PixelRows
from langfield.ops.gaussians.rasterize import (
    BLUR_PX2,
    FIELD_MARGIN,
    LEAST_ALPHA,
    NEAR,
    Footprints,
    Projected,
    frame_axes,
    kept_gradient,
    well_formed,
)
from langfield.ops.gaussians.tile_blending import TILE_PX, BlendTiles, TilePairs, front_to_back, tile_pairs
from langfield.ops.reference import unit_quaternion_axes


def project(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    camera: Camera,
    features: Float[Tensor, "n c"] | None = None,
    footprints: bool = False,
) -> "Sorted":
    """See `langfield.ops.gaussians.rasterize.project`, and `blend_all` for the footprints."""
    dtype = torch.promote_types(means.dtype, torch.float32)
    means, rotations, scales = means.to(dtype), rotations.to(dtype), scales.to(dtype)
    opacities = opacities.to(dtype)
    with torch.no_grad():
        in_view, radius_px = _in_view(means, rotations, scales, opacities, features, camera)
    # What is not drawn leaves the graph here: a derivative that is not finite would make NaN of its gradient of 0.
    gaussians = _project(means[in_view], rotations[in_view], scales[in_view], camera)
    with torch.no_grad():
        tiles = tile_pairs(gaussians.xy_px, radius_px, camera)
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
        tiles: see `TilePairs`.
        footprints: see `Projected`.
    """

    camera: Camera
    all_given: int
    seen: Int64[Tensor, " m"]
    gaussians: "_Projected"
    opacity: Float[Tensor, " m"]
    radius_px: Float[Tensor, "m 2"]
    tiles: "TilePairs"
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
        tiles = tile_pairs(gaussians.xy_px, radius_px, self.camera)
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
            for chunk, _, weights in front_to_back(xy_px, conic, self.opacity, self.tiles, tiles):
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
        tiles: Tensor = BlendTiles.apply(xy_px, conic, self.opacity, values, self.tiles)
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
    unit = rotations / rotations.norm(dim=-1, keepdim=True)  # also of lengths that `normalize` takes for nothing
    axes = turn @ unit_quaternion_axes(unit) * scales[:, None, :]
    root = focal_px[:, None] * (axes[:, :2] - held[:, :, None] * axes[:, 2:]) / depth[:, None, None]
    u, v = root.unbind(dim=1)
    xx, xy, yy = (u * u).sum(dim=-1), (u * v).sum(dim=-1), (v * v).sum(dim=-1)
    # det(M Mᵀ) = |u × v|² (Cauchy–Binet); xx · yy − xy² would lose all digits for a thin Gaussian.
    bare = torch.linalg.cross(u, v).square().sum(dim=-1)
    determinant = bare + BLUR_PX2 * (xx + yy) + BLUR_PX2**2
    covariance = torch.stack([xx + BLUR_PX2, xy, yy + BLUR_PX2], dim=-1)
    conic = torch.stack([yy + BLUR_PX2, -xy, xx + BLUR_PX2], dim=-1) / determinant[:, None]
    return _Projected(plane * focal_px + centre_px, covariance, conic, depth)


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
