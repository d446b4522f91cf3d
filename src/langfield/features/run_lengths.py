"""Masks as run lengths: what a thousand masks of a photo are kept as.

A picture's pixels are counted row after row; a run is a half-open interval of that count, inside one mask. Runs of one
mask rise and do not touch, so equal masks have equal runs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt32
from torch import Tensor

from langfield.core.devices import to_device_async

_PIXELS_AT_ONCE = 2**26  # 32 masks of 1920×1080, and as many bytes of a temporary


@dataclass(frozen=True, eq=False)
class RunLengths:
    """M masks of one picture.

    Attributes:
        size_px: width and height of the picture.
        runs_px: (R, 2) first pixel of each run and the one after its last: mask after mask, rising within each.
        first_run: (M + 1,) where each mask's runs begin in `runs_px`, and their number at the end.
    """

    size_px: tuple[int, int]
    runs_px: UInt32[np.ndarray, "r 2"]
    first_run: Int64[np.ndarray, " m_and_1"]

    def __len__(self) -> int:
        return len(self.first_run) - 1

    @cached_property
    def areas_px(self) -> Int64[np.ndarray, " m"]:
        """Pixels of each mask."""
        lengths = self.runs_px[:, 1].astype(np.int64) - self.runs_px[:, 0]
        before = np.concatenate([np.zeros(1, dtype=np.int64), lengths.cumsum()])
        return np.diff(before[self.first_run])

    @cached_property
    def boxes_px(self) -> Int64[np.ndarray, "m 4"]:
        """Left, top, right and bottom edge of each mask, right and bottom exclusive; zeros for an empty mask."""
        width = self.size_px[0]
        top, left = np.divmod(self.runs_px[:, 0].astype(np.int64), width)
        bottom, right = np.divmod(self.runs_px[:, 1].astype(np.int64) - 1, width)
        whole_rows = bottom > top  # a run that goes on in the next row touches both sides
        left, right = np.where(whole_rows, 0, left), np.where(whole_rows, width - 1, right)
        filled = np.flatnonzero(np.diff(self.first_run))
        starts = self.first_run[filled]
        boxes = np.zeros((len(self), 4), dtype=np.int64)
        if len(filled):
            boxes[filled, 0], boxes[filled, 1] = np.minimum.reduceat(left, starts), np.minimum.reduceat(top, starts)
            boxes[filled, 2] = np.maximum.reduceat(right, starts) + 1
            boxes[filled, 3] = np.maximum.reduceat(bottom, starts) + 1
        return boxes

    def taken(self, which: Int64[np.ndarray, " k"]) -> "RunLengths":
        """Some of the masks, in the order given."""
        counts = np.diff(self.first_run)[which]
        first_run = np.concatenate([[0], counts.cumsum()])
        rows = np.arange(first_run[-1]) + np.repeat(self.first_run[which] - first_run[:-1], counts)
        return RunLengths(self.size_px, self.runs_px[rows], first_run)

    def dense(self, device: torch.device | str = "cpu", which: slice = slice(None)) -> Bool[Tensor, "m h w"]:
        """The masks as pictures: a byte a pixel on the device, without waiting for it.

        Args:
            which: only some neighbouring masks.
        """
        start, end, _ = which.indices(len(self))
        width, height = self.size_px
        out = torch.empty(max(end - start, 0), height, width, dtype=torch.bool, device=device)
        step = _masks_at_once(height * width)
        for first in range(start, end, step):
            last = min(first + step, end)
            out[first - start : last - start] = self._decoded(first, last, torch.device(device))
        return out

    def _decoded(self, start: int, end: int, device: torch.device) -> Bool[Tensor, "m h w"]:
        """Masks `start` to `end`: sums of steps, one up where a run begins and one down where it ends."""
        width, height = self.size_px
        rows = slice(self.first_run[start], self.first_run[end])
        mask = np.repeat(np.arange(end - start), np.diff(self.first_run[start : end + 1]))
        edges = to_device_async(self.runs_px[rows] + mask[:, None] * (width * height), device, np.int64)
        ones = torch.ones(len(edges), dtype=torch.int8, device=device)
        steps = torch.zeros((end - start) * width * height + 1, dtype=torch.int8, device=device)
        steps.index_add_(0, edges[:, 0], ones).index_add_(0, edges[:, 1], ones, alpha=-1)
        torch.cumsum(steps, 0, dtype=torch.int8, out=steps)
        return steps[:-1].view(end - start, height, width).bool()


@torch.no_grad()
def encode_runs(masks: Bool[Tensor, "m h w"], used: Bool[Tensor, "h w"] | None = None) -> RunLengths:
    """The run lengths of masks, found on their device, some masks at a time.

    Beside the masks it needs some 200 MB, and 32 bytes for each run of the masks that are looked at together; it waits
    for the device once for every 2^26 pixels.

    Args:
        used: pixels outside of it are taken from every mask.
    """
    height, width = masks.shape[1:]
    pixels = height * width
    edges = []
    for some in masks.flatten(1).split(_masks_at_once(pixels)):
        inside = some if used is None else some & used.flatten()
        padded = torch.zeros(len(some), pixels + 2, dtype=torch.bool, device=masks.device)
        padded[:, 1:-1] = inside
        changes = padded[:, 1:] ^ padded[:, :-1]  # pixels + 1 places in each mask: an even number of them change
        mask, place = changes.nonzero().T.cpu().numpy()
        edges.append((np.bincount(mask, minlength=len(some)) // 2, place.astype(np.uint32)))
    runs_of_mask = np.concatenate([np.zeros(1, dtype=np.int64), *(runs for runs, _ in edges)])
    places = np.concatenate([np.zeros(0, dtype=np.uint32), *(place for _, place in edges)])
    return RunLengths((width, height), places.reshape(-1, 2), runs_of_mask.cumsum())


def _masks_at_once(pixels: int) -> int:
    return max(_PIXELS_AT_ONCE // max(pixels, 1), 1)
