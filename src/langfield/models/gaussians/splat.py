"""Gaussians trained on photos (Kerbl et al. 2023), with the regularisers that MCMC needs (Kheradmand et al. 2024, "3D
Gaussian Splatting as Markov chain Monte Carlo", eq. 8), and with language lifted onto them in closed form."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.checks import check_counts, check_numbers
from langfield.core.devices import to_device_async
from langfield.core.errors import RunError
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.fields.language_map import MOST_CODES, LanguageMap
from langfield.models.base import Converted, Elements, Model, Rendered
from langfield.models.batches import OptimiserAccess, ParamGroup, Photo, PhotoBatch, PhotoBatching
from langfield.models.config import ModelConfig, ModelContext
from langfield.models.gaussians import initialisation
from langfield.models.gaussians.exposure import Exposure
from langfield.models.gaussians.mcmc import MCMCConfig
from langfield.models.gaussians.strategy import StrategyConfig
from langfield.models.gaussians.view import SplatView, render_splat_view
from langfield.ops.gaussians import gsplat_kernels
from langfield.ops.gaussians.pixel_mixtures import PixelMixtures
from langfield.ops.ssim import structural_similarity
from langfield.renderers.splat import CameraProjection, Means2d, Splatted, blend_views, project_gaussians


@dataclass(frozen=True)
class LiftingConfig:
    """How language is lifted.

    Attributes:
        codes: of the codebook.
        codes_per_crop, codes_kept: sparse codes of a crop, and of a Gaussian at a level.
        side_px: longest side of the pictures that are lifted from.
        min_contribution, robust: see `langfield.fields.language_map.LanguageMap.from_weights`; contributions are in
            pixels.
    """

    codes: int = 128
    codes_per_crop: int = 2
    codes_kept: int = 4
    side_px: int = 320
    min_contribution: float = 0.5
    robust: bool = True

    def __post_init__(self) -> None:
        check_counts(self, "codes", most=MOST_CODES)
        check_counts(self, "codes_per_crop", "codes_kept", most=self.codes)
        check_counts(self, "side_px")
        check_numbers(self, "min_contribution", least=0)


@dataclass(frozen=True)
class SplatConfig(ModelConfig):
    """What makes Gaussians and their training. Learning rates are 3DGS's; that of the means counts in scene extents.
    All are those of one photo a step, and times √n for n of them.

    Attributes:
        gaussians, strategy, lifting: how many Gaussians, how they multiply (by MCMC or by adaptive density control),
            how they get language.
        photos_per_step: the loss is their mean.
        half_size_until: steps in which photos are seen at half their size.
        exposure: learn what makes photos of one place differ in brightness and colour; of one photo, nothing.
        ssim_weight: of 1 − SSIM in the picture's loss; the rest is of the mean absolute difference.
        opacity_weight, scale_weight: of the mean opacity and the mean scale.
        sh_degree_every: steps after which colours get the next degree of spherical harmonics.
        means_lr, exposure_lr: fall to `means_lr_share` and a tenth of themselves within `lr_steps`; the others stay.
            MCMC's noise falls with the former.
        sh0_lr, shN_lr: of the spherical harmonics of degree 0, and of the higher ones.
        extent: size of the region that cameras look at from, scene units (they are within [−1, 1]).
    """

    model: ClassVar[str] = "splat"

    gaussians: GaussianConfig = field(default_factory=GaussianConfig)
    strategy: StrategyConfig = field(default_factory=MCMCConfig)
    lifting: LiftingConfig = field(default_factory=LiftingConfig)
    photos_per_step: int = 1
    half_size_until: int = 0
    exposure: bool = False
    ssim_weight: float = 0.2
    opacity_weight: float = 0.01
    scale_weight: float = 0.01
    sh_degree_every: int = 1000
    means_lr: float = 1.6e-4
    means_lr_share: float = 0.01
    scales_lr: float = 5e-3
    rotations_lr: float = 1e-3
    opacities_lr: float = 5e-2
    sh0_lr: float = 2.5e-3
    shN_lr: float = 1.25e-4
    exposure_lr: float = 1e-3
    lr_steps: int = 30_000
    extent: float = 1.1

    def __post_init__(self) -> None:
        check_counts(self, "photos_per_step", "sh_degree_every", "lr_steps")
        check_counts(self, "half_size_until", least=0)
        check_numbers(self, "ssim_weight", least=0, most=1)
        check_numbers(self, "opacity_weight", "scale_weight", least=0)
        check_numbers(self, "means_lr_share", above=0, most=1)
        rates = ("means_lr", "scales_lr", "rotations_lr", "opacities_lr", "sh0_lr", "shN_lr", "exposure_lr")
        check_numbers(self, *rates, "extent", above=0)

    @property
    def batching(self) -> PhotoBatching:
        """Whole photos."""
        return PhotoBatching(self.photos_per_step, self.half_size_until)

    def prepare_device(self, device: torch.device, log: Path, progress: Progress, say: Callable[[str], None]) -> None:
        """See `ModelConfig.prepare_device`: on CUDA, gsplat's kernels."""
        if device.type == "cuda":
            gsplat_kernels.prepare(log, progress=progress, say=say)

    def with_capacity(self, gaussians: int, sh_degree: int) -> "SplatConfig":
        """See `ModelConfig.with_capacity`."""
        return replace(self, gaussians=replace(self.gaussians, capacity=gaussians, sh_degree=sh_degree))


