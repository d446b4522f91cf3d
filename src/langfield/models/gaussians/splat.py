"""3D Gaussians trained on photos (Kerbl et al. 2023), with language lifted onto them in closed form.

The loss has the regularisers of Kheradmand et al. 2024 ("3D Gaussian Splatting as Markov chain Monte Carlo").
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.checks import check_counts, check_numbers
from langfield.core.devices import to_device_async
from langfield.core.progress import Progress, silent
from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.features.bank import FeatureBank
from langfield.features.photos import TrainingPhotos
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.fields.language_map import MAX_CODES, LanguageMap
from langfield.models.base import Elements, Model, Rendered
from langfield.models.batches import OptimiserAccess, ParamGroup, Photo, PhotoBatch, PhotoBatching
from langfield.models.config import ModelConfig, ModelContext
from langfield.models.gaussians import initialisation
from langfield.models.gaussians.exposure import Exposure
from langfield.models.gaussians.mcmc import MCMCConfig
from langfield.models.gaussians.strategy import StrategyConfig
from langfield.models.gaussians.view import SplatView
from langfield.models.relevancy import EncodedPhrases
from langfield.ops.gaussians import gsplat_kernels
from langfield.ops.gaussians.projected import Means2d
from langfield.ops.ssim import structural_similarity
from langfield.renderers.splat import CameraProjection, blend_views, project_gaussians


@dataclass(frozen=True)
class LiftingConfig:
    """How language is lifted, see `langfield.models.gaussians.lifting`.

    Attributes:
        codes: size of the codebook.
        codes_per_crop: codes that a crop's embedding is written as.
        codes_kept: codes that a Gaussian keeps at each crop level.
        side_px: longest side of the pictures that are backprojected.
        min_contribution: in pixels, see `LanguageMap.from_weights`.
        robust: see `LanguageMap.from_weights`.
    """

    codes: int = 128
    codes_per_crop: int = 2
    codes_kept: int = 4
    side_px: int = 320
    min_contribution: float = 0.5
    robust: bool = True

    def __post_init__(self) -> None:
        check_counts(self, "codes", most=MAX_CODES)
        check_counts(self, "codes_per_crop", "codes_kept", most=self.codes)
        check_counts(self, "side_px")
        check_numbers(self, "min_contribution", least=0)


@dataclass(frozen=True)
class SplatConfig(ModelConfig):
    """What makes Gaussians and their training.

    Learning rates are those of Kerbl et al. 2023 for one photo a step; with n of them they are multiplied by √n.

    Attributes:
        gaussians: sizes and initial values.
        strategy: how the number and places of Gaussians change: MCMC or adaptive density control.
        lifting: how they get language.
        photos_per_step: photos in a step, whose losses' mean is the step's.
        half_size_until: first steps, in which photos have half their size.
        exposure: learn each photo's exposure and white balance (`Exposure`).
        ssim_weight: weight λ of 1 − SSIM in the photos' loss; the mean absolute difference weighs 1 − λ.
        opacity_weight: weight of the mean opacity in the loss.
        scale_weight: weight of the mean standard deviation (scene units) in the loss.
        sh_degree_every: steps after which colours get the next degree of spherical harmonics.
        means_lr: learning rate of the means, in scene extents; it decays to `means_lr_share` of itself, and MCMC's
            noise with it.
        means_lr_share: see `means_lr`.
        scales_lr: learning rate of the logarithms of the standard deviations.
        rotations_lr: learning rate of the quaternions.
        opacities_lr: learning rate of the opacity logits.
        sh0_lr: learning rate of the spherical harmonics of degree 0.
        shN_lr: learning rate of those of higher degrees.
        exposure_lr: learning rate of the exposures; it decays to a tenth of itself.
        lr_steps: steps in which learning rates decay.
        extent: size of the scene in scene units, in which camera centres are within [−1, 1].
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

    def prepare_device(
        self, device: torch.device, build_log: Path, progress: Progress, log: Callable[[str], None]
    ) -> None:
        """See `ModelConfig.prepare_device`: on CUDA, gsplat's kernels."""
        if device.type == "cuda":
            gsplat_kernels.prepare(build_log, progress=progress, log=log)

    def with_capacity(self, gaussians: int, sh_degree: int) -> "SplatConfig":
        """See `ModelConfig.with_capacity`."""
        return replace(self, gaussians=replace(self.gaussians, capacity=gaussians, sh_degree=sh_degree))


