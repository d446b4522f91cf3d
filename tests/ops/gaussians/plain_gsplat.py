"""A gsplat for machines without a GPU."""

import sys
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians import rasterize_reference

STEPS = ("fully_fused_projection", "isect_tiles", "isect_offset_encode", "rasterize_to_pixels")
MODULES = ("gsplat", "gsplat.cuda", "gsplat.cuda._backend")


def stand_in(functions: object, kernels: object) -> None:
    """Have a gsplat loaded that has these functions and kernels."""
    package = ModuleType("gsplat")
    for name in STEPS:
        setattr(package, name, getattr(functions, name, None))
    backend = ModuleType("gsplat.cuda._backend")
    backend._C = kernels  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules.update(zip(MODULES, (package, ModuleType("gsplat.cuda"), backend), strict=True))


class PlainGsplat:
    """Four functions with the parameters and results of gsplat 1.5.3's, in plain torch. Like its kernels, they neither
    look at what has no opacity nor write what is not in view: NaN stands there.

    Attributes:
        channels: that were drawn, call by call.
        views: that were projected, call by call.
    """

    channels: list[int]
    views: list[int]

    def __init__(self) -> None:
        self.channels, self.views = [], []

    def fully_fused_projection(
        self, means, covars, quats, scales, viewmats, Ks, width, height, *, eps2d, packed, near_plane, opacities
    ):  # fmt: skip
        assert (eps2d, near_plane, covars, packed) == (0.3, 0.01, None, False)
        assert viewmats.shape == (len(Ks), 4, 4)
        assert all(x.dtype == torch.float32 for x in (means, quats, scales, opacities, viewmats, Ks))
        self.views.append(len(Ks))
        seen = []
        for view, k in zip(viewmats, Ks.tolist(), strict=True):
            pose = np.linalg.inv(view.double().numpy())
            camera = Camera(pose, width, height, k[0][0], k[1][1], k[0][2], k[1][2])
            with torch.no_grad():
                rows, radius_px = rasterize_reference._visible(means, quats, scales, opacities, None, camera)
            order = rows.argsort()
            rows, radius_px = rows[order], radius_px[order]
            shapes = rasterize_reference._project(means[rows], quats[rows], scales[rows], camera)
            seen.append((rows, radius_px.int(), shapes.means2d_px, shapes.depths, shapes.conics))

        def everywhere(rows: Tensor, values: Tensor) -> Tensor:
            empty = torch.full((len(means), *values.shape[1:]), 0 if values.dtype == torch.int32 else torch.nan)
            return empty.to(values.dtype).index_copy(0, rows, values)

        return *(torch.stack([everywhere(own[0], own[i]) for own in seen]) for i in range(1, 5)), None

    @staticmethod
    def isect_tiles(means2d, radii, depths, tile_size, tile_width, tile_height):
        assert means2d.shape[:2] == radii.shape[:2] == depths.shape
        pairs = []
        for number, ((x, y), (rx, ry), depth) in enumerate(
            zip(*(values.flatten(0, 1).tolist() for values in (means2d, radii, depths[..., None])), strict=True)
        ):
            if rx > 0 and ry > 0:
                view = number // depths.shape[1] << _tile_bits(tile_width, tile_height)
                across = range(max(int((x - rx) // tile_size), 0), min(int(-(-(x + rx) // tile_size)), tile_width))
                down = range(max(int((y - ry) // tile_size), 0), min(int(-(-(y + ry) // tile_size)), tile_height))
                pairs += [(view | v * tile_width + u, depth, number) for v in down for u in across]
        pairs.sort()
        keys = torch.tensor([tile for tile, _, _ in pairs], dtype=torch.int64)
        return None, keys << 32, torch.tensor([number for _, _, number in pairs], dtype=torch.int32)

    @staticmethod
    def isect_offset_encode(isect_ids, n_images, tile_width, tile_height):
        views = torch.arange(n_images) << _tile_bits(tile_width, tile_height)
        tiles = views[:, None] | torch.arange(tile_width * tile_height)
        return torch.searchsorted(isect_ids >> 32, tiles).int().reshape(n_images, tile_height, tile_width)

    def rasterize_to_pixels(
        self, means2d, conics, colors, opacities, image_width, image_height, tile_size, isect_offsets, flatten_ids
    ):  # fmt: skip
        self.channels.append(colors.shape[-1])
        views, down, across = isect_offsets.shape
        assert means2d.shape[:2] == conics.shape[:2] == colors.shape[:2] == opacities.shape
        assert len(means2d) == views
        means2d, conics, colors, opacities = (x.flatten(0, 1) for x in (means2d, conics, colors, opacities))
        ends = [*isect_offsets.flatten().tolist(), len(flatten_ids)]
        pictures = torch.zeros(views, down * tile_size, across * tile_size, colors.shape[-1] + 1)
        for tile in range(views * down * across):
            rows = flatten_ids[ends[tile] : ends[tile + 1]].long()
            view, within = divmod(tile, down * across)
            top, left = within // across * tile_size, within % across * tile_size
            y, x = torch.meshgrid(*(torch.arange(tile_size) + start + 0.5 for start in (top, left)), indexing="ij")
            dx, dy = (at[..., None] - means2d[rows, axis] for axis, at in enumerate((x, y)))
            a, b, c = conics[rows].unbind(-1)
            alpha = (opacities[rows] * (-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy).exp()).clamp(max=0.999)
            alpha = torch.where(alpha < 1 / 255, 0, alpha)
            after = (1 - alpha).cumprod(dim=-1)
            before = torch.cat([torch.ones_like(after[..., :1]), after[..., :-1]], dim=-1)
            weights = torch.where(after > 1e-4, alpha * before, 0)
            part = weights @ torch.cat([colors[rows], torch.ones(len(rows), 1)], dim=-1)
            pictures[view, top : top + tile_size, left : left + tile_size] = part
        pictures = pictures[:, :image_height, :image_width]
        return pictures[..., :-1], pictures[..., -1:]


def _tile_bits(across: int, down: int) -> int:
    return (across * down).bit_length()