class Splat(Model):
    """See the module. Frames: everything here is in the scene frame."""

    name = "splat"
    finish_stage = "lifting"
    config: SplatConfig

    def __init__(self, config: SplatConfig, context: ModelContext) -> None:
        super().__init__(config, context)
        self.gaussians = Gaussians(config.gaussians)
        self.exposure = Exposure(context.photos) if config.exposure else None
        self.strategy = config.strategy.build(config.gaussians.capacity, config.extent)
        self.footprints: list[Means2d] = []  # of the last loss's pictures, where the strategy needs them
        self.language = LanguageMap.empty(0, 1, 1, 0, context.target_dims.get("embedding", 0))

    @property
    def device(self) -> torch.device:
        return self.gaussians.means.device

    def param_groups(self) -> list[ParamGroup]:
        c, g = self.config, self.gaussians
        batch = math.sqrt(c.photos_per_step)
        means_lr, exposure_lr = batch * c.means_lr * c.extent, batch * c.exposure_lr
        steady = {
            "scales": (g.log_scales, c.scales_lr),
            "rotations": (g.rotations, c.rotations_lr),
            "opacities": (g.opacity_logits, c.opacities_lr),
            "sh0": (g.sh0, c.sh0_lr),
            "shN": (g.shN, c.shN_lr),
        }
        groups = [ParamGroup("means", [g.means], means_lr, means_lr * c.means_lr_share, c.lr_steps)]
        groups += [ParamGroup(name, [p], batch * lr, batch * lr, 0) for name, (p, lr) in steady.items() if p.numel()]
        if self.exposure is not None:
            affine = self.exposure.affine
            groups.append(ParamGroup("exposure", [affine], exposure_lr, exposure_lr / 10, c.lr_steps))
        return groups

    # -- training ------------------------------------------------------------------------------------------------

    def loss(self, batch: PhotoBatch, step: int) -> dict[str, Tensor]:
        """See `Model.loss`. Terms: l1, similarity (means over the photos), opacity, scale; reported: _mse. Language
        that was lifted before is dropped: it belongs to Gaussians as they were."""
        c = self.config
        self.language.clear()
        with torch.autocast(self.device.type, enabled=False):  # SSIM's variances are differences of like numbers
            pictures = self._pictures(batch, step)
            terms = [self._photo_terms(*together) for together in _of_one_size(pictures, batch.photos)]
            means = {name: torch.stack([own[name] for own in terms]).sum() for name in terms[0]}
            means = {name: total / len(pictures) for name, total in means.items()}
            return means | {
                "opacity": c.opacity_weight * self.gaussians.opacities().mean(),
                "scale": c.scale_weight * self.gaussians.scales().mean(),
            }

    def _pictures(self, batch: PhotoBatch, step: int) -> list[Tensor]:
        degree = step // max(self.config.sh_degree_every, 1)
        cameras = [photo.camera for photo in batch.photos]
        colors = self.gaussians.colors_to(_eyes(cameras, self.device), degree)
        seen = blend_views(self.gaussians, cameras, colors, keep_means2d=self.strategy.needs_footprints(step))
        self.footprints = [picture.means2d for picture in seen if picture.means2d is not None]
        if self.exposure is None:
            return [picture.features for picture in seen]
        return [
            self.exposure(picture.features, photo.number) for picture, photo in zip(seen, batch.photos, strict=True)
        ]

    def _photo_terms(self, pictures: Float[Tensor, "v h w 3"], photos: Sequence[Photo]) -> dict[str, Tensor]:
        """Sums over photos of one size."""
        weight, rgb, share = self.config.ssim_weight, torch.stack([photo.rgb for photo in photos]), 1.0
        if any(photo.used is not None for photo in photos):
            # The rest is as it is drawn, so that windows across its border learn nothing.
            used = torch.stack([_used(photo) for photo in photos])
            rgb = torch.where(used[..., None], rgb, pictures.detach())
            share = used.float().mean(dim=(1, 2)).clamp_min(1e-6)
        error = (pictures - rgb).abs().mean(dim=(1, 2, 3))
        squared = ((pictures.detach().clamp(0, 1) - rgb) ** 2).mean(dim=(1, 2, 3))
        return {
            "l1": (1 - weight) * (error / share).sum(),
            "similarity": weight * len(photos) * (1 - structural_similarity(pictures, rgb)),
            "_mse": (squared / share).sum(),
        }

    def initialise(self, photos: TrainingPhotos, seed: int) -> str:
        """See `Model.initialise`: at the scene's point cloud, or at random."""
        return initialisation.initialise(self.gaussians, photos, seed)

    def after_step(
        self, step: int, optimiser: OptimiserAccess, bad: Bool[Tensor, ""], generator: torch.Generator
    ) -> None:
        """See `Model.after_step`: the strategy's."""
        self.strategy.after_step(self.gaussians, self.footprints, optimiser, step, bad, generator)
        self.footprints.clear()

    def finish(self, photos: TrainingPhotos, features: FeatureBank, progress: Progress = silent) -> None:
        """See `Model.finish`: language is lifted in closed form (`langfield.models.gaussians.lifting`)."""
        from langfield.models.gaussians.lifting import lift_language

        lift_language(self, photos, features.pyramid, progress)

    def _colors(self, camera: Camera, degree: int | None = None) -> Tensor:
        return self.gaussians.colors(_eyes([camera], self.device)[0], degree)

    # -- rendering and lifting ------------------------------------------------------------------------------------

    @torch.no_grad()
    def look(self, camera: Camera) -> CameraProjection:
        """The Gaussians as a camera of the scene frame, of any lens, sees them: to be drawn more than once."""
        return project_gaussians(self.gaussians, camera)

    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        """See `Model.render`; of any lens. Depth is infinite where alpha is at most a half."""
        return self.drawn(self.look(camera))

    @torch.no_grad()
    def drawn(self, seen: CameraProjection) -> Rendered:
        """`render` for a look of these Gaussians."""
        picture = seen.splat(self._colors(seen.camera))
        depth = torch.where(picture.alpha > 0.5, picture.depth, torch.inf)
        return Rendered(picture.features.clamp(0, 1), picture.alpha, depth)

    def view(self, camera: Camera) -> SplatView:
        """See `Model.view`."""
        return render_splat_view(self, camera)

    @property
    def answers_phrases(self) -> bool:
        return len(self.language.codebook) > 0

    def take_language(self, *args: Any, **kwargs: Any) -> None:
        """Be asked with what was lifted: the arguments are those of `LanguageMap.from_weights`."""
        self.language = LanguageMap.from_weights(*args, **kwargs).to(self.device)

    def splat(self, camera: Camera, features: Float[Tensor, "n c"]) -> Splatted:
        """The picture of one feature vector for each Gaussian. No gradient but the features'."""
        return self.look(camera).splat(features)

    def pulled_back(self, camera: Camera, values: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """For each Gaussian Σ over the pixels of its share of their light times their values: the transpose of
        `splat`, which is what closed-form lifting sums (Occam's LGS, Cheng et al. 2024, §3.2)."""
        return self.look(camera).backproject(values)

    def pixel_rows(self, camera: Camera, rows: Int64[Tensor, "r j"], weights: Float[Tensor, "r j"]) -> PixelMixtures:
        """What the camera's pixels say, for `ProjectedGaussians.lift_codes`: the same for all cameras of its size."""
        return PixelMixtures((camera.width_px, camera.height_px), rows, weights)

    # -- what it is made of --------------------------------------------------------------------------------------

    def elements(self) -> Elements:
        """See `Model.elements`: the Gaussians."""
        return Elements(self.gaussians.means.detach()[: self.gaussians.count], self.gaussians.splats)

    def take_splats(self, splats: Splats, scene_from_world: Similarity) -> None:
        """See `Model.take_splats`."""
        self.gaussians.take(splats, scene_from_world)

    def to_gaussians(
        self, cameras: Sequence[Camera], observed: ObservedScales, most: int, progress: Progress = silent
    ) -> Converted:
        """See `Model.to_gaussians`."""
        raise RunError("has a LanguageMap already: it is a run of Gaussians, which needs no baking")


def _eyes(cameras: Sequence[Camera], device: torch.device) -> Float[Tensor, "v 3"]:
    eyes = np.stack([camera.frame_from_camera[:3, 3] for camera in cameras])
    return to_device_async(eyes, device)


def _used(photo: Photo) -> Bool[Tensor, "h w"]:
    return torch.ones_like(photo.rgb[..., 0], dtype=torch.bool) if photo.used is None else photo.used


def _of_one_size(
    pictures: Sequence[Float[Tensor, "_ _ 3"]], photos: Sequence[Photo]
) -> list[tuple[Float[Tensor, "v h w 3"], list[Photo]]]:
    """Pictures and their photos, those of one size together."""
    groups: dict[torch.Size, list[tuple[Tensor, Photo]]] = {}
    for picture, photo in zip(pictures, photos, strict=True):
        groups.setdefault(picture.shape, []).append((picture, photo))
    return [(torch.stack([picture for picture, _ in own]), [photo for _, photo in own]) for own in groups.values()]
