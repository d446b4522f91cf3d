"""Figures of merit, each a pure function of arrays.

torchmetrics and scipy.stats take more than a second to import, and most commands measure nothing: they are imported
where they are used.
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

# AlexNet's weights as torchvision keeps them in torch's hub folder; LPIPS stands on them.
_LPIPS_BACKBONE = "alexnet-owt-7be5be79.pth"
_SSIM_BORDER_PX = 5

_log = logging.getLogger(__name__)


def psnr(picture: Rgb, photo: Rgb, used: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures (range 1) by torchmetrics, over the used pixels.

    Infinite when they are equal.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    keep = np.ones(photo.shape[:2], dtype=bool) if used is None else used
    pair = (torch.from_numpy(values[keep].astype(np.float32) / 255) for values in (picture, photo))
    return float(peak_signal_noise_ratio(*pair, data_range=1.0))


def ssim(picture: Rgb, photo: Rgb, used: Mask | None = None, device: torch.device | str = "cpu") -> float:
    """Structural similarity (Wang et al. 2004; Gaussian window of σ 1.5, range 1) by torchmetrics.

    Pixels within half a window of the border are left out, as torchmetrics does, and those not used.
    Both sides must be longer than a window (11 pixels). `device` is where it is worked out: on a GPU in double
    precision, for convolutions in single precision round their factors there.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    exact = torch.float32 if torch.device(device).type == "cpu" else torch.float64
    ours, theirs = (_batch(each).to(device, exact) for each in (picture, photo))
    result = structural_similarity_index_measure(ours, theirs, data_range=1.0, return_full_image=True)
    assert isinstance(result, tuple)
    inner = (slice(_SSIM_BORDER_PX, -_SSIM_BORDER_PX),) * 2
    values = result[1][0].mean(dim=0).cpu().numpy()[inner]
    return float(values.mean() if used is None else values[used[inner]].mean())


class Lpips:
    """LPIPS (Zhang et al. 2018) with AlexNet by torchmetrics; only where AlexNet's weights are on disk already."""

    def __init__(self) -> None:
        """Look for the weights; without them `__call__` gives None. Nothing is ever downloaded."""
        weights = Path(torch.hub.get_dir()) / "checkpoints" / _LPIPS_BACKBONE
        self._metric: LearnedPerceptualImagePatchSimilarity | None = None
        if weights.is_file():
            from torchmetrics.image import lpip

            self._metric = lpip.LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
        else:
            _log.warning("LPIPS is left out: put %s there to have it", weights)

    @torch.no_grad()
    def __call__(self, picture: Rgb, photo: Rgb, used: Mask | None = None) -> float | None:
        """The perceptual distance; pixels not used are taken from the photo in both."""
        if self._metric is None:
            return None
        if used is not None:
            picture = np.where(used[..., None], picture, photo)
        value = float(self._metric(_batch(picture), _batch(photo)))
        self._metric.reset()
        return value


def in_any_box(xy_px: Float[np.ndarray, "2"], boxes: Float[np.ndarray, "b 4"]) -> bool:
    """LERF's localisation: whether a point lies in any box (x from, y from, x to, y to; edges of pixels)."""
    x, y = xy_px
    return bool(((boxes[:, 0] <= x) & (x <= boxes[:, 2]) & (boxes[:, 1] <= y) & (y <= boxes[:, 3])).any())


def in_mask(xy_px: Float[np.ndarray, "2"], mask: Mask) -> bool:
    """Whether the pixel under a point is true; outside the picture none is."""
    column, row = int(np.floor(xy_px[0])), int(np.floor(xy_px[1]))
    return 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and bool(mask[row, column])


def auroc(positive: Float[np.ndarray, " p"], negative: Float[np.ndarray, " n"]) -> float | None:
    """The chance that a positive's score is above a negative's, ties counting half; None without either.

    By the rank sum (Mann and Whitney): with R the sum of the positives' mean ranks, (R − p(p+1)/2) / (p·n).
    """
    from scipy import stats

    p, n = len(positive), len(negative)
    if p == 0 or n == 0:
        return None
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    return float((ranks[:p].sum() - p * (p + 1) / 2) / (p * n))


def auroc_error(positive: Float[np.ndarray, " p"], negative: Float[np.ndarray, " n"]) -> float | None:
    """The standard error of `auroc` (DeLong et al. 1988, eq. 4 to 6); None with fewer than two of either sort.

    Each positive's chance to be above a negative, and each negative's to be below a positive, vary with what was
    asked: the sum of the two means' variances.
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


def _batch(picture: Rgb) -> Float[Tensor, "1 3 h w"]:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
