"""`rasterize`'s functions on CUDA by gsplat's kernels, in float32.

gsplat's steps are called one by one, as its own `rasterization` does: the projection; the sorting of pairs of a tile
and a Gaussian, which waits for the device to say how many there are; and the drawing, as often as there are features.
Each step is one call for all cameras of a size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, Int64, Shaped
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.devices import to_device_async
from langfield.ops.gaussians import sparse_splat_triton
from langfield.ops.gaussians.conventions import EPS2D_PX2, NEAR_PLANE
from langfield.ops.gaussians.gsplat_kernels import load_gsplat
from langfield.ops.gaussians.pixel_mixtures import LIFT_TILE_PX, PixelMixtures
from langfield.ops.gaussians.projected import Blended, Means2d, ProjectedGaussians, retain_gradient
from langfield.ops.gaussians.well_formed_triton import well_formed

TILE_PX = 16
_SMALL_TILE_PX = 8
_MIN_TILES = 1024
# The largest of gsplat's compiled channel counts whose backward pass fits into the 48 KB of shared memory that every
# GPU has. It is 2^k + 1: 32 features and the depth go at once.
CHANNELS_AT_ONCE = 33


def project(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    camera: Camera,
    features: Float[Tensor, "n c"] | None = None,
    tile_px: int | None = None,
) -> "GsplatProjectedGaussians":
    """See `langfield.ops.gaussians.rasterize.project`.

    Args:
        tile_px: side of a tile, which does not change what is drawn; None takes one that makes enough tiles to keep a
            GPU busy.
    """
    tile_px = tile_px or _tile_px(camera)
    own = None if features is None else features[None]
    gaussians = _project(means, rotations, scales, opacities, own, [camera])
    return GsplatProjectedGaussians(camera, sort_into_tiles(gaussians, (camera.width_px, camera.height_px), tile_px))


def _tile_px(camera: Camera) -> int:
    return TILE_PX if camera.width_px * camera.height_px >= _MIN_TILES * TILE_PX**2 else _SMALL_TILE_PX


def blend_views(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"],
    cameras: Sequence[Camera],
    keep_means2d: bool = False,
) -> list[Blended]:
    """See `langfield.ops.gaussians.rasterize.blend_views`; the cameras are of one size."""
    gaussians = _project(means, rotations, scales, opacities, features, cameras)
    size_px = cameras[0].width_px, cameras[0].height_px
    means2d: list[Means2d | None] = [None] * len(cameras)
    if keep_means2d:
        means2d_px, radii_px = retain_gradient(gaussians.means2d_px), gaussians.radii_px.amax(dim=-1).float()
        means2d = [Means2d(means2d_px, radii_px[view], view, size_px) for view in range(len(cameras))]
    pictures, alphas = sort_into_tiles(gaussians, size_px).rasterize(features.float())
    return [Blended(*view) for view in zip(pictures, alphas, means2d, strict=True)]


@dataclass(frozen=True)
class Gaussians2d:
    """N Gaussians as they are in V pictures of one size. Those out of view have radii of 0 and any other numbers.

    Attributes:
        means2d_px: centres.
        conics: (xx, xy, yy) of the inverse covariances, px⁻².
        depths: z-depths of the centres.
        radii_px: how far they reach in x and in y.
    """

    means2d_px: Float[Tensor, "v n 2"]
    conics: Float[Tensor, "v n 3"]
    depths: Float[Tensor, "v n"]
    opacities: Float[Tensor, "v n"]
    radii_px: Int[Tensor, "v n 2"]


@dataclass(frozen=True)
class TiledGaussians:
    """Gaussians in V pictures of one size, and which of them may touch which tile.

    Attributes:
        gaussians: what they are there.
        size_px: width and height of the pictures.
        tile_px: side of a tile.
        flatten_ids: the Gaussian of each pair of a tile and a Gaussian, picture after picture, tile after tile, front
            to back; as an index into the V · N of all pictures.
        isect_offsets: where each tile's pairs start.
    """

    gaussians: Gaussians2d
    size_px: tuple[int, int]
    tile_px: int
    flatten_ids: Int32[Tensor, " pairs"]
    isect_offsets: Int32[Tensor, "v down across"]

    def rasterize(self, values: Float[Tensor, "v n c"]) -> tuple[Float[Tensor, "v h w c"], Float[Tensor, "v h w"]]:
        """Σ w f and Σ w in each picture."""
        channels = values.shape[-1]
        if not channels:  # gsplat does not draw nothing
            values = values.new_zeros(*values.shape[:-1], 1)
        parts = [self._rasterize(part) for part in values.split(CHANNELS_AT_ONCE, dim=-1)]
        pictures = parts[0][0] if len(parts) == 1 else torch.cat([part for part, _ in parts], dim=-1)
        return pictures[..., :channels], parts[0][1]

    def _rasterize(self, values: Float[Tensor, "v n c"]) -> tuple[Float[Tensor, "v h w c"], Float[Tensor, "v h w"]]:
        pictures, alphas = load_gsplat().rasterize_to_pixels(
            self.gaussians.means2d_px,
            self.gaussians.conics,
            values,
            self.gaussians.opacities,
            *self.size_px,
            self.tile_px,
            self.isect_offsets,
            self.flatten_ids,
        )
        return pictures, alphas[..., 0]


def sort_into_tiles(gaussians: Gaussians2d, size_px: tuple[int, int], tile_px: int = TILE_PX) -> TiledGaussians:
    """Sort the pairs of a tile and a Gaussian by picture, tile and depth."""
    gsplat = load_gsplat()
    across, down = (-(-side // tile_px) for side in size_px)
    _, isect_ids, flatten_ids = gsplat.isect_tiles(
        gaussians.means2d_px, gaussians.radii_px, gaussians.depths, tile_px, across, down
    )
    isect_offsets = gsplat.isect_offset_encode(isect_ids, len(gaussians.depths), across, down)
    return TiledGaussians(gaussians, size_px, tile_px, flatten_ids, isect_offsets)


@dataclass(frozen=True)
class GsplatProjectedGaussians(ProjectedGaussians):
    """`ProjectedGaussians` in tiles of one picture, for gsplat."""

    camera: Camera
    tiled: TiledGaussians

    @property
    def device(self) -> torch.device:
        return self.tiled.isect_offsets.device

    @property
    def count(self) -> int:
        return self.tiled.gaussians.depths.shape[1]

    @property
    def pairs(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self.tiled.flatten_ids)

    def in_view(self) -> Int64[Tensor, " m"]:
        """See `ProjectedGaussians.in_view`."""
        return torch.nonzero((self.tiled.gaussians.radii_px[0] > 0).all(dim=-1))[:, 0]

    @torch.no_grad()
    def subset(self, indices: Int64[Tensor, " m"]) -> "GsplatProjectedGaussians":
        """See `ProjectedGaussians.subset`."""
        every = self.tiled.gaussians
        parts = every.means2d_px, every.conics, every.depths, every.opacities, every.radii_px
        chosen = Gaussians2d(*(values[0].detach()[indices][None] for values in parts))
        return GsplatProjectedGaussians(self.camera, sort_into_tiles(chosen, self.tiled.size_px, self.tiled.tile_px))

    @torch.no_grad()
    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """See `ProjectedGaussians.splat_codes`."""
        return sparse_splat_triton.splat_codes(self.tiled, code, share, codes)

    @torch.no_grad()
    def lift_codes(
        self,
        pixels: PixelMixtures,
        first_row: int,
        codes: Int[Tensor, "t k"],
        shares: Float[Tensor, "t k"],
        out: Float[Tensor, "n c"],
    ) -> None:
        """See `ProjectedGaussians.lift_codes`."""
        sparse_splat_triton.lift_codes(self._lift_tiles, pixels, first_row, codes, shares, out)

    @cached_property
    def _lift_tiles(self) -> TiledGaussians:
        tiled = self.tiled
        same = tiled.tile_px == LIFT_TILE_PX
        return tiled if same else sort_into_tiles(tiled.gaussians, tiled.size_px, LIFT_TILE_PX)

    def _blended(
        self, features: Float[Tensor, "n c"], with_depth: bool
    ) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
        values = features.float()
        if with_depth:
            values = torch.cat([values, self.tiled.gaussians.depths[0, :, None]], dim=-1)
        pictures, alphas = self.tiled.rasterize(values[None])
        return pictures[0], alphas[0]


def _project(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"] | None,
    cameras: Sequence[Camera],
) -> Gaussians2d:
    """Gaussians in the pictures of cameras of one size."""
    means, rotations, scales, opacities = (values.float() for values in (means, rotations, scales, opacities))
    # gsplat neither draws what has an opacity of 0 nor computes its gradient, whatever its other numbers are.
    opacities = torch.where(well_formed(means, rotations, scales, opacities, features, cameras), opacities, 0)
    radii_px, means2d_px, depths, conics, _ = load_gsplat().fully_fused_projection(
        means,
        None,
        rotations,
        scales,
        *_matrices(cameras, means.device),
        cameras[0].width_px,
        cameras[0].height_px,
        eps2d=EPS2D_PX2,
        packed=False,
        near_plane=NEAR_PLANE,
        opacities=opacities.detach(),
    )
    return Gaussians2d(means2d_px, conics, depths, opacities.expand(len(cameras), -1), radii_px)


def _matrices(cameras: Sequence[Camera], device: torch.device) -> tuple[Float[Tensor, "v 4 4"], Float[Tensor, "v 3 3"]]:
    """camera_from_frame and the intrinsics of each camera, in one copy to the device."""
    numbers = np.zeros((len(cameras), 25))
    for row, camera in zip(numbers, cameras, strict=True):
        pose, intrinsics = np.eye(4), np.eye(3)
        pose[:3, :3] = camera.frame_from_camera[:3, :3].T
        pose[:3, 3] = -pose[:3, :3] @ camera.frame_from_camera[:3, 3]
        intrinsics[0] = camera.fx_px, 0, camera.cx_px
        intrinsics[1] = 0, camera.fy_px, camera.cy_px
        row[:16], row[16:] = pose.ravel(), intrinsics.ravel()
    both = to_device_async(numbers, device)
    return both[:, :16].reshape(-1, 4, 4), both[:, 16:].reshape(-1, 3, 3)
