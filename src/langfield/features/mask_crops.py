"""Crops of masks for an image-text encoder: each thing in its square, sharp, before a background that is blurred.

The square is about the mask's box, a tenth wider on each side of the box's longer edge; outside of the photo it is
black, as in the pyramid. What is not in the mask is blurred: of that, of darkening it, and of leaving it, blurring
names things best (docs/benchmarks/masks.md).
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32, Int64, UInt8
from torch import Tensor

from langfield.core.devices import to_device_async
from langfield.encoders.base import ImageTextEncoder
from langfield.features.crop_batches import batch_size, rebatched, with_batches_that_fit
from langfield.features.run_lengths import RunLengths

CROP_MARGIN = 0.1  # on each side, of the longer edge of the mask's box
BLUR_SIGMA = 0.05  # of the background, of the crop's side
_MASK_PIXELS_AT_ONCE = 2**25  # in float32 with their halvings: 180 MB


def encode_masks(
    image: UInt8[Tensor, "h w 3"],
    masks: RunLengths,
    encoder: ImageTextEncoder,
    on_batch: Callable[[int], None] = lambda crops: None,
) -> Float16[Tensor, "m d"]:
    """Unit embeddings of a photo's masks, on the encoder's device. When the device runs out of memory the batch is
    halved, down to single crops.

    Args:
        image: 8-bit sRGB on the encoder's device.
        masks: of this photo, none empty.
        on_batch: called with the number of crops handed to the device so far.
    """

    def encode(batch: int) -> Float16[Tensor, "m d"]:
        rows = torch.empty(len(masks), encoder.card.embed_dim, dtype=torch.float16, device=image.device)
        done = 0
        for crops in rebatched(mask_crops(image, masks, encoder.card.input_size_px, batch), batch):
            rows[done : done + len(crops)] = encoder.encode_images(crops)
            done += len(crops)
            on_batch(done)
        return rows

    return with_batches_that_fit(encode, batch_size(encoder, len(masks)))


@torch.no_grad()
def mask_crops(
    image: UInt8[Tensor, "h w 3"], masks: RunLengths, size_px: int, batch: int
) -> Iterator[Float[Tensor, "b 3 s s"]]:
    """The crops of a photo's masks in order, `size_px` square, with colours in [0, 1]: at most `batch` at a time.

    They are float16 on CUDA and float32 elsewhere. Nothing waits for the device.
    """
    dtype = torch.float16 if image.is_cuda else torch.float32
    height, width = image.shape[:2]
    step = max(min(batch, _MASK_PIXELS_AT_ONCE // (height * width)), 1)
    picture = image.permute(2, 0, 1)[None].float() / 255
    for start in range(0, len(masks), step):
        which = slice(start, start + step)
        squares = squares_px(masks.boxes_px[which])
        sharp = square_crops(picture, squares, size_px)
        inside = square_crops(masks.dense(image.device, which)[:, None].float(), squares, size_px)
        yield before_blurred(sharp, inside).to(dtype)


def squares_px(boxes_px: Int64[np.ndarray, "m 4"]) -> Float32[np.ndarray, "m 3"]:
    """Centre x, centre y and side of the squares that crops of boxes (left, top, right, bottom edges) are cut from."""
    low, high = boxes_px[:, :2], boxes_px[:, 2:]
    side = (high - low).max(axis=1, keepdims=True) * (1 + 2 * CROP_MARGIN)
    return np.concatenate([(low + high) / 2, side], axis=1).astype(np.float32)


def square_crops(
    pictures: Float[Tensor, "p c h w"], squares: Float32[np.ndarray, "m 3"], size_px: int
) -> Float[Tensor, "m c s s"]:
    """A square of each picture, or all squares of one picture, resized; zero outside of the picture.

    A crop that is enlarged is sampled bilinearly. One that is shrunk is sampled at twice its size, from the picture
    halved (2×2 means) until samples are at most a pixel apart, and halved itself then: so what is shrunk is averaged.

    Args:
        pictures: as many as squares, or one.
        squares: x and y of the centre (pixel centres at +0.5) and side, in pixels.
    """
    shrinkings = np.ceil(np.log2(np.maximum(squares[:, 2] / size_px, 1))).astype(np.int64)
    out = pictures.new_empty(len(squares), pictures.shape[1], size_px, size_px)
    for shrinking in range(shrinkings.max(initial=-1) + 1):
        if shrinking > 1:
            pictures = torch.nn.functional.avg_pool2d(pictures, 2, ceil_mode=True)
        alike = np.flatnonzero(shrinkings == shrinking)
        if len(alike):
            which = to_device_async(alike, out.device, np.int64)
            where = to_device_async(squares[alike] / 2 ** max(shrinking - 1, 0), out.device)
            some = pictures if len(pictures) == 1 else pictures[which]
            sampled = _sampled(some, where, size_px * min(shrinking + 1, 2))
            out[which] = torch.nn.functional.avg_pool2d(sampled, 2) if shrinking else sampled
    return out


def _sampled(
    pictures: Float[Tensor, "p c h w"], squares: Float[Tensor, "k 3"], samples: int
) -> Float[Tensor, "k c t t"]:
    """Bilinear samples of squares, evenly spread, of each picture or all of the one picture."""
    x, y, side = squares.unbind(1)
    height, width = pictures.shape[2:]
    unit = (torch.arange(samples, device=pictures.device) + 0.5) / samples - 0.5
    column = 2 * (x[:, None] + side[:, None] * unit) / width - 1
    row = 2 * (y[:, None] + side[:, None] * unit) / height - 1
    grid = torch.stack(torch.broadcast_tensors(column[:, None, :], row[:, :, None]), dim=-1)
    if len(pictures) > 1:
        return torch.nn.functional.grid_sample(pictures, grid, align_corners=False)
    below_each_other = torch.nn.functional.grid_sample(pictures, grid.flatten(0, 1)[None], align_corners=False)
    return below_each_other[0].unflatten(1, grid.shape[:2]).transpose(0, 1)


def before_blurred(sharp: Float[Tensor, "m 3 s s"], inside: Float[Tensor, "m 1 s s"]) -> Float[Tensor, "m 3 s s"]:
    """Crops with what is outside of their masks (0 to 1) blurred by a Gaussian of `BLUR_SIGMA` of their side."""
    blur = _blur_matrix(sharp.shape[-1]).to(sharp.device, non_blocking=True)
    blurred = blur @ sharp @ blur.T
    return torch.lerp(blurred, sharp, inside)


@lru_cache(maxsize=4)
def _blur_matrix(size_px: int) -> Float[Tensor, "s s"]:
    """The blur along one axis; its weights sum to one also at the borders."""
    place = torch.arange(size_px, dtype=torch.float64)
    weight = torch.exp(-0.5 * ((place[:, None] - place) / (BLUR_SIGMA * size_px)) ** 2)
    return (weight / weight.sum(dim=1, keepdim=True)).float()
