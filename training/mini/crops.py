"""Crops on the GPU: where they are cut, what they show, and their pixels.

Nothing here waits for the device (a `torch.where` with a number may, on CUDA). A crop is a square tile of a picture,
resized exactly as langfield's pyramid resizes its tiles: an antialiased bicubic filter that sees nothing beyond the
tile. Resizing is linear and separable, so a crop is two matrix products with the whole picture, whatever its scale.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from training.mini.captions import Captions
from training.mini.data import AROUND, FIRST_THING, NOTHING, TABLE, Pictures

WINDOW = 16
MIN_SIDE_PX = 24
MIN_COVER = 0.04
_SIGMA = 0.3
_SHARPEST, _BLURRIEST = 64, 20
_BACKGROUND_SHARE, _BLURRED_SHARE, _BLACK_SHARE, _OTHER_SHARE = 0.12, 0.35, 0.5, 0.15
_OVERSAMPLE = 1.6


@dataclass(frozen=True)
class Squares:
    """Tiles: whole pixels of picture `picture` from (left, top), `side` wide. `black`: what is outside is black."""

    picture: Tensor
    left: Tensor
    top: Tensor
    side: Tensor
    black: Tensor

    def __getitem__(self, chosen: Tensor) -> "Squares":
        return Squares(*(getattr(self, name)[chosen] for name in ("picture", "left", "top", "side", "black")))


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
        shown: (B, Q + 1) which identities each crop shows.
        valid: (B,) false where a crop shows what is held out: it must not count.
    """

    pixels: Tensor
    caption: Tensor
    shown: Tensor
    valid: Tensor


class CropSampler:
    """Draws batches from pictures that are on the device."""

    def __init__(self, pictures: Pictures, captions: Captions, size_px: int, device: torch.device) -> None:
        train = ~pictures.held_out_scene
        instances = pictures.instances
        instances = instances[train[instances["scene"]] & ~captions.held_out[instances["identity"]]]
        if len(instances) == 0:
            raise ValueError("no thing to train on: every scene's number ends in 0, or they show too little")
        nouns = np.array([identity.nouns[0] for identity in pictures.identities])[instances["identity"]]
        order = np.argsort(nouns, kind="stable")
        _, starts, counts = np.unique(nouns[order], return_index=True, return_counts=True)
        picked = instances[order]
        known = np.where(pictures.identity_of < 0, len(pictures.identities), pictures.identity_of)
        held = np.append(captions.held_out, False)
        draw = np.concatenate([captions.draw, captions.draw[:1]])  # the last row is "unknown": such crops are invalid

        def put(array: np.ndarray, dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)

        self.size_px = size_px
        self.device = device
        self.rgb = put(pictures.rgb, torch.uint8)
        self.ids = put(pictures.ids, torch.uint8)
        self.scene_of = put(pictures.scene_of, torch.int64)
        self._identity_of = put(known, torch.int64)
        self._held = put(held, torch.bool)
        self._draw = put(draw, torch.int64)
        self._starts, self._counts = put(starts, torch.int64), put(counts, torch.int64)
        self._picture, self._box = put(picked["picture"], torch.int64), put(picked["box"], torch.float32)
        self._train_pictures = put(np.flatnonzero(train[pictures.scene_of]), torch.int64)
        self._background = put(pictures.background, torch.float32)
        self._unknown = len(pictures.identities)
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
        squares, identities, present = squares[chosen], identities[chosen], content.present[chosen]
        spoken = identities.gather(1, content.spoken[chosen][:, None])[:, 0]
        draws = (self._random(size) * self._draw.shape[1]).long()
        shown = torch.zeros(size, self._unknown + 1, device=self.device)
        shown.scatter_(1, identities.masked_fill(~present, self._unknown), 1.0)
        shown[:, self._unknown] = 0
        pixels = self.pixels(squares)
        return Batch(pixels, self._draw[spoken, draws], shown, valid[chosen])

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

    def pixels(self, squares: Squares) -> Tensor:
        """(B, 3, s, s) in [0, 1], augmented: flipped, as blurred as an enlarged small crop, lighter or darker."""
        u = self._random(8, len(squares.side))
        blurred = _BLURRIEST * torch.exp(u[0] * math.log(_SHARPEST / _BLURRIEST))
        detail = blurred.masked_fill(u[1] >= _BLURRED_SHARE, 1e6).clamp(max=float(self.size_px))
        flip = u[2] < 0.5
        return self.look(self.rgb, squares, detail, flip, u[3:])

    def look(self, rgb: Tensor, squares: Squares, detail: Tensor, flip: Tensor, u: Tensor) -> Tensor:
        """The pixels for given random numbers; `train` may replace this by a compiled form."""
        reach = reach_px(min(rgb.shape[1:3]), min(_BLURRIEST, self.size_px))
        return augmented(cut(rgb, squares, self.size_px, detail, flip, reach), u)

    def _random(self, *shape: int) -> Tensor:
        return torch.rand(shape, device=self.device)


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


