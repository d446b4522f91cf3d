"""Two pictures of one camera with a line between them: a photo and what is drawn, or two runs."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8

from langfield.core.cameras import Camera, Cameras

_LINE_SHARE = 0.0025  # of the picture's width, at least one pixel
_LINE_COLOUR = 255
_OUTSIDE = 20  # grey of what a photo does not show: the page's own


def divided(
    left: UInt8[np.ndarray, "h w 3"], right: UInt8[np.ndarray, "h w 3"], divider: float
) -> UInt8[np.ndarray, "h w 3"]:
    """One picture left of a line, another right of it. Args: divider: where the line is, in [0, 1]."""
    width = left.shape[1]
    column = round(divider * width)
    half = max(1, round(_LINE_SHARE * width)) / 2
    out = np.where(np.arange(width)[None, :, None] < column, left, right)
    out[:, max(0, int(column - half)) : max(1, int(np.ceil(column + half)))] = _LINE_COLOUR
    return out


def photo_seen_by(
    photo: UInt8[np.ndarray, "h w 3"], photo_camera: Camera, camera: Camera
) -> UInt8[np.ndarray, "r c 3"]:
    """What a camera at the place of a photo would see of it: turned, with another lens, without distortion; grey where
    the photo does not reach. Bilinear.

    Args:
        photo_camera: that took it, for the photo's size.
        camera: a pinhole at the same place, any frame that is both cameras'.
    """
    turned = [replace(one, world_from_camera=_without_place(one)) for one in (photo_camera, camera)]
    pixels = turned[1].pixel_centres().reshape(-1, 2)
    rays = Cameras.from_list([turned[1]]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
    xy, depth = Cameras.from_list([turned[0]]).project(0, rays.directions)
    height, width = photo.shape[:2]
    grid = (2 * xy / torch.tensor([width, height]) - 1).reshape(1, camera.height_px, camera.width_px, 2)
    picture = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    sampled = torch.nn.functional.grid_sample(picture, grid, padding_mode="border", align_corners=False)[0]
    inside = ((depth > 0) & (grid.reshape(-1, 2).abs() <= 1).all(dim=1)).reshape(camera.height_px, camera.width_px)
    shown = torch.where(inside, sampled, float(_OUTSIDE))
    return shown.permute(1, 2, 0).round().to(torch.uint8).numpy()


def _without_place(camera: Camera) -> np.ndarray:
    pose = camera.world_from_camera.copy()
    pose[:3, 3] = 0
    return pose
