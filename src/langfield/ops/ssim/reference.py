"""`structural_similarity` in plain torch: what the Triton kernels are tested against, and what runs on a CPU."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SSIM_WINDOW_PX = 11
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # of pictures in [0, 1]
_SSIM_SIGMA_PX = 1.5


def structural_similarity(
    picture: Float[Tensor, "*batch h w 3"], photo: Float[Tensor, "*batch h w 3"]
) -> Float[Tensor, ""]:
    """See `langfield.ops.ssim.structural_similarity`."""
    dtype = torch.promote_types(picture.dtype, torch.float32)
    with torch.autocast(picture.device.type, enabled=False):
        x, y = (values.to(dtype).movedim(-1, -3) for values in (picture, photo.detach()))
        mean_x, mean_y, xx, yy, xy = _window_means(torch.stack([x, y, x * x, y * y, x * y])).unbind(0)
        variance_x, variance_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
        numerator = (2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)
        denominator = (mean_x**2 + mean_y**2 + SSIM_C1) * (variance_x + variance_y + SSIM_C2)
        return (numerator / denominator).mean()


def ssim_window() -> list[float]:
    """The window's weights along one axis; they add up to 1."""
    half = SSIM_WINDOW_PX // 2
    bell = [math.exp(-0.5 * (step / _SSIM_SIGMA_PX) ** 2) for step in range(-half, half + 1)]
    return [weight / sum(bell) for weight in bell]


def _window_means(pictures: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 3 h w"]:
    """The window's weighted mean about each pixel, zeros beyond the border."""
    kernel, half = pictures.new_tensor(ssim_window()), SSIM_WINDOW_PX // 2
    flat = pictures.flatten(0, -3)[:, None]
    along = torch.nn.functional.conv2d(flat, kernel[None, None, None, :], padding=(0, half))
    return torch.nn.functional.conv2d(along, kernel[None, None, :, None], padding=(half, 0)).reshape(pictures.shape)
