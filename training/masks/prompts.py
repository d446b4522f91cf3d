"""Clicks and boxes, and the masks that they ask for, drawn on the device from a batch's labels.

A click asks for three masks: the part, the thing and the set of equals that it lies on, one candidate each, in this
order; SAM's single mask is the thing. Boxes, and several clicks, ask for one mask, and all candidates are to give it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d
from training.masks.data import FIRST_THING
from training.masks.draw import OTHER
from training.masks.fast import as_pictures, cells_first

PART, THING, EQUALS = range(3)
_DEPTHS = (5, 11, 21)  # windows, in pixels of the sampling grid, that the middle of a thing fills
_LABELS = 512
_PAD = -10  # label of a point that is none


@dataclass(frozen=True)
class Counts:
    """How many prompts of each sort a picture gets: clicks anywhere in a thing, near its middle; boxes; several
    clicks."""

    anywhere: int = 4
    middle: int = 3
    boxes: int = 3
    several: int = 2


@dataclass(frozen=True)
class Prompts:
    """Prompts of a batch, P = clicks + boxes + several, in this order.

    Attributes:
        clicks: (B, c, 1, 2) x, y in pixels of the input. boxes: (B, b, 4) x0, y0, x1, y1.
        several: (B, s, 3, 2) with labels (B, s, 3), 1 inside, 0 outside, −10 none.
        truth: (B, P, 4, cells²·16) share of a mask pixel that is inside: single, part, thing, equals (`cells_first`).
        weight: (B, P) 0 where a prompt lies on nothing.
    """

    clicks: Tensor
    boxes: Tensor
    several: Tensor
    several_labels: Tensor
    truth: Tensor
    weight: Tensor


class Prompter:
    """Draws prompts."""

    def __init__(self, counts: Counts, cells: int, generator: torch.Generator, background: float = 0.15) -> None:
        """Args: background: how much rarer table and room are asked for than a thing."""
        device = generator.device
        self.counts, self.cells, self.generator = counts, cells, generator
        things = torch.arange(_LABELS, device=device) % OTHER >= FIRST_THING
        self._prior = torch.where(things, 1.0, background)
        self._levels = torch.tensor([THING, THING, THING, THING, THING, PART, EQUALS], device=device)

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def weights(self, thing: Tensor) -> tuple[Tensor, Tensor]:
        """Where to click: weights (B, S/2·S/2) of every second pixel of `thing` (B, S, S), each thing's alike in sum;
        one for anywhere in a thing, one for near its middle. Things of under 12 such pixels have none."""
        near = thing[:, ::2, ::2].float()[:, None]
        label = near.flatten(1).long()
        known, label = label >= 0, label.clamp(min=0)
        deep = torch.ones_like(near)
        for window in _DEPTHS:
            same = max_pool2d(near, window, 1, window // 2) == -max_pool2d(-near, window, 1, window // 2)
            deep = torch.where(same, deep * 12, deep)
        deep = deep.flatten(1) * known
        flat = known.float()
        area, depth = (
            torch.zeros(len(thing), _LABELS, device=thing.device).scatter_add_(1, label, w) for w in (flat, deep)
        )
        prior = torch.where(area >= 12, self._prior, 0.0)
        even, middle = (torch.gather(prior / total.clamp(min=1e-6), 1, label) for total in (area, depth))
        return flat * even, deep * middle

    def cells_of(self, thing: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """(B, count) indices of cells and what their middles show, −1 for nothing; each thing as often as another."""
        patch = thing.shape[-1] // self.cells
        label = thing[:, patch // 2 :: patch, patch // 2 :: patch].flatten(1).long()
        known = (label >= 0).float()
        place = label.clamp(min=0)
        area = torch.zeros(len(thing), _LABELS, device=thing.device).scatter_add_(1, place, known)
        sums = (known / torch.gather(area, 1, place).clamp(min=1) ** 0.75).cumsum(1)
        found = torch.searchsorted(sums, self._rand(len(thing), count) * sums[:, -1:]).clamp(max=label.shape[1] - 1)
        return found, torch.gather(label, 1, found)

    def _pixels(self, weights: Tensor, count: int, side: int) -> Tensor:
        """(B, count) flat indices of pixels, drawn by weights (B, S/2·S/2) of every second pixel."""
        sums = weights.cumsum(1)
        found = torch.searchsorted(sums, self._rand(len(weights), count) * sums[:, -1:]).clamp(max=weights.shape[1] - 1)
        y, x = found // (side // 2) * 2, found % (side // 2) * 2
        aside = (self._rand(2, *found.shape) * 2).long().clamp(max=1)
        return (y + aside[0]) * side + x + aside[1]

    def draw(self, labels: Tensor) -> Prompts:
        """Prompts of labels (3, B, S, S), see `draw.Drawn`."""
        counts, side = self.counts, labels.shape[-1]
        even, middle = self.weights(labels[THING])
        single = counts.boxes + counts.several
        pixels = torch.cat(
            [self._pixels(even, counts.anywhere + single, side), self._pixels(middle, counts.middle, side)], 1
        )
        split = (counts.anywhere, counts.boxes, counts.several, counts.middle)
        anywhere, boxed, several, central = pixels.split(split, 1)
        pixels = torch.cat([anywhere, central, boxed, several], 1)
        asked = torch.gather(labels.flatten(2), 2, pixels.expand(3, -1, -1))  # (3, B, P)
        clicks = counts.anywhere + counts.middle
        level = self._levels[
            (self._rand(len(even), single) * len(self._levels)).long().clamp(max=len(self._levels) - 1)
        ]
        truth, chosen = self._truth(labels, asked, clicks, level)
        boxes = self._boxes(labels, asked[:, :, clicks : clicks + counts.boxes], level[:, : counts.boxes])
        more, more_labels = self._more(even, pixels[:, clicks + counts.boxes :], chosen[:, counts.boxes :], side)
        return Prompts(
            clicks=_xy(pixels[:, :clicks, None], side),
            boxes=boxes,
            several=_xy(more, side),
            several_labels=more_labels,
            truth=truth,
            weight=(asked[THING] >= 0).float(),
        )

    def _truth(self, labels: Tensor, asked: Tensor, clicks: int, level: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, 4, M) for the prompts' four masks; (B, single, M) for those that ask for one."""
        masks = torch.stack(
            [
                (cells_first(labels[k], self.cells)[:, None] == asked[k, :, :, None, None]).to(torch.bfloat16).mean(-1)
                for k in (PART, THING, EQUALS)
            ],
            2,
        )  # (B, P, 3, M)
        several = masks[:, clicks:]
        chosen = torch.gather(several, 2, level[:, :, None, None].expand(-1, -1, 1, several.shape[-1]))
        first = torch.cat([masks[:, :clicks, THING, None], masks[:, :clicks]], 2)
        return torch.cat([first, chosen.expand(-1, -1, 4, -1)], 1), chosen[:, :, 0]

    def _boxes(self, labels: Tensor, asked: Tensor, level: Tensor) -> Tensor:
        """(B, b, 4) boxes of the asked masks, each side up to a tenth of the box off, at times exact."""
        inside = torch.zeros((*level.shape, *labels.shape[2:]), dtype=torch.bool, device=labels.device)
        for k in (PART, THING, EQUALS):
            inside |= (level == k)[:, :, None, None] & (labels[k][:, None] == asked[k][:, :, None, None])
        side, ends = labels.shape[-1], []
        for axis in (-2, -1):  # over rows: columns remain
            line = inside.any(axis).to(torch.uint8)
            ends.append((line.argmax(-1), side - line.flip(-1).argmax(-1)))
        (x0, x1), (y0, y1) = ends
        box = torch.stack([x0, y0, x1, y1], -1).float()
        size = torch.stack([x1 - x0, y1 - y0, x1 - x0, y1 - y0], -1)
        off = (self._rand(*box.shape) * 2 - 1) * 0.1 * size * self._rand(*box.shape[:2], 1)
        return (box + off).clamp(0, side)

    def _more(self, even: Tensor, first: Tensor, truth: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Pixels (B, s, 3) and their labels (B, s, 3): the first one inside, one more on either side, perhaps a third.

        `truth` (B, s, M) is that of the masks, pixels (B, s) lie in."""
        pixels, labels = [first], [torch.ones_like(first)]
        for extra in (0, 1):
            inside = self._rand(*first.shape) < 0.5
            places = self._places(even, truth, inside, side)
            label = inside.long()
            pixels.append(places)
            labels.append(label if extra == 0 else torch.where(self._rand(*first.shape) < 0.5, label, _PAD))
        return torch.stack(pixels, -1), torch.stack(labels, -1)

    def _places(self, even: Tensor, truth: Tensor, inside: Tensor, side: int) -> Tensor:
        batch, count, _ = truth.shape
        grid = _rows(truth, self.cells, side)  # (B, s, S/2·S/2)
        sure = torch.where(inside[:, :, None], grid > 0.99, (grid < 0.01) & (even[:, None] > 0))
        weights = sure * torch.where(inside[:, :, None], 1.0, even[:, None]) + 1e-9 * even[:, None]
        return self._pixels(weights.flatten(0, 1), 1, side).view(batch, count)


def _rows(masks: Tensor, cells: int, side: int) -> Tensor:
    """(B, s, cells²·16) in the order of cells → (B, s, S/2·S/2) in rows, nearest."""
    pictures = as_pictures(masks)
    finer, coarser = pictures.shape[-1] // (side // 2), side // 2 // pictures.shape[-1]
    if finer > 1:
        pictures = pictures[..., ::finer, ::finer]
    elif coarser > 1:
        pictures = pictures.repeat_interleave(coarser, -1).repeat_interleave(coarser, -2)
    return pictures.flatten(-2)


def _xy(pixels: Tensor, side: int) -> Tensor:
    return torch.stack([pixels % side, pixels // side], -1).float()
