"""The surface of a run as coloured points: the depth maps of its cameras, thinned to one point a voxel and cleaned.

A depth map shows some pixels where nothing is: between two surfaces, and where few photos looked. A point stays if

* at least two views see it, and four times as many as look through it (a view that sees something in front says
  nothing); what is less than six pixels apart along a ray counts as the same;
* the pixels in the cube of six pixels' side about it cover a face of that cube often enough: five times, or, of fewer
  than fifty views, a tenth as often as there are views. A few stray pixels are no surface.

The numbers are of `breakfast` as `lift` on a CPU: docs/benchmarks/nano-and-lift.md.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.sampling import subsample_evenly
from langfield.core.transforms import Similarity
from langfield.core.voxels import KEY_BITS, voxel_keys
from langfield.models.geometry import shows_one_surface
from langfield.query.index.consistency import SLACK_PX, consistent

MAX_VIEWS = 100
SIDE_PX = {"cuda": 640, "cpu": 160}  # longest side of the rendered pictures, by the device that renders them
_MIN_VIEWS = 2
_SEES_PER_LOOK_THROUGH = 4
_MIN_COVERAGE = 5
_MIN_COVERAGE_PER_VIEW = 0.1  # until it is `_MIN_COVERAGE`


@dataclass(frozen=True)
class SurfacePoints:
    """M points of a surface, in the world frame.

    Attributes:
        xyz: mean position of the pixels' points in each voxel.
        rgb: their mean colour.
        area: what those pixels cover, squared world units: the sum of (depth / focal length)².
        pixels: how many they are.
        min_coverage: how often pixels must cover a voxel's face, at least, for the voxel to hold a surface.
    """

    xyz: Float64[np.ndarray, "m 3"]
    rgb: UInt8[np.ndarray, "m 3"]
    area: Float64[np.ndarray, " m"]
    pixels: Float64[np.ndarray, " m"]
    min_coverage: float

    def __len__(self) -> int:
        return len(self.xyz)

    def thinned(self, voxel_size_world: float) -> "SurfacePoints":
        """One point for each voxel of a side (world units) that pixels cover often enough; all if none is.

        Raises UsageError for a side that is not positive, or too small for the scene.
        """
        sums = _VoxelSums.none(self.xyz.mean(axis=0), voxel_size_world)
        sums = sums.with_points(self.xyz, self.rgb, self.area, self.pixels)
        covered = sums.area >= self.min_coverage * voxel_size_world**2
        return (sums.subset(covered) if covered.any() else sums).points(self.min_coverage)


def surface_points(
    cameras: Sequence[Camera],
    picture: Callable[[Camera], tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]],
    *,
    side_px: int,
    device: torch.device | str = "cpu",
    progress: Progress = silent,
) -> SurfacePoints:
    """What cameras see (100 of them, evenly spread, if there are more), one point a voxel, cleaned: see the module.

    A voxel is as large as what a pixel covers at the median depth of the first view. The depth map of each view is
    backprojected, without pixels that show no surface or lie between two (`on_one_surface`). Memory: the depth maps,
    and the voxels that hold points.

    Args:
        cameras: of the world frame.
        picture: a camera's colours and z-depth in world units, not finite where nothing is.
        side_px: longest side of the pictures.
        device: where points are compared with depth maps.

    Raises UsageError if no surface is seen.
    """
    chosen = [camera.fit_within(side_px) for camera in subsample_evenly(cameras, MAX_VIEWS)]
    start, sums, depths = time.monotonic(), None, []
    for done, camera in enumerate(chosen, start=1):
        rgb, depth = picture(camera)
        depths.append(depth)
        kept, valid = on_one_surface(depth), camera.valid_pixels()
        if valid is not None:
            kept &= valid
        xyz = backprojected(camera, depth)[kept]
        if len(xyz):
            if sums is None:
                sums = _VoxelSums.none(xyz.mean(axis=0), float(np.median(depth[kept])) / camera.fx_px)
            area = (depth[kept].astype(np.float64) / camera.fx_px) * (depth[kept] / camera.fy_px)
            sums = sums.with_points(xyz, rgb[kept], area, np.ones(len(xyz)))
        progress(ProgressEvent("surface", done, len(chosen), "views", time.monotonic() - start))
    if sums is None:
        raise UsageError("no camera of this run sees a surface: train it for longer")
    min_coverage = min(_MIN_COVERAGE, _MIN_COVERAGE_PER_VIEW * len(chosen))
    return _cleaned(sums, chosen, depths, min_coverage, torch.device(device)).points(min_coverage)


def on_one_surface(depth: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels with a finite positive depth that differs by less than a tenth from that of each of their 4 neighbours."""
    return shows_one_surface(torch.from_numpy(depth)).numpy()


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
    """Sums over the pixels in each of M voxels.

    Attributes:
        origin: world position that the voxels' grid starts from.
        key: of each voxel, rising (`voxel_keys`).
        pixels: how many pixels each holds.
        area: what they cover, squared world units.
        sums: of their positions relative to `origin` (3) and of their colours (3).
    """

    origin: Float64[np.ndarray, "3"]
    voxel_size_world: float
    key: Int64[np.ndarray, " m"]
    pixels: Float64[np.ndarray, " m"]
    area: Float64[np.ndarray, " m"]
    sums: Float64[np.ndarray, "m 6"]

    @classmethod
    def none(cls, origin: Float64[np.ndarray, "3"], voxel_size_world: float) -> "_VoxelSums":
        if not 0 < voxel_size_world < np.inf:
            raise UsageError(f"the cubes' side must be positive, got {voxel_size_world:g}")
        return cls(origin, voxel_size_world, np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros((0, 6)))

    def with_points(
        self,
        xyz: Float64[np.ndarray, "n 3"],
        rgb: UInt8[np.ndarray, "n 3"],
        area: Float64[np.ndarray, " n"],
        pixels: Float64[np.ndarray, " n"],
    ) -> "_VoxelSums":
        """With N more points, each the mean of so many pixels."""
        offset = xyz - self.origin
        place = np.floor(offset / self.voxel_size_world)
        inside = (np.abs(place) < 2 ** (KEY_BITS - 1)).all(axis=1)
        if inside.mean() < 0.5:
            raise UsageError(f"cubes of {self.voxel_size_world:g} are too small for this scene: ask for larger ones")
        values = np.concatenate([offset, rgb], axis=1) * pixels[:, None]
        keys, voxel_of = np.unique(
            np.concatenate([self.key, voxel_keys(place[inside].astype(np.int64))]), return_inverse=True
        )

        def together(ours: np.ndarray, more: np.ndarray) -> Float64[np.ndarray, " m"]:
            return np.bincount(voxel_of, np.concatenate([ours, more[inside]]), len(keys))

        sums = np.stack([together(*columns) for columns in zip(self.sums.T, values.T, strict=True)], axis=1)
        return replace(self, key=keys, pixels=together(self.pixels, pixels), area=together(self.area, area), sums=sums)

    def subset(self, which: Bool[np.ndarray, " m"]) -> "_VoxelSums":
        return replace(
            self, key=self.key[which], pixels=self.pixels[which], area=self.area[which], sums=self.sums[which]
        )

    def offsets(self) -> Float64[np.ndarray, "m 3"]:
        """The voxels' mean positions, from the origin."""
        return self.sums[:, :3] / self.pixels[:, None]

    def points(self, min_coverage: float) -> SurfacePoints:
        rgb = np.round(self.sums[:, 3:] / self.pixels[:, None]).astype(np.uint8)
        return SurfacePoints(self.offsets() + self.origin, rgb, self.area, self.pixels, min_coverage)


def _cleaned(
    sums: _VoxelSums,
    cameras: Sequence[Camera],
    depths: Sequence[Float32[np.ndarray, "_h _w"]],
    min_coverage: float,
    device: torch.device,
) -> _VoxelSums:
    """The voxels whose points are consistent between views and lie among enough others; all if none is."""
    offsets = sums.offsets()
    here = Similarity(np.eye(3), -sums.origin)  # so that far-away world origins cost no digits
    kept = (
        consistent(
            torch.from_numpy(offsets).float().to(device),
            [camera.moved(here) for camera in cameras],
            [torch.from_numpy(depth).to(device) for depth in depths],
            _MIN_VIEWS,
            _SEES_PER_LOOK_THROUGH,
        )
        .cpu()
        .numpy()
    )
    side = SLACK_PX * sums.voxel_size_world
    _, cube = np.unique(np.floor(offsets / side).astype(np.int64), axis=0, return_inverse=True)
    cube = cube.reshape(-1)
    kept &= np.bincount(cube, sums.area * kept)[cube] >= min_coverage * side**2
    return sums.subset(kept) if kept.any() else sums
