"""Which points of depth maps other views agree with: what they look through is not there.

A depth map shows some pixels where nothing is. Those of Gaussians, for one, are means, and hang in the air between a
thing and what is behind it.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.models.geometry import pixels_of_points

SLACK_PX = 6  # what is less far apart along a ray counts as the same surface


@torch.no_grad()
def consistent(
    points: Float[Tensor, "n 3"],
    cameras: Sequence[Camera],
    depths: Sequence[Float[Tensor, "_h _w"]],
    min_views: int = 1,
    sees_per_look_through: int = 1,
) -> Bool[Tensor, " n"]:
    """Which points at least `min_views` views see, and at least `sees_per_look_through` times as many as look through.

    A view is a camera, of the points' frame, with its z-depth (not finite where nothing is), on the points' device. It
    sees a point that is less than six pixels nearer or farther than what it shows there; one that sees something in
    front says nothing, nor does one whose lens shows nothing there. Cost: a projection of all points into each view.
    Nothing waits for the device.
    """
    sees, looks_through = torch.zeros(2, len(points), device=points.device)
    for camera, depth in zip(cameras, depths, strict=True):
        pixel, z = pixels_of_points(points, camera)
        beyond = torch.where(pixel >= 0, depth.reshape(-1)[pixel.clamp_min(0)] - z, -torch.inf)
        slack = SLACK_PX * z / camera.fy_px
        sees += (beyond.abs() <= slack).float()
        looks_through += (beyond > slack).float()
    return (sees >= min(min_views, len(cameras))) & (sees >= sees_per_look_through * looks_through)
