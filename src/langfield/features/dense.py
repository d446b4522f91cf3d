"""Dense features of photos (DINO): a vector for each cell of a grid over each photo."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Float16, Int64
from torch import Tensor

from langfield.features.pyramid import photo_of_view_table


@dataclass(frozen=True)
class DenseFeatures:
    """The feature grids of P photos of a scene, of any sizes, as one table that is sampled at pixels.

    Attributes:
        rows: (N, S) features of all cells: photo after photo, a photo's cells row by row. Memory-mapped until moved to
            a device.
        photo_of_view: for each of the scene's views its index among the P photos; P for views without features.
        first_row: (P,) index in `rows` of a photo's first cell.
        grid: (P, 2) columns and rows of a photo's cells.
        size_px: (P, 2) width and height of a photo.
    """

    rows: Float16[Tensor, "n s"]
    photo_of_view: Int64[Tensor, " v"]
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
        """The features whose rows are those of the given views' cells, in this order.

        Args:
            grids: (rows, columns) of cells of each photo.
            sizes_px: (width, height) of each photo.

        Raises:
            ValueError: there are not as many rows as cells.
        """
        grid = torch.tensor(grids).flip(-1)
        cells = grid.prod(dim=-1)
        if int(cells.sum()) != len(rows):
            raise ValueError(f"{int(cells.sum())} cells but {len(rows)} rows")
        size_px = torch.tensor(sizes_px, dtype=torch.float32)
        return cls(rows, photo_of_view_table(view_indices), cells.cumsum(0) - cells, grid, size_px)

    @property
    def dim(self) -> int:
        """Size of a feature vector."""
        return self.rows.shape[1]

    def to(self, device: torch.device | str) -> "DenseFeatures":
        """The same on another device, the whole table with it."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def sample(self, view_index: Int64[Tensor, " r"], xy_px: Float[Tensor, "r 2"]) -> Float[Tensor, "r s"]:
        """Float32 features of the cells that points lie in (nearest, as LERF); outside of a photo, of its border's
        cells.

        No host–device synchronisation. A view without features is an index error.

        Args:
            view_index: the scene's index of each point's view.
            xy_px: x, y with pixel centres at +0.5.
        """
        photo = self.photo_of_view[view_index]
        grid = self.grid[photo]
        cell = (xy_px * (grid / self.size_px[photo])).long()
        column, row = torch.minimum(cell.clamp_min(0), grid - 1).unbind(-1)
        return self.rows[self.first_row[photo] + row * grid[:, 0] + column].float()
