"""Batches of whole photos: one or a few a step, each photo once in an epoch."""

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
from langfield.data.images import decode_image
from langfield.data.masks import used_pixels
from langfield.data.undistort import undistorted_photo
from langfield.data.views import Scene
from langfield.models.batches import Photo, PhotoBatch

_PREFETCHED = 4

_Pixels = tuple[Tensor, Tensor | None]  # 8-bit colours, and the mask


class PhotoSource:
    """Makes the `PhotoBatch` of a step. Which photos are in it depends on the seed and the step only, so that a resumed
    training gets the same.

    Photos are kept on the device if all fit into `budget_bytes`; otherwise the next few are decoded in the background.
    Use it as a context manager, or `close()` it.
    """

    recordable = False

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
        """Take the photos of a scene.

        Args:
            view_indices: which of the scene's views are the training photos.
            budget_bytes: for photos that are kept on the device.
            seed: of the order of photos.
            photos_per_step: photos in a batch.
            half_size_until: first steps, in which photos have half their width and height (see `half_size`).

        Raises:
            UsageError: no photo, or photos_per_step below 1.
        """
        if not view_indices:
            raise UsageError("there is no photo to learn from")
        if photos_per_step < 1:
            raise UsageError(f"a step needs at least one photo, got photos_per_step = {photos_per_step}")
        self.generator = torch.Generator(device)
        self._device = torch.device(device)
        self._views = [scene.views[index] for index in view_indices]
        self._cameras: list[Camera] = [view.camera.moved(scene.scene_from_world).undistorted() for view in self._views]
        self._seed, self._per_step, self._half_size_until = seed, photos_per_step, half_size_until
        needed_bytes = sum(3 * view.size_px[0] * view.size_px[1] for view in self._views)
        self._keep_all = needed_bytes <= budget_bytes
        self._kept: dict[int, _Pixels] = {}
        self._pending: dict[int, Future[_Pixels]] = {}
        self._background = ThreadPoolExecutor(2, thread_name_prefix="photos")

    def batch(self, step: int) -> PhotoBatch:
        """The step's photos. Raises DataError if one cannot be decoded."""
        first = step * self._per_step
        for position in range(first, first + max(_PREFETCHED, 2 * self._per_step)):
            self._prefetch(self._index_at(position))
        photos = [self._photo(self._index_at(first + i)) for i in range(self._per_step)]
        return PhotoBatch(tuple(half_size(photo) if step < self._half_size_until else photo for photo in photos))

    def close(self) -> None:
        """Stop decoding in the background."""
        self._background.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> "PhotoSource":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _index_at(self, position: int) -> int:
        """The index of the photo at a position of the sequence of all epochs."""
        epoch, position = divmod(position, len(self._views))
        return int(_epoch_order(self._seed, epoch, len(self._views))[position])

    def _prefetch(self, index: int) -> None:
        if index not in self._kept and index not in self._pending:
            self._pending[index] = self._background.submit(self._decoded, index)

    def _photo(self, index: int) -> Photo:
        rgb, mask = self._pixels(index)
        return Photo(index, self._cameras[index], rgb.to(self._device).float() / 255, mask)

    def _pixels(self, index: int) -> _Pixels:
        if index in self._kept:
            return self._kept[index]
        self._prefetch(index)  # a second time if it is twice in a batch
        rgb, mask = self._pending.pop(index).result()
        pixels = rgb.to(self._device), None if mask is None else mask.to(self._device)
        if self._keep_all:
            self._kept[index] = pixels
        return pixels

    def _decoded(self, index: int) -> _Pixels:
        view = self._views[index]
        rgb = decode_image(view.image_path, view.size_px, view.white_level)
        rgb, mask = undistorted_photo(rgb, used_pixels(view), view.camera)
        return torch.from_numpy(rgb), None if mask is None else torch.from_numpy(mask)


@lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, photos: int) -> Int64[np.ndarray, " photos"]:
    """The order of the photos in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(photos)


def half_size(photo: Photo) -> Photo:
    """A photo of half the width and height: means of 2 × 2 pixels, of which all four must be in the mask.

    An odd last row or column is left out. A photo of a single row or column is returned as it is.
    """
    width, height = photo.camera.width_px // 2, photo.camera.height_px // 2
    if not width or not height:
        return photo
    camera = replace(photo.camera, width_px=2 * width, height_px=2 * height).resized(width, height)
    rgb = photo.rgb[: 2 * height, : 2 * width].unflatten(1, (width, 2)).unflatten(0, (height, 2)).mean(dim=(1, 3))
    mask = photo.mask
    if mask is not None:
        four = mask[: 2 * height, : 2 * width].unflatten(1, (width, 2)).unflatten(0, (height, 2))
        mask = four.all(dim=3).all(dim=1)
    return replace(photo, camera=camera, rgb=rgb, mask=mask)
