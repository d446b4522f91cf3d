"""Whether a lens can be undistorted: its distortion must have an inverse all over what it shows of the picture."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import DataError
from langfield.data.views import View

MAX_ERROR_PX = 0.1
_POINTS_PER_SIDE = 33


def check_lenses(views: Sequence[View], file: Path) -> None:
    """Undistort pixels along the border of what every distinct camera shows, distort them again, and compare.

    A calibrated polynomial may fall again outside of the picture region that it was fitted to; pixels there have no
    ray, or several. Raises DataError naming the first photo whose pixels do not come back to within 0.1 pixels.
    """
    distinct: dict[tuple, View] = {}
    for view in views:
        if any(view.camera.distortion) or view.camera.lens == "fisheye":
            distinct.setdefault(view.camera.optics, view)
    if not distinct:
        return
    cameras = Cameras.from_list([view.camera for view in distinct.values()])
    border = torch.stack([_border(view.camera) for view in distinct.values()])
    index = torch.arange(len(cameras)).repeat_interleave(border.shape[1])
    errors = cameras.lens_error_px(index, border.flatten(0, 1)).reshape(len(cameras), -1)
    worst = errors.nan_to_num(torch.inf).amax(dim=-1)
    for view, error_px in zip(distinct.values(), worst.tolist(), strict=True):
        if error_px > MAX_ERROR_PX:
            raise DataError(
                f"the lens of {view.name} bends too much near the picture's border: pixels that are straightened and "
                f"bent again come back {error_px:.3g} px off, at most {MAX_ERROR_PX:g} is allowed: calibrate the "
                "camera again, or undistort the photos first (colmap image_undistorter)",
                file,
            )


def _border(camera: Camera) -> Float[Tensor, "p 2"]:
    """Centres of pixels along the four sides, corners among them; those outside of the circle that the lens shows are
    moved towards the principal point until they lie on it."""
    right, bottom = camera.width_px - 0.5, camera.height_px - 0.5
    x = torch.linspace(0.5, right, _POINTS_PER_SIDE)
    y = torch.linspace(0.5, bottom, _POINTS_PER_SIDE)
    rows = [torch.stack([x, torch.full_like(x, at)], dim=-1) for at in (0.5, bottom)]
    columns = [torch.stack([torch.full_like(y, at), y], dim=-1) for at in (0.5, right)]
    border = torch.cat([*rows, *columns])
    if camera.valid_radius_px is None:
        return border
    centre = torch.tensor([camera.cx_px, camera.cy_px])
    reach = (border - centre).norm(dim=-1, keepdim=True)
    return centre + (border - centre) * (camera.valid_radius_px / reach).clamp(max=1)
