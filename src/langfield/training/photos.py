"""Batches of whole photos, for methods that draw pictures: one photo a step, each once in an epoch."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.data.images import decode_image, decode_mask
from langfield.data.straight import straight_photo
from langfield.data.views import Scene
from langfield.methods.base import PhotoBatch

_AHEAD = 4

_Photo = tuple[Tensor, Tensor | None]


class PhotoSource:
    """Makes a `PhotoBatch` for a step. Which photo it is follows from the seed and the step alone, so that a resumed
    run sees the same.

    Photos stay on the device where they fit `budget_bytes`; otherwise the next few are decoded in the background.
    Use as a context manager, or `close()` it.
    """

    steady = False

    def __init__(
        self, scene: Scene, view_indices: Sequence[int], device: torch.device | str, budget_bytes: int, seed: int
    ) -> None:
        if not view_indices:
            raise UsageError("there is no photo to learn from")
        self.generator = torch.Generator(device)
        self._device = torch.device(device)
        self._views = [scene.views[index] for index in view_indices]
        self._cameras: list[Camera] = [view.camera.moved(scene.scene_from_world).straightened() for view in self._views]
        self._seed = seed
        room = sum(3 * view.size_px[0] * view.size_px[1] for view in self._views)
        self._keeps = room <= budget_bytes
        self._kept: dict[int, _Photo] = {}
        self._coming: dict[int, Future[_Photo]] = {}
        self._background = ThreadPoolExecutor(2, thread_name_prefix="photos")

    def batch(self, step: int) -> PhotoBatch:
        """The step's photo. Raises DataError if it cannot be decoded."""
        for ahead in range(step, step + _AHEAD):
            self._order(self._number(ahead))
        number = self._number(step)
        rgb, used = self._photo(number)
        return PhotoBatch(self._cameras[number], rgb.to(self._device).float() / 255, used)

    def close(self) -> None:
        """Stop decoding ahead."""
        self._background.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> "PhotoSource":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _number(self, step: int) -> int:
        epoch, place = divmod(step, len(self._views))
        return int(np.random.default_rng([self._seed, epoch]).permutation(len(self._views))[place])

    def _order(self, number: int) -> None:
        if number not in self._kept and number not in self._coming:
            self._coming[number] = self._background.submit(self._decoded, number)

    def _photo(self, number: int) -> _Photo:
        if number in self._kept:
            return self._kept[number]
        rgb, used = self._coming.pop(number).result()
        photo = rgb.to(self._device), None if used is None else used.to(self._device)
        if self._keeps:
            self._kept[number] = photo
        return photo

    def _decoded(self, number: int) -> _Photo:
        view = self._views[number]
        mask = None if view.mask_path is None else decode_mask(view.mask_path, view.size_px)
        rgb, used = straight_photo(decode_image(view.image_path, view.size_px), mask, view.camera)
        return torch.from_numpy(rgb), None if used is None else torch.from_numpy(used)
