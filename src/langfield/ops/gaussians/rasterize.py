"""Rasterising 3D Gaussians (3D Gaussian splatting, Kerbl et al. 2023; EWA splatting, Zwicker et al. 2001).

A Gaussian of mean μ and covariance Σ falls into the picture as a 2D one: of mean μ' = π(μ) and covariance
Σ' = J W Σ Wᵀ Jᵀ + ε I, where W rotates the frame into camera axes, J is the derivative of the projection π at μ, and
ε I blurs by about a pixel. At a pixel centre p its opacity is α = o · exp(−½ (p − μ')ᵀ Σ'⁻¹ (p − μ')), and a picture is
Σ_i w_i f_i over the Gaussians from front to back, w_i = α_i T_i, T_i = Π_{j<i} (1 − α_j). The weights w do not depend
on what is drawn: `project` finds what they are made from, once, for any features f.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.projected import Blended, ProjectedGaussians, Splatted


def project(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    camera: Camera,
    *,
    features: Float[Tensor, "n c"] | None = None,
) -> ProjectedGaussians:
    """Gaussians projected into a pinhole camera's picture; the arguments are those of `rasterize`.

    Args:
        features: leave out Gaussians whose features are not finite.
    """
    _check_pinhole(camera)
    with torch.autocast(means.device.type, enabled=False):
        if means.is_cuda and len(means):  # gsplat divides by the number of Gaussians
            from langfield.ops.gaussians import rasterize_gsplat

            return rasterize_gsplat.project(means, rotations, scales, opacities, camera, features)
        from langfield.ops.gaussians import rasterize_reference

        return rasterize_reference.project(means, rotations, scales, opacities, camera, features)


def rasterize(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "n c"],
    camera: Camera,
) -> Splatted:
    """The picture that a pinhole camera takes of Gaussians; gradients flow to all five tensors.

    Runs gsplat on CUDA, in float32, and `rasterize_reference` elsewhere, in the precision of `means` (float32 at
    least); autocast changes neither. Gaussians with a number that is not finite, or a quaternion of length 0, are not
    drawn. What is not drawn gets a gradient of exactly 0. Of Gaussians at the same depth the first one is in front.

    Args:
        means: centres, in the frame that `camera.frame_from_camera` leads to.
        rotations: quaternions (w, x, y, z) that rotate a Gaussian's own axes into the frame; any length but 0.
        scales: standard deviations along those axes, in the frame's units.
        opacities: in [0, 1].
        features: any number of channels.
        camera: without distortion.

    Raises:
        ValueError: a camera that is no pinhole.
    """
    return project(means, rotations, scales, opacities, camera, features=features).splat(features)


def blend_views(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"],
    cameras: Sequence[Camera],
    *,
    keep_means2d: bool = False,
) -> list[Blended]:
    """What `rasterize` draws for each of V cameras, with features of its own, but for the depth.

    On CUDA cameras of one size draw at once, without the Gaussians that one of them cannot draw (see `well_formed`).

    Args:
        keep_means2d: also give the 2D centres, and keep the gradients by them.
    """
    for camera in cameras:
        _check_pinhole(camera)
    shape = means, rotations, scales, opacities
    with torch.autocast(means.device.type, enabled=False):
        pairs = zip(features, cameras, strict=True)
        if means.is_cuda and len(means):
            from langfield.ops.gaussians import rasterize_gsplat

            if len({(camera.width_px, camera.height_px) for camera in cameras}) == 1:
                return rasterize_gsplat.blend_views(*shape, features, cameras, keep_means2d)
            return [rasterize_gsplat.blend_views(*shape, own[None], [c], keep_means2d)[0] for own, c in pairs]
        from langfield.ops.gaussians import rasterize_reference

        projections = [(rasterize_reference.project(*shape, c, own, keep_means2d), own) for own, c in pairs]
        return [Blended(*projected.blend(own), projected.means2d) for projected, own in projections]


def _check_pinhole(camera: Camera) -> None:
    if not camera.is_pinhole:
        raise ValueError(f"Gaussians are drawn for pinhole cameras only, got {camera.lens} {camera.distortion}")
