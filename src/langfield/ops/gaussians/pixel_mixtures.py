"""Pixels whose values are weighted sums of a table's rows: `PixelMixtures`, for `ProjectedGaussians.lift_codes`.

The pixels of a tile of the picture read few rows, each of which is read by many of them. `PixelMixtures.by_tile`
numbers a tile's rows (its *slots*), so that a matrix product sums what a Gaussian gives to all pixels of a slot before
anything is scattered.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

LIFT_TILE_PX = 8  # what a program holds of a tile of 16 does not fit into a GPU's registers
_NO_ROW = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class TileSlots:
    """The rows that each tile of a picture reads; tiles row by row, with P = `LIFT_TILE_PX`² pixels of J rows each.

    Attributes:
        slot: (P · J) of each tile: which of the tile's slots a pixel's row is; −1 for rows without weight.
        weight: the weights of those rows.
        row: the row of the table that each slot of a tile is; −1 for none.
    """

    slot: Int32[Tensor, "tiles pj"]
    weight: Float[Tensor, "tiles pj"]
    row: Int32[Tensor, "tiles slots"]


@dataclass(frozen=True, eq=False)
class PixelMixtures:
    """The value of each of R = W · H pixels (from the top left, row by row): Σ_j weights_j · table[rows_j].

    Photos by one camera differ only in where their rows begin in the table, which `lift_codes` is told: one
    `PixelMixtures` serves all of them, and is sorted into tiles once.

    Attributes:
        size_px: width W and height H.
        rows: J rows of the table for each pixel.
        weights: of those rows; a row of weight 0 does not count.
    """

    size_px: tuple[int, int]
    rows: Int64[Tensor, "r j"]
    weights: Float[Tensor, "r j"]

    @cached_property
    def by_tile(self) -> TileSlots:
        """The same, sorted into tiles of `LIFT_TILE_PX`. Waits for the device to say how many slots a tile has."""
        (width, height), side, (_, j) = self.size_px, LIFT_TILE_PX, self.rows.shape
        across, down = -(-width // side), -(-height // side)
        device = self.rows.device
        y, x = torch.arange(down * side, device=device), torch.arange(across * side, device=device)
        inside = (y < height)[:, None] & (x < width)[None, :]
        flat = torch.where(inside, y[:, None] * width + x[None, :], width * height)
        pixel = flat.reshape(down, side, across, side).transpose(1, 2).reshape(down * across, side * side)
        used = torch.where(self.weights > 0, self.rows, _NO_ROW)
        tile_rows = torch.cat([used, used.new_full((1, j), _NO_ROW)])[pixel].flatten(1)
        weight = torch.cat([self.weights.float(), self.weights.new_zeros(1, j).float()])[pixel].flatten(1)
        ordered, order = tile_rows.sort(dim=1)
        is_new = (ordered.diff(dim=1) != 0).int()
        is_new = torch.cat([torch.zeros_like(ordered[:, :1], dtype=torch.int32), is_new], dim=1)
        is_row, number = ordered != _NO_ROW, is_new.cumsum(dim=1)
        slots = int(torch.where(is_row, number, 0).max()) + 1
        slot = torch.empty_like(number).scatter_(1, order, torch.where(is_row, number, -1))
        row = tile_rows.new_full((len(tile_rows), slots + 1), -1)
        row.scatter_(1, torch.where(is_row, number, slots), torch.where(is_row, ordered, -1))
        return TileSlots(slot.int(), weight.contiguous(), row[:, :slots].int().contiguous())
