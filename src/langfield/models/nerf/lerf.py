"""LERF: a nerfacto-like radiance field with a scale-conditioned language field on it (Kerr et al. 2023)."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.rays import Rays
from langfield.fields.language import DenseField, FeatureGrid, LanguageConfig, LanguageField
from langfield.models.base import MethodContext, ParamGroup, RayBatch
from langfield.models.nerf.losses import dense_loss, language_loss
from langfield.models.nerf.volume import VolumeConfig, VolumeMethod
from langfield.renderers.volume import RayRender, SurfaceSamples, surface_samples

# Samples under this share of their ray's light are left out of embeddings when answering (not when training).
LEAST_SHARE = 0.01
CHUNK_SAMPLES = 2**18  # embedded at a time


@dataclass(frozen=True)
class LerfConfig(VolumeConfig):
    """What makes a LERF.

    Attributes:
        language: the language field.
        language_samples: samples per ray that carry an embedding, the heaviest ones.
        *_weight: of each loss.
        language_lr, language_lr_end, language_lr_steps: of the language field.
    """

    language: LanguageConfig = field(default_factory=LanguageConfig)
    language_samples: int = 24
    language_weight: float = 0.1
    dense_weight: float = 1.0
    language_lr: float = 1e-2
    language_lr_end: float = 1e-3
    language_lr_steps: int = 4_000


class Lerf(VolumeMethod[LerfConfig]):
    """See the module. Frames: everything here is in the scene frame."""

    name = "lerf"

    def __init__(self, config: LerfConfig, context: MethodContext) -> None:
        super().__init__(config, context)
        if context.embed_dim is not None:
            self.language_grid = FeatureGrid(config.language.grid)
            features = self.language_grid.out_features
            self.language = LanguageField(config.language, context.embed_dim, features)
            if context.dense_dim is not None:
                self.dense = DenseField(features, context.dense_dim)

    @property
    def has_language(self) -> bool:
        return hasattr(self, "language")

    @property
    def has_dense(self) -> bool:
        return hasattr(self, "dense")

    def param_groups(self) -> list[ParamGroup]:
        c, groups = self.config, super().param_groups()
        if self.has_language:
            modules = [self.language_grid, self.language, *([self.dense] if self.has_dense else [])]
            params = [p for module in modules for p in module.parameters()]
            schedule = {"lr": c.language_lr, "lr_end": c.language_lr_end, "lr_end_step": c.language_lr_steps}
            groups.append(ParamGroup("language", params, **schedule, weight_decay=1e-9, rectified=True))
        return groups

    # -- training ------------------------------------------------------------------------------------------------

    def loss(self, batch: RayBatch, step: int) -> dict[str, Tensor]:
        """See `Method.loss`. Terms: rgb, proposal, distortion, language, dense; reported: _mse."""
        terms, render = self._colour_terms(batch, step)
        if self.has_language and batch.embedding is not None and batch.crop_angle is not None:
            terms |= self._language_terms(batch, render)
        return terms

    def _language_terms(self, batch: RayBatch, render: RayRender) -> dict[str, Tensor]:
        """LERF's language losses on the first rays of the batch; geometry gets no gradient from them."""
        c = self.config
        assert batch.embedding is not None
        assert batch.crop_angle is not None
        n = len(batch.embedding)
        weights, index = render.weights[:n].detach().topk(min(c.language_samples, render.weights.shape[1]), dim=-1)
        t = render.samples.t_middle[:n].gather(-1, index)
        points = batch.rays.origins[:n, None] + batch.rays.directions[:n, None] * t[..., None]
        features = self.language_grid(points.reshape(-1, 3).detach())
        scale = (batch.crop_angle[:, None] * t).reshape(-1)
        embedding = self.language(features, scale).reshape(n, -1, batch.embedding.shape[-1])
        rendered = torch.nn.functional.normalize((weights[..., None] * embedding).sum(dim=1), dim=-1)
        terms = {"language": c.language_weight * language_loss(rendered, batch.embedding)}
        if batch.dense is not None and self.has_dense:
            dense = self.dense(features).reshape(n, -1, batch.dense.shape[-1])
            terms["dense"] = c.dense_weight * dense_loss((weights[..., None] * dense).sum(dim=1), batch.dense)
        return terms

    # -- answering -----------------------------------------------------------------------------------------------

    def _language_samples(self, render: RayRender, rays: Rays) -> SurfaceSamples:
        return surface_samples(render, rays, self.config.language_samples, LEAST_SHARE)

    @torch.no_grad()
    def language_features(self, samples: SurfaceSamples) -> Float[Tensor, "m f"]:
        """The language grid at samples: what does not depend on the scale."""
        return self.language_grid(samples.points)

    @torch.no_grad()
    def dense_features(self, samples: SurfaceSamples) -> Float[Tensor, "r s"]:
        """Self-supervised features of each ray: the mean of its samples', as training compares them with photos'."""
        out = torch.zeros(samples.rays, self.context.dense_dim or 0, device=self.device)
        for start in range(0, len(samples.ray), CHUNK_SAMPLES):
            part = slice(start, start + CHUNK_SAMPLES)
            dense = self.dense(self.language_grid(samples.points[part]))
            out.index_add_(0, samples.ray[part], dense * samples.weights[part, None])
        return out

    @torch.no_grad()
    def embed(
        self,
        samples: SurfaceSamples,
        scale_scene: Float[Tensor, " r"],
        features: Float[Tensor, "m f"] | None = None,
    ) -> Float[Tensor, "r d"]:
        """Unit embedding of each ray at its own scale (height of a crop there, scene units).

        Give `features` (`language_features`) where the same samples are asked at several scales.
        """
        out = torch.zeros(samples.rays, self.context.embed_dim or 0, device=self.device)
        for start in range(0, len(samples.ray), CHUNK_SAMPLES):
            part = slice(start, start + CHUNK_SAMPLES)
            read = self.language_grid(samples.points[part]) if features is None else features[part]
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
                embedding = self.language(read, scale_scene[samples.ray[part]])
            out.index_add_(0, samples.ray[part], embedding * samples.weights[part, None])
        return torch.nn.functional.normalize(out, dim=-1)
