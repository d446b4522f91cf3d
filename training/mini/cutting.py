"""Cutting square tiles out of pictures, exactly as langfield's pyramid resizes its tiles.

The pyramid's filter is an antialiased bicubic one that sees nothing beyond the tile. It is linear and separable, so a
crop is two matrix products with the whole picture, whatever its scale. Nothing here waits for the device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Squares:
    """Tiles: pixels of picture `picture` from (left, top), `side` wide. `black`: what is outside is black."""

    picture: Tensor
    left: Tensor
    top: Tensor
    side: Tensor
    black: Tensor

    def __getitem__(self, chosen: Tensor) -> "Squares":
        return Squares(*(getattr(self, name)[chosen] for name in ("picture", "left", "top", "side", "black")))

    def grown(self, factor: float) -> "Squares":
        """Tiles with the same centres, larger by a factor."""
        more = (factor - 1) / 2 * self.side
        return Squares(self.picture, self.left - more, self.top - more, self.side * factor, self.black)


def cut(rgb: Tensor, squares: Squares, size_px: int, detail: Tensor, flip: Tensor, reach: int) -> Tensor:
    """(B, 3, s, s) crops in [0, 1], in float32; computed in float16 on CUDA.

    Args:
        rgb: (N, H, W, 3) uint8.
        detail: (B,) at most the size: a crop looks as if it had been shrunk to so many pixels and enlarged again.
        flip: (B,) left to right.
        reach: see `reach_px`.
    """
    matrices = tile_matrices(rgb.shape[1:3], squares, size_px, detail, flip, reach)
    return resized(rgb[squares.picture], *matrices) / 255


def cut_with_mask(
    rgb: Tensor, ids: Tensor, thing: Tensor, squares: Squares, size_px: int, detail: Tensor, flip: Tensor, reach: int
) -> tuple[Tensor, Tensor]:
    """As `cut`, and (B, 1, s, s) how much of each pixel is of the thing with the id `thing` (B,)."""
    matrices = tile_matrices(rgb.shape[1:3], squares, size_px, detail, flip, reach)
    mask = (ids[squares.picture] == thing[:, None, None])[..., None]
    return resized(rgb[squares.picture], *matrices) / 255, resized(mask, *matrices, most=1.0)


def tile_matrices(
    shape: tuple[int, ...], squares: Squares, size_px: int, detail: Tensor, flip: Tensor, reach: int
) -> tuple[Tensor, Tensor]:
    """(B, s, H) and (B, s, W): what resizes tiles along and across."""
    height, width = shape
    down = resize_matrix(squares.top, squares.side, detail, squares.black, height, size_px, reach)
    across = resize_matrix(squares.left, squares.side, detail, squares.black, width, size_px, reach)
    return down, torch.where(flip[:, None, None], across.flip(1), across)


def resized(picture: Tensor, down: Tensor, across: Tensor, most: float = 255.0) -> Tensor:
    """(B, C, s, s) tiles of pictures (B, H, W, C) in float32, between 0 and `most`."""
    dtype = torch.float16 if picture.is_cuda else torch.float32
    count, height, width, channels = picture.shape
    size = down.shape[1]
    flat = picture.to(dtype).reshape(count, height, width * channels)
    rows = torch.bmm(down.to(dtype), flat).view(count, size, width, channels)
    columns = rows.transpose(1, 2).reshape(count, width, size * channels)
    tiles = torch.bmm(across.to(dtype), columns).view(count, size, size, channels)
    return tiles.permute(0, 3, 2, 1).float().clamp(0, most).contiguous()


def reach_px(longest_side_px: int, least_detail: int) -> int:
    """How far from its centre a sample's filter may reach."""
    return int(2 * max(longest_side_px / least_detail, 1)) + 2


def resize_matrix(
    start: Tensor, side: Tensor, detail: Tensor, black: Tensor, length: int, size: int, reach: int
) -> Tensor:
    """(B, size, length): how much each of a picture's pixels counts in each sample of the tile from `start` on.

    A sample's weights sum to 1 over the pixels whose centres are in the tile; the part of a tile that is outside of the
    picture is black (its weights are left out), or like the pixel at the picture's edge.
    """
    samples = torch.arange(size, device=start.device) + 0.5
    centre = start[:, None] + samples * (side / size)[:, None] - 0.5
    stretch = (side / detail).clamp(min=1)[:, None, None]
    end = (start + side)[:, None, None]

    def weights(position: Tensor) -> Tensor:
        # By centres, not by left borders: else a tile that starts between pixels has samples of total weight 0.
        inside = (position + 0.5 >= start[:, None, None]) & (position + 0.5 < end)
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
