"""Pictures of Gaussians by cameras of any lens; those with distortion are resampled from a pinhole's picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.fields.gaussians import Gaussians
from langfield.ops.gaussians import rasterize
from langfield.ops.gaussians.projected import Blended, ProjectedGaussians, Splatted
from langfield.ops.gaussians.rasterize import project

_BORDER_PX = 2
_MAX_WIDENING = 2.5  # width of the undistorted picture over that of the distorted one, at most
_MIN_ALPHA = 1e-3  # below it a resampled pixel has no depth


@dataclass(frozen=True)
class LensWarp:
    """How a distorted picture is resampled from an undistorted one.

    Attributes:
        undistorted_camera: a pinhole of the same pose that sees (nearly) all that the distorted camera sees.
        grid: (H, W, 2) where each pixel of the distorted picture lies in the undistorted one, in [−1, 1], for
            `grid_sample`.
    """

    undistorted_camera: Camera
    grid: Float[Tensor, "h w 2"]


def lens_warp(camera: Camera, device: torch.device) -> LensWarp:
    """The `LensWarp` of a camera with distortion.

    The undistorted picture is at most `_MAX_WIDENING` times as wide and high as the distorted one; pixels whose rays
    lie outside take its border.
    """
    cameras = Cameras.from_list([camera], device)
    pixels = camera.pixel_centres(device).reshape(-1, 2)
    rays = cameras.rays(torch.zeros(len(pixels), dtype=torch.int64, device=device), pixels)
    pose = cameras.frame_from_camera[0, :, :3]
    local = rays.directions @ pose
    plane = local[:, :2] / local[:, 2:].clamp_min(1e-3)
    focal_px = torch.tensor([camera.fx_px, camera.fy_px], device=device)
    size_px = torch.tensor([camera.width_px, camera.height_px], device=device)
    limit = (_MAX_WIDENING * size_px / 2 / focal_px).float()
    plane = torch.maximum(torch.minimum(plane, limit), -limit)
    low_px = (plane.amin(dim=0) * focal_px).floor() - _BORDER_PX
    high_px = (plane.amax(dim=0) * focal_px).ceil() + _BORDER_PX
    width_px, height_px = (int(v) for v in (high_px - low_px).tolist())
    cx_px, cy_px = (-float(v) for v in low_px.tolist())
    undistorted = replace(camera.undistorted(), width_px=width_px, height_px=height_px, cx_px=cx_px, cy_px=cy_px)
    grid = (plane * focal_px - low_px) / (high_px - low_px) * 2 - 1
    return LensWarp(undistorted, grid.reshape(camera.height_px, camera.width_px, 2))


@dataclass(frozen=True)
class CameraProjection:
    """N Gaussians projected into the picture of a camera of any lens; rendering features costs no further projection.

    Below, w is a Gaussian's contribution to a pixel (see `langfield.ops.gaussians.rasterize`).

    Attributes:
        camera: of any lens.
        undistorted: the Gaussians in the picture of a pinhole.
        distortion: how the camera's picture is resampled from that one; None for a pinhole.
    """

    camera: Camera
    undistorted: ProjectedGaussians
    distortion: LensWarp | None

    def splat(self, features: Float[Tensor, "n c"]) -> Splatted:
        """The picture of features: Σ w f, alpha and depth."""
        picture = self.undistorted.splat(features)
        if self.distortion is None:
            return picture
        weighted = torch.where(picture.alpha > 0, picture.depth, 0).nan_to_num(posinf=0.0) * picture.alpha
        read = self._distort(torch.cat([picture.features, picture.alpha[..., None], weighted[..., None]], dim=-1))
        alpha = read[..., -2]
        depth = torch.where(alpha > _MIN_ALPHA, read[..., -1] / alpha.clamp_min(_MIN_ALPHA), torch.inf)
        return Splatted(read[..., :-2], alpha, depth)

    def blend(self, features: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w"]]:
        """`splat` without the depth: Σ w f, and alpha Σ w."""
        blended, alpha = self.undistorted.blend(features)
        if self.distortion is None:
            return blended, alpha
        read = self._distort(torch.cat([blended, alpha[..., None]], dim=-1))
        return read[..., :-1], read[..., -1]

    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """Σ w f of sparse features, see `ProjectedGaussians.splat_codes`."""
        blended = self.undistorted.splat_codes(code, share, codes)
        return blended if self.distortion is None else self._distort(blended)

    def backproject(self, values: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """For each Gaussian, Σ over pixels of w times the pixel's value: the transpose of `blend`."""
        if self.distortion is not None:
            size = self.undistorted.camera.height_px, self.undistorted.camera.width_px
            undistorted = torch.zeros(*size, values.shape[-1], device=values.device, requires_grad=True)
            with torch.enable_grad():
                (values,) = torch.autograd.grad(self._distort(undistorted), undistorted, values)
        return self.undistorted.backproject(values)

    def contributing(self, min_contribution_px: float = 0.01) -> Int64[Tensor, " m"]:
        """Indices, ascending, of the Gaussians whose contributions sum to at least this over the undistorted picture.

        Without the others, most of which are hidden, the picture is the same. Cost: a picture and its gradient.

        Args:
            min_contribution_px: sum of w, in pixels.
        """
        return torch.nonzero(self.undistorted.contributions() >= min_contribution_px)[:, 0]

    def in_view(self) -> Int64[Tensor, " m"]:
        """Indices, ascending, of the Gaussians that may contribute to the undistorted picture."""
        return self.undistorted.in_view()

    def subset(self, indices: Int64[Tensor, " m"]) -> "CameraProjection":
        """Some of the Gaussians; features are then given in this order. Cost: sorting them."""
        return CameraProjection(self.camera, self.undistorted.subset(indices), self.distortion)

    def _distort(self, picture: Float[Tensor, "g f c"]) -> Float[Tensor, "h w c"]:
        """The camera's picture, resampled bilinearly from the undistorted one."""
        assert self.distortion is not None
        grid = self.distortion.grid[None]
        return torch.nn.functional.grid_sample(
            picture.permute(2, 0, 1)[None], grid, mode="bilinear", padding_mode="border", align_corners=False
        )[0].permute(1, 2, 0)


def project_gaussians(gaussians: Gaussians, camera: Camera) -> CameraProjection:
    """Gaussians projected into the picture of a camera, which is in the Gaussians' frame and may have any lens."""
    warp = None if camera.is_pinhole else lens_warp(camera, gaussians.means.device)
    pinhole = camera if warp is None else warp.undistorted_camera
    return CameraProjection(camera, project(*_shape(gaussians), pinhole), warp)


def splat(gaussians: Gaussians, camera: Camera, features: Float[Tensor, "n c"]) -> Splatted:
    """The picture of features of Gaussians, by a camera in their frame of any lens."""
    return project_gaussians(gaussians, camera).splat(features)


def blend_views(
    gaussians: Gaussians, cameras: Sequence[Camera], features: Float[Tensor, "v n c"], *, keep_means2d: bool = False
) -> list[Blended]:
    """A picture for each of V pinholes, each with its own features: see `rasterize.blend_views`."""
    return rasterize.blend_views(*_shape(gaussians), features, cameras, keep_means2d=keep_means2d)


def _shape(gaussians: Gaussians) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means, rotations, scales and opacities."""
    count = gaussians.count
    return gaussians.means[:count], gaussians.rotations[:count], gaussians.scales(), gaussians.opacities()
