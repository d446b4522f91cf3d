"""Metrics, each a pure function of arrays: PSNR, SSIM, LPIPS, localisation, AUROC.

torchmetrics and scipy.stats take more than a second to import, and most commands measure nothing: they are imported
inside the functions that use them.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

if TYPE_CHECKING:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

Rgb = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]

# AlexNet's weights as torchvision names them in torch's hub folder; LPIPS compares AlexNet's features.
_LPIPS_BACKBONE = "alexnet-owt-7be5be79.pth"
_SSIM_BORDER_PX = 5

_log = logging.getLogger(__name__)


def psnr(picture: Rgb, photo: Rgb, used: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB by torchmetrics, of 8-bit pictures scaled to [0, 1], over the used pixels.

    Infinite when they are equal. `used` is None where all pixels are.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    keep = np.ones(photo.shape[:2], dtype=bool) if used is None else used
    pair = (torch.from_numpy(values[keep].astype(np.float32) / 255) for values in (picture, photo))
    return float(peak_signal_noise_ratio(*pair, data_range=1.0))


def ssim(picture: Rgb, photo: Rgb, used: Mask | None = None, device: torch.device | str = "cpu") -> float:
    """Structural similarity (Wang et al. 2004; Gaussian window of σ 1.5) by torchmetrics, of pictures scaled to [0, 1].

    The mean over the used pixels that are no nearer to the border than half a window; sides must be longer than a
    window (11 pixels). Computed on `device`, on a GPU in float64: float32 convolutions there round to TF32.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    dtype = torch.float32 if torch.device(device).type == "cpu" else torch.float64
    ours, theirs = (_batch(each).to(device, dtype) for each in (picture, photo))
    result = structural_similarity_index_measure(ours, theirs, data_range=1.0, return_full_image=True)
    assert isinstance(result, tuple)
    inner = (slice(_SSIM_BORDER_PX, -_SSIM_BORDER_PX),) * 2
    values = result[1][0].mean(dim=0).cpu().numpy()[inner]
    return float(values.mean() if used is None else values[used[inner]].mean())


class Lpips:
    """LPIPS (Zhang et al. 2018) with AlexNet by torchmetrics; only where AlexNet's weights are on disk already."""

    def __init__(self) -> None:
        """Look for AlexNet's weights; without them `__call__` returns None. Nothing is ever downloaded."""
        weights = Path(torch.hub.get_dir()) / "checkpoints" / _LPIPS_BACKBONE
        self._metric: LearnedPerceptualImagePatchSimilarity | None = None
        if weights.is_file():
            from torchmetrics.image import lpip

            self._metric = lpip.LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
        else:
            _log.warning("LPIPS is left out: put %s there to have it", weights)

    @torch.no_grad()
    def __call__(self, picture: Rgb, photo: Rgb, used: Mask | None = None) -> float | None:
        """The perceptual distance, lower is better; pixels that are not used are the photo's in both pictures."""
        if self._metric is None:
            return None
        if used is not None:
            picture = np.where(used[..., None], picture, photo)
        value = float(self._metric(_batch(picture), _batch(photo)))
        self._metric.reset()
        return value


def in_any_box(xy_px: Float[np.ndarray, "2"], boxes: Float[np.ndarray, "b 4"]) -> bool:
    """LERF's localisation: whether a point lies in any box (x from, y from, x to, y to; in pixels, as the point)."""
    x, y = xy_px
    return bool(((boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])).any())


def in_mask(xy_px: Float[np.ndarray, "2"], mask: Mask) -> bool:
    """Whether the pixel under a point is true; outside the picture none is."""
    column, row = int(np.floor(xy_px[0])), int(np.floor(xy_px[1]))
    return 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and bool(mask[row, column])


def auroc(positive: Float[np.ndarray, " p"], negative: Float[np.ndarray, " n"]) -> float | None:
    """Area under the ROC curve of P positive and N negative scores; None without either.

    It is the chance that a positive's score is above a negative's, where ties count half. By the rank sum (Mann and
    Whitney): with R the sum of the positives' ranks (ties share their mean rank), (R − P(P + 1)/2) / (P·N).
    """
    from scipy import stats

    p, n = len(positive), len(negative)
    if p == 0 or n == 0:
        return None
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    return float((ranks[:p].sum() - p * (p + 1) / 2) / (p * n))


def auroc_error(positive: Float[np.ndarray, " p"], negative: Float[np.ndarray, " n"]) -> float | None:
    """The standard error of `auroc` (DeLong et al. 1988, eq. 4 to 6); None with fewer than two of either.

    The square root of the sum of two variances of means: of each positive's share of negatives below it, and of each
    negative's share of positives above it.
    """
    if min(len(positive), len(negative)) < 2:
        return None
    above = (positive[:, None] > negative).astype(np.float64) + 0.5 * (positive[:, None] == negative)
    shares = above.mean(axis=1), above.mean(axis=0)
    return float(np.sqrt(sum(share.var(ddof=1) / len(share) for share in shares)))


def resized_maps(maps: Float32[Tensor, "p h w"], width_px: int, height_px: int) -> Float32[Tensor, "p h2 w2"]:
    """Maps on another raster of the same picture, bilinear."""
    if maps.shape[1:] == (height_px, width_px):
        return maps
    return torch.nn.functional.interpolate(maps[None], (height_px, width_px), mode="bilinear", align_corners=False)[0]


def resized_masks(
    masks: Bool[np.ndarray, "p h w"], width_px: int, height_px: int, device: torch.device | str
) -> Bool[Tensor, "p h2 w2"]:
    """Masks on another raster of the same picture: true where more than half of what is interpolated there is."""
    return resized_maps(torch.from_numpy(masks.astype(np.float32)).to(device), width_px, height_px) > 0.5


def _batch(picture: Rgb) -> Float[Tensor, "1 3 h w"]:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
