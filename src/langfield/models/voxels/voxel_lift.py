"""A radiance field whose language is not trained: crops' embeddings are averaged into voxels in closed form."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera, Cameras
from langfield.core.checks import check_counts
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.rays import Rays
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidFeatures
from langfield.fields.voxels import Observations, VoxelConfig, VoxelLanguage
from langfield.models.base import AskedPixels
from langfield.models.batches import RayBatch
from langfield.models.config import ModelContext
from langfield.models.nerf.view import RayPixels, RayView, render_ray_view
from langfield.models.nerf.volume import VolumeConfig, VolumeModel
from langfield.models.relevancy import EncodedPhrases
from langfield.renderers.volume import RayRender, SurfaceSamples, join_samples, render_rays


@dataclass(frozen=True)
class VoxelLiftConfig(VolumeConfig):
    """What makes a `VoxelLift` and its training.

    Attributes:
        voxels: the grid that embeddings are averaged into.
        lifted_side_px: longest side of the raster of pixels that are lifted from each photo.
    """

    model: ClassVar[str] = "voxel_lift"

    voxels: VoxelConfig = field(default_factory=VoxelConfig)
    lifted_side_px: int = 96

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "lifted_side_px")


@dataclass(frozen=True)
class PhotoEmbeddings:
    """R pixels of a photo with the embeddings of the crops about them at L levels.

    Attributes:
        rays: (R,) of the pixels, scene frame.
        embedding: of each level (R, D) unit vectors. They may be worked out as one goes through them, and then one can
            do so only once.
        crop_angle: (L,) crop height over focal length.
    """

    rays: Rays
    embedding: Iterable[Float[Tensor, "r d"]]
    crop_angle: Float[Tensor, " l"]


class VoxelLift(VolumeModel[VoxelLiftConfig]):
    """See the module. Training learns geometry and colour, then `finish` lifts language onto the surface.

    Attributes:
        voxels: the lifted language; empty before.
    """

    name = "voxel_lift"
    finish_stage = "lifting"
    scale_gradients = True

    def __init__(self, config: VoxelLiftConfig, context: ModelContext) -> None:
        super().__init__(config, context)
        self.voxels = VoxelLanguage(config.voxels, context.target_dims.get("embedding", 0))

    def loss(self, batch: RayBatch, step: int) -> dict[str, Tensor]:
        """See `Model.loss`. Language that was lifted before is dropped, for the surface is going to change."""
        self.voxels.clear()
        return super().loss(batch, step)

    # -- lifting -------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def finish(self, photos: TrainingPhotos, features: FeatureBank, progress: Progress = silent) -> None:
        """See `Model.finish`: average the embeddings of crops at the surface points that their pixels show.

        Cost: two passes over the photos; in the second every pixel of a raster of `lifted_side_px` is embedded once for
        every pyramid level.
        """
        pyramid, side_px = features.pyramid, self.config.lifted_side_px
        start, total, done = time.monotonic(), 2 * len(photos.view_indices), 0

        def embeddings() -> Iterator[PhotoEmbeddings]:
            nonlocal done
            for index in photos.view_indices:
                yield photo_embeddings(photos, pyramid, index, side_px)
                done += 1
                progress(ProgressEvent("lifting", done, total, "photos", time.monotonic() - start))

        self.lift(embeddings)

    @torch.no_grad()
    def lift(self, photos: Callable[[], Iterator[PhotoEmbeddings]]) -> None:
        """Average the photos' embeddings at the surface points that their pixels show, if they have any. `photos` is
        called twice."""
        surfaces: list[tuple[SurfaceSamples, Tensor]] = []

        def observed() -> Iterator[Observations]:
            first = not surfaces
            for number, photo in enumerate(photo for photo in photos() if len(photo.rays)):
                if first:
                    surfaces.append(self._surface_of(photo.rays))
                surface, distance = surfaces[number]
                kept = surface.weights > 0
                scale = photo.crop_angle[:, None] * distance[kept]
                embedding = map(partial(_rows, kept), photo.embedding)
                yield Observations(surface.points[kept], surface.weights[kept], embedding, scale)

        self.voxels.fill(observed)

    def _surface_of(self, rays: Rays) -> tuple[SurfaceSamples, Float[Tensor, " r"]]:
        """The surface point of each ray, and its distance along the ray, scene units."""
        parts, distances = [], []
        for start in range(0, len(rays), self.config.chunk_rays):
            chunk = rays[start : start + self.config.chunk_rays]
            render = render_rays(self.radiance, self.sampler, chunk)
            parts.append(self.surface_samples(render, chunk))
            distances.append((parts[-1].points - chunk.origins).norm(dim=-1))
        return join_samples(parts), torch.cat(distances)

    def surface_samples(self, render: RayRender, rays: Rays) -> SurfaceSamples:
        """See `VolumeModel.surface_samples`: one a ray, at its median distance, with alpha as its weight, or 0 where
        there is no surface. Lifting and rendering use the same point."""
        distance = render.distance()
        there = distance.isfinite()
        points = rays.origins + rays.directions * torch.where(there, distance, 0)[:, None]
        ray = torch.arange(len(rays), device=points.device)
        return SurfaceSamples(points, render.alpha * there, ray, len(rays))

    # -- phrases -------------------------------------------------------------------------------------------------

    @property
    def codes(self) -> Float[Tensor, "c d"]:
        """The unit embeddings of which every embedding is a weighted mean."""
        return self.voxels.codes

    @property
    def answers_phrases(self) -> bool:
        return len(self.codes) > 0

    def prepare_phrases(self, phrases: EncodedPhrases) -> EncodedPhrases:
        """See `Model.prepare_phrases`: relevancy is worked out for the codes, and then averaged as embeddings would
        be."""
        return phrases.with_codes(self.codes)

    def view(self, camera: Camera) -> RayView:
        """See `Model.view`."""
        return render_ray_view(self, camera, VoxelView)

    @torch.no_grad()
    def features_at(self, samples: SurfaceSamples) -> Float[Tensor, "m 0"]:
        """See `VolumeModel.features_at`: none, for voxels depend on the scale."""
        return samples.points.new_zeros(len(samples.points), 0)

    @torch.no_grad()
    def mix(
        self, samples: SurfaceSamples, scale_scene: Float[Tensor, " r"]
    ) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
        """For each sample K rows of `codes` with their weights in the mean over its ray's samples."""
        rows, weights = self.voxels.mix(samples.points, scale_scene[samples.ray])
        contribution = samples.weights * (weights.sum(dim=-1) > 0)
        total = torch.zeros(samples.rays, device=weights.device).index_add_(0, samples.ray, contribution)
        return rows, weights * (contribution / total.clamp_min(1e-9)[samples.ray])[:, None]

    @torch.no_grad()
    def embed(
        self,
        samples: SurfaceSamples,
        scale_scene: Float[Tensor, " r"],
        features: Float[Tensor, "m f"] | None = None,
    ) -> Float[Tensor, "r d"]:
        """See `VolumeModel.embed`: 0 where nothing was lifted."""
        rows, weights = self.mix(samples, scale_scene)
        out = torch.zeros(samples.rays, self.codes.shape[1], device=self.device)
        for part in torch.arange(len(rows), device=rows.device).split(2**14):
            used, place = rows[part].unique(return_inverse=True)
            table = self.codes[used].float()
            mean = torch.nn.functional.embedding_bag(place, table, per_sample_weights=weights[part], mode="sum")
            out.index_add_(0, samples.ray[part], mean)
        return torch.nn.functional.normalize(out, dim=-1)


