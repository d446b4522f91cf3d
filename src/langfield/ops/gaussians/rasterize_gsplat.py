"""`ops.rasterize` on CUDA by gsplat's kernels, in float32.

gsplat's steps are called one by one, as its own `rasterization` does: the projection, the sorting of pairs of a tile
and a Gaussian, which waits for the device to say how many there are, and the drawing, as often as there are features.
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
from langfield.core.devices import sent
from langfield.ops.gaussians import sparse_splat_triton
from langfield.ops.gaussians.gsplat_kernels import load_gsplat
from langfield.ops.gaussians.pixel_rows import LIFTED_TILE_PX, PixelRows
from langfield.ops.gaussians.rasterize import BLUR_PX2, NEAR, Blended, Footprints, Projected, kept_gradient
from langfield.ops.gaussians.validity_triton import well_formed

TILE_PX = 16
_SMALL_TILE_PX = 8
_FEWEST_TILES = 1024
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
    packed: bool = False,
    tile_px: int | None = None,
) -> "GsplatProjected":
    """See `langfield.ops.gaussians.rasterize.project`. Args: tile_px: side of a tile, such that there are enough to
    keep a GPU busy, if not given; what is drawn does not depend on it."""
    tile_px = tile_px or _tile_px(camera)
    own = None if features is None else features[None]
    rows, shapes = _shapes(means, rotations, scales, opacities, own, [camera], packed)
    return GsplatProjected(camera, len(means), rows, in_tiles(shapes, (camera.width_px, camera.height_px), tile_px))


def _tile_px(camera: Camera) -> int:
    return TILE_PX if camera.width_px * camera.height_px >= _FEWEST_TILES * TILE_PX**2 else _SMALL_TILE_PX


def blend_all(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"],
    cameras: Sequence[Camera],
    footprints: bool = False,
) -> list[Blended]:
    """See `langfield.ops.gaussians.rasterize.blend_all`; the cameras are of one size."""
    _, shapes = _shapes(means, rotations, scales, opacities, features, cameras, packed=False)
    size_px = cameras[0].width_px, cameras[0].height_px
    prints: list[Footprints | None] = [None] * len(cameras)
    if footprints:
        centres_px, radius_px = kept_gradient(shapes.xy_px), shapes.radii_px.amax(dim=-1).float()
        prints = [Footprints(centres_px, radius_px[i], i, size_px) for i in range(len(cameras))]
    pictures, alphas = in_tiles(shapes, size_px).drawn(features.float())
    return [Blended(*seen) for seen in zip(pictures, alphas, prints, strict=True)]


@dataclass(frozen=True)
class Shapes:
    """What M Gaussians are in V pictures of one size. Those out of view have radii of 0 and any other numbers."""

    xy_px: Float[Tensor, "v m 2"]
    conic: Float[Tensor, "v m 3"]
    depth: Float[Tensor, "v m"]
    opacity: Float[Tensor, "v m"]
    radii_px: Int[Tensor, "v m 2"]


@dataclass(frozen=True)
class Tiled:
    """Gaussians in pictures of one size, and which of them are in which tile.

    Attributes:
        shapes: what they are there.
        size_px: width and height of the pictures.
        tile_px: side of a tile.
        gaussian: of each pair of a tile and a Gaussian, picture after picture, tile after tile, front to back; counted
            through all pictures.
        first: where each tile's pairs start.
    """

    shapes: Shapes
    size_px: tuple[int, int]
    tile_px: int
    gaussian: Int32[Tensor, " pairs"]
    first: Int32[Tensor, "v down across"]

    def drawn(self, values: Float[Tensor, "v m c"]) -> tuple[Float[Tensor, "v h w c"], Float[Tensor, "v h w"]]:
        """Σ w f and Σ w in each picture."""
        channels = values.shape[-1]
        if not channels:  # gsplat does not draw nothing
            values = values.new_zeros(*values.shape[:-1], 1)
        parts = [self._drawn(part) for part in values.split(CHANNELS_AT_ONCE, dim=-1)]
        pictures = parts[0][0] if len(parts) == 1 else torch.cat([part for part, _ in parts], dim=-1)
        return pictures[..., :channels], parts[0][1]

    def _drawn(self, values: Float[Tensor, "v m c"]) -> tuple[Float[Tensor, "v h w c"], Float[Tensor, "v h w"]]:
        shapes = self.shapes
        pictures, alphas = load_gsplat().rasterize_to_pixels(
            shapes.xy_px, shapes.conic, values, shapes.opacity, *self.size_px, self.tile_px, self.first, self.gaussian
        )
        return pictures, alphas[..., 0]


def in_tiles(shapes: Shapes, size_px: tuple[int, int], tile_px: int = TILE_PX) -> Tiled:
    """Sort the pairs of a tile and a Gaussian by picture, tile and depth."""
    gsplat = load_gsplat()
    across, down = (-(-side // tile_px) for side in size_px)
    _, keys, gaussian = gsplat.isect_tiles(shapes.xy_px, shapes.radii_px, shapes.depth, tile_px, across, down)
    first = gsplat.isect_offset_encode(keys, len(shapes.depth), across, down)
    return Tiled(shapes, size_px, tile_px, gaussian, first)


@dataclass(frozen=True)
class GsplatProjected(Projected):
    """Gaussians in the tiles of one picture.

    Attributes:
        all_given: how many Gaussians there are.
        rows: which of them are in the tiles' shapes; None for all.
        tiled: see `Tiled`.
    """

    camera: Camera
    all_given: int
    rows: Int64[Tensor, " m"] | None
    tiled: Tiled

    @property
    def device(self) -> torch.device:
        return self.tiled.first.device

    @property
    def count(self) -> int:
        return self.all_given

    @property
    def pairs(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self.tiled.gaussian)

    def in_view(self) -> Int64[Tensor, " m"]:
        """See `Projected.in_view`."""
        seen = torch.nonzero((self.tiled.shapes.radii_px[0] > 0).all(dim=-1))[:, 0]
        return seen if self.rows is None else self.rows[seen]

    @torch.no_grad()
    def only(self, numbers: Int64[Tensor, " m"]) -> "GsplatProjected":
        """See `Projected.only`."""
        rows = numbers
        if self.rows is not None:
            place = torch.full((self.count,), -1, device=numbers.device)
            place[self.rows] = torch.arange(len(self.rows), device=numbers.device)
            rows = place[numbers]
        every = self.tiled.shapes
        parts = every.xy_px, every.conic, every.depth, every.opacity, every.radii_px
        shapes = Shapes(*(_rows(values[0].detach(), rows)[None] for values in parts))
        return GsplatProjected(
            self.camera, len(numbers), None, in_tiles(shapes, self.tiled.size_px, self.tiled.tile_px)
        )

    @torch.no_grad()
    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """See `Projected.splat_codes`."""
        if self.rows is not None:
            code, share = code[self.rows], share[self.rows]
        return sparse_splat_triton.splat_codes(self.tiled, code, share, codes)

    @torch.no_grad()
    def lift_codes(
        self,
        said: PixelRows,
        first_row: int,
        codes: Int[Tensor, "t k"],
        shares: Float[Tensor, "t k"],
        out: Float[Tensor, "n c"],
    ) -> None:
        """See `Projected.lift_codes`."""
        sparse_splat_triton.lift_codes(self._in_small_tiles, self.rows, said, first_row, codes, shares, out)

    @cached_property
    def _in_small_tiles(self) -> Tiled:
        tiled = self.tiled
        same = tiled.tile_px == LIFTED_TILE_PX
        return tiled if same else in_tiles(tiled.shapes, tiled.size_px, LIFTED_TILE_PX)

    def _blended(
        self, features: Float[Tensor, "n c"], with_depth: bool
    ) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
        values = features.float() if self.rows is None else features.float()[self.rows]
        if with_depth:
            values = torch.cat([values, self.tiled.shapes.depth[0, :, None]], dim=-1)
        pictures, alphas = self.tiled.drawn(values[None])
        return pictures[0], alphas[0]


def _shapes(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"] | None,
    cameras: Sequence[Camera],
    packed: bool,
) -> tuple[Int64[Tensor, " m"] | None, Shapes]:
    """Gaussians in the pictures of cameras of one size; `packed`, of one camera, those in view only, and their rows."""
    means, rotations, scales, opacities = (values.float() for values in (means, rotations, scales, opacities))
    # gsplat neither draws what has an opacity of 0 nor computes its gradient, whatever its other numbers are.
    opacities = torch.where(well_formed(means, rotations, scales, opacities, features, cameras), opacities, 0)
    made = load_gsplat().fully_fused_projection(
        means,
        None,
        rotations,
        scales,
        *_matrices(cameras, means.device),
        cameras[0].width_px,
        cameras[0].height_px,
        eps2d=BLUR_PX2,
        packed=packed,
        near_plane=NEAR,
        opacities=opacities.detach(),
    )
    if packed:
        _, _, rows, *shapes, _ = made
        radii, xy_px, depth, conic = (values[None] for values in shapes)
        return rows, Shapes(xy_px, conic, depth, opacities[rows][None], radii)
    radii, xy_px, depth, conic, _ = made
    return None, Shapes(xy_px, conic, depth, opacities.expand(len(cameras), -1), radii)


def _matrices(cameras: Sequence[Camera], device: torch.device) -> tuple[Float[Tensor, "v 4 4"], Float[Tensor, "v 3 3"]]:
    """camera_from_frame and the intrinsics of each, in one copy to the device."""
    numbers = np.zeros((len(cameras), 25))
    for row, camera in zip(numbers, cameras, strict=True):
        pose, intrinsics = np.eye(4), np.eye(3)
        pose[:3, :3] = camera.world_from_camera[:3, :3].T
        pose[:3, 3] = -pose[:3, :3] @ camera.world_from_camera[:3, 3]
        intrinsics[0] = camera.fx_px, 0, camera.cx_px
        intrinsics[1] = 0, camera.fy_px, camera.cy_px
        row[:16], row[16:] = pose.ravel(), intrinsics.ravel()
    both = sent(numbers, device)
    return both[:, :16].reshape(-1, 4, 4), both[:, 16:].reshape(-1, 3, 3)


def _rows(values: Shaped[Tensor, "m ..."], numbers: Int64[Tensor, " k"]) -> Shaped[Tensor, "k ..."]:
    """Rows by number; −1 is a row of zeros."""
    if not len(values):
        return values.new_zeros(len(numbers), *values.shape[1:])
    there = (numbers >= 0).view(-1, *([1] * (values.ndim - 1)))
    return torch.where(there, values[numbers.clamp_min(0)], 0)
