"""Regions of even colour as masks, for where there are no weights: Felzenszwalb and Huttenlocher's, by scikit-image."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from langfield.core.errors import UsageError
from langfield.encoders.base import EncoderCard
from langfield.encoders.masks.base import INSIDE, OUTSIDE, PromptedMasks, ProposedMasks, check_prompts
from langfield.encoders.weights import json_sha256

LONG_SIDE_PX = 512
SCALES = (50.0, 200.0, 800.0)
MIN_SHARES = (1 / 1000, 1 / 400, 1 / 100)  # of the picture, of the smallest region at each scale
SIGMA_PX = 0.8
_MAX_OVERLAP_IOU = 0.9


@dataclass(frozen=True)
class SuperpixelImage:
    """The regions of one photo, numbered at each of K granularities, the finest first."""

    labels: Int64[Tensor, "k h w"]

    def masks_at(
        self,
        points_px: Float[Tensor, "q p 2"],
        labels: Int64[Tensor, "q p"],
        boxes_px: Float[Tensor, "q 4"] | None = None,
    ) -> PromptedMasks:
        """The regions at the points that say 1, without those at points that say 0; at each granularity.

        A box without such points stands for the regions that lie in it by more than half. Nothing is predicted:
        `predicted_iou` is 1. As `PromptableImage.masks_at`.
        """
        check_prompts(points_px, labels, boxes_px)
        levels = [self._at(level, points_px, labels, boxes_px) for level in self.labels]
        masks = torch.stack(levels, dim=1)
        return PromptedMasks.smallest_first(masks, torch.ones(masks.shape[:2], device=masks.device))

    def _at(
        self,
        regions: Int64[Tensor, "h w"],
        points_px: Float[Tensor, "q p 2"],
        labels: Int64[Tensor, "q p"],
        boxes_px: Float[Tensor, "q 4"] | None,
    ) -> Bool[Tensor, "q h w"]:
        height, width = regions.shape
        count = int(regions.max()) + 1
        x, y = points_px.floor().long().unbind(-1)
        at_point = regions[y.clamp(0, height - 1), x.clamp(0, width - 1)]
        inside = _marked(at_point, labels == INSIDE, count)
        if boxes_px is not None:
            inside |= self._within(regions, boxes_px, count) & ~(labels == INSIDE).any(1, keepdim=True)
        return (inside & ~_marked(at_point, labels == OUTSIDE, count))[:, regions]

    def _within(
        self, regions: Int64[Tensor, "h w"], boxes_px: Float[Tensor, "q 4"], count: int
    ) -> Bool[Tensor, "q count"]:
        height, width = regions.shape
        x, y = (torch.arange(n, device=regions.device) + 0.5 for n in (width, height))
        left, top, right, bottom = (edge[:, None] for edge in boxes_px.unbind(-1))
        in_box = ((y >= top) & (y < bottom))[:, :, None] & ((x >= left) & (x < right))[:, None]
        members = torch.zeros(len(boxes_px), count, device=regions.device)
        members.index_add_(1, regions.flatten(), in_box.flatten(1).float())
        return members > regions.flatten().bincount(minlength=count) / 2


class SuperpixelProposer:
    """Regions of even colour at three granularities; they cover every pixel. Deterministic, and on the CPU inside."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        settings = {"long_side_px": LONG_SIDE_PX, "scales": SCALES, "min_shares": MIN_SHARES, "sigma_px": SIGMA_PX}
        self.card = EncoderCard(
            spec="superpixels",
            weights_sha256="none",
            config_sha256=json_sha256({"superpixels": settings, "max_overlap_iou": _MAX_OVERLAP_IOU}),
            embed_dim=0,
            input_size_px=LONG_SIDE_PX,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            interpolation="bilinear",
            licence="BSD-3-Clause",
            parameters=0,
        )

    def propose(self, image: UInt8[Tensor, "h w 3"]) -> ProposedMasks:
        """All regions of all granularities, the finest first, without those that a finer one says already.

        `predicted_iou` and `stability` are 1: nothing is predicted.
        """
        levels = self.embed(image).labels
        kept = [_masks_of(levels[0])]
        for finer, coarser in pairwise(levels):
            kept.append(_masks_of(coarser)[~_said(finer, coarser)])
        masks = torch.cat(kept)
        ones = torch.ones(len(masks), device=self.device)
        return ProposedMasks(masks, ones, ones.clone())

    def begin(self, image: UInt8[Tensor, "h w 3"]) -> Callable[[], ProposedMasks]:
        """See `MaskProposer.begin`: nothing is done before it is called, for all is the host's."""
        return partial(self.propose, image)

    def embed(self, image: UInt8[Tensor, "h w 3"]) -> SuperpixelImage:
        """The photo's regions."""
        picture = image.cpu().permute(2, 0, 1)[None].float() / 255
        height, width = image.shape[:2]
        scale = min(LONG_SIDE_PX / max(height, width), 1)
        size = (max(round(height * scale), 1), max(round(width * scale), 1))
        picture = nn.functional.interpolate(picture, size, mode="bilinear", antialias=True).clamp(0, 1)
        pixels = np.ascontiguousarray(picture[0].permute(1, 2, 0).numpy())
        regions = np.stack([_regions(pixels, *each) for each in zip(SCALES, MIN_SHARES, strict=True)])
        rows, columns = (np.arange(n) * s // n for n, s in zip((height, width), size, strict=True))
        whole = regions[:, rows[:, None], columns[None]]
        return SuperpixelImage(torch.from_numpy(whole).to(self.device))


def load_superpixels(spec: str, device: torch.device) -> SuperpixelProposer:
    """Load "superpixels". Raises UsageError where scikit-image is not installed."""
    _felzenszwalb(spec)
    return SuperpixelProposer(device)


def _felzenszwalb(spec: str) -> Any:
    try:
        from skimage.segmentation import felzenszwalb
    except ImportError as error:
        raise UsageError(f"{spec} needs the package scikit-image: pip install 'langfield[masks]'") from error
    return felzenszwalb


def _regions(pixels: Float[np.ndarray, "h w 3"], scale: float, min_share: float) -> np.ndarray:
    """Numbers of regions (h w), 0 … n - 1 without gaps."""
    smallest = max(round(min_share * pixels.shape[0] * pixels.shape[1]), 1)
    found = _felzenszwalb("superpixels")(pixels, scale=scale, sigma=SIGMA_PX, min_size=smallest)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)


def _masks_of(regions: Int64[Tensor, "h w"]) -> Bool[Tensor, "n h w"]:
    return regions == torch.arange(int(regions.max()) + 1, device=regions.device)[:, None, None]


def _said(finer: Int64[Tensor, "h w"], coarser: Int64[Tensor, "h w"]) -> Bool[Tensor, " n"]:
    """Which of the coarser regions overlap a finer one by more than `_MAX_OVERLAP_IOU`."""
    count, finer_count = int(coarser.max()) + 1, int(finer.max()) + 1
    pairs = (coarser * finer_count + finer).flatten().bincount(minlength=count * finer_count)
    common = pairs.reshape(count, finer_count).float()
    union = common.sum(1, keepdim=True) + common.sum(0, keepdim=True) - common
    return (common / union > _MAX_OVERLAP_IOU).any(1)


def _marked(at_point: Int64[Tensor, "q p"], counts: Bool[Tensor, "q p"], regions: int) -> Bool[Tensor, "q regions"]:
    """Which regions have a point that counts."""
    hits = torch.zeros(len(at_point), regions, dtype=torch.int64, device=at_point.device)
    return hits.scatter_add_(1, at_point, counts.long()) > 0