def reach_px(longest_side_px: int, least_detail: int) -> int:
    """How far from its centre a sample's filter may reach."""
    return int(2 * max(longest_side_px / least_detail, 1)) + 2


def cut(rgb: Tensor, squares: Squares, size_px: int, detail: Tensor, flip: Tensor, reach: int) -> Tensor:
    """(B, 3, s, s) crops in [0, 1], in float32; computed in float16 on CUDA.

    Args:
        rgb: (N, H, W, 3) uint8.
        detail: (B,) at most the size: a crop looks as if it had been shrunk to so many pixels and enlarged again.
        flip: (B,) left to right.
        reach: see `reach_px`.
    """
    dtype = torch.float16 if rgb.is_cuda else torch.float32
    picture = rgb[squares.picture].to(dtype)
    count, height, width, _ = picture.shape
    down = resize_matrix(squares.top, squares.side, detail, squares.black, height, size_px, reach)
    across = resize_matrix(squares.left, squares.side, detail, squares.black, width, size_px, reach)
    across = torch.where(flip[:, None, None], across.flip(1), across)
    rows = torch.bmm(down.to(dtype), picture.view(count, height, width * 3)).view(count, size_px, width, 3)
    columns = rows.transpose(1, 2).reshape(count, width, size_px * 3)
    crops = torch.bmm(across.to(dtype), columns).view(count, size_px, size_px, 3)
    return (crops.permute(0, 3, 2, 1).float() / 255).clamp(0, 1).contiguous()


def resize_matrix(
    start: Tensor, side: Tensor, detail: Tensor, black: Tensor, length: int, size: int, reach: int
) -> Tensor:
    """(B, size, length): how much each of a picture's pixels counts in each sample of the tile from `start` on.

    A sample's weights sum to 1 over the tile; the part of a tile that is outside of the picture is black (its weights
    are left out), or like the pixel at the picture's edge.
    """
    samples = torch.arange(size, device=start.device) + 0.5
    centre = start[:, None] + samples * (side / size)[:, None] - 0.5
    stretch = (side / detail).clamp(min=1)[:, None, None]
    end = (start + side)[:, None, None]

    def weights(position: Tensor) -> Tensor:
        inside = (position >= start[:, None, None]) & (position < end)
        return _cubic((position - centre[..., None]) / stretch) * inside

    near = torch.arange(-reach, reach + 1, device=start.device)
    total = weights(centre.floor()[..., None] + near).sum(dim=-1)
    matrix = weights(torch.arange(length, device=start.device, dtype=centre.dtype)[None, None])
    missing = (total - matrix.sum(dim=-1)) * ~black[:, None]
    low = centre < length / 2
    first, last = (missing * low)[..., None], (missing * ~low)[..., None]
    matrix = torch.cat([matrix[..., :1] + first, matrix[..., 1:-1], matrix[..., -1:] + last], dim=-1)
    return matrix / total[..., None]


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic with a = −0.5: what antialiased bicubic resizing uses."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, far) * (x < 2)


def augmented(crops: Tensor, u: Tensor) -> Tensor:
    """Crops a little lighter or darker, of more or less contrast, and off-colour; u (5, B) are random numbers."""

    def spread(numbers: Tensor, amount: float) -> Tensor:
        return torch.exp((2 * numbers - 1) * amount)[:, None, None, None]

    tint = torch.stack([u[3], u[4], (u[3] + u[4] + u[0]) % 1], dim=1)[:, :, None, None]
    gain = spread(u[0], 0.18) * (1 + (tint - 0.5) * 0.06)
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    changed = (mean + (crops - mean) * spread(u[1], 0.18)) * gain
    return changed.clamp(0, 1).clamp(min=1e-4) ** spread(u[2], 0.12)
