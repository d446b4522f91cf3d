"""Mean structural similarity of two pictures (SSIM, Wang et al. 2004): `structural_similarity`.

Per pixel and channel, with means, variances and the covariance over a Gaussian window w about the pixel,
SSIM = (2 μ_x μ_y + C1) (2 σ_xy + C2) / ((μ_x² + μ_y² + C1) (σ_x² + σ_y² + C2)), w of 11 × 11 pixels and σ = 1.5 px.
Both pictures are padded with zeros at the border.

Cost per number of the picture: five windows, separable, of 2 · 11 multiplications. The fewest bytes that must move are
two pictures for the value, and three for value and gradient; the Triton path moves 5 pictures forward (it keeps three
partial derivatives) and 6 backward, which at the size of a photo stay in the L2 cache.
"""

from jaxtyping import Float
from torch import Tensor

from langfield.ops.ssim import reference


def structural_similarity(
    picture: Float[Tensor, "*batch h w 3"], photo: Float[Tensor, "*batch h w 3"]
) -> Float[Tensor, ""]:
    """Mean SSIM over pixels, channels and pictures, of pictures in [0, 1]; 1 for equal ones.

    Runs Triton kernels on CUDA, in float32, and `reference.structural_similarity` elsewhere, in the precision of
    `picture` (float32 at least); autocast changes neither. Gradients flow to `picture` only.

    Raises:
        ValueError: pictures without pixels.
    """
    if not picture.numel():
        raise ValueError(f"pictures without pixels have no similarity, got {tuple(picture.shape)}")
    if picture.is_cuda:
        from langfield.ops.ssim import triton_kernels

        return triton_kernels.structural_similarity(picture, photo)
    return reference.structural_similarity(picture, photo)
