"""LERF: a nerfacto-like radiance field with a scale-conditioned language field on it (Kerr et al. 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.cameras import Camera, Cameras
from langfield.fields.language import DenseField, FeatureGrid, LanguageConfig, LanguageField
from langfield.fields.radiance import DensityConfig, DensityField, RadianceConfig, RadianceField
from langfield.methods.base import MethodContext, ParamGroup, RayBatch, Rendered
from langfield.methods.losses import dense_loss, distortion_loss, language_loss, proposal_loss
from langfield.renderers.sampling import SamplingConfig
from langfield.renderers.volume import RayRender, SurfaceSamples, join_samples, render_rays, surface_samples

# Samples under this share of their ray's light are left out of embeddings when answering (not when training).
LEAST_SHARE = 0.01
CHUNK_SAMPLES = 2**18  # embedded at a time


@dataclass(frozen=True)
class LerfConfig:
    """What makes a LERF.

    Attributes:
        radiance, proposals, sampling: the radiance field and how its rays are sampled.
        language: the language field.
        language_samples: samples per ray that carry an embedding, the heaviest ones.
        *_weight: of each loss.
        lr, lr_end, lr_steps: of the radiance field and proposals.
        language_lr, language_lr_end, language_lr_steps: of the language field.
        proposal_every, proposal_warmup: proposals train at every step first, and after `proposal_warmup` steps at
            every `proposal_every`-th.
        chunk_rays: rays rendered at a time.
    """

    radiance: RadianceConfig = field(default_factory=RadianceConfig)
    proposals: tuple[DensityConfig, ...] = (DensityConfig(max_resolution=128), DensityConfig(max_resolution=256))
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    language_samples: int = 24
    proposal_weight: float = 1.0
    distortion_weight: float = 0.002
    language_weight: float = 0.1
    dense_weight: float = 1.0
    lr: float = 1e-2
    lr_end: float = 1e-3
    lr_steps: int = 30_000
    language_lr: float = 1e-2
    language_lr_end: float = 1e-3
    language_lr_steps: int = 4_000
    proposal_every: int = 5
    proposal_warmup: int = 5_000
    chunk_rays: int = 2**15


class Lerf(nn.Module):
    """See the module. Frames: everything here is in the scene frame."""

    name = "lerf"

    def __init__(self, config: LerfConfig, context: MethodContext) -> None:
        super().__init__()
        self.config = config
        self.context = context
        self.radiance = RadianceField(config.radiance, context.photos)
        self.proposals = nn.ModuleList(DensityField(c) for c in config.proposals)
        if context.embed_dim is not None:
            self.language_grid = FeatureGrid(config.language.grid)
            features = self.language_grid.out_features
            self.language = LanguageField(config.language, context.embed_dim, features)
            if context.dense_dim is not None:
                self.dense = DenseField(features, context.dense_dim)

    @property
    def device(self) -> torch.device:
        return self.radiance.appearance.device

    @property
    def has_language(self) -> bool:
        return hasattr(self, "language")

    def param_groups(self) -> list[ParamGroup]:
        c = self.config
        radiance = {"lr": c.lr, "lr_end": c.lr_end, "lr_end_step": c.lr_steps}
        groups = [
            ParamGroup("radiance", list(self.radiance.parameters()), **radiance),
            ParamGroup("proposals", list(self.proposals.parameters()), **radiance),
        ]
        if self.has_language:
            modules = [self.language_grid, self.language, *([self.dense] if hasattr(self, "dense") else [])]
            params = [p for module in modules for p in module.parameters()]
            schedule = {"lr": c.language_lr, "lr_end": c.language_lr_end, "lr_end_step": c.language_lr_steps}
            groups.append(ParamGroup("language", params, **schedule, weight_decay=1e-9, rectified=True))
        return groups

    # -- training ------------------------------------------------------------------------------------------------

    def loss(self, batch: RayBatch, step: int) -> dict[str, Tensor]:
        """See `Method.loss`. Terms: rgb, proposal, distortion, language, dense; reported: _mse."""
        c = self.config
        train_proposals = self._trains_proposals(step)
        render = render_rays(
            self.radiance,
            list(self.proposals),
            batch.rays,
            c.sampling,
            photo=batch.rays.camera_index,
            step=step,
            jitter=batch.jitter,
            train_proposals=train_proposals,
        )
        mse = torch.nn.functional.mse_loss(render.rgb, batch.rgb)
        terms = {"rgb": mse, "_mse": mse.detach()}
        terms["distortion"] = c.distortion_weight * distortion_loss(render.samples, render.weights)
        if train_proposals:
            losses = [proposal_loss(render.samples, render.weights, s, w) for s, w in render.rounds]
            terms["proposal"] = c.proposal_weight * torch.stack(losses).sum()
        if self.has_language and batch.embedding is not None and batch.crop_angle is not None:
            terms |= self._language_terms(batch, render)
        return terms

    def phase(self, step: int) -> bool | None:
        """See `Method.phase`: whether the proposals train; None while their weights are annealed."""
        return None if step < self.config.sampling.anneal_steps else self._trains_proposals(step)

    def _trains_proposals(self, step: int) -> bool:
        """At every step first, at every `proposal_every`-th after `proposal_warmup` steps."""
        grown = 1 + step * (self.config.proposal_every - 1) // max(self.config.proposal_warmup, 1)
        return step % min(grown, self.config.proposal_every) == 0

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
        if batch.dense is not None and hasattr(self, "dense"):
            dense = self.dense(features).reshape(n, -1, batch.dense.shape[-1])
            terms["dense"] = c.dense_weight * dense_loss((weights[..., None] * dense).sum(dim=1), batch.dense)
        return terms

    # -- rendering -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        """Render a camera of the scene frame."""
        view, _ = self.surface(camera, keep_samples=False)
        return view

    @torch.no_grad()
    def surface(self, camera: Camera, *, keep_samples: bool = True) -> tuple[Rendered, SurfaceSamples | None]:
        """Render a camera once, and keep the samples that embeddings of any scale are made of."""
        cameras = Cameras.from_list([camera], self.device)
        pixels = camera.pixel_centres(self.device).reshape(-1, 2)
        rays = cameras.rays(torch.zeros(len(pixels), dtype=torch.int64, device=self.device), pixels)
        height, width = camera.height_px, camera.width_px
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        kept: list[SurfaceSamples] = []
        for start in range(0, len(rays), self.config.chunk_rays):
            chunk = rays[start : start + self.config.chunk_rays]
            render = render_rays(self.radiance, list(self.proposals), chunk, self.config.sampling)
            parts.append((render.rgb.clamp(0, 1), render.alpha, render.distance() * chunk.z_per_distance))
            if keep_samples:
                kept.append(surface_samples(render, chunk, self.config.language_samples, LEAST_SHARE))
        rgb, alpha, depth = (torch.cat(column) for column in zip(*parts, strict=True))
        view = Rendered(
            rgb=rgb.reshape(height, width, 3),
            alpha=alpha.reshape(height, width),
            depth_scene=depth.reshape(height, width),
        )
        return view, join_samples(kept) if keep_samples else None

    @torch.no_grad()
    def language_features(self, samples: SurfaceSamples) -> Float[Tensor, "m f"]:
        """The language grid at samples: what does not depend on the scale."""
        return self.language_grid(samples.points)

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
