"""A radiance field whose language is lifted in closed form: averaged, not trained. For two CPU cores in a hurry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.rays import Rays
from langfield.fields.voxels import Observations, VoxelConfig, VoxelLanguage
from langfield.models.base import MethodContext, RayBatch
from langfield.models.nerf.volume import VolumeConfig, VolumeMethod
from langfield.renderers.volume import RayRender, SurfaceSamples, join_samples, render_rays


@dataclass(frozen=True)
class LiftConfig(VolumeConfig):
    """Attributes: voxels: where language is kept; lifted_side_px: how large a photo's raster is that is lifted."""

    voxels: VoxelConfig = field(default_factory=VoxelConfig)
    lifted_side_px: int = 96


@dataclass(frozen=True)
class PhotoEmbeddings:
    """Some of a photo's pixels with the embeddings of L crops about each.

    Attributes:
        rays: of the pixels, scene frame.
        embedding: unit vectors.
        crop_angle: crop height over focal length, as `RayBatch.crop_angle`.
    """

    rays: Rays
    embedding: Float[Tensor, "l r d"]
    crop_angle: Float[Tensor, " l"]


class Lift(VolumeMethod[LiftConfig]):
    """See the module. Training teaches geometry and colour; `lift` adds language to what was learnt."""

    name = "lift"
    scale_gradients = True

    def __init__(self, config: LiftConfig, context: MethodContext) -> None:
        super().__init__(config, context)
        self.voxels = VoxelLanguage(config.voxels, context.embed_dim or 0)

    def loss(self, batch: RayBatch, step: int) -> dict[str, Tensor]:
        """See `Method.loss`. Language that was lifted before is dropped: it belongs to another surface."""
        self.voxels.clear()
        return super().loss(batch, step)

    @torch.no_grad()
    def lift(self, photos: Callable[[], Iterator[PhotoEmbeddings]]) -> None:
        """Average what crops of photos say into the surface that their pixels show. `photos` is gone through twice."""
        surfaces: list[tuple[SurfaceSamples, Tensor]] = []

        def observed() -> Iterator[Observations]:
            first = not surfaces
            for number, photo in enumerate(photos()):
                if first:
                    surfaces.append(self._surface_of(photo.rays))
                surface, distance = surfaces[number]
                kept = surface.weights > 0
                scale = photo.crop_angle[:, None] * distance
                yield Observations(
                    surface.points[kept], surface.weights[kept], photo.embedding[:, kept], scale[:, kept]
                )

        self.voxels.fill(observed)

    def _surface_of(self, rays: Rays) -> tuple[SurfaceSamples, Float[Tensor, " r"]]:
        """Where the rays end, and how far away that is."""
        parts, distances = [], []
        for start in range(0, len(rays), self.config.chunk_rays):
            chunk = rays[start : start + self.config.chunk_rays]
            render = render_rays(self.radiance, list(self.proposals), chunk, self.config.sampling)
            parts.append(self._language_samples(render, chunk))
            distances.append((parts[-1].points - chunk.origins).norm(dim=-1))
        return join_samples(parts), torch.cat(distances)

    def _language_samples(self, render: RayRender, rays: Rays) -> SurfaceSamples:
        """One a ray, where half of its light was stopped; of no weight where most of it was not.

        Lifting and asking take the same point, so that a pixel is asked what it was told.
        """
        distance = render.distance()
        there = distance.isfinite()
        points = rays.origins + rays.directions * torch.where(there, distance, 0)[:, None]
        ray = torch.arange(len(rays), device=points.device)
        return SurfaceSamples(points, render.alpha * there, ray, len(rays))

    # -- answering -----------------------------------------------------------------------------------------------

    @property
    def codes(self) -> Float[Tensor, "c d"]:
        """Everything that any embedding is a weighted mean of."""
        return self.voxels.codes

    @torch.no_grad()
    def language_features(self, samples: SurfaceSamples) -> Float[Tensor, "m 0"]:
        """Nothing is gained by reading ahead here."""
        return samples.points.new_zeros(len(samples.points), 0)

    @torch.no_grad()
    def mix(
        self, samples: SurfaceSamples, scale_scene: Float[Tensor, " r"]
    ) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
        """Rows of `codes` and their weights in the mean over each ray's samples, by sample."""
        rows, weights = self.voxels.mix(samples.points, scale_scene[samples.ray])
        light = samples.weights * (weights.sum(dim=-1) > 0)
        total = torch.zeros(samples.rays, device=light.device).index_add_(0, samples.ray, light)
        return rows, weights * (light / total.clamp_min(1e-9)[samples.ray])[:, None]

    @torch.no_grad()
    def embed(
        self,
        samples: SurfaceSamples,
        scale_scene: Float[Tensor, " r"],
        features: Float[Tensor, "m f"] | None = None,
    ) -> Float[Tensor, "r d"]:
        """Unit embedding of each ray at its own scale (height of a crop there, scene units); 0 where
        nothing was lifted."""
        rows, weights = self.mix(samples, scale_scene)
        out = torch.zeros(samples.rays, self.codes.shape[1], device=self.device)
        for part in torch.arange(len(rows), device=rows.device).split(2**14):
            used, place = rows[part].unique(return_inverse=True)
            table = self.codes[used].float()
            mean = torch.nn.functional.embedding_bag(place, table, per_sample_weights=weights[part], mode="sum")
            out.index_add_(0, samples.ray[part], mean)
        return torch.nn.functional.normalize(out, dim=-1)
