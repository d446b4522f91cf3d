"""The surface of a run as coloured points: the depth of what its cameras see, thinned to one point a cube."""

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

MOST_VIEWS = 100
_SIDE_PX = {"cuda": 640, "cpu": 160}
_JUMP = 0.1  # of depth, between neighbours: at such a pixel two surfaces meet, and its depth may lie between them


@dataclass(frozen=True)
class SurfacePoints:
    """M points of a surface, in the world frame.

    Attributes:
        xyz, rgb: mean position and colour of what lies in each cube.
        cube_world: side of the cubes, world units.
    """

    xyz: Float64[np.ndarray, "m 3"]
    rgb: UInt8[np.ndarray, "m 3"]
    cube_world: float


def surface_points(
    session: Session, *, cube_world: float | None = None, side_px: int | None = None, progress: Progress = silent
) -> SurfacePoints:
    """What the run's training cameras see (evenly spread ones of more than 100), in the world frame.

    Pixels without a surface, and those between two surfaces (depth differs by a tenth from a neighbour's), are left
    out. Memory grows with the points that are kept, not with pixels times views.

    Args:
        cube_world: side of the cubes that keep one point each, world units; None is what a pixel typically covers.
        side_px: longest side of the rendered pictures; None is 640 on a GPU and 160 on a CPU.

    Raises UsageError if nothing is seen, or cubes are too small for the scene.
    """
    if cube_world is not None and not 0 < cube_world < np.inf:
        raise UsageError(f"the cubes' side must be positive, got {cube_world:g}")
    views = [view for view in session.views if view.split == "train"] or list(session.views)
    chosen = subsample_evenly(views, MOST_VIEWS)
    longest_px = side_px or _SIDE_PX[session.device.type]
    start, thinned = time.monotonic(), None
    for done, view in enumerate(chosen, start=1):
        camera = view.camera.fit_within(longest_px)
        rgb, depth = session.picture(camera)
        kept = on_one_surface(depth)
        xyz = unprojected(camera, depth)[kept]
        if len(xyz):
            if thinned is None:
                cube_world = cube_world or float(np.median(depth[kept])) / camera.fx_px
                thinned = _Thinned.none(xyz.mean(axis=0), cube_world)
            thinned = thinned.with_points(xyz, rgb[kept])
        progress(ProgressEvent("surface", done, len(chosen), "views", time.monotonic() - start))
    if thinned is None:
        raise UsageError("no camera of this run sees a surface: train it for longer")
    return SurfacePoints(*thinned.means(), thinned.cube_world)


def on_one_surface(depth: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels with a finite positive depth that differs little from each neighbour's (an infinite one differs)."""
    there = np.isfinite(depth) & (depth > 0)
    z = np.where(there, depth, 0)
    kept = there.copy()
    for axis in (0, 1):
        near, far = (np.take(z, range(low, z.shape[axis] + low - 1), axis=axis) for low in (0, 1))
        jumps = np.abs(near - far) > _JUMP * np.minimum(near, far)
        before, after = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
        before[axis], after[axis] = (1, 0), (0, 1)
        kept &= ~np.pad(jumps, before) & ~np.pad(jumps, after)
    return kept


def unprojected(camera: Camera, depth: Float32[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w 3"]:
    """World points of all pixels' z-depths; of any lens. Not finite where the depth is not."""
    local = replace(camera, world_from_camera=np.eye(4))  # so that far-away world origins cost no digits
    pixels = local.pixel_centres().reshape(-1, 2)
    rays = Cameras.from_list([local]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
    per_depth = (rays.directions / rays.z_per_distance[:, None]).double().numpy().reshape(*depth.shape, 3)
    pose = camera.world_from_camera
    with np.errstate(invalid="ignore"):
        return (per_depth * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]


@dataclass(frozen=True)
class _Thinned:
    """Sums over the points of each cube that has some: its number, how many, positions from `origin`, colours."""

    origin: Float64[np.ndarray, "3"]
    cube_world: float
    number: Int64[np.ndarray, " m"]
    count: Float64[np.ndarray, " m"]
    sums: Float64[np.ndarray, "m 6"]

    @classmethod
    def none(cls, origin: Float64[np.ndarray, "3"], cube_world: float) -> "_Thinned":
        return cls(origin, cube_world, np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 6)))

    def with_points(self, xyz: Float64[np.ndarray, "n 3"], rgb: UInt8[np.ndarray, "n 3"]) -> "_Thinned":
        offset = xyz - self.origin
        place = np.floor(offset / self.cube_world)
        inside = (np.abs(place) < 2 ** (KEY_BITS - 1)).all(axis=1)
        if inside.mean() < 0.5:
            raise UsageError(f"cubes of {self.cube_world:g} are too small for this scene: ask for larger ones")
        number = np.concatenate([self.number, voxel_keys(place[inside].astype(np.int64))])
        sums = np.concatenate([self.sums, np.concatenate([offset[inside], rgb[inside]], axis=1)])
        count = np.concatenate([self.count, np.ones(int(inside.sum()))])
        unique, back = np.unique(number, return_inverse=True)
        together = np.stack([np.bincount(back, column, len(unique)) for column in sums.T], axis=1)
        return replace(self, number=unique, count=np.bincount(back, count, len(unique)), sums=together)

    def means(self) -> tuple[Float64[np.ndarray, "m 3"], UInt8[np.ndarray, "m 3"]]:
        means = self.sums / self.count[:, None]
        return means[:, :3] + self.origin, np.round(means[:, 3:]).astype(np.uint8)
