"""Batches of whole photos, for models that draw pictures: one or a few a step, each once in an epoch."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.data.images import decode_image, decode_mask
from langfield.data.undistort import undistorted_photo
from langfield.data.views import Scene
from langfield.models.batches import Photo, PhotoBatch

_AHEAD = 4

_Pixels = tuple[Tensor, Tensor | None]


class PhotoSource:
    """Makes a `PhotoBatch` for a step. Which photos it has follows from the seed and the step alone, so that a resumed
    run sees the same.

    Photos stay on the device where they fit `budget_bytes`; otherwise the next few are decoded in the background.
    Use as a context manager, or `close()` it.

    Args:
        photos_per_step: photos in a batch.
        half_size_until: steps in which photos are half as wide and high: means of 2 × 2 pixels.
    """

    steady = False

    def __init__(
        self,
        scene: Scene,
        view_indices: Sequence[int],
        device: torch.device | str,
        budget_bytes: int,
        seed: int,
        *,
        photos_per_step: int = 1,
        half_size_until: int = 0,
    ) -> None:
        if not view_indices:
            raise UsageError("there is no photo to learn from")
        if photos_per_step < 1:
            raise UsageError(f"a step needs at least one photo, got photos_per_step = {photos_per_step}")
        self.generator = torch.Generator(device)
        self._device = torch.device(device)
        self._views = [scene.views[index] for index in view_indices]
        self._cameras: list[Camera] = [view.camera.moved(scene.scene_from_world).undistorted() for view in self._views]
        self._seed, self._per_step, self._half_size_until = seed, photos_per_step, half_size_until
        room = sum(3 * view.size_px[0] * view.size_px[1] for view in self._views)
        self._keeps = room <= budget_bytes
        self._kept: dict[int, _Pixels] = {}
        self._coming: dict[int, Future[_Pixels]] = {}
        self._background = ThreadPoolExecutor(2, thread_name_prefix="photos")

    def batch(self, step: int) -> PhotoBatch:
        """The step's photos. Raises DataError if one cannot be decoded."""
        first = step * self._per_step
        for ahead in range(first, first + max(_AHEAD, 2 * self._per_step)):
            self._order(self._number(ahead))
        numbers = [self._number(first + i) for i in range(self._per_step)]
        photos = [self._photo(number) for number in numbers]
        return PhotoBatch(tuple(half_size(photo) if step < self._half_size_until else photo for photo in photos))

    def close(self) -> None:
        """Stop decoding ahead."""
        self._background.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> "PhotoSource":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _number(self, place: int) -> int:
        """Of the photo at a place in the endless row of epochs."""
        epoch, place = divmod(place, len(self._views))
        return int(_epoch_order(self._seed, epoch, len(self._views))[place])

    def _order(self, number: int) -> None:
        if number not in self._kept and number not in self._coming:
            self._coming[number] = self._background.submit(self._decoded, number)

    def _photo(self, number: int) -> Photo:
        rgb, used = self._pixels(number)
        return Photo(number, self._cameras[number], rgb.to(self._device).float() / 255, used)

    def _pixels(self, number: int) -> _Pixels:
        if number in self._kept:
            return self._kept[number]
        self._order(number)  # it may come twice in a batch
        rgb, used = self._coming.pop(number).result()
        pixels = rgb.to(self._device), None if used is None else used.to(self._device)
        if self._keeps:
            self._kept[number] = pixels
        return pixels

    def _decoded(self, number: int) -> _Pixels:
        view = self._views[number]
        mask = None if view.mask_path is None else decode_mask(view.mask_path, view.size_px)
        rgb, used = undistorted_photo(decode_image(view.image_path, view.size_px), mask, view.camera)
        return torch.from_numpy(rgb), None if used is None else torch.from_numpy(used)


@lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, photos: int) -> Int64[np.ndarray, " photos"]:
    """In which order an epoch shows the photos."""
    return np.random.default_rng([seed, epoch]).permutation(photos)


def half_size(photo: Photo) -> Photo:
    """Half as wide and high: means of 2 × 2 pixels, used where all four are. A last odd row or column is left out; a
    photo of one row or column stays as it is."""
    width, height = photo.camera.width_px // 2, photo.camera.height_px // 2
    if not width or not height:
        return photo
    camera = replace(photo.camera, width_px=2 * width, height_px=2 * height).resized(width, height)
    rgb = photo.rgb[: 2 * height, : 2 * width].unflatten(1, (width, 2)).unflatten(0, (height, 2)).mean(dim=(1, 3))
    used = photo.used
    if used is not None:
        four = used[: 2 * height, : 2 * width].unflatten(1, (width, 2)).unflatten(0, (height, 2))
        used = four.all(dim=3).all(dim=1)
    return replace(photo, camera=camera, rgb=rgb, used=used)
