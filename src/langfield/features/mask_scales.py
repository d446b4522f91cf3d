"""How large what a mask shows is: a length in space, so that photos from near and far agree.

The scale of a mask is the side of the flat square whose points are spread as those that the mask shows. The scale of
language, the height of a crop, is a length of the same kind.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import UsageError
from langfield.features.photos import TrainingPhotos

_MIN_POINTS = 4  # a mask with fewer points in space has no known scale
_OUTLIER_SPREADS = 2.5  # a flat square ends at 1.7 of its spread, a line at 1.7
_FRONT_SHARE = 0.25  # of a mask's points of a cloud, that many are in front: the others may lie behind what it shows


def mask_scales(masks: Bool[Tensor, "m h w"], points_scene: Float[Tensor, "h w 3"]) -> Float[Tensor, " m"]:
    """The scale of masks: the side of the flat square whose points are spread as those of the mask, scene units.

    That is √(6 Σ variance), and comparable with the height of a crop, the scale of language. Points farther from the
    mask's middle than 2.5 times its spread are left out, once: borders of masks are not exact, and what lies behind
    may be far away. Cost: two products of a (M, H·W) and a (H·W, 4) matrix; nothing waits for the device.

    Args:
        masks: of one photo.
        points_scene: the point that each pixel shows, in any frame of scene units; not finite where there is none.

    Returns infinity for a mask with fewer than 4 points.
    """
    points = points_scene.reshape(-1, 3)
    there = points.isfinite().all(dim=-1)
    points = torch.where(there[:, None], points, 0.0)
    points = torch.where(there[:, None], points - points.sum(dim=0) / there.sum().clamp_min(1), 0.0)
    inside = masks.flatten(1) & there
    _, middle, spread = _moments(inside, points)
    from_middle = points.square().sum(-1) - 2 * middle @ points.T + middle.square().sum(-1, keepdim=True)
    count, _, spread = _moments(inside & (from_middle <= (_OUTLIER_SPREADS * spread[:, None]) ** 2), points)
    return torch.where((count >= _MIN_POINTS) & (spread > 0), math.sqrt(6) * spread, torch.inf)


def _moments(
    inside: Bool[Tensor, "m p"], points: Float[Tensor, "p 3"]
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m 3"], Float[Tensor, " m"]]:
    """Number, mean, and root of the summed variance of the points in each of M sets."""
    columns = torch.cat([points, points.square().sum(dim=-1, keepdim=True)], dim=-1)
    count = inside.sum(dim=1).to(points.dtype)
    sums = inside.to(points.dtype) @ columns / count.clamp_min(1)[:, None]
    middle = sums[:, :3]
    return count, middle, (sums[:, 3] - middle.square().sum(dim=-1)).clamp_min(0).sqrt()


def cloud_scales(
    masks: Bool[Tensor, "m h w"], camera: Camera, cloud_scene: Float[Tensor, "n 3"]
) -> Float[Tensor, " m"]:
    """The scale of masks as a sparse point cloud says it, before there is any surface: what a mask shows is taken to
    face the camera, at the depth that a quarter of the mask's points have at most.

    Args:
        masks: of one photo.
        camera: the photo's, in the scene frame.
        cloud_scene: points of the scene, on the masks' device.

    Returns scene units; infinity for a mask without points of the cloud.
    """
    cameras = Cameras.from_list([camera], masks.device)
    xy, depth = cameras.project(0, cloud_scene)
    column, row = xy.floor().long().unbind(-1)
    shown = (depth > 0) & (column >= 0) & (column < camera.width_px) & (row >= 0) & (row < camera.height_px)
    pixel = torch.where(shown, row * camera.width_px + column, 0)
    inside = masks.flatten(1)[:, pixel] & shown
    of_mask = torch.where(inside, depth, torch.inf).sort(dim=1).values
    if not of_mask.shape[1]:
        return torch.full((len(masks),), torch.inf, device=masks.device)
    front = of_mask.gather(1, (inside.sum(dim=1, keepdim=True) * _FRONT_SHARE).long())[:, 0]
    centres = camera.pixel_centres(masks.device).reshape(-1, 2)
    rays = cameras.rays(torch.zeros(len(centres), dtype=torch.int64, device=masks.device), centres)
    at_depth_one = (rays.directions / rays.z_per_distance[:, None]).reshape(camera.height_px, camera.width_px, 3)
    return mask_scales(masks, at_depth_one) * front


class CloudScaledMasks:
    """Masks of photos with scales by the scene's point cloud; see `ScaledMasks`."""

    def __init__(self, photos: TrainingPhotos, masks: Callable[[int], Bool[Tensor, "m h w"]]) -> None:
        """Take the masks.

        Args:
            photos: that they are of.
            masks: a function that gives a photo's, by the scene's index of its view, at the photo's used size.

        Raises:
            UsageError: the scene has no point cloud.
        """
        found = photos.points()
        if found is None:
            raise UsageError(
                "the scene has no point cloud, by which masks get their size; give one, as COLMAP makes it"
            )
        self._photos, self._masks, self._cloud = photos, masks, torch.from_numpy(found[0]).float()

    def masks_of_photo(self, view_index: int) -> Bool[Tensor, "m h w"]:
        """See `ScaledMasks.masks_of_photo`."""
        return self._masks(view_index)

    def scales_of_photo(self, view_index: int) -> Float[Tensor, " m"]:
        """See `ScaledMasks.scales_of_photo`: `cloud_scales`."""
        masks = self._masks(view_index)
        return cloud_scales(masks, self._photos.camera(view_index), self._cloud.to(masks.device))
