"""Crops on their way through an image-text encoder, as many at a time as suit the device."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.encoders.base import ImageTextEncoder

T = TypeVar("T")


def batch_size(encoder: ImageTextEncoder, crops: int) -> int:
    """Crops in a batch: on a GPU equal parts of a photo's crops that keep it busy, fewer on a CPU, to show progress."""
    if encoder.device.type == "cpu":
        return max(128 * 128**2 // encoder.card.input_size_px**2, 32)
    largest = max(640 * 224**2 // encoder.card.input_size_px**2, 32)
    return -(-crops // max(-(-crops // largest), 1))


def with_batches_that_fit(encode: Callable[[int], T], batch: int) -> T:
    """What a function of the batch size gives: when the device runs out of memory the batch is halved, down to one."""
    while True:
        try:
            return encode(batch)
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        torch.cuda.empty_cache()
        batch = (batch + 1) // 2


def rebatched(parts: Iterator[Float[Tensor, "n 3 s s"]], batch: int) -> Iterator[Float[Tensor, "b 3 s s"]]:
    """The same crops in the same order, `batch` at a time, the last time perhaps fewer."""
    waiting: list[Tensor] = []
    for part in parts:
        waiting.append(part)
        while sum(len(crops) for crops in waiting) >= batch:
            joined = torch.cat(waiting)
            yield joined[:batch]
            waiting = [joined[batch:]]
    rest = torch.cat(waiting) if waiting else None
    if rest is not None and len(rest):
        yield rest
