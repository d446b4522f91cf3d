"""What cameras see of a radiance field: points on its surface, each with the samples that its language is read from.

Points are thinned to one for each voxel and view. A voxel's side is an eighth of the height of the smallest crops
there, below which the field has no detail. Sides are rounded to powers of two, so that all views have the same voxels.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import RunError
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.sampling import every_nth_to_fit
from langfield.core.voxels import voxel_keys
from langfield.models.base import Rendered
from langfield.models.geometry import distance_and_points
from langfield.models.nerf.volume import VolumeModel
from langfield.renderers.volume import SurfaceSamples, join_samples

SIDE_SHARE_OF_CROP = 1 / 8
_PIXELS_PER_SIDE = 2
_PIXELS_PER_ELEMENT = 16  # rendered in all views together
_CONSISTENCY_VIEWS = 16
DEPTH_SLACK = 3  # in voxel sides: points less far apart along a ray count as the same surface
_KEY_BITS = 18  # of a voxel's index along each axis; the exponent of its side takes 8 more


@dataclass(frozen=True)
class SurfaceObservations:
    """S surface points as V views see them, at most one for each voxel and view.

    Attributes:
        points: (S, 3) positions, scene frame.
        rgb: (S, 3) mean colour of the view's pixels in the voxel, in [0, 1].
        samples: those that carry the embeddings of the S rays to the points.
        view: (S,) the view that each is of, ascending.
        camera_centres: (V, 3) the views' cameras, scene frame.
    """

    points: Float[Tensor, "s 3"]
    rgb: Float[Tensor, "s 3"]
    samples: SurfaceSamples
    view: Int64[Tensor, " s"]
    camera_centres: Float[Tensor, "v 3"]

    def __len__(self) -> int:
        return len(self.points)

    def subset(self, which: Bool[Tensor, " s"]) -> "SurfaceObservations":
        """Those where `which` is true, of the same views."""
        part, _ = self.samples.of_rays(torch.nonzero(which)[:, 0])
        return SurfaceObservations(self.points[which], self.rgb[which], part, self.view[which], self.camera_centres)


@dataclass(frozen=True)
class CropSizedVoxels:
    """Voxels whose side follows the height of the smallest crops at a place.

    Attributes:
        observed: crop sizes and camera centres of the training photos.
        factor: sides are `SIDE_SHARE_OF_CROP` crop heights times this.
    """

    observed: ObservedScales
    factor: float = 1.0

    def sides(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Side of the voxel that each point is in, scene units: as wanted, but for a factor of at most √2."""
        return SIDE_SHARE_OF_CROP * self.factor * torch.exp2(self._octaves(points))

    def keys(self, points: Float[Tensor, "n 3"]) -> tuple[Int64[Tensor, " n"], Float[Tensor, "n 3"]]:
        """An integer that identifies the voxel of each point, and the voxel's centre."""
        octave, side = self._octaves(points), self.sides(points)[:, None]
        half = 2 ** (_KEY_BITS - 1)
        corner = (points / side).floor().clamp(-half, half - 1)
        key = (octave.long() + 128) << (3 * _KEY_BITS) | voxel_keys(corner.long(), _KEY_BITS)
        return key, (corner + 0.5) * side

    def _octaves(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """log₂ of the height of the smallest crop at each point, rounded."""
        crop = self.observed.crop_angles[0] * self.observed.typical_distance(points)
        return crop.clamp_min(1e-9).log2().round().clamp(-100, 100)


def observation_cameras(cameras: Sequence[Camera], smallest_angle: float, max_elements: int) -> list[Camera]:
    """The cameras with pictures of two pixels for a voxel's side at the typical distance of photos.

    They have no more pixels than before, and all together no more than 16 for each of `max_elements`.

    Args:
        smallest_angle: height of the smallest crop over focal length.
    """
    focal_px = _PIXELS_PER_SIDE / (SIDE_SHARE_OF_CROP * smallest_angle)
    max_pixels = _PIXELS_PER_ELEMENT * max_elements / len(cameras)
    rasters = []
    for camera in cameras:
        width, height = camera.width_px, camera.height_px
        factor = min(1.0, focal_px / camera.fy_px, (max_pixels / (width * height)) ** 0.5)
        rasters.append(camera.resized(max(8, round(width * factor)), max(8, round(height * factor))))
    return rasters


@torch.no_grad()
def observe_surface(
    model: VolumeModel[Any], cameras: Sequence[Camera], voxels: CropSizedVoxels, progress: Progress = silent
) -> SurfaceObservations:
    """Render cameras of the scene frame, and keep one pixel for each voxel and view, the nearest to the voxel's centre.

    Points that more views see through than see are dropped: they are floaters, or lie between the two sides of a depth
    edge.

    Raises:
        RunError: no camera sees a surface.
    """
    of_views: list[tuple[Tensor, Tensor, SurfaceSamples]] = []
    depths: list[Tensor] = []
    start = time.monotonic()
    for number, camera in enumerate(cameras, start=1):
        rendered, samples = model.surface(camera)
        assert samples is not None
        assert rendered.depth_scene is not None
        of_views.append(_thinned(camera, rendered, samples, voxels))
        depths.append(rendered.depth_scene)
        progress(ProgressEvent("surface", number, len(cameras), "views", time.monotonic() - start))
    points = torch.cat([points for points, _, _ in of_views])
    counts = torch.tensor([len(points) for points, _, _ in of_views], device=points.device)
    observations = SurfaceObservations(
        points,
        torch.cat([rgb for _, rgb, _ in of_views]),
        join_samples([samples for _, _, samples in of_views]),
        torch.repeat_interleave(torch.arange(len(cameras), device=points.device), counts),
        torch.stack([torch.tensor(camera.frame_from_camera[:3, 3]).to(points) for camera in cameras]),
    )
    if not len(observations):
        raise RunError("shows no surface to its training photos' cameras: train it longer, or check the photos' poses")
    views = every_nth_to_fit(list(zip(cameras, depths, strict=True)), _CONSISTENCY_VIEWS)
    return observations.subset(_consistent(observations.points, voxels.sides(observations.points), views))


def _thinned(
    camera: Camera, rendered: Rendered, samples: SurfaceSamples, voxels: CropSizedVoxels
) -> tuple[Float[Tensor, "s 3"], Float[Tensor, "s 3"], SurfaceSamples]:
    """The surface that one view shows, a pixel for each voxel: points, mean colours of voxels, samples."""
    assert rendered.depth_scene is not None
    _, points = distance_and_points(rendered.depth_scene, camera)
    assert rendered.rgb is not None
    shown = torch.nonzero(points.isfinite().all(dim=-1))[:, 0]
    points, rgb = points[shown], rendered.rgb.reshape(-1, 3)[shown].float()
    keys, centres = voxels.keys(points)
    _, voxel, count = keys.unique(return_inverse=True, return_counts=True)
    order = (points - centres).norm(dim=-1).argsort(stable=True)
    order = order[voxel[order].argsort(stable=True)]  # by voxel, and within it from its centre outwards
    best = order[count.cumsum(0) - count].sort().values
    mean = torch.zeros(len(count), 3, device=rgb.device).index_add_(0, voxel, rgb) / count[:, None]
    return points[best], mean[voxel[best]], samples.of_rays(shown[best])[0]


def _consistent(
    points: Float[Tensor, "s 3"], sides: Float[Tensor, " s"], views: Sequence[tuple[Camera, Tensor]]
) -> Bool[Tensor, " s"]:
    """Which points are seen by at least as many views as see through them; views that are occluded do not count.

    Args:
        sides: of the points' voxels.
        views: cameras with their z-depth.
    """
    votes = torch.zeros(len(points), device=points.device)
    for camera, depth in views:
        cameras = Cameras.from_list([camera], points.device)
        xy, z = cameras.project(0, points)
        inside = (z > 0) & (xy >= 0).all(dim=-1) & (xy < cameras.size_px[0]).all(dim=-1)
        column, row = xy[inside].long().unbind(-1)
        beyond = depth[row, column] - z[inside]
        margin = DEPTH_SLACK * sides[inside]
        votes[inside] += (beyond.abs() <= margin).float() - (beyond > margin).float()
    return votes >= 0
