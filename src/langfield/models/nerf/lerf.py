"""LERF: a nerfacto-like radiance field with a scale-conditioned language field on it (Kerr et al. 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.cameras import Camera
from langfield.core.checks import check_counts, check_numbers, check_that
from langfield.core.rays import Rays
from langfield.features.photos import TrainingPhotos
from langfield.features.targets import TargetSource
from langfield.fields.language import FeatureGrid, FeatureGridConfig
from langfield.models.base import Rendered
from langfield.models.batches import ParamGroup, RayBatch
from langfield.models.config import ModelContext
from langfield.models.heads import Coupling, CouplingConfig, Head, HeadConfig, HeadSamples
from langfield.models.nerf.affinity import AffinityHead
from langfield.models.nerf.heads import DenseHeadConfig, FeatureReader, LanguageHead, LanguageHeadConfig
from langfield.models.nerf.view import RayView, render_ray_view
from langfield.models.nerf.volume import VolumeConfig, VolumeModel
from langfield.renderers.volume import RayRender, SurfaceSamples, surface_samples

_MIN_WEIGHT_SHARE = 0.01  # samples with less of their ray's weight are left out of rendered embeddings


@dataclass(frozen=True)
class LerfConfig(VolumeConfig):
    """What makes a LERF.

    Attributes:
        feature_grid: sizes of the hash grids that all heads read.
        heads: what is learnt on them; heads without a target are left out.
        couplings: losses of several heads; those that lack a head are left out.
        head_samples: samples per ray at which heads are evaluated, those of greatest weight.
        head_lr: first learning rate of the feature grid, heads and couplings.
        head_lr_end: their last learning rate.
        head_lr_steps: steps in which the learning rate decays to it.
    """

    model: ClassVar[str] = "lerf"

    feature_grid: FeatureGridConfig = field(default_factory=FeatureGridConfig)
    heads: tuple[HeadConfig, ...] = (LanguageHeadConfig(), DenseHeadConfig())
    couplings: tuple[CouplingConfig, ...] = ()
    head_samples: int = 24
    head_lr: float = 1e-2
    head_lr_end: float = 1e-3
    head_lr_steps: int = 4_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "head_samples", "head_lr_steps")
        check_numbers(self, "head_lr", "head_lr_end", above=0)
        for name in ("heads", "couplings"):
            parts = getattr(self, name)
            check_that(self, name, len({part.type for part in parts}) == len(parts), "of different types")
            for part in parts:  # a kind of one's own may check nothing itself
                check_numbers(part, "weight", least=0)

    @property
    def targets(self) -> frozenset[str]:
        """See `ModelConfig.targets`: colour, and what the heads learn from."""
        return frozenset({"rgb", *(head.target for head in self.heads)})


class Lerf(VolumeModel[LerfConfig]):
    """See the module. Everything here is in the scene frame.

    Attributes:
        feature_grid: features of positions, for all heads.
        heads: by name.
        couplings: by name.
    """

    name = "lerf"

    def __init__(self, config: LerfConfig, context: ModelContext) -> None:
        super().__init__(config, context)
        self.feature_grid = FeatureGrid(config.feature_grid)
        built = [head.build(self.feature_grid.out_features, context) for head in config.heads]
        self.heads = nn.ModuleDict({head.name: head for head in built if head is not None})
        couplings = [coupling.build() for coupling in config.couplings]
        self.couplings = nn.ModuleDict({c.name: c for c in couplings if all(head in self.heads for head in c.heads)})

    @property
    def targets(self) -> frozenset[str]:
        """See `Model.targets`: colour, and what its heads learn from."""
        return frozenset({"rgb", *(head.config.target for head in self._heads().values())})

    @property
    def head_rays_per_photo(self) -> int | None:
        """See `Model.head_rays_per_photo`: the most that one of its heads asks for."""
        asked = (head.config.rays_per_photo for head in self._heads().values())
        return max((rays for rays in asked if rays is not None), default=None)

    def target_sources(self, photos: TrainingPhotos, device: torch.device) -> list[TargetSource]:
        """See `Model.target_sources`: the sources that its heads bring."""
        sources = [head.target_source(photos, device) for head in self._heads().values()]
        return [source for source in sources if source is not None]

    def param_groups(self) -> list[ParamGroup]:
        """See `Model.param_groups`: those of the radiance field, and "heads" with the feature grid."""
        c, groups = self.config, super().param_groups()
        if self.heads:
            params = [p for part in (self.feature_grid, self.heads, self.couplings) for p in part.parameters()]
            schedule = {"lr": c.head_lr, "lr_end": c.head_lr_end, "lr_end_step": c.head_lr_steps}
            groups.append(ParamGroup("heads", params, **schedule, weight_decay=1e-9, rectified=True))
        return groups

    # -- training ------------------------------------------------------------------------------------------------

    def loss(self, batch: RayBatch, step: int) -> dict[str, Tensor]:
        """See `Model.loss`. Terms: rgb, distortion, the sampler's, one for each head and coupling; reported: _mse."""
        terms, render = self._radiance_terms(batch, step)
        targets = {name: target for name, target in batch.targets.items() if name != "rgb"}
        return terms | self._head_terms(batch.rays, targets, render) if targets and self.heads else terms

    def _head_terms(self, rays: Rays, targets: Mapping[str, Tensor], render: RayRender) -> dict[str, Tensor]:
        """Losses of heads and couplings on the first rays, those with targets; they give geometry no gradient."""
        n = len(next(iter(targets.values())))
        samples = self._head_samples(rays[:n], render, n)
        heads = {name: head for name, head in self._heads().items() if head.config.target in targets}
        outputs = {name: head(samples, targets) for name, head in heads.items()}
        terms = {name: head.config.weight * head.loss(outputs[name].rendered, targets) for name, head in heads.items()}
        for name, coupling in self.couplings.items():
            assert isinstance(coupling, Coupling)
            if all(head in outputs for head in coupling.heads):
                asked = coupling.conditions(samples, targets)
                again = {head: heads[head](samples, {**targets, **given}) for head, given in asked.items()}
                terms[name] = coupling.config.weight * coupling.loss({**outputs, **again}, samples, targets)
        return terms

    def _head_samples(self, rays: Rays, render: RayRender, n: int) -> HeadSamples:
        """The samples of greatest weight on the first `n` rays."""
        count = min(self.config.head_samples, render.weights.shape[1])
        weights, index = render.weights[:n].detach().topk(count, dim=-1)
        distance = render.samples.t_middle[:n].gather(-1, index)
        points = rays.origins[:, None] + rays.directions[:, None] * distance[..., None]
        points = points.reshape(-1, 3).detach()
        return HeadSamples(points, self.feature_grid(points), distance, weights)

    def _heads(self) -> dict[str, Head]:
        return {name: head for name, head in self.heads.items() if isinstance(head, Head)}

    # -- rendering and phrases -----------------------------------------------------------------------------------

    @torch.no_grad()
    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        """See `Model.render`; heads that need no scale are rendered by their names."""
        wanted = [name for name in outputs if name in self.heads]
        rendered, samples = self.surface(camera, keep_samples=bool(wanted))
        for name in wanted:
            assert samples is not None
            picture = self.head_picture(name, samples)
            if picture is not None:
                rendered.channels[name] = picture.reshape(camera.height_px, camera.width_px, -1)
        return rendered

    def head_picture(self, name: str, samples: SurfaceSamples) -> Float[Tensor, "r c"] | None:
        """The value of a head for each ray; None if there is no such head, or if it needs a scale."""
        head = self._heads().get(name)
        return None if head is None else head.picture(samples, self._reader(samples))

    def view(self, camera: Camera) -> RayView:
        """See `Model.view`."""
        return render_ray_view(self, camera)

    @property
    def answers_phrases(self) -> bool:
        return "language" in self.heads

    def boundary_features(self, samples: SurfaceSamples) -> Float[Tensor, "r s"] | None:
        """See `AskableView.boundary_features`: the values of the dense head."""
        return self.head_picture("dense", samples)

    @torch.no_grad()
    def affinity_features(
        self, points_scene: Float[Tensor, "n 3"], scale_scene: Float[Tensor, " n"]
    ) -> Float[Tensor, "n c"] | None:
        """See `Model.affinity_features`."""
        head = self._heads().get("affinity")
        return head.at_points(points_scene, scale_scene) if isinstance(head, AffinityHead) else None

    @torch.no_grad()
    def rendered_affinity(
        self, samples: SurfaceSamples, scale_scene: Float[Tensor, " r"]
    ) -> Float[Tensor, "r c"] | None:
        """See `VolumeModel.rendered_affinity`."""
        head = self._heads().get("affinity")
        return head.of_rays(samples, scale_scene) if isinstance(head, AffinityHead) else None

    def surface_samples(self, render: RayRender, rays: Rays) -> SurfaceSamples:
        """See `VolumeModel.surface_samples`."""
        return surface_samples(render, rays, self.config.head_samples, _MIN_WEIGHT_SHARE)

    @torch.no_grad()
    def features_at(self, samples: SurfaceSamples) -> Float[Tensor, "m f"]:
        """See `VolumeModel.features_at`: the feature grid."""
        return self.feature_grid(samples.points)

    @torch.no_grad()
    def embed(
        self,
        samples: SurfaceSamples,
        scale_scene: Float[Tensor, " r"],
        features: Float[Tensor, "m f"] | None = None,
    ) -> Float[Tensor, "r d"]:
        """See `VolumeModel.embed`."""
        head = self.heads["language"]
        assert isinstance(head, LanguageHead)
        return head.embed(samples, scale_scene, self._reader(samples, features))

    def _reader(self, samples: SurfaceSamples, features: Float[Tensor, "m f"] | None = None) -> FeatureReader:
        return lambda part: self.feature_grid(samples.points[part]) if features is None else features[part]
