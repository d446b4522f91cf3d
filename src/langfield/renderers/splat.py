"""Pictures of Gaussians by any camera, bent lenses included: those are drawn straight and then bent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.fields.gaussians import Gaussians
from langfield.ops.rasterize import Footprints, Splatted, rasterize, rasterize_all

__all__ = ["Bending", "Footprints", "Splatted", "bending", "splat", "splat_all"]

_EDGE_PX = 2
_MOST_GROWN = 2.5  # a straight picture is at most so many times as wide as the bent one it is for


@dataclass(frozen=True)
class Bending:
    """How a bent picture is read from a straight one.

    Attributes:
        straight: a camera without distortion at the same place that sees (nearly) all that the bent one sees.
        grid: where each of its pixels is in the straight picture, in [−1, 1], for `grid_sample`.
    """

    straight: Camera
    grid: Float[Tensor, "h w 2"]


def bending(camera: Camera, device: torch.device) -> Bending:
    """What a bent camera sees, on the picture plane of a straight one. Rays far to the side are seen at its edge."""
    cameras = Cameras.from_list([camera], device)
    pixels = camera.pixel_centres(device).reshape(-1, 2)
    rays = cameras.rays(torch.zeros(len(pixels), dtype=torch.int64, device=device), pixels)
    pose = cameras.frame_from_camera[0, :, :3]
    local = rays.directions @ pose
    plane = local[:, :2] / local[:, 2:].clamp_min(1e-3)
    focal = torch.tensor([camera.fx_px, camera.fy_px], device=device)
    size = torch.tensor([camera.width_px, camera.height_px], device=device)
    most = (_MOST_GROWN * size / 2 / focal).float()
    plane = torch.maximum(torch.minimum(plane, most), -most)
    low, high = (plane.amin(dim=0) * focal).floor() - _EDGE_PX, (plane.amax(dim=0) * focal).ceil() + _EDGE_PX
    width, height = (int(v) for v in (high - low).tolist())
    left, top = (-float(v) for v in low.tolist())
    straight = replace(camera.straightened(), width_px=width, height_px=height, cx_px=left, cy_px=top)
    places = (plane * focal - low) / (high - low) * 2 - 1
    return Bending(straight, places.reshape(camera.height_px, camera.width_px, 2))


def splat(gaussians: Gaussians, camera: Camera, features: Float[Tensor, "n c"]) -> Splatted:
    """The picture of one feature vector for each Gaussian; `camera` may have any lens."""
    if camera.is_straight:
        return _splat_straight(gaussians, camera, features)
    bent = bending(camera, features.device)
    seen = _splat_straight(gaussians, bent.straight, features)
    weighted = torch.where(seen.alpha > 0, seen.depth, 0).nan_to_num(posinf=0.0) * seen.alpha
    together = torch.cat([seen.features, seen.alpha[..., None], weighted[..., None]], dim=-1)
    read = torch.nn.functional.grid_sample(
        together.permute(2, 0, 1)[None], bent.grid[None], mode="bilinear", padding_mode="border", align_corners=False
    )[0].permute(1, 2, 0)
    alpha = read[..., -2]
    depth = torch.where(alpha > 1e-3, read[..., -1] / alpha.clamp_min(1e-3), torch.inf)
    return Splatted(read[..., :-2], alpha, depth)


def splat_all(
    gaussians: Gaussians, cameras: Sequence[Camera], features: Float[Tensor, "v n c"], *, footprints: bool = False
) -> list[Splatted]:
    """One picture for each of several pinhole cameras, with features of its own: see `rasterize_all`."""
    return rasterize_all(*_shape(gaussians), features, cameras, footprints=footprints)


def _splat_straight(gaussians: Gaussians, camera: Camera, features: Float[Tensor, "n c"]) -> Splatted:
    return rasterize(*_shape(gaussians), features, camera)


def _shape(gaussians: Gaussians) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    count = gaussians.count
    return gaussians.means[:count], gaussians.rotations[:count], gaussians.scales(), gaussians.opacities()
