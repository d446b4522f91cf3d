"""`ops.rasterize.project` on CUDA by gsplat's kernels, in float32.

Its steps are called one by one, as gsplat's own `rasterization` does: the projection, the sorting of pairs of a tile
and a Gaussian, which waits for the device to say how many there are, and the drawing, as often as there are features.
"""

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, Int64, Shaped
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.ops.rasterize import BLUR_PX2, NEAR, Projected
from langfield.ops.rasterize_triton import well_formed

TILE_PX = 16
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
    tile_px: int = TILE_PX,
) -> "GsplatProjected":
    """See `langfield.ops.rasterize.project`. Args: tile_px: side of a tile; what is drawn does not depend on it."""
    gsplat = _gsplat()
    means, rotations, scales, opacities = (values.float() for values in (means, rotations, scales, opacities))
    # gsplat neither draws what has an opacity of 0 nor computes its gradient, whatever its other numbers are.
    drawn = well_formed(means, rotations, scales, opacities, features, camera)
    opacities = torch.where(drawn, opacities, 0)
    pose, intrinsics = _matrices(camera, means.device)
    made = gsplat.fully_fused_projection(
        means,
        None,
        rotations,
        scales,
        pose[None],
        intrinsics[None],
        camera.width_px,
        camera.height_px,
        eps2d=BLUR_PX2,
        packed=packed,
        near_plane=NEAR,
        opacities=opacities.detach(),
    )
    if packed:
        _, _, rows, radii, xy_px, depth, conic, _ = made
        opacity = opacities[rows]
    else:
        radii, xy_px, depth, conic = (values[0] for values in made[:4])
        rows, opacity = None, opacities
    gaussian, first = _pairs(xy_px, radii, depth, camera, tile_px)
    return GsplatProjected(camera, len(means), rows, xy_px, conic, depth, opacity, radii, gaussian, first, tile_px)


@dataclass(frozen=True)
class GsplatProjected(Projected):
    """Gaussians in the picture, and which of them are in which tile. Those out of view have radii of 0 and any numbers.

    Attributes:
        all_given: how many Gaussians there are.
        rows: which of them the following are; None for all.
        xy_px, conic, depth, opacity, radii_px: what they are in the picture.
        gaussian: of each pair of a tile and a Gaussian, tile after tile, front to back.
        first: where each tile's pairs start.
        tile_px: side of a tile.
    """

    camera: Camera
    all_given: int
    rows: Int64[Tensor, " m"] | None
    xy_px: Float[Tensor, "m 2"]
    conic: Float[Tensor, "m 3"]
    depth: Float[Tensor, " m"]
    opacity: Float[Tensor, " m"]
    radii_px: Int[Tensor, "m 2"]
    gaussian: Int32[Tensor, " pairs"]
    first: Int32[Tensor, "1 down across"]
    tile_px: int

    @property
    def device(self) -> torch.device:
        return self.xy_px.device

    @property
    def count(self) -> int:
        return self.all_given

    @property
    def pairs(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return len(self.gaussian)

    def in_view(self) -> Int64[Tensor, " m"]:
        """See `Projected.in_view`."""
        seen = torch.nonzero((self.radii_px > 0).all(dim=-1))[:, 0]
        return seen if self.rows is None else self.rows[seen]

    @torch.no_grad()
    def only(self, numbers: Int64[Tensor, " m"]) -> "GsplatProjected":
        """See `Projected.only`."""
        rows = numbers
        if self.rows is not None:
            place = torch.full((self.count,), -1, device=numbers.device)
            place[self.rows] = torch.arange(len(self.rows), device=numbers.device)
            rows = place[numbers]
        xy_px, conic, depth, opacity, radii = (
            _rows(values.detach(), rows) for values in (self.xy_px, self.conic, self.depth, self.opacity, self.radii_px)
        )
        gaussian, first = _pairs(xy_px, radii, depth, self.camera, self.tile_px)
        return GsplatProjected(
            self.camera, len(numbers), None, xy_px, conic, depth, opacity, radii, gaussian, first, self.tile_px
        )

    def _blended(
        self, features: Float[Tensor, "n c"], with_depth: bool
    ) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
        values = features.float() if self.rows is None else features.float()[self.rows]
        if with_depth:
            values = torch.cat([values, self.depth[:, None]], dim=-1)
        channels = values.shape[1]
        if not channels:  # gsplat does not draw nothing
            values = values.new_zeros(len(values), 1)
        drawn = [self._drawn(part) for part in values.split(CHANNELS_AT_ONCE, dim=1)]
        picture = drawn[0][0] if len(drawn) == 1 else torch.cat([part for part, _ in drawn], dim=-1)
        return picture[..., :channels], drawn[0][1]

    def _drawn(self, values: Float[Tensor, "m c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w"]]:
        pictures, alphas = _gsplat().rasterize_to_pixels(
            self.xy_px[None],
            self.conic[None],
            values[None],
            self.opacity[None],
            self.camera.width_px,
            self.camera.height_px,
            self.tile_px,
            self.first,
            self.gaussian,
        )
        return pictures[0], alphas[0, ..., 0]


def _rows(values: Shaped[Tensor, "m ..."], numbers: Int64[Tensor, " k"]) -> Shaped[Tensor, "k ..."]:
    """Rows by number; −1 is a row of zeros."""
    if not len(values):
        return values.new_zeros(len(numbers), *values.shape[1:])
    there = (numbers >= 0).view(-1, *([1] * (values.ndim - 1)))
    return torch.where(there, values[numbers.clamp_min(0)], 0)


def _matrices(camera: Camera, device: torch.device) -> tuple[Float[Tensor, "4 4"], Float[Tensor, "3 3"]]:
    """camera_from_frame and the intrinsics, in one copy to the device."""
    pose = np.eye(4)
    pose[:3, :3] = camera.world_from_camera[:3, :3].T
    pose[:3, 3] = -pose[:3, :3] @ camera.world_from_camera[:3, 3]
    intrinsics = np.array([[camera.fx_px, 0, camera.cx_px], [0, camera.fy_px, camera.cy_px], [0, 0, 1]])
    both = torch.from_numpy(np.concatenate([pose.ravel(), intrinsics.ravel()]).astype(np.float32)).to(device)
    return both[:16].view(4, 4), both[16:].view(3, 3)


def _pairs(
    xy_px: Float[Tensor, "m 2"],
    radii_px: Int[Tensor, "m 2"],
    depth: Float[Tensor, " m"],
    camera: Camera,
    tile_px: int,
) -> tuple[Int32[Tensor, " pairs"], Int32[Tensor, "1 down across"]]:
    """Pairs of a tile and a Gaussian, sorted by tile and then by depth, and where each tile's begin."""
    gsplat = _gsplat()
    across, down = -(-camera.width_px // tile_px), -(-camera.height_px // tile_px)
    _, keys, gaussian = gsplat.isect_tiles(xy_px[None], radii_px[None], depth[None], tile_px, across, down)
    return gaussian, gsplat.isect_offset_encode(keys, 1, across, down)


@cache
def _gsplat() -> Any:
    """The module gsplat, with its kernels; built on first use where no built ones came with it."""
    try:
        gsplat = importlib.import_module("gsplat")
        kernels = importlib.import_module("gsplat.cuda._backend")
    except ImportError as error:
        raise UsageError("drawing Gaussians on a GPU needs gsplat: pip install 'langfield[gpu]'") from error
    if getattr(kernels, "_C", None) is None:
        raise UsageError("gsplat has no kernels: install CUDA's compiler (nvcc) to build them, or use --device cpu")
    return gsplat
