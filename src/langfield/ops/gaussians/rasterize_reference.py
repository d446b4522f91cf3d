"""`rasterize`'s functions in plain torch: what the gsplat path is tested against, and what runs on a CPU.

Gaussians are projected and sorted here; `tile_blending` blends them in tiles.
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
from langfield.core.quaternions import rotation_from_unit_quaternion
from langfield.ops.gaussians.conventions import (
    ALPHA_THRESHOLD,
    EPS2D_PX2,
    FIELD_OF_VIEW_MARGIN,
    NEAR_PLANE,
    camera_from_frame,
)
from langfield.ops.gaussians.pixel_mixtures import PixelMixtures
from langfield.ops.gaussians.projected import Means2d, ProjectedGaussians, retain_gradient
from langfield.ops.gaussians.tile_blending import TILE_PX, BlendTiles, TilePairs, front_to_back, tile_pairs
from langfield.ops.gaussians.well_formed import well_formed


def project(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    camera: Camera,
    features: Float[Tensor, "n c"] | None = None,
    keep_means2d: bool = False,
) -> "ReferenceProjectedGaussians":
    """See `langfield.ops.gaussians.rasterize.project`, and `blend_views` for `keep_means2d`."""
    dtype = torch.promote_types(means.dtype, torch.float32)
    means, rotations, scales = means.to(dtype), rotations.to(dtype), scales.to(dtype)
    opacities = opacities.to(dtype)
    with torch.no_grad():
        visible, radii_px = _visible(means, rotations, scales, opacities, features, camera)
    # What is not drawn leaves the graph here: a derivative that is not finite would make NaN of its gradient of 0.
    gaussians = _project(means[visible], rotations[visible], scales[visible], camera)
    with torch.no_grad():
        tiles = tile_pairs(gaussians.means2d_px, radii_px, camera)
    means2d = None
    if keep_means2d:
        means2d_px = means.new_zeros(1, len(means), 2).index_copy(1, visible, gaussians.means2d_px[None])
        all_radii_px = means.new_zeros(len(means)).index_copy(0, visible, radii_px.amax(dim=-1))
        means2d = Means2d(retain_gradient(means2d_px), all_radii_px, 0, (camera.width_px, camera.height_px))
        gaussians = gaussians._replace(means2d_px=means2d_px[0, visible])
    return ReferenceProjectedGaussians(
        camera, len(means), visible, gaussians, opacities[visible], radii_px, tiles, means2d
    )


class VisibleGaussians2d(NamedTuple):
    """The M Gaussians in view as they are in the picture.

    Attributes:
        means2d_px: centres.
        covariances_px2: (xx, xy, yy) of Σ'.
        conics: (xx, xy, yy) of its inverse.
        depths: z-depths of the centres.
    """

    means2d_px: Float[Tensor, "m 2"]
    covariances_px2: Float[Tensor, "m 3"]
    conics: Float[Tensor, "m 3"]
    depths: Float[Tensor, " m"]


@dataclass(frozen=True)
class ReferenceProjectedGaussians(ProjectedGaussians):
    """`ProjectedGaussians` in plain torch: those in view, front to back, and which of them may touch which tile.

    Attributes:
        total: how many Gaussians were given.
        visible: the indices of those in view, front to back. All below is of these.
        gaussians: what they are in the picture.
        opacities: in [0, 1].
        radii_px: how far they reach in x and in y.
        tiles: see `TilePairs`.
    """

    camera: Camera
    total: int
    visible: Int64[Tensor, " m"]
    gaussians: VisibleGaussians2d
    opacities: Float[Tensor, " m"]
    radii_px: Float[Tensor, "m 2"]
    tiles: TilePairs
    means2d: Means2d | None = None

    @property
    def device(self) -> torch.device:
        return self.opacities.device

    @property
    def count(self) -> int:
        return self.total

    @property
    def pairs(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self.tiles.gaussian)

    def in_view(self) -> Int64[Tensor, " m"]:
        """See `ProjectedGaussians.in_view`."""
        return self.visible.sort().values

    @torch.no_grad()
    def subset(self, indices: Int64[Tensor, " m"]) -> "ReferenceProjectedGaussians":
        """See `ProjectedGaussians.subset`."""
        new_index = torch.full((self.count,), -1, device=indices.device)
        new_index[indices] = torch.arange(len(indices), device=indices.device)
        visible = new_index[self.visible]
        chosen = torch.nonzero(visible >= 0)[:, 0]
        gaussians = VisibleGaussians2d(*(values.detach()[chosen] for values in self.gaussians))
        radii_px, opacities = self.radii_px[chosen], self.opacities.detach()[chosen]
        tiles = tile_pairs(gaussians.means2d_px, radii_px, self.camera)
        return ReferenceProjectedGaussians(
            self.camera, len(indices), visible[chosen], gaussians, opacities, radii_px, tiles
        )

    @torch.no_grad()
    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """See `ProjectedGaussians.splat_codes`: a product of sparse matrices, whose cost does not depend on `codes`."""
        features = _sparse(code[self.visible], share[self.visible].to(self.opacities.dtype), codes)
        picture = csr_array(self._weights @ features).toarray()
        return torch.from_numpy(picture).reshape(self.camera.height_px, self.camera.width_px, codes)

    @torch.no_grad()
    def lift_codes(
        self,
        pixels: PixelMixtures,
        first_row: int,
        codes: Int[Tensor, "t k"],
        shares: Float[Tensor, "t k"],
        out: Float[Tensor, "n c"],
    ) -> None:
        """See `ProjectedGaussians.lift_codes`: a product of sparse matrices."""
        mixtures = _sparse(pixels.rows + first_row, pixels.weights, len(codes))
        table = _sparse(codes, shares, out.shape[1])
        lifted = csr_array(self._weights.T @ (mixtures @ table)).toarray()
        out.index_add_(0, self.visible, torch.from_numpy(lifted).to(out.dtype))

    @cached_property
    def _weights(self) -> csr_array:
        """w of each pixel, row by row, and Gaussian in view. Memory: 12 bytes for each that is not 0, tens a pixel."""
        (means2d_px, _, conics, _), width, height = self.gaussians, self.camera.width_px, self.camera.height_px
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        for tiles in self.tiles.groups():
            corner = self.tiles.corner_px(tiles)
            for chunk, _, weights in front_to_back(means2d_px, conics, self.opacities, self.tiles, tiles):
                tile, place, number = weights.nonzero(as_tuple=True)
                x, y = corner[tile, 0] + place % TILE_PX, corner[tile, 1] + place // TILE_PX
                inside = (x < width) & (y < height)
                entries = y * width + x, chunk.gaussian[tile, number], weights[tile, place, number]
                parts.append((entries[0][inside], entries[1][inside], entries[2][inside]))
        if not parts:
            return csr_array((width * height, len(self.visible)), dtype=self.opacities.numpy().dtype)
        pixel, gaussian, weight = (torch.cat(values).numpy() for values in zip(*parts, strict=True))
        return coo_array((weight, (pixel, gaussian)), shape=(width * height, len(self.visible))).tocsr()

    def _blended(
        self, features: Float[Tensor, "n c"], with_depth: bool
    ) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
        means2d_px, _, conics, depths = self.gaussians
        columns = [depths[:, None]] if with_depth else []
        ones = torch.ones_like(depths)[:, None]
        values = torch.cat([features.to(depths.dtype)[self.visible], *columns, ones], dim=-1)
        tiles: Tensor = BlendTiles.apply(means2d_px, conics, self.opacities, values, self.tiles)
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


def _project(
    means: Float[Tensor, "m 3"], rotations: Float[Tensor, "m 4"], scales: Float[Tensor, "m 3"], camera: Camera
) -> VisibleGaussians2d:
    """Σ' = M Mᵀ + ε I, M = J W R S, of Gaussians with axes R and standard deviations S (Zwicker et al. 2001, §6)."""
    rotation, translation = camera_from_frame(camera, means)
    # No matrix product: its last rows may be rounded otherwise, and equal depths would no longer be equal.
    local = (means[:, None, :] * rotation).sum(dim=-1) + translation
    depths = local[:, 2]
    plane = local[:, :2] / depths[:, None]
    focal_px = means.new_tensor([camera.fx_px, camera.fy_px])
    centre_px = means.new_tensor([camera.cx_px, camera.cy_px])
    size_px = means.new_tensor([camera.width_px, camera.height_px])
    margin = FIELD_OF_VIEW_MARGIN * 0.5 * size_px / focal_px
    # J at the point itself would stretch what lies far outside the picture all across it.
    clamped = torch.clamp(plane, -centre_px / focal_px - margin, (size_px - centre_px) / focal_px + margin)
    unit = rotations / rotations.norm(dim=-1, keepdim=True)  # also of lengths that `normalize` takes for 0
    axes = rotation @ rotation_from_unit_quaternion(unit) * scales[:, None, :]
    root = focal_px[:, None] * (axes[:, :2] - clamped[:, :, None] * axes[:, 2:]) / depths[:, None, None]
    u, v = root.unbind(dim=1)
    xx, xy, yy = (u * u).sum(dim=-1), (u * v).sum(dim=-1), (v * v).sum(dim=-1)
    # det(M Mᵀ) = |u × v|² (Cauchy–Binet); xx · yy − xy² would lose all digits for a thin Gaussian.
    bare = torch.linalg.cross(u, v).square().sum(dim=-1)
    determinant = bare + EPS2D_PX2 * (xx + yy) + EPS2D_PX2**2
    covariances_px2 = torch.stack([xx + EPS2D_PX2, xy, yy + EPS2D_PX2], dim=-1)
    conics = torch.stack([yy + EPS2D_PX2, -xy, xx + EPS2D_PX2], dim=-1) / determinant[:, None]
    return VisibleGaussians2d(plane * focal_px + centre_px, covariances_px2, conics, depths)


