"""Photos on their way to the device, and features on their way back, while it works."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from langfield.data.images import decode_image

_DECODERS = 2
_DECODED_AHEAD = 3

Picture = UInt8[Tensor, "h w 3"]


@runtime_checkable
class PhotoFile(Protocol):
    """A photo and how it is used, as a `View` says it."""

    @property
    def image_path(self) -> Path: ...

    @property
    def size_px(self) -> tuple[int, int]: ...

    @property
    def white_level(self) -> float | None: ...


def decoded_ahead(photos: Sequence[PhotoFile], device: torch.device) -> Generator[Picture, None, None]:
    """The photos in order, on the device, decoded ahead by other threads, which end when the generator is closed.

    Raises DataError for a photo that cannot be read.
    """
    with ThreadPoolExecutor(_DECODERS) as pool:
        upcoming = (pool.submit(decode_image, photo.image_path, photo.size_px, photo.white_level) for photo in photos)
        jobs = deque(islice(upcoming, _DECODED_AHEAD))
        while jobs:
            picture = torch.from_numpy(jobs.popleft().result())
            jobs.extend(islice(upcoming, 1))
            if device.type == "cuda":
                picture = picture.pin_memory().to(device, non_blocking=True)
            yield picture


def to_host(rows: Shaped[Tensor, "..."]) -> Callable[[], np.ndarray]:
    """Start the copy back; the result waits for it."""
    if not rows.is_cuda:
        return rows.cpu().numpy
    host = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
    host.copy_(rows, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()

    def wait() -> np.ndarray:
        copied.synchronize()
        return host.numpy()

    return wait
