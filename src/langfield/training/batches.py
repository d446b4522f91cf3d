"""Batches of rays: random pixels of the training photos, their rays, and their targets."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from langfield.core.cameras import Cameras
from langfield.core.rays import JITTER_COLUMNS
from langfield.data.pixels import PixelPool, PixelSample
from langfield.data.views import Scene
from langfield.features.targets import TargetSource
from langfield.models.batches import RayBatch


class RaySource:
    """Makes the `RayBatch` of a step, on one device and without waiting for it.

    Random numbers come from `generator`, and from the pools' own seed where only some photos are resident at a time.
    """

    def __init__(
        self,
        scene: Scene,
        pool: PixelPool,
        device: torch.device | str,
        rays: int,
        targets: Sequence[TargetSource] = (),
        head_rays: int | None = None,
        head_pool: PixelPool | None = None,
        head_rays_per_photo: int | None = None,
    ) -> None:
        """Take the pixels of a scene's training photos.

        Args:
            pool: pixels of all training photos, on `device`.
            rays: rays in a batch.
            targets: sources of targets besides colour.
            head_rays: how many rays, the first ones, get these targets; None for all.
            head_pool: pixels of the photos that have these targets, from which those rays are drawn; None if all have.
            head_rays_per_photo: how many of those rays in a row are of one photo, see `PixelPool.sample`; None where
                they need not be.
        """
        self.generator = torch.Generator(device)
        self._pool, self._head_pool, self._targets = pool, head_pool, tuple(targets)
        self._rays, self._per_photo = rays, head_rays_per_photo
        self._head_rays = rays if head_rays is None else min(head_rays, rays)
        self._cameras = Cameras.from_list(scene.cameras_scene(), device)
        photo_of_view = torch.full((len(scene.views),), -1)
        photo_of_view[list(scene.train)] = torch.arange(len(scene.train))
        self._photo_of_view = photo_of_view.to(device)

    @property
    def recordable(self) -> bool:
        """See `Batches.recordable`: whether all photos stay resident."""
        return not any(pool.rotates for pool in (self._pool, self._head_pool) if pool is not None)

    def batch(self, step: int) -> RayBatch:
        """The next batch. Raises DataError for a photo that cannot be decoded when its turn comes."""
        pixels = self._sample(step)
        rays = self._cameras.rays(pixels.view_index, pixels.xy_px)
        rays = replace(rays, camera_index=self._photo_of_view[pixels.view_index])
        jitter = torch.rand((self._rays, JITTER_COLUMNS), generator=self.generator, device=self.generator.device)
        targets: dict[str, Tensor] = {"rgb": pixels.rgb}
        view_index, xy_px = pixels.view_index[: self._head_rays], pixels.xy_px[: self._head_rays]
        for source in self._targets:
            targets |= source.sample(view_index, xy_px, self.generator)
        return RayBatch(rays, targets, jitter)

    def _sample(self, step: int) -> PixelSample:
        self._pool.prepare(step)
        if self._head_pool is None and self._per_photo is None:
            return self._pool.sample(self._rays, self.generator)
        head_pool = self._pool if self._head_pool is None else self._head_pool
        head_pool.prepare(step)
        first = head_pool.sample(self._head_rays, self.generator, per_photo=self._per_photo)
        rest = self._pool.sample(self._rays - self._head_rays, self.generator)
        return PixelSample(
            torch.cat([first.view_index, rest.view_index]),
            torch.cat([first.xy_px, rest.xy_px]),
            torch.cat([first.rgb, rest.rgb]),
        )
