"""3D Gaussians to pictures (3D Gaussian splatting, Kerbl et al. 2023; EWA splatting, Zwicker et al. 2001): `rasterize`.

A Gaussian of mean μ and covariance Σ falls into the picture as a 2D one: of mean μ' = π(μ) and covariance
Σ' = J W Σ Wᵀ Jᵀ + ε I, where W turns the frame into camera axes, J is the derivative of the projection π at μ, and
ε I blurs by about a pixel. At a pixel centre p its opacity is α = o · exp(−½ (p − μ')ᵀ Σ'⁻¹ (p − μ')), and a picture is
Σ_i w_i f_i over the Gaussians from front to back, w_i = α_i T_i, T_i = Π_{j<i} (1 − α_j). The weights w do not depend
on what is drawn: `project` finds what they are made from, once, for any features.

The constants below are what both paths, gsplat on CUDA and plain torch elsewhere, agree on.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Int64, Shaped
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.pixel_rows import PixelRows

BLUR_PX2 = 0.3  # added to the diagonal of every 2D covariance
NEAR = 0.01  # Gaussians whose centre is nearer (z-depth) are not drawn
LEAST_ALPHA = 1 / 255  # what is fainter at a pixel is skipped there
MOST_ALPHA = 0.999
LEAST_TRANSMITTANCE = 1e-4  # the Gaussian that would bring T down to this is not drawn any more, nor is any behind it
FIELD_MARGIN = 0.3  # J is taken at most this share of half the field of view outside the picture
LEAST_QUATERNION = 1e-15  # a quaternion this short has no direction in float32
MOST_PX = 1e8  # what is wider overflows float32
_CODES_AT_ONCE = 64
_LEAST_HIT = 1e-6  # alpha below which nothing was hit


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
    """

    features: Float[Tensor, "h w c"]
    alpha: Float[Tensor, "h w"]
    depth: Float[Tensor, "h w"]


@dataclass(frozen=True)
class Blended:
    """A picture of Gaussians without its depth, as training wants it.

    Attributes:
        features, alpha: see `Splatted`.
        footprints: if they were asked for.
    """

    features: Float[Tensor, "h w c"]
    alpha: Float[Tensor, "h w"]
    footprints: Footprints | None = None


