"""3D Gaussians to pictures (3D Gaussian splatting, Kerbl et al. 2023; EWA splatting, Zwicker et al. 2001): `rasterize`.

A Gaussian of mean μ and covariance Σ falls into the picture as a 2D one: of mean μ' = π(μ) and covariance
Σ' = J W Σ Wᵀ Jᵀ + ε I, where W turns the frame into camera axes, J is the derivative of the projection π at μ, and
ε I blurs by about a pixel. At a pixel centre p its opacity is α = o · exp(−½ (p − μ')ᵀ Σ'⁻¹ (p − μ')), and a picture is
Σ_i w_i f_i over the Gaussians from front to back, w_i = α_i T_i, T_i = Π_{j<i} (1 − α_j).

The constants below are what both paths, gsplat on CUDA and plain torch elsewhere, agree on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gsplat_kernels import load_gsplat

BLUR_PX2 = 0.3  # added to the diagonal of every 2D covariance
NEAR = 0.01  # Gaussians whose centre is nearer (z-depth) are not drawn
LEAST_ALPHA = 1 / 255  # what is fainter at a pixel is skipped there
MOST_ALPHA = 0.999
LEAST_TRANSMITTANCE = 1e-4  # the Gaussian that would bring T down to this is not drawn any more, nor is any behind it
FIELD_MARGIN = 0.3  # J is taken at most this share of half the field of view outside the picture
_LEAST_HIT = 1e-6  # alpha below which nothing was hit
_LEAST_QUATERNION = 1e-15  # a quaternion this short has no direction in float32
_MOST_PX = 1e8  # what is wider overflows float32
# The largest of gsplat's compiled channel counts whose backward pass fits into the 48 KB of shared memory that every
# GPU has. It is 2^k + 1: 32 features and the depth go at once.
_CHANNELS_AT_ONCE = 33


@dataclass(frozen=True)
class Footprints:
    """Where Gaussians fall in one of the pictures that were drawn at once.

    Attributes:
        centres_px: of all those pictures; a backward pass leaves the loss's gradient in its `grad`.
        radius_px: how far each reaches from its centre, in x or in y; 0 for one that is not drawn.
        picture: which of those pictures this is.
        size_px: width and height of the picture.
    """

    centres_px: Float[Tensor, "v n 2"]
    radius_px: Float[Tensor, " n"]
    picture: int
    size_px: tuple[int, int]

    def slopes(self) -> Float[Tensor, " n"]:
        """Length of the loss's gradient by each centre, after a backward pass, in a picture that is counted as 2 wide
        and 2 high (Kerbl et al. 2023, §5.2: "view-space position gradients"; the same for pictures of any size)."""
        gradient = self.centres_px.grad
        if gradient is None:
            return torch.zeros_like(self.radius_px)
        return (gradient[self.picture] * gradient.new_tensor(self.size_px) / 2).norm(dim=-1)


@dataclass(frozen=True)
class Splatted:
    """A picture of Gaussians.

    Attributes:
        features: Σ w f, blended front to back over nothing (no background).
        alpha: Σ w, in [0, 1].
        depth: mean z-depth of what was hit, Σ w z / Σ w; infinite where nothing was.
        footprints: if they were asked for.
    """

    features: Float[Tensor, "h w c"]
    alpha: Float[Tensor, "h w"]
    depth: Float[Tensor, "h w"]
    footprints: Footprints | None = None


def rasterize(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "n c"],
    camera: Camera,
    *,
    packed: bool = False,
) -> Splatted:
    """The picture that a pinhole camera takes of Gaussians; gradients flow to all five tensors.

    Runs gsplat on CUDA, in float32, and `rasterize_reference.rasterize` elsewhere, in the precision of `means` (float32
    at least); autocast changes neither. Gaussians with a number that is not finite, or a rotation of length 0, are not
    drawn. What is not drawn gets a gradient of exactly 0. Of Gaussians at the same depth the first one is in front.

    Args:
        means: centres, in the frame that `camera.world_from_camera` leads to.
        rotations: quaternions (w, x, y, z) that turn a Gaussian's own axes into the frame; any length but 0.
        scales: standard deviations along those axes, in the frame's units.
        opacities: in [0, 1].
        features: any number of channels.
        camera: without distortion; raises ValueError otherwise.
        packed: on CUDA, keep only what is in view between the steps: less memory, a little slower.
    """
    _check_pinhole(camera)
    from langfield.ops import rasterize_reference

    with torch.autocast(means.device.type, enabled=False):
        if means.is_cuda and len(means):  # gsplat divides by the number of Gaussians
            return _by_gsplat(means, rotations, scales, opacities, features[None], [camera], packed=packed)[0]
        return rasterize_reference.rasterize(means, rotations, scales, opacities, features, camera)


def rasterize_all(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"],
    cameras: Sequence[Camera],
    *,
    footprints: bool = False,
) -> list[Splatted]:
    """What `rasterize` draws for each of V cameras, with features of its own; on CUDA at once if they are of one size.

    Args:
        footprints: also say where the Gaussians fall, and keep the gradients there.
    """
    for camera in cameras:
        _check_pinhole(camera)
    from langfield.ops import rasterize_reference

    shape = means, rotations, scales, opacities
    with torch.autocast(means.device.type, enabled=False):
        if not means.is_cuda or not len(means):
            pairs = zip(features, cameras, strict=True)
            return [rasterize_reference.rasterize(*shape, own, camera, footprints) for own, camera in pairs]
        if len({(camera.width_px, camera.height_px) for camera in cameras}) == 1:
            return _by_gsplat(*shape, features, cameras, footprints=footprints)
        pairs = zip(features, cameras, strict=True)
        return [_by_gsplat(*shape, own[None], [camera], footprints=footprints)[0] for own, camera in pairs]


def _check_pinhole(camera: Camera) -> None:
    if not camera.is_straight:
        raise ValueError(f"Gaussians are drawn for pinhole cameras only, got {camera.lens} {camera.distortion}")


def frame_axes(camera: Camera, like: Tensor) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3"]]:
    """Rotation and translation of camera_from_frame: a point x of the frame lies at R x + t in camera axes."""
    rotation = camera.world_from_camera[:3, :3].T
    translation = -rotation @ camera.world_from_camera[:3, 3]
    return torch.tensor(rotation).to(like), torch.tensor(translation).to(like)


def well_formed(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"],
    cameras: Sequence[Camera],
) -> Bool[Tensor, " n"]:
    """Which Gaussians can be drawn without making a picture or a gradient that is not finite."""
    finite = [values.isfinite().all(dim=-1) for values in (means, rotations, scales, opacities[:, None], *features)]
    turned = rotations.norm(dim=-1)
    widest = scales.abs().amax(dim=-1)
    narrow = []
    for camera in cameras:
        rotation, translation = frame_axes(camera, means)
        depth = means @ rotation[2] + translation[2]
        width_px = widest * max(camera.fx_px, camera.fy_px) / depth.clamp_min(NEAR)
        narrow.append((width_px < _MOST_PX) | (depth < NEAR))
    return torch.stack([*finite, turned > _LEAST_QUATERNION, turned.isfinite(), *narrow]).all(dim=0)


def mean_depth(weighted: Float[Tensor, "h w"], alpha: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Σ w z / Σ w, infinite where nothing was hit; its gradient is 0 there."""
    hit = alpha > _LEAST_HIT
    return torch.where(hit, weighted / torch.where(hit, alpha, 1), torch.inf)


