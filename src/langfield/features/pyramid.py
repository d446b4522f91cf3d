"""LERF's pyramid of crops (LERF §3.3): square tiles of several sizes over a photo, each with one embedding.

A level is a grid of tiles. The centre of its first tile is the photo's top left corner; outside of the photo tiles are
black, as in LERF. A level follows from the photo's size and two ratios:

    kernel = ⌊ratio · height⌋ (side of a tile), stride = ⌊kernel · stride ratio⌋ (distance of neighbouring tiles).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float16, Int64, UInt8
from torch import Tensor

from langfield.core.errors import UsageError
from langfield.encoders.base import ImageTextEncoder, Interpolation
from langfield.features.crop_batches import batch_size, rebatched, with_batches_that_fit

LERF_TILE_RATIOS = (0.05, 0.125, 0.2, 0.275, 0.35, 0.425, 0.5)
_LERF_STRIDE_AT = ((0.05, 0.15), (1.0, 0.5))


@dataclass(frozen=True)
class Level:
    """One grid of tiles over one photo.

    Attributes:
        kernel_px: side of a tile.
        stride_px: distance of neighbouring tiles' centres.
        rows: rows of tiles.
        columns: columns of tiles.
        crop_fraction: a tile's height over the photo's.
    """

    kernel_px: int
    stride_px: int
    rows: int
    columns: int
    crop_fraction: float

    @property
    def origin_px(self) -> float:
        """x, and y, of the first tile's centre in pixels (pixel centres at +0.5): 0, or 0.5 for an odd kernel."""
        return self.kernel_px / 2 - self.kernel_px // 2

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.rows * self.columns


