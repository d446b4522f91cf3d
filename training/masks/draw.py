"""Training pictures as the device draws them: turned, scaled, recoloured, with things of another picture put in."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from training.masks.data import NOTHING, Store
from training.masks.model import MEAN, STD

OTHER = 256  # ids of things that come from the second picture begin here
GROUP = 1024  # labels of sets of equals begin here
PART_STEP = 256
LUMA = (0.299, 0.587, 0.114)
_ORDERS = ((0, 1, 2), (0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


@dataclass(frozen=True)
class Drawn:
    """A batch: pixels (B, 3, S, S) as the model takes them; labels (3, B, S, S) int32: part, thing, set of equals that
    a pixel shows, −1 for nothing. Where a thing has no parts or no equals, these labels tell the thing."""

    pixels: Tensor
    labels: Tensor


class Drawer:
    """Draws batches; all that a step needs is on the device before the first."""

    def __init__(self, store: Store, side_px: int, generator: torch.Generator, pasted: float = 0.4) -> None:
        device = store.device
        self.store, self.side_px, self.generator, self.pasted = store, side_px, generator, pasted
        self._orders = torch.tensor(_ORDERS, device=device)
        self._luma = torch.tensor(LUMA, device=device)
        self._mean, self._std = (torch.tensor(x, device=device).view(1, 3, 1, 1) for x in (MEAN, STD))
        axis = torch.arange(side_px, device=device) + 0.5
        self._y, self._x = axis[:, None].expand(side_px, side_px), axis[None].expand(side_px, side_px)

    def _rand(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.store.device)

    def batch(self, count: int) -> Drawn:
        """A batch of so many pictures."""
        width, height = self._frames(count)
        inside = (self._x < width[:, None, None]) & (self._y < height[:, None, None])
        rgb, ids, parts, groups, seen = self._view(count, width, height)
        rgb2, ids2, parts2, groups2, seen2 = self._view(count, width, height)
        keep = (self._rand(count, 256) < 0.4) & (self._rand(count, 1) < self.pasted)
        keep[:, :10] = False
        keep[:, NOTHING] = False
        put = torch.gather(keep, 1, ids2.flatten(1)).view_as(ids2) & seen2
        rgb = torch.where(put[:, None], rgb2, rgb)
        thing = torch.where(put, ids2 + OTHER, ids)
        part = torch.where(put, parts2, parts)
        group = torch.where(put, groups2 + OTHER * (groups2 > 0), groups)
        known = inside & torch.where(put, seen2, seen) & (torch.where(put, ids2, ids) != NOTHING)
        named = torch.stack([thing * PART_STEP + part, thing, torch.where(group > 0, group + GROUP, thing)])
        labels = torch.where(known, named, -1).int()
        pixels = (self._recoloured(rgb) - self._mean) / self._std
        return Drawn(torch.where(inside[:, None], pixels, 0.0), labels)

    def _frames(self, count: int) -> tuple[Tensor, Tensor]:
        """Width and height (B,) of what the pictures fill of the square: most as they are, some wider or upright."""
        side, store = self.side_px, self.store
        ratio = self._rand(count, low=0.6)
        upright = self._rand(count) < 0.4
        usual = self._rand(count) < 0.65
        width = torch.where(usual | ~upright, side, (ratio * side).round())
        height = torch.where(
            usual, round(side * store.height_px / store.width_px), torch.where(upright, side, (ratio * side).round())
        )
        return width.float(), height.float()

    def _view(self, count: int, width: Tensor, height: Tensor) -> tuple[Tensor, ...]:
        """rgb (B, 3, S, S) in [0, 1], ids, parts and sets (B, S, S) int64, and which pixels are of a picture at all."""
        store, side = self.store, self.side_px
        row = (self._rand(count) * store.count).long().clamp(max=store.count - 1)
        x, y = self._sources(count, width, height)
        grid = torch.stack([2 * x / store.width_px - 1, 2 * y / store.height_px - 1], -1)
        rgb = store.rgb[row].permute(0, 3, 1, 2).float() / 255
        rgb = grid_sample(rgb, grid, mode="bilinear", padding_mode="border", align_corners=False)
        seen = (x >= 0) & (x < store.width_px) & (y >= 0) & (y < store.height_px)
        place = y.long().clamp(0, store.height_px - 1) * store.width_px + x.long().clamp(0, store.width_px - 1)
        ids, parts = (torch.gather(kept[row], 1, place.flatten(1)).long() for kept in (store.ids, store.parts))
        groups = torch.gather(store.alike[row], 1, ids).long()
        plain = self._rand(count, 3, 1, 1)
        rgb = torch.where(seen[:, None], rgb, plain)
        shape = (count, side, side)
        return rgb, ids.view(shape), parts.view(shape), groups.view(shape), seen

    def _sources(self, count: int, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        """Where (x, y), each (B, S, S) in pixels of the source, the drawn pixels come from."""
        store, side = self.store, self.side_px
        step = max(store.width_px, store.height_px) / side  # source pixels to one drawn pixel, as a picture is read
        cover = torch.maximum(width * step / store.width_px, height * step / store.height_px)
        zoom = torch.exp(self._rand(count, low=math.log(0.85), high=math.log(2.0)))
        zoom = torch.where(self._rand(count) < 0.3, 1.0, zoom) * cover.clamp(min=1.0)
        scale = step / zoom
        angle = torch.where(self._rand(count) < 0.4, self._rand(count, low=-0.3, high=0.3), 0.0)
        flip = torch.where(self._rand(count) < 0.5, -1.0, 1.0)
        free_x = (store.width_px - width * scale).abs()
        free_y = (store.height_px - height * scale).abs()
        middle_x = store.width_px / 2 + (self._rand(count) - 0.5) * free_x
        middle_y = store.height_px / 2 + (self._rand(count) - 0.5) * free_y
        cos, sin, flip, middle_x, middle_y, width, height = (
            v[:, None, None]
            for v in (angle.cos() * scale, angle.sin() * scale, flip, middle_x, middle_y, width, height)
        )
        right, down = (self._x - width / 2) * flip, self._y - height / 2
        return middle_x + cos * right - sin * down, middle_y + sin * right + cos * down

    def _recoloured(self, rgb: Tensor) -> Tensor:
        """Other light and other colours; a fifth of pictures stay as they are."""
        count = len(rgb)
        order = self._orders[(self._rand(count) * len(_ORDERS)).long().clamp(max=len(_ORDERS) - 1)]
        order = torch.where(self._rand(count, 1) < 0.3, order, self._orders[0])
        x = torch.gather(rgb, 1, order[:, :, None, None].expand_as(rgb))
        gray = (x * self._luma[:, None, None]).sum(1, keepdim=True)
        saturation = torch.where(self._rand(count, 1, 1, 1) < 0.1, 0.0, self._rand(count, 1, 1, 1, low=0.5, high=1.4))
        x = gray + saturation * (x - gray)
        x = x * self._rand(count, 3, 1, 1, low=0.8, high=1.2) * self._rand(count, 1, 1, 1, low=0.7, high=1.3)
        x = (x - 0.45) * self._rand(count, 1, 1, 1, low=0.75, high=1.25) + 0.45
        x = x.clamp(1e-3, 1) ** torch.exp(self._rand(count, 1, 1, 1, low=-0.35, high=0.35))
        noise = torch.randn(x.shape, generator=self.generator, device=x.device)
        x = x + noise * self._rand(count, 1, 1, 1, high=0.03)
        return torch.where(self._rand(count, 1, 1, 1) < 0.2, rgb, x.clamp(0, 1))
