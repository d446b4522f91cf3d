"""What cameras see of a field: points on its surface, each with the samples that its language is read from.

Points are thinned to one a voxel and view. A voxel's side is a share of the height of the smallest crops there: the
field cannot tell places apart that are nearer than that. Sides go by powers of two of the distance from which photos
saw the place, so that the voxels of all views are the same ones.
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
_PIXELS_PER_ELEMENT = 16  # looked at in all, of the most elements wanted
_CHECKING_VIEWS = 16  # for consistency: views that may say that nothing is there
DEPTH_SLACK = 3  # in sides: what is less far apart along a ray counts as the same surface
_KEY_BITS = 18  # an axis; an octave takes 8 more


@dataclass(frozen=True)
class SurfaceObservations:
    """Surface points, as V views see them: at most one for each voxel and view.

    Attributes:
        points: (S, 3) scene frame.
        rgb: mean colour of what the view shows of the voxel, in [0, 1].
        samples: what the embeddings of the S rays through the points are made of.
        view: which view each is of, never falling.
        eyes: (V, 3) where the views are from.
    """

    points: Float[Tensor, "s 3"]
    rgb: Float[Tensor, "s 3"]
    samples: SurfaceSamples
    view: Int64[Tensor, " s"]
    eyes: Float[Tensor, "v 3"]

    def __len__(self) -> int:
        return len(self.points)

    def subset(self, which: Bool[Tensor, " s"]) -> "SurfaceObservations":
        """Some of them."""
        part, _ = self.samples.of_rays(torch.nonzero(which)[:, 0])
        return SurfaceObservations(self.points[which], self.rgb[which], part, self.view[which], self.eyes)


@dataclass(frozen=True)
class CropSizedVoxels:
    """Voxels whose side follows the height of the smallest crops.

    Attributes:
        observed: from where, and at which crop sizes, photos saw.
        factor: 1 for sides of `SIDE_SHARE_OF_CROP` crop heights; larger voxels are fewer.
    """

    observed: ObservedScales
    factor: float = 1.0

    def sides(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Side of the voxel that each point is in, scene units: the wanted one, to a factor of √2."""
        return SIDE_SHARE_OF_CROP * self.factor * torch.exp2(self._octaves(points))

    def keys(self, points: Float[Tensor, "n 3"]) -> tuple[Int64[Tensor, " n"], Float[Tensor, "n 3"]]:
        """A number for each point's voxel, and the voxel's centre."""
        octave, side = self._octaves(points), self.sides(points)[:, None]
        most = 2 ** (_KEY_BITS - 1)
        corner = (points / side).floor().clamp(-most, most - 1)
        key = (octave.long() + 128) << (3 * _KEY_BITS) | voxel_keys(corner.long(), _KEY_BITS)
        return key, (corner + 0.5) * side

    def _octaves(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        crop = self.observed.crop_angles[0] * self.observed.typical_distance(points)
        return crop.clamp_min(1e-9).log2().round().clamp(-100, 100)


def observation_cameras(cameras: Sequence[Camera], smallest_angle: float, elements: int) -> list[Camera]:
    """The cameras with rasters of two pixels for the side of a voxel at a photo's typical distance.

    Never more pixels than the photos have, nor in all more than 16 for each of the most elements wanted.
    """
    focal_px = _PIXELS_PER_SIDE / (SIDE_SHARE_OF_CROP * smallest_angle)
    most_px = _PIXELS_PER_ELEMENT * elements / len(cameras)
    rasters = []
    for camera in cameras:
        width, height = camera.width_px, camera.height_px
        factor = min(1.0, focal_px / camera.fy_px, (most_px / (width * height)) ** 0.5)
        rasters.append(camera.resized(max(8, round(width * factor)), max(8, round(height * factor))))
    return rasters


@torch.no_grad()
def observe_surface(
    model: VolumeModel[Any], cameras: Sequence[Camera], voxels: CropSizedVoxels, progress: Progress = silent
) -> SurfaceObservations:
    """Render cameras of the scene frame, and keep one pixel a voxel and view: the one nearest to the voxel's centre.

    Points that more views look through than see are floaters, or lie between the two sides of a depth edge: they go.

    Raises:
        RunError: no camera sees a surface.
    """
    found: list[tuple[Tensor, Tensor, SurfaceSamples]] = []
    depths: list[Tensor] = []
    start = time.monotonic()
    for number, camera in enumerate(cameras, start=1):
        rendered, samples = model.surface(camera)
        assert samples is not None
        assert rendered.depth_scene is not None
        found.append(_thinned(camera, rendered, samples, voxels))
        depths.append(rendered.depth_scene)
        progress(ProgressEvent("surface", number, len(cameras), "views", time.monotonic() - start))
    points = torch.cat([points for points, _, _ in found])
    counts = torch.tensor([len(points) for points, _, _ in found], device=points.device)
    together = SurfaceObservations(
        points,
        torch.cat([rgb for _, rgb, _ in found]),
        join_samples([samples for _, _, samples in found]),
        torch.repeat_interleave(torch.arange(len(cameras), device=points.device), counts),
        torch.stack([torch.tensor(camera.frame_from_camera[:3, 3]).to(points) for camera in cameras]),
    )
    if not len(together):
        raise RunError("shows no surface to its training photos' cameras: train it longer, or check the photos' poses")
    checking = every_nth_to_fit(list(zip(cameras, depths, strict=True)), _CHECKING_VIEWS)
    return together.subset(_consistent(together.points, voxels.sides(together.points), checking))


def _thinned(
    camera: Camera, rendered: Rendered, samples: SurfaceSamples, voxels: CropSizedVoxels
) -> tuple[Float[Tensor, "s 3"], Float[Tensor, "s 3"], SurfaceSamples]:
    """One view's surface, a pixel for each voxel: points, colours, samples."""
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
    points: Float[Tensor, "s 3"], sides: Float[Tensor, " s"], checking: Sequence[tuple[Camera, Tensor]]
) -> Bool[Tensor, " s"]:
    """Which points at least as many of the checking views (cameras with their z-depth) see as look through; a view that
    sees something in front says nothing."""
    votes = torch.zeros(len(points), device=points.device)
    for camera, depth in checking:
        cameras = Cameras.from_list([camera], points.device)
        xy, z = cameras.project(0, points)
        inside = (z > 0) & (xy >= 0).all(dim=-1) & (xy < cameras.size_px[0]).all(dim=-1)
        column, row = xy[inside].long().unbind(-1)
        beyond = depth[row, column] - z[inside]
        margin = DEPTH_SLACK * sides[inside]
        votes[inside] += (beyond.abs() <= margin).float() - (beyond > margin).float()
    return votes >= 0
