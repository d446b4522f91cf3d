"""Pictures of Gaussians by any camera, bent lenses included: those are drawn straight and then bent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.fields.gaussians import Gaussians
from langfield.ops.gaussians import rasterize
from langfield.ops.gaussians.rasterize import Blended, Footprints, Projected, Splatted, project

__all__ = ["Bending", "Footprints", "Look", "Splatted", "bending", "blend_all", "look", "splat"]

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


@dataclass(frozen=True)
class Look:
    """Gaussians as one camera sees them, ready to be drawn with any features, as often as wanted.

    Attributes:
        camera: of any lens.
        projected: what its straight picture is drawn from.
        bent: how its own picture is read from that one; None for a pinhole.
    """

    camera: Camera
    projected: Projected
    bent: Bending | None

    def splat(self, features: Float[Tensor, "n c"]) -> Splatted:
        """The picture of one feature vector for each Gaussian."""
        seen = self.projected.splat(features)
        if self.bent is None:
            return seen
        weighted = torch.where(seen.alpha > 0, seen.depth, 0).nan_to_num(posinf=0.0) * seen.alpha
        read = self._read(torch.cat([seen.features, seen.alpha[..., None], weighted[..., None]], dim=-1))
        alpha = read[..., -2]
        depth = torch.where(alpha > 1e-3, read[..., -1] / alpha.clamp_min(1e-3), torch.inf)
        return Splatted(read[..., :-2], alpha, depth)

    def blend(self, features: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w"]]:
        """`splat` without the depth: Σ w f and Σ w."""
        blended, alpha = self.projected.blend(features)
        if self.bent is None:
            return blended, alpha
        read = self._read(torch.cat([blended, alpha[..., None]], dim=-1))
        return read[..., :-1], read[..., -1]

    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """Σ w Σ_k share_k for each of `codes` codes: see `Projected.splat_codes`."""
        mixed = self.projected.splat_codes(code, share, codes)
        return mixed if self.bent is None else self._read(mixed)

    def pulled_back(self, values: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """For each Gaussian Σ over the pixels of its share of their light times their values: `blend`'s transpose."""
        if self.bent is not None:
            size = self.projected.camera.height_px, self.projected.camera.width_px
            straight = torch.zeros(*size, values.shape[-1], device=values.device, requires_grad=True)
            with torch.enable_grad():
                (values,) = torch.autograd.grad(self._read(straight), straight, values)
        return self.projected.pulled_back(values)

    def lit(self, least_light_px: float = 0.01) -> Int64[Tensor, " m"]:
        """The numbers of Gaussians that give as much light to the whole straight picture (Σ w over its pixels): without
        the others, most of them hidden, it looks the same. Costs a picture and its gradient."""
        return torch.nonzero(self.projected.light() >= least_light_px)[:, 0]

    def in_view(self) -> Int64[Tensor, " m"]:
        """The numbers of Gaussians that may touch the straight picture, rising."""
        return self.projected.in_view()

    def only(self, numbers: Int64[Tensor, " m"]) -> "Look":
        """Some of the Gaussians; features are then theirs, in this order. Costs a sorting."""
        return Look(self.camera, self.projected.only(numbers), self.bent)

    def _read(self, straight: Float[Tensor, "g f c"]) -> Float[Tensor, "h w c"]:
        assert self.bent is not None
        grid = self.bent.grid[None]
        return torch.nn.functional.grid_sample(
            straight.permute(2, 0, 1)[None], grid, mode="bilinear", padding_mode="border", align_corners=False
        )[0].permute(1, 2, 0)


def look(gaussians: Gaussians, camera: Camera) -> Look:
    """Gaussians as a camera of any lens sees them."""
    bent = None if camera.is_straight else bending(camera, gaussians.means.device)
    straight = camera if bent is None else bent.straight
    return Look(camera, project(*_shape(gaussians), straight), bent)


def splat(gaussians: Gaussians, camera: Camera, features: Float[Tensor, "n c"]) -> Splatted:
    """The picture of one feature vector for each Gaussian; `camera` may have any lens."""
    return look(gaussians, camera).splat(features)


def blend_all(
    gaussians: Gaussians, cameras: Sequence[Camera], features: Float[Tensor, "v n c"], *, footprints: bool = False
) -> list[Blended]:
    """One picture for each of several pinhole cameras, with features of its own: see `rasterize.blend_all`."""
    return rasterize.blend_all(*_shape(gaussians), features, cameras, footprints=footprints)


def _shape(gaussians: Gaussians) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    count = gaussians.count
    return gaussians.means[:count], gaussians.rotations[:count], gaussians.scales(), gaussians.opacities()
