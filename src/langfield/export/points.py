"""The surface of a run as coloured points: the depth maps of its cameras, thinned to one point a voxel."""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.sampling import subsample_evenly
from langfield.core.voxels import KEY_BITS, voxel_keys
from langfield.query.session import Session

MAX_VIEWS = 100
_SIDE_PX = {"cuda": 640, "cpu": 160}
_MAX_RELATIVE_JUMP = (
    0.1  # of depth, between neighbours: at such a pixel two surfaces meet, and its depth may lie between them
)


@dataclass(frozen=True)
class SurfacePoints:
    """M points of a surface, in the world frame.

    Attributes:
        xyz: mean position of the points of each voxel.
        rgb: their mean colour.
        voxel_size_world: side of the voxels, world units.
    """

    xyz: Float64[np.ndarray, "m 3"]
    rgb: UInt8[np.ndarray, "m 3"]
    voxel_size_world: float


def surface_points(
    session: Session, *, voxel_size_world: float | None = None, side_px: int | None = None, progress: Progress = silent
) -> SurfacePoints:
    """What the run's training cameras see (100 of them, evenly spread, if there are more), in the world frame.

    The depth map of each is backprojected, without pixels that show no surface or lie between two (`on_one_surface`).
    Memory grows with the voxels that hold points, not with pixels times views.

    Args:
        voxel_size_world: side of the voxels that keep one point each, world units; None is what a pixel covers at the
            median depth of the first view.
        side_px: longest side of the rendered pictures; None is 640 on a GPU and 160 on a CPU.

    Raises UsageError if no surface is seen, or voxels are too small for the scene.
    """
    if voxel_size_world is not None and not 0 < voxel_size_world < np.inf:
        raise UsageError(f"the cubes' side must be positive, got {voxel_size_world:g}")
    views = [view for view in session.views if view.split == "train"] or list(session.views)
    chosen = subsample_evenly(views, MAX_VIEWS)
    longest_px = side_px or _SIDE_PX[session.device.type]
    start, sums_by_voxel = time.monotonic(), None
    for done, view in enumerate(chosen, start=1):
        camera = view.camera.fit_within(longest_px)
        rgb, depth = session.picture(camera)
        kept = on_one_surface(depth)
        xyz = backprojected(camera, depth)[kept]
        if len(xyz):
            if sums_by_voxel is None:
                voxel_size_world = voxel_size_world or float(np.median(depth[kept])) / camera.fx_px
                sums_by_voxel = _VoxelSums.none(xyz.mean(axis=0), voxel_size_world)
            sums_by_voxel = sums_by_voxel.with_points(xyz, rgb[kept])
        progress(ProgressEvent("surface", done, len(chosen), "views", time.monotonic() - start))
    if sums_by_voxel is None:
        raise UsageError("no camera of this run sees a surface: train it for longer")
    return SurfacePoints(*sums_by_voxel.means(), sums_by_voxel.voxel_size_world)


def on_one_surface(depth: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels with a finite positive depth that differs by less than a tenth from that of each of their 4 neighbours."""
    there = np.isfinite(depth) & (depth > 0)
    z = np.where(there, depth, 0)
    kept = there.copy()
    for axis in (0, 1):
        near, far = (np.take(z, range(low, z.shape[axis] + low - 1), axis=axis) for low in (0, 1))
        jumps = np.abs(near - far) > _MAX_RELATIVE_JUMP * np.minimum(near, far)
        before, after = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
        before[axis], after[axis] = (1, 0), (0, 1)
        kept &= ~np.pad(jumps, before) & ~np.pad(jumps, after)
    return kept


def backprojected(camera: Camera, depth: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w 3"]:
    """The world point of each pixel at its z-depth (world units), for any lens; not finite where the depth is not."""
    local = replace(camera, world_from_camera=np.eye(4))  # so that far-away world origins cost no digits
    pixels = local.pixel_centres().reshape(-1, 2)
    rays = Cameras.from_list([local]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
    per_depth = (rays.directions / rays.z_per_distance[:, None]).double().numpy().reshape(*depth.shape, 3)
    pose = camera.world_from_camera
    with np.errstate(invalid="ignore"):
        return (per_depth * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]


@dataclass(frozen=True)
class _VoxelSums:
    """Sums over the points of each of M voxels.

    Attributes:
        origin: world position that the voxels' grid starts from.
        key: of each voxel, rising (`voxel_keys`).
        count: how many points it holds.
        sums: of their positions relative to `origin` (3) and of their colours (3).
    """

    origin: Float64[np.ndarray, "3"]
    voxel_size_world: float
    key: Int64[np.ndarray, " m"]
    count: Float64[np.ndarray, " m"]
    sums: Float64[np.ndarray, "m 6"]

    @classmethod
    def none(cls, origin: Float64[np.ndarray, "3"], voxel_size_world: float) -> "_VoxelSums":
        return cls(origin, voxel_size_world, np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 6)))

    def with_points(self, xyz: Float64[np.ndarray, "n 3"], rgb: UInt8[np.ndarray, "n 3"]) -> "_VoxelSums":
        offset = xyz - self.origin
        place = np.floor(offset / self.voxel_size_world)
        inside = (np.abs(place) < 2 ** (KEY_BITS - 1)).all(axis=1)
        if inside.mean() < 0.5:
            raise UsageError(f"cubes of {self.voxel_size_world:g} are too small for this scene: ask for larger ones")
        key = np.concatenate([self.key, voxel_keys(place[inside].astype(np.int64))])
        sums = np.concatenate([self.sums, np.concatenate([offset[inside], rgb[inside]], axis=1)])
        count = np.concatenate([self.count, np.ones(int(inside.sum()))])
        keys, voxel_of = np.unique(key, return_inverse=True)
        together = np.stack([np.bincount(voxel_of, column, len(keys)) for column in sums.T], axis=1)
        return replace(self, key=keys, count=np.bincount(voxel_of, count, len(keys)), sums=together)

    def means(self) -> tuple[Float64[np.ndarray, "m 3"], UInt8[np.ndarray, "m 3"]]:
        means = self.sums / self.count[:, None]
        return means[:, :3] + self.origin, np.round(means[:, 3:]).astype(np.uint8)
