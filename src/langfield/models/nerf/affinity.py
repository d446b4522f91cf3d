"""The affinity head: which points of a scene belong together, at any physical scale; and its coupling with language.

As GARField (Kim et al. 2024, "Group anything with radiance fields") has it: hash grids of their own, composited along
rays before the network reads them, and a network that is conditioned on a scale. It learns from masks of photos; the
scale of a mask is a length in space, so that photos from near and far agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.checks import check_counts, check_numbers
from langfield.core.errors import UsageError
from langfield.features.mask_targets import MASK_TARGET, MaskTargets
from langfield.features.photos import TrainingPhotos
from langfield.fields.affinity import AffinityField
from langfield.fields.language import FeatureGrid, FeatureGridConfig
from langfield.models.config import ModelContext
from langfield.models.heads import Coupling, CouplingConfig, Head, HeadConfig, HeadOutput, HeadSamples
from langfield.models.nerf.losses import agreement_loss, grouping_loss
from langfield.renderers.volume import SurfaceSamples

_CHUNK = 2**18  # points or samples read at a time


@dataclass(frozen=True)
class AffinityConfig(HeadConfig):
    """The affinity head. It is built where `ModelContext.target_dims` names "mask".

    Attributes:
        feature_grid: sizes of its own hash grids; the defaults are GARField's.
        width: of the hidden layers.
        layers: number of hidden layers.
        features: size of the affinity features.
        margin: distance of (unit) affinity features at which things are far enough apart.
        weight: weight of the head's loss.
        photo_rays: how many rays in a row are of one photo and compared with each other.
    """

    type: ClassVar[str] = "affinity"
    target: ClassVar[str] = MASK_TARGET

    feature_grid: FeatureGridConfig = field(
        default_factory=lambda: FeatureGridConfig(levels=(12, 12), resolutions=((16, 256), (256, 2048)))
    )
    width: int = 256
    layers: int = 4
    features: int = 256
    margin: float = 1.0
    weight: float = 1.0
    photo_rays: int = 256

    def __post_init__(self) -> None:
        check_counts(self, "width", "layers", "features")
        check_counts(self, "photo_rays", least=2)
        check_numbers(self, "margin", above=0, most=2)
        check_numbers(self, "weight", least=0)

    @property
    def rays_per_photo(self) -> int:
        """See `HeadConfig.rays_per_photo`."""
        return self.photo_rays

    def build(self, features: int, context: ModelContext) -> "AffinityHead | None":
        """See `HeadConfig.build`."""
        return AffinityHead(self) if self.target in context.target_dims else None

    def target_source(self, photos: TrainingPhotos, device: torch.device) -> MaskTargets:
        """See `HeadConfig.target_source`. Raises UsageError without masks."""
        if photos.masks is None:
            raise UsageError("the head 'affinity' learns from masks of the photos, and there are none")
        return MaskTargets(photos, photos.masks, device)


class AffinityHead(Head):
    """Unit affinity features as a function of position and scale; see the module.

    Attributes:
        scale_range: (2,) smallest and largest scale that was learnt, scene units.
    """

    scale_range: Tensor

    def __init__(self, config: AffinityConfig) -> None:
        super().__init__(config)
        self.grid = FeatureGrid(config.feature_grid)
        self.field = AffinityField(self.grid.out_features, config.features, config.width, config.layers)
        self.register_buffer("scale_range", torch.tensor([0.01, 1.0]))

    def target_source(self, photos: TrainingPhotos, device: torch.device) -> MaskTargets:
        """See `Head.target_source`; the head takes the range of the masks' scales."""
        source = self.config.target_source(photos, device)
        self.scale_range.copy_(torch.tensor(source.scale_range))
        return source

    # -- training ------------------------------------------------------------------------------------------------

    def at_samples(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> Float[Tensor, "r s f"]:
        """Features of the head's grid, which do not depend on the scale."""
        return self.grid(samples.points).unflatten(0, samples.weights.shape)

    def composite(self, values: Float[Tensor, "r s f"], weights: Float[Tensor, "r s"]) -> Float[Tensor, "r f"]:
        """The weighted mean on the unit sphere: the network reads one vector a ray."""
        return torch.nn.functional.normalize(super().composite(values, weights), dim=-1)

    def forward(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> HeadOutput:
        """Affinity features along the rays, at "mask_scale" and then at "mask_larger_scale": (R, 2·`features`)."""
        values = self.at_samples(samples, targets)
        rays = self.composite(values, samples.weights)
        features = [self.field(rays, self.place(targets[name])) for name in ("mask_scale", "mask_larger_scale")]
        return HeadOutput(values, torch.cat(features, dim=-1))

    def loss(self, rendered: Float[Tensor, "r c"], targets: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """See `grouping_loss`."""
        features, larger = rendered.chunk(2, dim=-1)
        mask, mask_larger, photo = (targets[name] for name in ("mask", "mask_larger", "mask_photo"))
        c = self.config
        return grouping_loss(features, larger, mask, mask_larger, photo, c.photo_rays, c.margin)

    def place(self, scale_scene: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Where scales lie in the logarithm of `scale_range`: −1 for the smallest and less, 1 for the largest and
        more."""
        low, high = self.scale_range.log()
        return (2 * (scale_scene.clamp_min(1e-12).log() - low) / (high - low) - 1).clamp(-1, 1)

    # -- asking --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def at_points(self, points_scene: Float[Tensor, "n 3"], scale_scene: Float[Tensor, " n"]) -> Float[Tensor, "n c"]:
        """See `Model.affinity_features`."""
        parts = zip(points_scene.split(_CHUNK), scale_scene.split(_CHUNK), strict=True)
        return torch.cat([self._features(self.grid(points), scale) for points, scale in parts])

    @torch.no_grad()
    def of_rays(self, samples: SurfaceSamples, scale_scene: Float[Tensor, " r"]) -> Float[Tensor, "r c"]:
        """Affinity features of each ray at its own scale, as in training."""
        sums = torch.zeros(samples.rays, self.grid.out_features, device=samples.points.device)
        for start in range(0, len(samples.ray), _CHUNK):
            part = slice(start, start + _CHUNK)
            sums.index_add_(0, samples.ray[part], self.grid(samples.points[part]) * samples.weights[part, None])
        parts = zip(sums.split(_CHUNK), scale_scene.split(_CHUNK), strict=True)
        return torch.cat([self._features(grid, scale) for grid, scale in parts])

    def _features(self, grid: Float[Tensor, "n f"], scale_scene: Float[Tensor, " n"]) -> Float[Tensor, "n c"]:
        return self.field(torch.nn.functional.normalize(grid, dim=-1), self.place(scale_scene))


@dataclass(frozen=True)
class AffinityLanguageConfig(CouplingConfig):
    """The coupling of affinity with language.

    Attributes:
        reach: distance of affinity features from which on rays of a mask are not pulled together: half of the
            head's margin by default.
        weight: weight of the coupling's loss.
        photo_rays: so many rays in a row are compared with each other; at most the affinity head's number.
    """

    type: ClassVar[str] = "affinity-language"

    reach: float = 0.5
    weight: float = 0.1
    photo_rays: int = 256

    def __post_init__(self) -> None:
        check_numbers(self, "reach", above=0, most=2)
        check_numbers(self, "weight", least=0)
        check_counts(self, "photo_rays", least=2)

    def build(self) -> "AffinityLanguage":
        """See `CouplingConfig.build`."""
        return AffinityLanguage(self)


class AffinityLanguage(Coupling):
    """Pixels of one mask that affinity puts together agree in language, at that mask's scale; across its border they
    need not.

    Language learns at the scales of crops, and masks have scales of their own: language is evaluated a second time,
    at the mask's scale, as far as crops of that scale occur in the batch. What agrees is said by `agreement_loss`.
    """

    name = "affinity-language"
    heads = ("affinity", "language")

    def conditions(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> Mapping[str, Mapping[str, Tensor]]:
        """See `Coupling.conditions`: language of crops that are as high as the mask's scale at the ray's distance."""
        weights = samples.weights
        distance = (weights * samples.distance_scene).sum(dim=-1) / weights.sum(dim=-1).clamp_min(1e-6)
        angle, seen = targets["mask_scale"] / distance.clamp_min(1e-6), targets["crop_angle"]
        return {"language": {"crop_angle": angle.clamp(seen.amin(), seen.amax())}}

    def loss(
        self, outputs: Mapping[str, HeadOutput], samples: HeadSamples, targets: Mapping[str, Tensor]
    ) -> Float[Tensor, ""]:
        """See `agreement_loss`."""
        features, _ = outputs["affinity"].rendered.chunk(2, dim=-1)
        language, c = outputs["language"].rendered, self.config
        return agreement_loss(language, features, targets["mask"], targets["mask_photo"], c.photo_rays, c.reach)
