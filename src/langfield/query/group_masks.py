"""Masks of groups in a picture, at its full resolution: each pixel asks the surface that it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.groups.base import SOLID_SHARE
from langfield.groups.scene_groups import SceneGroups
from langfield.models.base import AskableView

_FILL_PX = 2  # a pixel that shows no voxel takes the mean of those that do, so far away both ways


@dataclass(frozen=True)
class GroupsInView:
    """Groups of a scene in a picture of H × W pixels.

    Attributes:
        groups: of the scene, on the view's device.
        size: H and W.
        voxel: (H·W, 8) voxels about what each pixel shows.
        weight: (H·W, 8) their trilinear weights; all 0 where a pixel shows none.
    """

    groups: SceneGroups
    size: tuple[int, int]
    voxel: Int64[Tensor, "r 8"]
    weight: Float[Tensor, "r 8"]

    @classmethod
    def of(cls, view: AskableView, groups: SceneGroups) -> "GroupsInView":
        """Cost: eight binary searches for each pixel."""
        voxel, weight = groups.surface.around(view.points_scene)
        return cls(groups, (view.camera.height_px, view.camera.width_px), voxel, weight)

    def shares(self, group: int) -> Float[Tensor, "h w"]:
        """The share of photos by which what each pixel shows belongs to a group, interpolated; 0 where it shows
        nothing."""
        of_voxels = torch.from_numpy(self.groups.shares(group)).to(self.voxel.device)
        share = (of_voxels[self.voxel] * self.weight).sum(dim=1).reshape(self.size)
        known = (self.weight.sum(dim=1) > 0).float().reshape(self.size)
        window = 2 * _FILL_PX + 1
        around = torch.nn.functional.avg_pool2d(
            torch.stack([share * known, known])[:, None], window, stride=1, padding=_FILL_PX, count_include_pad=False
        )[:, 0]
        return torch.where(known > 0, share, around[0] / around[1].clamp_min(1e-6))

    def masks(self, groups: Sequence[int]) -> Bool[Tensor, "k h w"]:
        """The masks of K groups: the pixels that belong to each by at least half of the photos."""
        if not groups:
            return torch.zeros((0, *self.size), dtype=torch.bool, device=self.voxel.device)
        return torch.stack([self.shares(group) >= SOLID_SHARE for group in groups])
