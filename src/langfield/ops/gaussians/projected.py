"""Gaussians projected into a camera's picture, and what is drawn from them: `ProjectedGaussians` and its results."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64, Shaped
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.pixel_mixtures import PixelMixtures

_CODES_AT_ONCE = 64
_MIN_HIT_ALPHA = 1e-6  # below it nothing was hit


@dataclass(frozen=True)
class Means2d:
    """Gaussians' centres in one of V pictures that were drawn at once, for the gradients by them.

    Attributes:
        means2d_px: centres in all V pictures, in pixels; a backward pass leaves the loss's gradient in its `grad`.
        radii_px: how far each reaches from its centre in this picture, along x or y; 0 for one that is not drawn.
        view: which of the V pictures this is.
        size_px: width and height of the picture.
    """

    means2d_px: Float[Tensor, "v n 2"]
    radii_px: Float[Tensor, " n"]
    view: int
    size_px: tuple[int, int]

    def grad2d(self) -> Float[Tensor, " n"]:
        """Norm of the loss's gradient by each 2D centre after a backward pass, 0 without one.

        It is per half the picture's width and height, thus the same for pictures of any size: the "view-space position
        gradients" of Kerbl et al. 2023, §5.2, gsplat's `grad2d`.
        """
        gradient = self.means2d_px.grad
        if gradient is None:
            return torch.zeros_like(self.radii_px)
        return (gradient[self.view] * gradient.new_tensor(self.size_px) / 2).norm(dim=-1)


@dataclass(frozen=True)
class Splatted:
    """A picture of Gaussians with weights w = α T (see `langfield.ops.gaussians.rasterize`).

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
        features: see `Splatted`.
        alpha: see `Splatted`.
        means2d: the centres whose gradients are kept, if they were asked for.
    """

    features: Float[Tensor, "h w c"]
    alpha: Float[Tensor, "h w"]
    means2d: Means2d | None = None


class ProjectedGaussians(ABC):
    """N Gaussians projected into one camera's picture and sorted by depth: what `project` makes.

    Drawing further features of them costs no projection and no sorting.

    Attributes:
        camera: a pinhole.
        pairs: how many pairs there are of a tile of the picture and a Gaussian that may touch it.
        means2d: the centres whose gradients are kept; None unless they were asked for.
    """

    camera: Camera
    pairs: int
    means2d: Means2d | None = None

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

    def backproject(self, values: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """Σ over pixels of w times the pixel's value, for each Gaussian: the transpose of `blend`."""
        features = torch.zeros(self.count, values.shape[-1], device=values.device, requires_grad=True)
        with torch.enable_grad():
            picture, _ = self.blend(features)
            (gradient,) = torch.autograd.grad(picture, features, values)
        return gradient

    def contributions(self) -> Float[Tensor, " n"]:
        """Σ of w over the picture's pixels, for each Gaussian."""
        size = self.camera.height_px, self.camera.width_px
        return self.backproject(torch.ones(*size, 1, device=self.device))[:, 0]

    @torch.no_grad()
    def splat_codes(
        self, code: Shaped[Tensor, "n k"], share: Float[Tensor, "n k"], codes: int
    ) -> Float[Tensor, "h w c"]:
        """`blend` of sparse features: a Gaussian's feature is share_k at index code_k, of `codes` channels, else 0.

        No gradient. On CUDA a Triton kernel, whose cost depends on k and not on `codes`; here, as its reference, dense
        features, some channels at a time.
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
        pixels: PixelMixtures,
        first_row: int,
        codes: Int[Tensor, "t k"],
        shares: Float[Tensor, "t k"],
        out: Float[Tensor, "n c"],
    ) -> None:
        """Add to `out` what `backproject` gives for pixels whose values are sparse: the transpose of `splat_codes`.

        A pixel's value is Σ_j weight_j · table[first_row + row_j], and a row of the table is share_k at index code_k,
        of C channels, else 0. On CUDA a Triton kernel; here, as its reference, `backproject`, only of the channels that
        the picture has.

        Args:
            pixels: rows and weights of each pixel; rows count from `first_row`.
            codes, shares: the table.
        """
        rows, weights = pixels.rows + first_row, pixels.weights
        values = torch.zeros(len(rows), out.shape[1], device=out.device, dtype=weights.dtype)
        for k in range(codes.shape[1]):
            values.scatter_add_(1, codes[rows, k].long(), weights * shares[rows, k].to(weights.dtype))
        present = torch.nonzero(values.any(dim=0))[:, 0]
        size = self.camera.height_px, self.camera.width_px
        for part in present.split(_CODES_AT_ONCE):
            out[:, part] += self.backproject(values[:, part].reshape(*size, -1)).to(out.dtype)

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
        """Indices of the Gaussians that may touch the picture, ascending."""

    @abstractmethod
    def subset(self, indices: Int64[Tensor, " m"]) -> "ProjectedGaussians":
        """Some of the Gaussians, in this order, which is then that of their features. Costs a sorting, no projection;
        gradients flow to the features only."""

    @abstractmethod
    def _blended(
        self, features: Float[Tensor, "n c"], with_depth: bool
    ) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
        """Σ w f, perhaps with Σ w z as the last channel; and Σ w."""


def mean_depth(weighted: Float[Tensor, "h w"], alpha: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Σ w z / Σ w, infinite where nothing was hit; its gradient is 0 there."""
    hit = alpha > _MIN_HIT_ALPHA
    return torch.where(hit, weighted / torch.where(hit, alpha, 1), torch.inf)


def retain_gradient(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The same tensor; its gradient is kept where there is going to be one."""
    if values.requires_grad:
        values.retain_grad()
    return values
