"""Frames of a field for a moving camera: the points that small pictures of it showed, drawn with a depth buffer.

A field takes a CPU seconds to a picture, for it is asked along each pixel's ray. The index of a scene asks it once, for
16 small pictures; their points are drawn in some hundredths of a second, as sharp as those pictures are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.devices import to_device_async
from langfield.models.base import Rendered
from langfield.models.geometry import distance_and_points
from langfield.query.index.consistency import consistent

_COARSER_RASTERS = 3  # each of twice the pixels' size; gaps up to 8 pixels wide are filled
_NEAR_SCENE = 1e-3
_SAME_SURFACE = 0.02  # of the depth: what differs less from a pixel beside it
_BEHIND = 1.05  # times as far as what is in front: seen through a gap, not beside it
_NOTHING = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class ScenePoints:
    """N points of a scene's surface, scene frame.

    Attributes:
        xyz: where they are.
        rgb: their colours in [0, 1].
        spacing: how far they are from their neighbours, scene units.
    """

    xyz: Float[Tensor, "n 3"]
    rgb: Float[Tensor, "n 3"]
    spacing: Float[Tensor, " n"]

    @classmethod
    def of_pictures(cls, pictures: Sequence[tuple[Camera, Rendered]]) -> "ScenePoints":
        """What at least one picture, with colour and depth, shows, without what more of them look through than see.

        Args:
            pictures: with their cameras, scene frame.
        """
        cameras, xyz, rgb, spacing, depths = [], [], [], [], []
        for camera, rendered in pictures:
            assert rendered.rgb is not None
            assert rendered.depth_scene is not None
            distance, points = distance_and_points(rendered.depth_scene, camera)
            known = points.isfinite().all(dim=-1)
            cameras.append(camera)
            depths.append(rendered.depth_scene)
            xyz.append(points[known].float())
            rgb.append(rendered.rgb.reshape(-1, 3)[known].float())
            spacing.append(distance[known].float() / camera.fy_px)
        every = cls(torch.cat(xyz), torch.cat(rgb), torch.cat(spacing))
        kept = consistent(every.xyz, cameras, depths)
        return cls(every.xyz[kept], every.rgb[kept], every.spacing[kept]) if kept.any() else every

    def shown_by(self, camera: Camera) -> tuple[Int64[Tensor, "h w"], Float[Tensor, "h w"]]:
        """The point that each pixel of a camera (scene frame) shows, −1 for none; and its z-depth, infinite for none.

        A pixel without a point of its own, or with one that only shows through between points in front of it, takes the
        nearest point of a block of pixels about it. Cost: a projection of all points and one minimum for each.
        """
        if not len(self.xyz):
            size = camera.height_px, camera.width_px
            return torch.full(size, -1, device=self.xyz.device), self.xyz.new_full(size, torch.inf)
        rasters = [self._depth_buffer(camera)]
        for _ in range(_COARSER_RASTERS):
            height, width = (side // 2 for side in rasters[-1].shape)
            rasters.append(rasters[-1].reshape(height, 2, width, 2).amin(dim=(1, 3)))
        filled = rasters[-1]
        for level in range(_COARSER_RASTERS - 1, -1, -1):
            around = filled.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
            own = rasters[level]
            in_front = _depth(around)
            sparse = self.spacing[_point(around)] * camera.fy_px > in_front * 2**level  # points are wider apart
            hidden = sparse & (_depth(own) > _BEHIND * in_front)
            filled = torch.where((own == _NOTHING) | (hidden & (around != _NOTHING)), around, own)
        filled = filled[: camera.height_px, : camera.width_px]
        shows = filled != _NOTHING
        return torch.where(shows, _point(filled), -1), torch.where(shows, _depth(filled), torch.inf)

    def _depth_buffer(self, camera: Camera) -> Int64[Tensor, "h w"]:
        """Depth and number of the nearest point in each pixel, as one number; sides are multiples of the blocks'."""
        block = 2**_COARSER_RASTERS
        height, width = (-(-side // block) * block for side in (camera.height_px, camera.width_px))
        xy, depth = _projected(self.xyz, camera)
        column, row = xy.floor().clamp(-1, max(width, height)).long().unbind(-1)
        seen = (depth > _NEAR_SCENE) & (column >= 0) & (row >= 0)
        seen = torch.nonzero(seen & (column < camera.width_px) & (row < camera.height_px))[:, 0]
        # The bits of positive floats are ordered as they are.
        key = (depth[seen].contiguous().view(torch.int32).long() << 32) | seen
        buffer = torch.full((height * width,), _NOTHING, device=key.device)
        buffer.scatter_reduce_(0, row[seen] * width + column[seen], key, "amin")
        return buffer.reshape(height, width)


def drawn(values: Float[Tensor, "n c"], shown: Int64[Tensor, "h w"]) -> Float[Tensor, "h w c"]:
    """The picture of points' values, 0 where none is shown."""
    if not len(values):
        return values.new_zeros(*shown.shape, values.shape[1])
    return values[shown.clamp_min(0)] * (shown >= 0)[..., None]


def smoothed(picture: Float[Tensor, "h w c"], depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w c"]:
    """The mean of each pixel with those beside it that show the same surface, by their depth: points of several
    pictures, each with its own light, lie beside each other. Where nothing is shown it stays as it is."""
    height, width = depth.shape
    known = torch.where(depth.isfinite(), depth, 0)
    planes = torch.cat([picture, known[..., None]], dim=-1).permute(2, 0, 1)
    planes = torch.nn.functional.pad(planes[None], (1, 1, 1, 1), mode="replicate")[0]
    total, weight = torch.zeros_like(planes[:-1, 1:-1, 1:-1]), torch.zeros_like(known)
    for row in range(3):
        for column in range(3):
            beside = planes[:, row : row + height, column : column + width]
            same = ((beside[-1] - known).abs() <= _SAME_SURFACE * known).to(picture.dtype)
            total.addcmul_(beside[:-1], same)
            weight += same
    return (total / weight).permute(1, 2, 0)


def _projected(xyz: Float[Tensor, "n 3"], camera: Camera) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    """Where points fall in a picture, and their z-depths; of any lens."""
    if not camera.is_pinhole:
        return Cameras.from_list([camera], xyz.device).project(0, xyz)
    pose = to_device_async(np.ascontiguousarray(camera.frame_from_camera[:3]), xyz.device)
    rotation = pose[:, :3].T
    x, y, depth = torch.addmm(-(rotation @ pose[:, 3])[:, None], rotation, xyz.T).unbind(0)
    ahead = depth.clamp_min(_NEAR_SCENE)
    return torch.stack([x / ahead * camera.fx_px + camera.cx_px, y / ahead * camera.fy_px + camera.cy_px], -1), depth


def _depth(key: Int64[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Of nothing, not a number."""
    return (key >> 32).int().view(torch.float32)


def _point(key: Int64[Tensor, "h w"]) -> Int64[Tensor, "h w"]:
    """Of nothing, any."""
    return torch.where(key == _NOTHING, 0, key & 0xFFFFFFFF)