class Splat(Model):
    """See the module. Everything here is in the scene frame.

    Attributes:
        gaussians: the parameters.
        exposure: the photos' exposures; None where they are not learnt.
        strategy: changes the number and places of Gaussians.
        means2d: of the last loss's pictures, with gradients, if the strategy needs them; empty after the step.
        language: what was lifted; empty before.
    """

    name = "splat"
    finish_stage = "lifting"
    config: SplatConfig

    def __init__(self, config: SplatConfig, context: ModelContext) -> None:
        super().__init__(config, context)
        self.gaussians = Gaussians(config.gaussians)
        self.exposure = Exposure(context.photos) if config.exposure else None
        self.strategy = config.strategy.build(config.gaussians.capacity, config.extent)
        self.means2d: list[Means2d] = []
        self.language = LanguageMap.empty(0, 1, 1, 0, context.target_dims.get("embedding", 0))

    @property
    def device(self) -> torch.device:
        return self.gaussians.means.device

    def param_groups(self) -> list[ParamGroup]:
        c, g = self.config, self.gaussians
        batch = math.sqrt(c.photos_per_step)
        means_lr, exposure_lr = batch * c.means_lr * c.extent, batch * c.exposure_lr
        constant = {
            "scales": (g.log_scales, c.scales_lr),
            "rotations": (g.rotations, c.rotations_lr),
            "opacities": (g.opacity_logits, c.opacities_lr),
            "sh0": (g.sh0, c.sh0_lr),
            "shN": (g.shN, c.shN_lr),
        }
        groups = [ParamGroup("means", [g.means], means_lr, means_lr * c.means_lr_share, c.lr_steps)]
        groups += [ParamGroup(name, [p], batch * lr, batch * lr, 0) for name, (p, lr) in constant.items() if p.numel()]
        if self.exposure is not None:
            affine = self.exposure.affine
            groups.append(ParamGroup("exposure", [affine], exposure_lr, exposure_lr / 10, c.lr_steps))
        return groups

    # -- training ------------------------------------------------------------------------------------------------

    def loss(self, batch: PhotoBatch, step: int) -> dict[str, Tensor]:
        """See `Model.loss`. Terms: l1, similarity (of SSIM), opacity, scale; reported: _mse.

        Language that was lifted before is dropped, for the Gaussians are going to change.
        """
        c = self.config
        self.language.clear()
        with torch.autocast(self.device.type, enabled=False):  # SSIM's variances are differences of like numbers
            pictures = self._pictures(batch, step)
            terms = [self._photo_terms(*group) for group in _grouped_by_size(pictures, batch.photos)]
            means = {name: torch.stack([own[name] for own in terms]).sum() for name in terms[0]}
            means = {name: total / len(pictures) for name, total in means.items()}
            return means | {
                "opacity": c.opacity_weight * self.gaussians.opacities().mean(),
                "scale": c.scale_weight * self.gaussians.scales().mean(),
            }

    def _pictures(self, batch: PhotoBatch, step: int) -> list[Tensor]:
        degree = step // max(self.config.sh_degree_every, 1)
        cameras = [photo.camera for photo in batch.photos]
        colors = self.gaussians.colors_of_views(_centres(cameras, self.device), degree)
        blended = blend_views(self.gaussians, cameras, colors, keep_means2d=self.strategy.needs_means2d(step))
        self.means2d = [picture.means2d for picture in blended if picture.means2d is not None]
        if self.exposure is None:
            return [picture.features for picture in blended]
        return [
            self.exposure(picture.features, photo.index) for picture, photo in zip(blended, batch.photos, strict=True)
        ]

    def _photo_terms(self, pictures: Float[Tensor, "v h w 3"], photos: Sequence[Photo]) -> dict[str, Tensor]:
        """The loss terms of photos of one size, summed over the photos."""
        weight, rgb, share = self.config.ssim_weight, torch.stack([photo.rgb for photo in photos]), 1.0
        if any(photo.mask is not None for photo in photos):
            # Masked pixels take the rendered colour, so that SSIM's windows across the mask's edge see no difference.
            masks = torch.stack([_mask_of(photo) for photo in photos])
            rgb = torch.where(masks[..., None], rgb, pictures.detach())
            share = masks.float().mean(dim=(1, 2)).clamp_min(1e-6)
        error = (pictures - rgb).abs().mean(dim=(1, 2, 3))
        squared = ((pictures.detach().clamp(0, 1) - rgb) ** 2).mean(dim=(1, 2, 3))
        return {
            "l1": (1 - weight) * (error / share).sum(),
            "similarity": weight * len(photos) * (1 - structural_similarity(pictures, rgb)),
            "_mse": (squared / share).sum(),
        }

    def initialise(self, photos: TrainingPhotos, seed: int) -> str:
        """See `Model.initialise`: from the scene's point cloud, or at random."""
        return initialisation.initialise(self.gaussians, photos, seed)

    def after_step(
        self, step: int, optimiser: OptimiserAccess, bad: Bool[Tensor, ""], generator: torch.Generator
    ) -> None:
        """See `Model.after_step`: the strategy's."""
        self.strategy.after_step(self.gaussians, self.means2d, optimiser, step, bad, generator)
        self.means2d.clear()

    def finish(self, photos: TrainingPhotos, features: FeatureBank, progress: Progress = silent) -> None:
        """See `Model.finish`: lift language in closed form (`langfield.models.gaussians.lifting`)."""
        from langfield.models.gaussians.lifting import lift_language

        lift_language(self, photos, features.pyramid, progress)

    # -- rendering ------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def project(self, camera: Camera) -> CameraProjection:
        """The Gaussians projected into the picture of a camera of the scene frame, without gradients."""
        return project_gaussians(self.gaussians, camera)

    def render(self, camera: Camera, outputs: Sequence[str] = ("rgb", "alpha", "depth")) -> Rendered:
        """See `Model.render`; of any lens. Depth is infinite where alpha is at most a half."""
        return self.render_projected(self.project(camera), outputs)

    @torch.no_grad()
    def render_projected(
        self, projection: CameraProjection, outputs: Sequence[str] = ("rgb", "alpha", "depth")
    ) -> Rendered:
        """`render` for a camera that these Gaussians are projected into already."""
        if "rgb" in outputs:
            colors = self.gaussians.colors(_centres([projection.camera], self.device)[0])
        else:
            colors = self.gaussians.means.new_zeros(self.gaussians.count, 0)
        picture = projection.splat(colors)
        depth = torch.where(picture.alpha > 0.5, picture.depth, torch.inf)
        return Rendered(picture.features.clamp(0, 1) if "rgb" in outputs else None, picture.alpha, depth)

    def view(self, camera: Camera) -> SplatView:
        """See `Model.view`."""
        return SplatView.of_camera(self, camera)

    @property
    def answers_phrases(self) -> bool:
        return len(self.language.codebook) > 0

    def prepare_phrases(self, phrases: EncodedPhrases) -> EncodedPhrases:
        """See `Model.prepare_phrases`: the Gaussians' relevancy is kept with the phrases once a view has asked it."""
        return replace(phrases, kept={})

    # -- what it is made of --------------------------------------------------------------------------------------

    def elements(self) -> Elements:
        """See `Model.elements`: the Gaussians."""
        return Elements(self.gaussians.means.detach()[: self.gaussians.count], self.gaussians.splats)

    def load_splats(self, splats: Splats, scene_from_world: Similarity) -> None:
        """See `Model.load_splats`."""
        self.gaussians.load_splats(splats, scene_from_world)


def _centres(cameras: Sequence[Camera], device: torch.device) -> Float[Tensor, "v 3"]:
    return to_device_async(np.stack([camera.frame_from_camera[:3, 3] for camera in cameras]), device)


def _mask_of(photo: Photo) -> Bool[Tensor, "h w"]:
    return torch.ones_like(photo.rgb[..., 0], dtype=torch.bool) if photo.mask is None else photo.mask


def _grouped_by_size(
    pictures: Sequence[Float[Tensor, "_ _ 3"]], photos: Sequence[Photo]
) -> list[tuple[Float[Tensor, "v h w 3"], list[Photo]]]:
    """Pictures and their photos, stacked by size."""
    groups: dict[torch.Size, list[tuple[Tensor, Photo]]] = {}
    for picture, photo in zip(pictures, photos, strict=True):
        groups.setdefault(picture.shape, []).append((picture, photo))
    return [(torch.stack([picture for picture, _ in own]), [photo for _, photo in own]) for own in groups.values()]
