"""Dense features of photos: one vector for each cell of a grid over each photo."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Float16, Int64
from torch import Tensor

from langfield.features.pyramid import place_table


@dataclass(frozen=True)
class DenseFeatures:
    """The feature grids of P photos of a scene, of any sizes, as one table that is sampled at pixels.

    Attributes:
        rows: every cell's features, photo after photo, row after row. Memory-mapped until moved to a device.
        place: for each of the scene's views its number among the P photos; P for views without features.
        first_row: where in `rows` a photo's cells begin.
        grid: columns and rows of a photo's cells.
        size_px: width and height of a photo.
    """

    rows: Float16[Tensor, "n s"]
    place: Int64[Tensor, " v"]
    first_row: Int64[Tensor, " p"]
    grid: Int64[Tensor, "p 2"]
    size_px: Float[Tensor, "p 2"]

    @classmethod
    def from_rows(
        cls,
        rows: Float16[Tensor, "n s"],
        view_indices: Sequence[int],
        grids: Sequence[tuple[int, int]],
        sizes_px: Sequence[tuple[int, int]],
    ) -> "DenseFeatures":
        """Lay `rows` out over the views' grids (rows, columns) on photos of `sizes_px` (width, height).

        Raises ValueError if there are more or fewer rows than cells.
        """
        grid = torch.tensor(grids).flip(-1)
        cells = grid.prod(dim=-1)
        if int(cells.sum()) != len(rows):
            raise ValueError(f"{int(cells.sum())} cells but {len(rows)} rows")
        size_px = torch.tensor(sizes_px, dtype=torch.float32)
        return cls(rows, place_table(view_indices), cells.cumsum(0) - cells, grid, size_px)

    @property
    def dim(self) -> int:
        return self.rows.shape[1]

    def to(self, device: torch.device | str) -> "DenseFeatures":
        """The same on another device, the whole table with it."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def sample(self, view_index: Int64[Tensor, " r"], xy_px: Float[Tensor, "r 2"]) -> Float[Tensor, "r s"]:
        """Float32 features of the cells that the points lie in (nearest, as LERF); outside a photo its border's.

        No host–device synchronisation. A view without features is an index error.
        """
        place = self.place[view_index]
        grid = self.grid[place]
        cell = (xy_px * (grid / self.size_px[place])).long()
        column, row = torch.minimum(cell.clamp_min(0), grid - 1).unbind(-1)
        return self.rows[self.first_row[place] + row * grid[:, 0] + column].float()