@dataclass(frozen=True)
class PyramidRecipe:
    """Sizes and distances of the pyramid's tiles.

    Attributes:
        tile_ratios: a tile's side over the photo's height, one for each level, increasing.
        stride_ratio: stride over kernel; None is LERF's: 1 at a ratio of 0.05, falling to 0.5 at 0.15 and above.

    Raises:
        UsageError: ratios that are not increasing within (0, 1], or a stride ratio outside (0, 1].
    """

    tile_ratios: tuple[float, ...] = LERF_TILE_RATIOS
    stride_ratio: float | None = None

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise(self.tile_ratios))
        if not self.tile_ratios or not rising or not all(0 < ratio <= 1 for ratio in self.tile_ratios):
            raise UsageError(f"tile ratios must increase within (0, 1], got {self.tile_ratios}")
        if self.stride_ratio is not None and not 0 < self.stride_ratio <= 1:
            raise UsageError(f"the stride ratio must be in (0, 1], got {self.stride_ratio}")

    def to_json(self) -> dict[str, Any]:
        """The recipe as what `json` can write."""
        return {**asdict(self), "tile_ratios": list(self.tile_ratios)}

    def levels(self, width_px: int, height_px: int) -> tuple[Level, ...]:
        """The grids over a photo of this size, smallest tiles first."""
        return tuple(self._level(ratio, width_px, height_px) for ratio in self.tile_ratios)

    def _level(self, ratio: float, width_px: int, height_px: int) -> Level:
        kernel = max(_floor(ratio * height_px), 1)
        stride_ratio = float(np.interp(ratio, *_LERF_STRIDE_AT)) if self.stride_ratio is None else self.stride_ratio
        stride = max(_floor(kernel * stride_ratio), 1)
        rows, columns = ((side + 2 * (kernel // 2) - kernel) // stride + 1 for side in (height_px, width_px))
        return Level(kernel, stride, rows, columns, kernel / height_px)


LERF_PYRAMID = PyramidRecipe()


@dataclass(frozen=True)
class PyramidFeatures:
    """The pyramids of P photos of a scene, of any sizes, as one table of embeddings that is sampled at pixels.

    Attributes:
        rows: (N, D) unit embeddings of all tiles: photo after photo, level after level, a level's tiles row by row.
            Memory-mapped until moved to a device.
        photo_of_view: for each of the scene's views its index among the P photos; P for views without features.
        first_row: (P, L) index in `rows` of the first tile of a photo's level.
        grid: (P, L, 2) rows and columns of its tiles.
        stride_px: (P, L) `Level.stride_px`.
        origin_px: (P, L) `Level.origin_px`.
        fraction: (P, L) `Level.crop_fraction`.
        crop_fractions: (L,) the recipe's tile ratios. `fraction` may be a little less, for tiles are whole pixels.
    """

    rows: Float16[Tensor, "n d"]
    photo_of_view: Int64[Tensor, " v"]
    first_row: Int64[Tensor, "p l"]
    grid: Int64[Tensor, "p l 2"]
    stride_px: Float[Tensor, "p l"]
    origin_px: Float[Tensor, "p l"]
    fraction: Float[Tensor, "p l"]
    crop_fractions: Float[Tensor, " l"]

    @classmethod
    def from_rows(
        cls,
        rows: Float16[Tensor, "n d"],
        view_indices: Sequence[int],
        levels: Sequence[Sequence[Level]],
        recipe: PyramidRecipe,
    ) -> "PyramidFeatures":
        """The features whose rows are the embeddings of the given views' tiles, in this order.

        Args:
            levels: those of each view.
            recipe: by which they were made.

        Raises:
            ValueError: there are not as many rows as tiles.
        """
        tiles = torch.tensor([[level.tiles for level in photo] for photo in levels])
        if int(tiles.sum()) != len(rows):
            raise ValueError(f"{int(tiles.sum())} tiles but {len(rows)} rows")
        return cls(
            rows=rows,
            photo_of_view=photo_of_view_table(view_indices),
            first_row=(tiles.flatten().cumsum(0) - tiles.flatten()).reshape(tiles.shape),
            grid=torch.tensor([[(level.rows, level.columns) for level in photo] for photo in levels]),
            stride_px=torch.tensor([[float(level.stride_px) for level in photo] for photo in levels]),
            origin_px=torch.tensor([[level.origin_px for level in photo] for photo in levels]),
            fraction=torch.tensor([[level.crop_fraction for level in photo] for photo in levels]),
            crop_fractions=torch.tensor(recipe.tile_ratios),
        )

    @property
    def embed_dim(self) -> int:
        """Size of an embedding."""
        return self.rows.shape[1]

    @property
    def levels(self) -> int:
        """Number of crop levels."""
        return self.crop_fractions.shape[0]

    def to(self, device: torch.device | str) -> "PyramidFeatures":
        """The same on another device, the whole table with it."""
        return replace(self, **{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def sample(
        self, view_index: Int64[Tensor, " r"], xy_px: Float[Tensor, "r 2"], level: Float[Tensor, " r"]
    ) -> Float[Tensor, "r d"]:
        """Embeddings at points of photos: bilinear within a level, linear between levels, not renormalised (as LERF).

        Points beyond the centres of the outermost tiles are clamped to them, and levels to the first and last one. No
        host–device synchronisation.

        Args:
            view_index: the scene's index of each point's view; one without features is an index error.
            xy_px: x, y with pixel centres at +0.5.
            level: from 0 to L − 1, fractions between levels.
        """
        photo, both, fraction = self._between(view_index, level)
        weight_of_level = torch.stack([1 - fraction, fraction], dim=1)
        last = self.grid[photo, both].flip(-1) - 1
        uv = (xy_px[:, None] - self.origin_px[photo, both][..., None]) / self.stride_px[photo, both][..., None]
        uv = torch.minimum(uv.clamp_min(0), last)
        near = uv.floor().long()
        far = torch.minimum(near + 1, last)
        share = uv - near
        first, columns = self.first_row[photo, both], last[..., 0] + 1
        out = torch.zeros(len(view_index), self.embed_dim, device=self.rows.device)
        for x, weight_x in ((near[..., 0], 1 - share[..., 0]), (far[..., 0], share[..., 0])):
            for y, weight_y in ((near[..., 1], 1 - share[..., 1]), (far[..., 1], share[..., 1])):
                row, weight = first + y * columns + x, weight_x * weight_y * weight_of_level
                for step in range(2):
                    out.addcmul_(weight[:, step, None], self.rows[row[:, step]])
        return out

    def sample_level(self, view_index: int, xy_px: Float[Tensor, "r 2"], level: int) -> Float[Tensor, "r d"]:
        """`sample` at points of one photo and one of its levels: several times as fast on a CPU, at the price of a few
        host–device synchronisations.

        Args:
            view_index: the scene's index of the photo's view.
            xy_px: x, y with pixel centres at +0.5.
        """
        tiles, weights = self.tiles_about(view_index, xy_px, level)
        photo = int(self.photo_of_view[view_index])
        first, count = int(self.first_row[photo, level]), int(self.grid[photo, level].prod())
        table = self.rows[first : first + count].float()
        return torch.nn.functional.embedding_bag(tiles, table, per_sample_weights=weights, mode="sum")

    def tiles_about(
        self, view_index: int, xy_px: Float[Tensor, "r 2"], level: int
    ) -> tuple[Int64[Tensor, "r 4"], Float[Tensor, "r 4"]]:
        """The four tiles about points of one photo at one level, and the bilinear weights with which `sample` takes
        their mean.

        Tiles are given as rows counted from the level's first (`first_row`), which are the same for photos of one size.

        Args:
            view_index: the scene's index of the photo's view.
            xy_px: x, y with pixel centres at +0.5.
        """
        photo = int(self.photo_of_view[view_index])
        rows, columns = (int(v) for v in self.grid[photo, level])
        last = torch.tensor([columns - 1, rows - 1], device=xy_px.device)
        uv = torch.minimum(((xy_px - self.origin_px[photo, level]) / self.stride_px[photo, level]).clamp_min(0), last)
        near = uv.floor().long()
        far, share = torch.minimum(near + 1, last), uv - near
        x, y = torch.stack([near[:, 0], far[:, 0]], dim=1), torch.stack([near[:, 1], far[:, 1]], dim=1)
        weight_x, weight_y = (torch.stack([1 - share[:, axis], share[:, axis]], dim=1) for axis in range(2))
        row = y[:, :, None] * columns + x[:, None, :]
        return row.flatten(1), (weight_y[:, :, None] * weight_x[:, None, :]).flatten(1)

    def crop_fraction(self, view_index: Int64[Tensor, " r"], level: Float[Tensor, " r"]) -> Float[Tensor, " r"]:
        """Crop height over photo height at a level of a view, linear between levels."""
        photo, both, fraction = self._between(view_index, level)
        return torch.lerp(self.fraction[photo, both[:, :1]], self.fraction[photo, both[:, 1:]], fraction[:, None])[:, 0]

    def _between(
        self, view_index: Int64[Tensor, " r"], level: Float[Tensor, " r"]
    ) -> tuple[Int64[Tensor, "r 1"], Int64[Tensor, "r 2"], Float[Tensor, " r"]]:
        """The photo of each view, the two levels about each level, and the weight of the upper one."""
        level = level.clamp(0, self.levels - 1)
        low = level.long().clamp(max=max(self.levels - 2, 0))
        both = torch.stack([low, (low + 1).clamp(max=self.levels - 1)], dim=1)
        return self.photo_of_view[view_index][:, None], both, level - low


def photo_of_view_table(view_indices: Sequence[int]) -> Int64[Tensor, " v"]:
    """For each view of a scene its position in `view_indices`; others get their number, which is out of range."""
    table = torch.full((max(view_indices) + 1,), len(view_indices))
    table[torch.tensor(view_indices)] = torch.arange(len(view_indices))
    return table


def encode_pyramid(
    image: UInt8[Tensor, "h w 3"],
    levels: Sequence[Level],
    encoder: ImageTextEncoder,
    on_batch: Callable[[int], None] = lambda crops: None,
) -> Float16[Tensor, "n d"]:
    """Embeddings of all tiles of one photo: level after level, row after row, on the encoder's device.

    No host–device synchronisation. When the device runs out of memory the batch is halved, down to single crops.

    Args:
        image: 8-bit sRGB on the encoder's device.
        on_batch: called with the number of crops handed to the device so far.
    """
    tiles = sum(level.tiles for level in levels)
    return with_batches_that_fit(
        lambda batch: _encode(image, levels, encoder, batch, on_batch), batch_size(encoder, tiles)
    )


def _encode(
    image: UInt8[Tensor, "h w 3"],
    levels: Sequence[Level],
    encoder: ImageTextEncoder,
    batch: int,
    on_batch: Callable[[int], None],
) -> Float16[Tensor, "n d"]:
    done, embeddings = 0, []
    for crops in crop_batches(image, levels, encoder.card.input_size_px, encoder.card.interpolation, batch):
        embeddings.append(encoder.encode_images(crops).half())
        done += crops.shape[0]
        on_batch(done)
    return torch.cat(embeddings)


@torch.no_grad()
def crop_batches(
    image: UInt8[Tensor, "h w 3"], levels: Sequence[Level], size_px: int, interpolation: Interpolation, batch: int
) -> Iterator[Float[Tensor, "b 3 s s"]]:
    """All tiles of a photo as crops `size_px` square with colours in [0, 1]: `batch` at a time across levels, in order.

    The crops are float16 on CUDA and float32 elsewhere.
    """
    dtype = torch.float16 if image.is_cuda else torch.float32
    picture = image.permute(2, 0, 1).to(dtype) / 255
    yield from rebatched(_strips_of_tiles(picture, levels, size_px, interpolation, batch), batch)


def _strips_of_tiles(
    picture: Float[Tensor, "3 h w"], levels: Sequence[Level], size_px: int, interpolation: Interpolation, batch: int
) -> Iterator[Float[Tensor, "n 3 s s"]]:
    """The tiles of a few rows of a level at a time, about `batch` of them."""
    for level in levels:
        rows_at_once = max(batch // level.columns, 1)
        padding = level.kernel_px // 2
        padded = torch.nn.functional.pad(picture, (padding,) * 4)
        resize = _resize_matrix(level.kernel_px, size_px, interpolation, padded)
        for row in range(0, level.rows, rows_at_once):
            yield _tiles(padded, level, row, min(row + rows_at_once, level.rows), resize)


def _tiles(
    padded: Float[Tensor, "3 h w"], level: Level, row: int, end_row: int, resize: Float[Tensor, "s k"]
) -> Float[Tensor, "n 3 s s"]:
    """The tiles of rows `row` to `end_row`, resized. Resizing is linear and separable: two products with one matrix, of
    which the first, along y, is shared by a row of tiles."""
    k, stride = level.kernel_px, level.stride_px
    strip = padded[:, row * stride : (end_row - 1) * stride + k, : (level.columns - 1) * stride + k]
    tall = strip.unfold(1, k, stride).permute(1, 0, 2, 3) @ resize.T  # (rows, 3, x, s)
    tiles = tall.unfold(2, k, stride).permute(0, 2, 1, 3, 4) @ resize.T  # (rows, columns, 3, s, s)
    return tiles.flatten(0, 1).clamp_(0, 1)


def _resize_matrix(kernel_px: int, size_px: int, interpolation: Interpolation, like: Tensor) -> Float[Tensor, "s k"]:
    """The antialiased resize from k to s samples as a matrix, found by resizing unit vectors."""
    identity = torch.eye(kernel_px, device=like.device)[None, None]
    matrix = torch.nn.functional.interpolate(
        identity, (size_px, kernel_px), mode=interpolation, antialias=True, align_corners=False
    )
    return matrix[0, 0].to(like.dtype)


def _floor(x: float) -> int:
    """⌊x⌋, where 131.99999999999997 counts as 132."""
    return int(x + 1e-6)