def _visible(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "n c"] | None,
    camera: Camera,
) -> tuple[Int64[Tensor, " m"], Float[Tensor, "m 2"]]:
    """The Gaussians that may touch the picture, front to back (at equal depth: in the order given).

    Returns their indices, and how far in x and in y they reach from their centres, in pixels.
    """
    gaussians = _project(means, rotations, scales, camera)
    own = None if features is None else features[None]
    # Bounds the ellipse on which α is the least that is drawn: ½ dᵀ Σ'⁻¹ d = ln(o / least).
    reach = (2 * (opacities / ALPHA_THRESHOLD).log()).sqrt()
    radii_px = (reach[:, None] * gaussians.covariances_px2[:, ::2].sqrt()).ceil()
    size_px = means.new_tensor([camera.width_px, camera.height_px])
    inside = (gaussians.means2d_px + radii_px > 0) & (gaussians.means2d_px - radii_px < size_px)
    drawn = well_formed(means, rotations, scales, opacities, own, [camera]) & inside.all(dim=-1)
    drawn = drawn & (gaussians.depths >= NEAR_PLANE) & (opacities >= ALPHA_THRESHOLD)
    indices = drawn.nonzero()[:, 0]
    indices = indices[gaussians.depths[indices].argsort(stable=True)]
    return indices, radii_px[indices]
