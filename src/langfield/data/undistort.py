"""Photos as a camera without distortion would have taken them, for models that render pinholes only."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from langfield.core.cameras import Camera, Cameras


def undistorted_photo(
    photo: UInt8[np.ndarray, "h w 3"], used: Bool[np.ndarray, "h w"] | None, camera: Camera
) -> tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"] | None]:
    """The photo as `camera.undistorted()` sees it, and which of its pixels the photo shows and `used` allows.

    Bilinear; a pinhole's photo comes back as it is.

    Args:
        used: the photo's pixels that may be used; None for all.
    """
    if camera.is_pinhole:
        return photo, used
    here = replace(camera, world_from_camera=np.eye(4))
    pixels = here.undistorted().pixel_centres().reshape(-1, 2)
    plane = (pixels - torch.tensor([camera.cx_px, camera.cy_px])) / torch.tensor([camera.fx_px, camera.fy_px])
    points = torch.cat([plane, torch.ones_like(plane[:, :1])], dim=-1).float()
    cameras = Cameras.from_list([here])
    xy, _ = cameras.project(0, points)
    size = torch.tensor([camera.width_px, camera.height_px])
    grid = (xy / size * 2 - 1).reshape(1, camera.height_px, camera.width_px, 2)
    allowed = np.ones(photo.shape[:2], bool) if used is None else used
    layers = np.concatenate([photo, allowed[..., None].astype(np.uint8) * 255], axis=-1)
    given = torch.from_numpy(layers).permute(2, 0, 1)[None].float()
    read = torch.nn.functional.grid_sample(given, grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    inside = ((grid[0].abs() < 1).all(dim=-1) & (read[3] > 254)).numpy()
    if camera.valid_radius_px is not None:
        which = torch.zeros(len(xy), dtype=torch.int64)
        inside &= cameras.rays_meet(which, xy, points).reshape(inside.shape).numpy()
    return read[:3].round().byte().permute(1, 2, 0).numpy(), inside