@dataclass(frozen=True)
class VoxelPixels(RayPixels):
    """Some pixels of a view: see `AskedPixels`. Relevancy is the weighted mean of that of the pixels' codes."""

    model: VoxelLift

    def relevancy_at(self, scale_scene: Float[Tensor, " q"]) -> Callable[[EncodedPhrases], Float[Tensor, "q p"]]:
        """See `AskedPixels.relevancy_at`."""
        rows, weights = self.model.mix(self.samples, scale_scene)

        def relevancy(phrases: EncodedPhrases) -> Float[Tensor, "q p"]:
            assert phrases.code_relevancy is not None, "phrases must be prepared for this model"
            of_sample = torch.nn.functional.embedding_bag(
                rows, phrases.code_relevancy, per_sample_weights=weights, mode="sum"
            )
            out = torch.zeros(self.samples.rays, len(phrases), device=weights.device)
            return out.index_add_(0, self.samples.ray, of_sample)

        return relevancy


@dataclass(frozen=True)
class VoxelView(RayView):
    """A camera of a `VoxelLift`."""

    model: VoxelLift

    def _asked_pixels(self, samples: SurfaceSamples, features: Float[Tensor, "m f"] | None) -> AskedPixels:
        """See `RayView._asked_pixels`."""
        return VoxelPixels(self.model, samples, features)


def _rows(kept: Bool[Tensor, " r"], embedding: Float[Tensor, "r d"]) -> Float[Tensor, "n d"]:
    return embedding[kept]


def photo_embeddings(
    photos: TrainingPhotos, pyramid: PyramidFeatures, view_index: int, side_px: int
) -> PhotoEmbeddings:
    """The unmasked pixels of a raster over one photo, with their embeddings at each level of its pyramid.

    Args:
        view_index: which of the scene's views the photo is.
        side_px: longest side of the raster.
    """
    device = pyramid.rows.device
    camera = photos.camera(view_index)
    small = camera.fit_within(side_px)
    pixels = small.pixel_centres(device).reshape(-1, 2)
    mask = photos.mask(view_index, (small.width_px, small.height_px))
    if mask is not None:  # masked pixels were not trained on, so that the field has no surface there
        pixels = pixels[torch.from_numpy(mask).to(device).reshape(-1)]
    rays = Cameras.from_list([small], device).rays(torch.zeros(len(pixels), dtype=torch.int64, device=device), pixels)
    scale = torch.tensor([camera.width_px / small.width_px, camera.height_px / small.height_px], device=device)
    sampled = (pyramid.sample_level(view_index, pixels * scale, level) for level in range(pyramid.levels))
    embeddings = (torch.nn.functional.normalize(embedding, dim=-1) for embedding in sampled)
    levels = torch.arange(pyramid.levels, device=device)
    fractions = pyramid.crop_fraction(torch.full_like(levels, view_index), levels.float())
    return PhotoEmbeddings(rays, embeddings, fractions * camera.height_px / camera.fy_px)