def _by_gsplat(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"],
    cameras: Sequence[Camera],
    *,
    packed: bool = False,
    footprints: bool = False,
) -> list[Splatted]:
    """Cameras are of one size. Footprints need `packed` to be off."""
    rasterization = load_gsplat().rasterization
    means, rotations, scales, opacities, features = (
        values.float() for values in (means, rotations, scales, opacities, features)
    )
    drawn = well_formed(means, rotations, scales, opacities, features, cameras)
    if not drawn.all():
        # Harmless numbers besides an opacity of 0: NaN times 0 is NaN.
        opacities = torch.where(drawn, opacities, 0)
        means, rotations, scales, features = (
            torch.where(drawn[:, None], values, 1) for values in (means, rotations, scales, features)
        )
    width_px, height_px = cameras[0].width_px, cameras[0].height_px
    pictures, alphas, info = rasterization(
        means,
        rotations,
        scales,
        opacities,
        features,
        torch.stack([_camera_from_frame(camera, means) for camera in cameras]),
        means.new_tensor([[[c.fx_px, 0.0, c.cx_px], [0.0, c.fy_px, c.cy_px], [0.0, 0.0, 1.0]] for c in cameras]),
        width_px,
        height_px,
        near_plane=NEAR,
        eps2d=BLUR_PX2,
        packed=packed and features.shape[-1] > 0,  # gsplat cannot pack what has no channels
        render_mode="RGB+D",  # D is Σ w z
        rasterize_mode="classic",
        channel_chunk=_CHANNELS_AT_ONCE,
    )
    prints: list[Footprints | None] = [None] * len(cameras)
    if footprints:
        centres_px = kept_gradient(info["means2d"])
        radius_px = info["radii"].amax(dim=-1).float()
        prints = [Footprints(centres_px, radius_px[i], i, (width_px, height_px)) for i in range(len(cameras))]
    alphas = alphas[..., 0]
    return [
        Splatted(picture[..., :-1], alpha, mean_depth(picture[..., -1], alpha), own)
        for picture, alpha, own in zip(pictures, alphas, prints, strict=True)
    ]


def kept_gradient(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The same tensor; its gradient is kept where there is going to be one."""
    if values.requires_grad:
        values.retain_grad()
    return values


def _camera_from_frame(camera: Camera, like: Tensor) -> Float[Tensor, "4 4"]:
    matrix = torch.eye(4).to(like)
    matrix[:3, :3], matrix[:3, 3] = frame_axes(camera, like)
    return matrix
