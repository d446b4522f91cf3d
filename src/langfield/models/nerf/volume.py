"""A radiance field that is volume rendered, without language: what LERF and the lifted method stand on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from langfield.core.cameras import Camera, Cameras
from langfield.core.rays import Rays
from langfield.fields.radiance import DensityConfig, DensityField, RadianceConfig, RadianceField
from langfield.models.base import MethodContext, ParamGroup, RayBatch, Rendered
from langfield.models.nerf.losses import distortion_loss, proposal_loss
from langfield.renderers.sampling import SamplingConfig
from langfield.renderers.volume import RayRender, SurfaceSamples, join_samples, render_rays


@dataclass(frozen=True)
class VolumeConfig:
    """What makes a volume-rendered radiance field and its training.

    Attributes:
        radiance, proposals, sampling: the radiance field and how its rays are sampled.
        *_weight: of each loss.
        lr, lr_end, lr_steps: of the radiance field and proposals.
        proposal_every, proposal_warmup: proposals train at every step first, and after `proposal_warmup` steps at
            every `proposal_every`-th.
        chunk_rays: rays rendered at a time.
    """

    radiance: RadianceConfig = field(default_factory=RadianceConfig)
    proposals: tuple[DensityConfig, ...] = (DensityConfig(max_resolution=128), DensityConfig(max_resolution=256))
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    proposal_weight: float = 1.0
    distortion_weight: float = 0.002
    lr: float = 1e-2
    lr_end: float = 1e-3
    lr_steps: int = 30_000
    proposal_every: int = 5
    proposal_warmup: int = 5_000
    chunk_rays: int = 2**15


C = TypeVar("C", bound=VolumeConfig)


class VolumeMethod(nn.Module, ABC, Generic[C]):
    """See the module. Frames: everything here is in the scene frame."""

    scale_gradients = False  # see `langfield.renderers.volume.scaled_by_distance`

    def __init__(self, config: C, context: MethodContext) -> None:
        super().__init__()
        self.config = config
        self.context = context
        self.radiance = RadianceField(config.radiance, context.photos)
        self.proposals = nn.ModuleList(DensityField(c) for c in config.proposals)

    @property
    def device(self) -> torch.device:
        return self.radiance.appearance.device

    def param_groups(self) -> list[ParamGroup]:
        c = self.config
        schedule = {"lr": c.lr, "lr_end": c.lr_end, "lr_end_step": c.lr_steps}
        return [
            ParamGroup("radiance", list(self.radiance.parameters()), **schedule),
            ParamGroup("proposals", list(self.proposals.parameters()), **schedule),
        ]

    # -- training ------------------------------------------------------------------------------------------------

    def loss(self, batch: RayBatch, step: int) -> dict[str, Tensor]:
        """See `Method.loss`. Terms: rgb, proposal, distortion; reported: _mse."""
        return self._colour_terms(batch, step)[0]

    def _colour_terms(self, batch: RayBatch, step: int) -> tuple[dict[str, Tensor], RayRender]:
        """What the photos' colours say, and the render it was said of."""
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
            scale_gradients=self.scale_gradients,
        )
        mse = torch.nn.functional.mse_loss(render.rgb, batch.rgb)
        terms = {"rgb": mse, "_mse": mse.detach()}
        terms["distortion"] = c.distortion_weight * distortion_loss(render.samples, render.weights)
        if train_proposals:
            losses = [proposal_loss(render.samples, render.weights, s, w) for s, w in render.rounds]
            terms["proposal"] = c.proposal_weight * torch.stack(losses).sum()
        return terms, render

    def phase(self, step: int) -> bool | None:
        """See `Method.phase`: whether the proposals train; None while their weights are annealed."""
        return None if step < self.config.sampling.anneal_steps else self._trains_proposals(step)

    def _trains_proposals(self, step: int) -> bool:
        """At every step first, at every `proposal_every`-th after `proposal_warmup` steps."""
        grown = 1 + step * (self.config.proposal_every - 1) // max(self.config.proposal_warmup, 1)
        return step % min(grown, self.config.proposal_every) == 0

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
                kept.append(self._language_samples(render, chunk))
        rgb, alpha, depth = (torch.cat(column) for column in zip(*parts, strict=True))
        view = Rendered(
            rgb=rgb.reshape(height, width, 3),
            alpha=alpha.reshape(height, width),
            depth_scene=depth.reshape(height, width),
        )
        return view, join_samples(kept) if keep_samples else None

    @abstractmethod
    def _language_samples(self, render: RayRender, rays: Rays) -> SurfaceSamples:
        """The samples that carry the rays' embeddings."""