class Projected(ABC):
    """Gaussians as one camera sees them, in order, ready to be drawn with any features: what `project` makes.

    Further features of the same Gaussians cost no projection and no sorting.

    Attributes:
        camera: which sees them.
        pairs: how many pairs there are of a tile of the picture and a Gaussian that may touch it.
        footprints: where all of them fall; None unless they were asked for.
    """

    camera: Camera
    pairs: int
    footprints: Footprints | None = None

    def blend(self, features: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w"]]:
        """Σ w f and Σ w; features must be finite. Gradients flow to them and to what was projected."""
        with torch.autocast(features.device.type, enabled=False):
            blended, alpha = self._blended(features, with_depth=False)
            return blended, alpha

    def splat(self, features: Float[Tensor, "n c"]) -> Splatted:
        """`blend` with the depth."""
        with torch.autocast(features.device.type, enabled=False):
            blended, alpha = self._blended(features, with_depth=True)
            return Splatted(blended[..., :-1], alpha, mean_depth(blended[..., -1], alpha))

    def pulled_back(self, values: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """For each Gaussian Σ over the pixels of w times their values: the transpose of `blend`."""
        features = torch.zeros(self.count, values.shape[-1], device=values.device, requires_grad=True)
        with torch.enable_grad():
            picture, _ = self.blend(features)
            (gradient,) = torch.autograd.grad(picture, features, values)
        return gradient

    @torch.no_grad()
    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """`blend` of features that are sparse: Σ w Σ_k share_k for each of `codes` codes. No gradient.

        On CUDA a Triton kernel, whose cost depends on k and not on `codes`; elsewhere (and as its twin) dense features,
        some codes at a time.
        """
        parts = []
        for some in torch.arange(codes, device=share.device).split(_CODES_AT_ONCE):
            part = torch.zeros(self.count, len(some), device=share.device)
            for k in range(code.shape[1]):
                part += torch.where(code[:, k : k + 1] == some, share[:, k : k + 1].float(), 0)
            parts.append(self.blend(part)[0])
        return torch.cat(parts, dim=-1)

    @torch.no_grad()
    def lift_codes(
        self,
        said: PixelRows,
        first_row: int,
        codes: Int[Tensor, "t k"],
        shares: Float[Tensor, "t k"],
        out: Float[Tensor, "n c"],
    ) -> None:
        """Add to `out`, for each Gaussian and code, Σ over the R = H · W pixels of w · Σ_j weight_j · Σ_k share_k: what
        a pixel says is a mix of rows, a row a mix of codes. The transpose of `splat_codes`, where pixels share rows.

        On CUDA a Triton kernel; elsewhere (and as its twin) `pulled_back`, of the codes that the picture shows only.

        Args:
            said: what pixels say, by rows of the table counted from `first_row`.
            codes, shares: of each row of the table.
        """
        rows, weights = said.rows + first_row, said.weights
        table = torch.zeros(len(rows), out.shape[1], device=out.device, dtype=weights.dtype)
        for k in range(codes.shape[1]):
            table.scatter_add_(1, codes[rows, k].long(), weights * shares[rows, k].to(weights.dtype))
        shown = torch.nonzero(table.any(dim=0))[:, 0]
        size = self.camera.height_px, self.camera.width_px
        for part in shown.split(_CODES_AT_ONCE):
            out[:, part] += self.pulled_back(table[:, part].reshape(*size, -1)).to(out.dtype)

    def light(self) -> Float[Tensor, " n"]:
        """How much each gives to the picture: Σ w over its pixels."""
        size = self.camera.height_px, self.camera.width_px
        return self.pulled_back(torch.ones(*size, 1, device=self.device))[:, 0]

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the Gaussians are."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many Gaussians were given, in view or not."""

    @abstractmethod
    def in_view(self) -> Int64[Tensor, " m"]:
        """The numbers of those that may touch the picture, rising."""

    @abstractmethod
    def only(self, numbers: Int64[Tensor, " m"]) -> "Projected":
        """Some of the Gaussians, with features of their own in this order: what depends on the scene's size no longer
        counts. It has no gradient but the features'."""

    @abstractmethod
    def _blended(
        self, features: Float[Tensor, "n c"], with_depth: bool
    ) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
        """Σ w f, perhaps with Σ w z as the last channel; and Σ w."""


def project(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    camera: Camera,
    *,
    features: Float[Tensor, "n c"] | None = None,
    packed: bool = False,
) -> Projected:
    """Gaussians as a pinhole camera sees them; the arguments are those of `rasterize`.

    Args:
        features: leave out Gaussians whose features are not finite.
    """
    _check_pinhole(camera)
    with torch.autocast(means.device.type, enabled=False):
        if means.is_cuda and len(means):  # gsplat divides by the number of Gaussians
            from langfield.ops.gaussians import rasterize_gsplat

            return rasterize_gsplat.project(means, rotations, scales, opacities, camera, features, packed)
        from langfield.ops.gaussians import rasterize_reference

        return rasterize_reference.project(means, rotations, scales, opacities, camera, features)


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
    projected = project(means, rotations, scales, opacities, camera, features=features, packed=packed)
    return projected.splat(features)


def blend_all(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"],
    cameras: Sequence[Camera],
    *,
    footprints: bool = False,
) -> list[Blended]:
    """What `rasterize` draws for each of V cameras, with features of its own, but for the depth.

    On CUDA cameras of one size draw at once, without the Gaussians that one of them cannot draw (see `well_formed`).

    Args:
        footprints: also say where the Gaussians fall, and keep the gradients there.
    """
    for camera in cameras:
        _check_pinhole(camera)
    shape = means, rotations, scales, opacities
    with torch.autocast(means.device.type, enabled=False):
        pairs = zip(features, cameras, strict=True)
        if means.is_cuda and len(means):
            from langfield.ops.gaussians import rasterize_gsplat

            if len({(camera.width_px, camera.height_px) for camera in cameras}) == 1:
                return rasterize_gsplat.blend_all(*shape, features, cameras, footprints)
            return [rasterize_gsplat.blend_all(*shape, own[None], [c], footprints)[0] for own, c in pairs]
        from langfield.ops.gaussians import rasterize_reference

        seen = [(rasterize_reference.project(*shape, c, own, footprints), own) for own, c in pairs]
        return [Blended(*projected.blend(own), projected.footprints) for projected, own in seen]


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
    features: Float[Tensor, "v n c"] | None,
    cameras: Sequence[Camera],
) -> Bool[Tensor, " n"]:
    """Which Gaussians can be drawn by all of the cameras without making a picture or a gradient that is not finite.

    A Gaussian that is nearer to a camera than it draws them is no matter there, whatever its size.
    """
    given = [means, rotations, scales, opacities[:, None], *([] if features is None else features)]
    finite = [values.isfinite().all(dim=-1) for values in given]
    turned, widest = rotations.norm(dim=-1), scales.abs().amax(dim=-1)
    narrow = []
    for camera in cameras:
        rotation, translation = frame_axes(camera, means)
        depth = means @ rotation[2] + translation[2]
        width_px = widest * max(camera.fx_px, camera.fy_px) / depth.clamp_min(NEAR)
        narrow.append((width_px < MOST_PX) | (depth < NEAR))
    return torch.stack([*finite, turned > LEAST_QUATERNION, turned.isfinite(), *narrow]).all(dim=0)


def mean_depth(weighted: Float[Tensor, "h w"], alpha: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Σ w z / Σ w, infinite where nothing was hit; its gradient is 0 there."""
    hit = alpha > _LEAST_HIT
    return torch.where(hit, weighted / torch.where(hit, alpha, 1), torch.inf)


def kept_gradient(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The same tensor; its gradient is kept where there is going to be one."""
    if values.requires_grad:
        values.retain_grad()
    return values
