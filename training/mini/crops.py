"""Crops on the GPU: where they are cut, what they show, and their pixels.

Nothing here waits for the device, and shapes are fixed: a batch can be recorded in a CUDA graph (a `torch.where` with a
number may wait on CUDA). All randomness comes from the sampler's generator.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from training.mini import augment
from training.mini.augment import MARGIN, Shares
from training.mini.captions import Captions
from training.mini.cutting import Squares, cut_with_mask, reach_px
from training.mini.data import AROUND, FIRST_THING, NOTHING, TABLE, Pictures

WINDOW = 16
MIN_SIDE_PX = 24
MIN_COVER = 0.04
_SIGMA = 0.3
_SHARPEST, _BLURRIEST = 64, 20
_BACKGROUND_SHARE, _BLURRED_SHARE, _BLACK_SHARE, _OTHER_SHARE = 0.12, 0.35, 0.5, 0.15
_PLAIN_SHARE, _BEHIND = 0.35, 0.06
_OVERSAMPLE = 1.6


@dataclass(frozen=True)
class Content:
    """What crops show.

    Attributes:
        subject: (B,) id of what the crop is of.
        spoken: (B,) id of what is captioned: the subject, or now and then another thing of like weight.
        present: (B, 256) ids that the crop shows enough of for phrases about them not to be wrong.
    """

    subject: Tensor
    spoken: Tensor
    present: Tensor


@dataclass(frozen=True)
class Batch:
    """Crops for training.

    Attributes:
        pixels: (B, 3, s, s) in [0, 1].
        caption: (B,) number of each crop's caption.
        spoken: (B,) row (see `captions`) of what is captioned.
        shown: (B, R + 1) which rows each crop shows: twins instead of identities where it is recoloured.
        valid: (B,) false where a crop shows what is held out: it must not count.
    """

    pixels: Tensor
    caption: Tensor
    spoken: Tensor
    shown: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Changes:
    """What happens to crops: (B,) each. `behind` is the crop whose pixels replace what is around the subject."""

    recoloured: Tensor
    gray: Tensor
    replaced: Tensor
    plain: Tensor
    behind: Tensor

    @property
    def colourless(self) -> Tensor:
        """Crops of which no caption may say a colour."""
        return self.recoloured | self.gray


class CropSampler:
    """Draws batches from pictures that are on the device."""

    def __init__(
        self,
        pictures: Pictures,
        captions: Captions,
        size_px: int,
        device: torch.device,
        shares: Shares | None = None,
        seed: int = 0,
    ) -> None:
        train = ~pictures.held_out_scene
        instances = pictures.instances
        instances = instances[train[instances["scene"]] & ~captions.held_out[instances["identity"]]]
        if len(instances) == 0:
            raise ValueError("no thing to train on: every scene's number ends in 0, or they show too little")
        nouns = np.array([identity.nouns[0] for identity in pictures.identities])[instances["identity"]]
        order = np.argsort(nouns, kind="stable")
        _, starts, counts = np.unique(nouns[order], return_index=True, return_counts=True)
        picked = instances[order]
        self._unknown = len(captions.twin)
        known = np.where(pictures.identity_of < 0, self._unknown, pictures.identity_of)
        held = np.zeros(self._unknown + 1, bool)
        held[: len(captions.held_out)] = captions.held_out
        draw = np.concatenate([captions.draw, captions.draw[:1]])  # the last row is "unknown": such crops are invalid

        def put(array: np.ndarray, dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)

        self.size_px = size_px
        self.device = device
        self.shares = shares or Shares()
        self.generator = torch.Generator(device).manual_seed(seed)
        self.rgb = put(pictures.rgb, torch.uint8)
        self.ids = put(pictures.ids, torch.uint8)
        self.scene_of = put(pictures.scene_of, torch.int64)
        self._identity_of = put(known, torch.int64)
        self._twin = put(np.append(captions.twin, self._unknown), torch.int64)
        self._recolourable = put(np.append(captions.recolourable, False), torch.bool)
        self._held = put(held, torch.bool)
        self._draw = put(draw, torch.int64)
        self._starts, self._counts = put(starts, torch.int64), put(counts, torch.int64)
        self._picture, self._box = put(picked["picture"], torch.int64), put(picked["box"], torch.float32)
        self._train_pictures = put(np.flatnonzero(train[pictures.scene_of]), torch.int64)
        self._background = put(pictures.background, torch.float32)
        self.window_weights = window_weights(device)

    @torch.no_grad()
    def batch(self, size: int) -> Batch:
        """Crops with captions. More are drawn than asked for; those that show what is held out go first."""
        squares = self.squares(int(size * _OVERSAMPLE) + 1)
        histogram = self.histogram(squares)
        content = content_of(histogram, self._random(len(histogram), 257))
        identities = self._identity_of[self.scene_of[squares.picture]]
        unnamed = (identities == self._unknown).gather(1, torch.stack([content.subject, content.spoken], dim=1))
        valid = ~((self._held[identities] & content.present).any(dim=1) | unnamed.any(dim=1))
        chosen = torch.argsort(valid.to(torch.uint8), descending=True, stable=True)[:size]
        squares, identities, valid = squares[chosen], identities[chosen], valid[chosen]
        content = Content(content.subject[chosen], content.spoken[chosen], content.present[chosen])
        changes = self.changes(content, identities, valid)
        spoken, shown = self.said(content, identities, changes)
        draws = (self._random(size) * self._draw.shape[1]).long()
        pixels = self.pixels(squares, content.subject, changes)
        return Batch(pixels, self._draw[spoken, draws], spoken, shown, valid)

    def changes(self, content: Content, identities: Tensor, valid: Tensor) -> Changes:
        """Which crops are recoloured, gray, or put before something else. Only things are, and only of many colours."""
        u = self._random(5, len(valid))
        is_thing = content.subject >= FIRST_THING
        named = identities.gather(1, content.subject[:, None])[:, 0]
        recoloured = (u[0] < self.shares.recoloured) & self._recolourable[named]
        gray = (u[1] < self.shares.gray) & is_thing
        replaced = (u[2] < self.shares.replaced) & is_thing
        emptiest = torch.argsort((valid & ~is_thing).to(torch.uint8), descending=True, stable=True)
        behind = emptiest[(u[4] * max(1, int(_BEHIND * len(valid)))).long()]
        return Changes(recoloured, gray, replaced, u[3] < _PLAIN_SHARE, behind)

    def said(self, content: Content, identities: Tensor, changes: Changes) -> tuple[Tensor, Tensor]:
        """Rows of what is captioned (B,) and of what is shown (B, R + 1), after the changes."""
        spoken = torch.where(changes.replaced, content.subject, content.spoken)
        rows = torch.where(changes.colourless[:, None], self._twin[identities], identities)
        shown = self._marked(rows.masked_fill(~content.present, self._unknown))
        alone = self._marked(rows.gather(1, content.subject[:, None]))
        behind = shown[changes.behind] * (~changes.plain)[:, None]
        shown = torch.where(changes.replaced[:, None], torch.maximum(alone, behind), shown)
        return rows.gather(1, spoken[:, None])[:, 0], shown

    def _marked(self, rows: Tensor) -> Tensor:
        marks = torch.zeros(len(rows), self._unknown + 1, device=self.device).scatter_(1, rows, 1.0)
        marks[:, self._unknown] = 0
        return marks

    def squares(self, count: int) -> Squares:
        """Most frame a thing, kinds of things equally often; the rest are around pixels that show none."""
        u = self._random(8, count)
        kind = (u[0] * len(self._starts)).long()
        chosen = self._starts[kind] + (u[1] * self._counts[kind]).long()
        box = self._box[chosen]
        far = u[2] < 0.1
        low, high = 0.6 + 1.9 * far, 2.5 + 1.5 * far
        longer = (box[:, 2:] - box[:, :2]).amax(dim=1)
        side = longer * torch.exp(torch.log(low) + u[3] * torch.log(high / low))
        empty = u[4] < _BACKGROUND_SHARE
        height, width = self.ids.shape[1:]
        somewhere = self._train_pictures[(u[1] * len(self._train_pictures)).long()]
        picture = torch.where(empty, somewhere, self._picture[chosen])
        side = torch.where(empty, MIN_SIDE_PX * torch.exp(u[3] * math.log(max(0.6 * height / MIN_SIDE_PX, 1.5))), side)
        side = side.clamp(min=MIN_SIDE_PX, max=min(height, width)).round()
        point = self._background[picture, (u[0] * self._background.shape[1]).long()]
        middle = torch.where(empty[:, None], point, (box[:, 2:] + box[:, :2]) / 2)
        middle = middle + (u[5:7].T - 0.5) * 0.7 * side[:, None]
        left = (middle[:, 0].clamp(0, width) - side / 2).round()
        top = (middle[:, 1].clamp(0, height) - side / 2).round()
        return Squares(picture, left, top, side, u[7] < _BLACK_SHARE)

    def histogram(self, squares: Squares) -> Tensor:
        """(B, 256) how much of each id a crop shows; what is near its centre weighs more. Sums to 1 with `NOTHING`."""
        height, width = self.ids.shape[1:]
        steps = (torch.arange(WINDOW, device=self.device) + 0.5) / WINDOW
        x = (squares.left[:, None] + steps * squares.side[:, None]).floor().long()
        y = (squares.top[:, None] + steps * squares.side[:, None]).floor().long()
        outside = ((x < 0) | (x >= width))[:, None, :] | ((y < 0) | (y >= height))[:, :, None]
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
        seen = self.ids[squares.picture[:, None, None], y[:, :, None], x[:, None, :]].long()
        seen = seen.masked_fill(outside & squares.black[:, None, None], NOTHING).flatten(1)
        histogram = torch.zeros(len(seen), 256, device=self.device)
        return histogram.scatter_add_(1, seen, self.window_weights.expand(len(seen), -1))

    def pixels(self, squares: Squares, subject: Tensor, changes: Changes) -> Tensor:
        """(B, 3, s, s) in [0, 1], augmented."""
        count = len(subject)
        noise = torch.randn((count, 3, self.size_px, self.size_px), generator=self.generator, device=self.device)
        return self.look(squares, subject, changes, self._random(29, count), self._random(count, 3, 5, 5), noise)

    def look(
        self, squares: Squares, subject: Tensor, changes: Changes, u: Tensor, patches: Tensor, noise: Tensor
    ) -> Tensor:
        """The pixels for given random numbers: as blurred as an enlarged small crop, flipped, turned, recoloured, …"""
        blurred = _BLURRIEST * torch.exp(u[0] * math.log(_SHARPEST / _BLURRIEST))
        detail = blurred.masked_fill(u[1] >= _BLURRED_SHARE, 1e6).clamp(max=float(self.size_px))
        large = 2 * round(MARGIN * self.size_px / 2)
        grown = large / self.size_px
        reach = reach_px(min(self.rgb.shape[1:3]), min(_BLURRIEST, self.size_px))
        tiles, mask = cut_with_mask(
            self.rgb, self.ids, subject, squares.grown(grown), large, detail * grown, u[2] < 0.5, reach
        )
        both = augment.warped(torch.cat([tiles, mask], dim=1), self.size_px, u[3:9], self.shares.turned)
        crops, mask = both[:, :3], both[:, 3:]
        plain = augment.plain_backgrounds(self.size_px, u[9:13], patches)
        behind = torch.where(changes.plain[:, None, None, None], plain, crops[changes.behind])
        crops = augment.recoloured(crops, mask, changes.recoloured.float(), u[13:20])
        mask = torch.maximum(mask, (~changes.replaced).float()[:, None, None, None])
        crops = behind + mask * (crops - behind)
        return augment.relit(augment.gray(crops, changes.gray.float()), u[20:29], noise)

    def _random(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.device)


def window_weights(device: torch.device) -> Tensor:
    """(256,) a Gaussian over the window of a crop, in rows; sums to 1."""
    steps = (torch.arange(WINDOW, device=device) + 0.5) / WINDOW - 0.5
    bell = torch.exp(-0.5 * (steps / _SIGMA) ** 2)
    return (bell[:, None] * bell / bell.sum() ** 2).flatten()


def content_of(histogram: Tensor, u: Tensor) -> Content:
    """What crops show, by how much they show of each id (B, 256); u (B, 257) random numbers choose what is spoken of.

    The subject is the thing of the largest weight, or the background if things cover less than 4 %. Present is what
    has at least a quarter of the subject's weight, or of the crop 15 %.
    """
    weight = histogram.clone()
    weight[:, AROUND] += weight[:, 0]
    weight[:, 0] = 0
    weight[:, AROUND + 1 : FIRST_THING] = 0
    weight[:, NOTHING] = 0
    things = weight[:, FIRST_THING:]
    is_thing = things.sum(dim=1) >= MIN_COVER
    behind = AROUND - (weight[:, TABLE] >= weight[:, AROUND]) * (AROUND - TABLE)
    subject = torch.where(is_thing, things.argmax(dim=1) + FIRST_THING, behind)
    most = weight.gather(1, subject[:, None])
    needed = 0.5 * most.expand_as(weight)
    needed = torch.cat([(2 * most).expand(-1, FIRST_THING), needed[:, FIRST_THING:]], dim=1)
    others = (weight >= needed) & (weight > 0) & is_thing[:, None]
    others = others.scatter(1, subject[:, None], False)
    other = u[:, 1:].masked_fill(~others, -1.0).argmax(dim=1)
    speak_other = (u[:, 0] < _OTHER_SHARE) & others.any(dim=1)
    quarter = torch.cat([torch.full_like(most, 0.15).expand(-1, FIRST_THING), 0.25 * most.expand_as(things)], dim=1)
    present = (weight >= quarter.clamp(max=0.15)) & (weight > 0)
    spoken = torch.where(speak_other, other, subject)
    return Content(subject, spoken, present.scatter(1, subject[:, None], True).scatter(1, spoken[:, None], True))
