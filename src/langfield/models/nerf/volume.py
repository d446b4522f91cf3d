"""A volume-rendered radiance field without language: the base of `Lerf` and `VoxelLift`."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.cameras import Camera, Cameras
from langfield.core.checks import check_counts, check_numbers
from langfield.core.interruption import stop_if_not_needed
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.core.rays import Rays
from langfield.fields.radiance import RadianceConfig, RadianceField
from langfield.models.base import Converted, Model, Rendered
from langfield.models.batches import ParamGroup, RayBatch
from langfield.models.config import ModelConfig, ModelContext
from langfield.models.nerf.losses import distortion_loss
from langfield.renderers.samplers.base import SamplerConfig
from langfield.renderers.samplers.proposal import ProposalSamplerConfig
from langfield.renderers.volume import RayRender, SurfaceSamples, join_samples, render_rays


@dataclass(frozen=True)
class VolumeConfig(ModelConfig):
    """What makes a volume-rendered radiance field and its training.

    Attributes:
        radiance: sizes of the field of density and colour.
        sampler: where along rays the field is evaluated.
        distortion_weight: weight of Mip-NeRF 360's distortion loss.
        lr: first learning rate of the radiance field and the sampler.
        lr_end: their last learning rate.
        lr_steps: steps in which the learning rate decays to it.
        chunk_rays: rays rendered at a time.
    """

    radiance: RadianceConfig = field(default_factory=RadianceConfig)
    sampler: SamplerConfig = field(default_factory=ProposalSamplerConfig)
    distortion_weight: float = 0.002
    lr: float = 1e-2
    lr_end: float = 1e-3
    lr_steps: int = 30_000
    chunk_rays: int = 2**15

    def __post_init__(self) -> None:
        check_numbers(self, "distortion_weight", least=0)
        check_numbers(self, "lr", "lr_end", above=0)
        check_counts(self, "lr_steps", "chunk_rays")

    @property
    def rays_at_once(self) -> int:
        """See `ModelConfig.rays_at_once`."""
        return self.chunk_rays


C = TypeVar("C", bound=VolumeConfig)


class VolumeModel(Model, Generic[C]):
    """See the module. Everything here is in the scene frame.

    Attributes:
        radiance: density and colour.
        sampler: where along rays they are evaluated.
        scale_gradients: see `langfield.renderers.volume.render_rays`.
    """

    config: C
    scale_gradients = False

    def __init__(self, config: C, context: ModelContext) -> None:
        super().__init__(config, context)
        self.radiance = RadianceField(config.radiance, context.photos)
        self.sampler = config.sampler.build()

    @property
    def device(self) -> torch.device:
        return self.radiance.appearance.device

    def param_groups(self) -> list[ParamGroup]:
        """Groups "radiance" and, if it has parameters, "sampler"."""
        c = self.config
        schedule = {"lr": c.lr, "lr_end": c.lr_end, "lr_end_step": c.lr_steps}
        parts: dict[str, nn.Module] = {"radiance": self.radiance, "sampler": self.sampler}
        groups = {name: list(part.parameters()) for name, part in parts.items()}
        return [ParamGroup(name, params, **schedule) for name, params in groups.items() if params]

    # -- training ------------------------------------------------------------------------------------------------

    def loss(self, batch: RayBatch, step: int) -> dict[str, Tensor]:
        """See `Model.loss`. Terms: rgb, distortion, the sampler's; reported: _mse."""
        return self._radiance_terms(batch, step)[0]

    def _radiance_terms(self, batch: RayBatch, step: int) -> tuple[dict[str, Tensor], RayRender]:
        """The loss terms of colour and geometry, and the render that they are of."""
        c = self.config
        render = render_rays(
            self.radiance,
            self.sampler,
            batch.rays,
            photo=batch.rays.camera_index,
            step=step,
            jitter=batch.jitter,
            scale_gradients=self.scale_gradients,
        )
        mse = torch.nn.functional.mse_loss(render.rgb, batch.targets["rgb"])
        terms = {"rgb": mse, "_mse": mse.detach()}
        terms["distortion"] = c.distortion_weight * distortion_loss(render.samples, render.weights)
        return terms | self.sampler.loss(render.samples, render.weights, render.rounds, step), render

    def phase(self, step: int) -> object:
        """See `Model.phase`: the sampler's."""
        return self.sampler.phase(step)

    # -- rendering -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        """See `Model.render`."""
        return self.surface(camera, keep_samples=False)[0]

    @torch.no_grad()
    def surface(self, camera: Camera, *, keep_samples: bool = True) -> tuple[Rendered, SurfaceSamples | None]:
        """Render a camera of the scene frame; with `keep_samples`, also give the samples that carry the embeddings of
        its pixels (rays of the samples are pixels, row by row)."""
        cameras = Cameras.from_list([camera], self.device)
        pixels = camera.pixel_centres(self.device).reshape(-1, 2)
        rays = cameras.rays(torch.zeros(len(pixels), dtype=torch.int64, device=self.device), pixels)
        height, width = camera.height_px, camera.width_px
        parts: list[tuple[Tensor, Tensor, Tensor]] = []
        kept: list[SurfaceSamples] = []
        for start in range(0, len(rays), self.config.chunk_rays):
            stop_if_not_needed()
            chunk = rays[start : start + self.config.chunk_rays]
            render = render_rays(self.radiance, self.sampler, chunk)
            parts.append((render.rgb.clamp(0, 1), render.alpha, render.distance() * chunk.z_per_distance))
            if keep_samples:
                kept.append(self.surface_samples(render, chunk))
        rgb, alpha, depth = (torch.cat(column) for column in zip(*parts, strict=True))
        view = Rendered(
            rgb=rgb.reshape(height, width, 3),
            alpha=alpha.reshape(height, width),
            depth_scene=depth.reshape(height, width),
        )
        return view, join_samples(kept) if keep_samples else None

    @abstractmethod
    def surface_samples(self, render: RayRender, rays: Rays) -> SurfaceSamples:
        """The samples of rendered rays whose features make the rays' embeddings, with their weights."""

    @abstractmethod
    def features_at(self, samples: SurfaceSamples) -> Float[Tensor, "m f"]:
        """The part of the samples' embeddings that does not depend on the scale: read once for many scales."""

    @abstractmethod
    def embed(
        self,
        samples: SurfaceSamples,
        scale_scene: Float[Tensor, " r"],
        features: Float[Tensor, "m f"] | None = None,
    ) -> Float[Tensor, "r d"]:
        """Unit embedding of each ray at its own scale (height of a crop there, scene units); 0 where there is none.

        Args:
            features: `features_at(samples)`, to be given where the same samples are embedded at several scales.
        """

    def boundary_features(self, samples: SurfaceSamples) -> Float[Tensor, "r s"] | None:
        """Boundary features of each ray, see `AskableView.boundary_features`."""
        return None

    def rendered_affinity(
        self, samples: SurfaceSamples, scale_scene: Float[Tensor, " r"]
    ) -> Float[Tensor, "r c"] | None:
        """Affinity features of each ray at its own scale, see `AskableView.affinity_features`."""
        return None

    def to_gaussians(
        self, cameras: Sequence[Camera], observed: ObservedScales, max_elements: int, progress: Progress = silent
    ) -> Converted:
        """See `Model.to_gaussians`: `langfield.models.conversion.convert`."""
        from langfield.models.conversion.convert import gaussians_of_field

        return gaussians_of_field(self, cameras, observed, max_elements, progress)
