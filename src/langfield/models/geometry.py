"""Depth maps as points in space."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.devices import to_device_async

# Of depth, between neighbours: at such a pixel two surfaces meet, and its depth may lie between them.
_MAX_RELATIVE_JUMP = 0.1


def distance_and_points(
    depth_scene: Float[Tensor, "h w"], camera: Camera
) -> tuple[Float[Tensor, " r"], Float[Tensor, "r 3"]]:
    """Distance along each pixel's ray, and the point there, in the frame that the camera is in (the scene frame).

    Neither is finite where the z-depth is infinite.
    """
    if camera.is_pinhole and depth_scene.is_cuda:
        return of_pinhole(depth_scene, camera)
    pixels = camera.pixel_centres(depth_scene.device).reshape(-1, 2)
    rays = Cameras.from_list([camera], depth_scene.device).rays(
        torch.zeros(len(pixels), dtype=torch.int64, device=depth_scene.device), pixels
    )
    distance = depth_scene.reshape(-1) / rays.z_per_distance
    return distance, rays.origins + rays.directions * distance[:, None]


def of_pinhole(depth_scene: Float[Tensor, "h w"], camera: Camera) -> tuple[Float[Tensor, " r"], Float[Tensor, "r 3"]]:
    """`distance_and_points` of a pinhole, the same to rounding, without a pose and a lens for each pixel: of a large
    picture on a GPU those take longer than drawing it. Does not wait for the device."""
    pose = to_device_async(np.ascontiguousarray(camera.frame_from_camera[:3]), depth_scene.device)
    right, down, forward, eye = pose.unbind(dim=1)
    x, y = (
        (torch.arange(side, device=depth_scene.device, dtype=torch.float32) + 0.5 - centre) / focal
        for side, centre, focal in (
            (camera.width_px, camera.cx_px, camera.fx_px),
            (camera.height_px, camera.cy_px, camera.fy_px),
        )
    )
    distance = depth_scene * (x.square() + y.square()[:, None] + 1).sqrt()
    towards = x[:, None] * right + (y[:, None] * down + forward)[:, None]
    points = torch.addcmul(eye, towards, depth_scene[..., None])
    return distance.reshape(-1), points.reshape(-1, 3)


def shows_one_surface(depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Pixels with a finite positive depth that differs by less than a tenth from that of each of their 4 neighbours.

    Nothing waits for the device.
    """
    kept = depth.isfinite() & (depth > 0)
    z = torch.where(kept, depth, 0)
    for axis in (0, 1):
        count = z.shape[axis] - 1
        near, far = z.narrow(axis, 0, count), z.narrow(axis, 1, count)
        even = (near - far).abs() <= _MAX_RELATIVE_JUMP * torch.minimum(near, far)
        kept.narrow(axis, 0, count).logical_and_(even)
        kept.narrow(axis, 1, count).logical_and_(even)
    return kept


def pixels_of_points(
    points_scene: Float[Tensor, "n 3"], camera: Camera
) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """The pixel (row · width + column) of a camera that points lie in, −1 for those that its lens does not show, and
    their z-depth.

    Nothing waits for the device. Args: camera: of the points' frame.
    """
    view = Cameras.from_list([camera], points_scene.device)
    xy, z = view.project(0, points_scene)
    inside = (z > 0) & (xy >= 0).all(dim=-1) & (xy < view.size_px[0]).all(dim=-1)
    if camera.valid_radius_px is not None:
        inside &= (xy - view.centre_px[0]).norm(dim=-1) <= camera.valid_radius_px
    column, row = torch.where(inside[:, None], xy, 0).long().unbind(-1)
    return torch.where(inside, row * camera.width_px + column, -1), z
