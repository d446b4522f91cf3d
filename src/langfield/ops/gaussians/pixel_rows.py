"""What the pixels of a picture say, as mixes of rows of a table: `PixelRows`, which `Projected.lift_codes` lifts.

Few rows are read by the pixels of a tile, each by many of them. `PixelRows.in_tiles` numbers them within the tile (its
*slots*), so that a product of matrices sums what a Gaussian gives to all pixels of a slot before anything is scattered.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

LIFTED_TILE_PX = 8  # what a program holds of a tile of 16 does not fit into a GPU's registers
_NOTHING = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class TileSlots:
    """Rows sorted into the tiles of a picture, P = side² pixels each, tiles row by row.

    Attributes:
        slot: each pixel's rows by their number among the tile's; −1 for those without weight.
        weight: theirs.
        row: which rows the slots of a tile are; −1 for none.
    """

    slot: Int32[Tensor, "tiles pj"]
    weight: Float[Tensor, "tiles pj"]
    row: Int32[Tensor, "tiles slots"]


@dataclass(frozen=True, eq=False)
class PixelRows:
    """For each of R = W · H pixels, the picture's rows from the top, Σ_j weight_j of J rows of a table.

    Photos by one camera differ only in where their rows begin in the table, which `lift_codes` is told: one `PixelRows`
    serves all of them, and is sorted into tiles once.
    """

    size_px: tuple[int, int]
    rows: Int64[Tensor, "r j"]
    weights: Float[Tensor, "r j"]

    @cached_property
    def in_tiles(self) -> TileSlots:
        """Sorted into tiles of `LIFTED_TILE_PX`. Waits for the device to say how many slots a tile has."""
        (width, height), side, (_, j) = self.size_px, LIFTED_TILE_PX, self.rows.shape
        across, down = -(-width // side), -(-height // side)
        device = self.rows.device
        y, x = torch.arange(down * side, device=device), torch.arange(across * side, device=device)
        inside = (y < height)[:, None] & (x < width)[None, :]
        flat = torch.where(inside, y[:, None] * width + x[None, :], width * height)
        pixel = flat.reshape(down, side, across, side).transpose(1, 2).reshape(down * across, side * side)
        used = torch.where(self.weights > 0, self.rows, _NOTHING)
        own = torch.cat([used, used.new_full((1, j), _NOTHING)])[pixel].flatten(1)
        weight = torch.cat([self.weights.float(), self.weights.new_zeros(1, j).float()])[pixel].flatten(1)
        ordered, order = own.sort(dim=1)
        new = torch.cat([torch.zeros_like(ordered[:, :1], dtype=torch.int32), (ordered.diff(dim=1) != 0).int()], dim=1)
        real, number = ordered != _NOTHING, new.cumsum(dim=1)
        slots = int(torch.where(real, number, 0).max()) + 1
        slot = torch.empty_like(number).scatter_(1, order, torch.where(real, number, -1))
        row = own.new_full((len(own), slots + 1), -1)
        row.scatter_(1, torch.where(real, number, slots), torch.where(real, ordered, -1))
        return TileSlots(slot.int(), weight.contiguous(), row[:, :slots].int().contiguous())
