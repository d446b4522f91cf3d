"""Depth maps as points in space."""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.cameras import Camera, Cameras


def distance_and_points(
    depth_scene: Float[Tensor, "h w"], camera: Camera
) -> tuple[Float[Tensor, " r"], Float[Tensor, "r 3"]]:
    """Distance along each pixel's ray, and the point there, in the frame that the camera is in (the scene frame).

    Neither is finite where the z-depth is infinite.
    """
    pixels = camera.pixel_centres(depth_scene.device).reshape(-1, 2)
    rays = Cameras.from_list([camera], depth_scene.device).rays(
        torch.zeros(len(pixels), dtype=torch.int64, device=depth_scene.device), pixels
    )
    distance = depth_scene.reshape(-1) / rays.z_per_distance
    return distance, rays.origins + rays.directions * distance[:, None]
