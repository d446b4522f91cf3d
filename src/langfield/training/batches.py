"""What a training step sees: random pixels of the training photos, their rays, and the encoders' features there."""

from dataclasses import replace

import torch
from torch import Tensor

from langfield.core.cameras import Cameras
from langfield.data.pixels import PixelPool, PixelSample
from langfield.data.views import Scene
from langfield.features.bank import FeatureBank
from langfield.models.base import RayBatch

# A column of numbers for each round of samples along the rays: two proposals and the last one, and one to spare.
JITTER_COLUMNS = 4


class BatchSource:
    """Makes a `RayBatch` for a step, all on one device and without waiting for it.

    Each of the first `language_rays` rays gets one pyramid level, uniform in [0, L − 1] with fractions, as in LERF
    (§3.3 there). What is random comes from `generator`, and from the pool's own seed where photos take turns.
    """

    def __init__(
        self,
        scene: Scene,
        pool: PixelPool,
        bank: FeatureBank | None,
        device: torch.device | str,
        rays: int,
        language_rays: int | None = None,
        language_pool: PixelPool | None = None,
    ) -> None:
        """Batches of `rays` pixels from `pool`, which draws the scene's training views on `device`.

        Args:
            bank: features of training views, on `device`; None for batches of colour only.
            language_rays: how many rays get features; None for all.
            language_pool: draws those rays instead, where only some of the training views have features.
        """
        self.generator = torch.Generator(device)
        self._pool, self._language_pool, self._bank = pool, language_pool, bank
        self._rays = rays
        self._language_rays = rays if language_rays is None else min(language_rays, rays)
        self._cameras = Cameras.from_list(scene.cameras_scene(), device)
        photo_of_view = torch.full((len(scene.views),), -1)
        photo_of_view[list(scene.train)] = torch.arange(len(scene.train))
        self._photo_of_view = photo_of_view.to(device)

    @property
    def steady(self) -> bool:
        """Whether all photos stay resident (see `langfield.training.graphs`)."""
        return not any(pool.rotates for pool in (self._pool, self._language_pool) if pool is not None)

    def batch(self, step: int) -> RayBatch:
        """The next batch. Raises DataError for a photo that cannot be decoded when its turn comes."""
        pixels = self._sample(step)
        rays = self._cameras.rays(pixels.view_index, pixels.xy_px)
        batch = RayBatch(
            rays=replace(rays, camera_index=self._photo_of_view[pixels.view_index]),
            rgb=pixels.rgb,
            jitter=self._uniform(self._rays, JITTER_COLUMNS),
        )
        if self._bank is None:
            return batch
        view_index, xy_px = pixels.view_index[: self._language_rays], pixels.xy_px[: self._language_rays]
        pyramid, dense = self._bank.pyramid, self._bank.dense
        level = self._uniform(len(view_index)) * (pyramid.levels - 1)
        height_px, focal_px = self._cameras.size_px[view_index, 1], self._cameras.focal_px[view_index, 1]
        return replace(
            batch,
            embedding=pyramid.sample(view_index, xy_px, level),
            crop_angle=pyramid.crop_fraction(view_index, level) * height_px / focal_px,
            dense=None if dense is None else dense.sample(view_index, xy_px),
        )

    def _sample(self, step: int) -> PixelSample:
        self._pool.prepare(step)
        if self._language_pool is None:
            return self._pool.sample(self._rays, self.generator)
        self._language_pool.prepare(step)
        first = self._language_pool.sample(self._language_rays, self.generator)
        rest = self._pool.sample(self._rays - self._language_rays, self.generator)
        return PixelSample(
            torch.cat([first.view_index, rest.view_index]),
            torch.cat([first.xy_px, rest.xy_px]),
            torch.cat([first.rgb, rest.rgb]),
        )

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device)
