"""Presets: models' configurations and how they are trained, by name."""

from dataclasses import dataclass, replace
from typing import Any

from langfield.core.checks import check_counts
from langfield.core.choices import check_choice
from langfield.features.pyramid import LERF_PYRAMID, PyramidRecipe
from langfield.fields.gaussians import GaussianConfig
from langfield.fields.language import FeatureGridConfig
from langfield.fields.radiance import DensityConfig, RadianceConfig
from langfield.models.config import ModelConfig
from langfield.models.gaussians.adaptive_density import AdaptiveDensityConfig
from langfield.models.gaussians.mcmc import MCMCConfig
from langfield.models.gaussians.splat import SplatConfig
from langfield.models.nerf.heads import DenseHeadConfig, LanguageHeadConfig
from langfield.models.nerf.lerf import LerfConfig
from langfield.models.preset_list import LISTED
from langfield.models.voxels.voxel_lift import VoxelLiftConfig
from langfield.renderers.samplers.proposal import ProposalSamplerConfig

# LERF's three published presets (its `lerf_config.py`). Encoder and steps belong to the training recipe.
LERF = LerfConfig()
LERF_LITE = replace(
    LERF,
    feature_grid=FeatureGridConfig(levels=(16,), resolutions=((16, 512),)),
    head_samples=12,
    head_lr_steps=7_000,
)
LERF_BIG = replace(
    LERF,
    feature_grid=FeatureGridConfig(levels=(16, 16)),
    head_samples=32,
    head_lr_steps=3_000,
)

# For two CPU cores: grids that fit the CPU's caches, few samples a ray, a language head of one hidden layer.
NANO = LerfConfig(
    radiance=RadianceConfig(
        levels=8, features=4, log2_rows=15, max_resolution=512, color_layers=1, appearance_features=4
    ),
    sampler=ProposalSamplerConfig(
        networks=(DensityConfig(levels=4, features=2, log2_rows=14, min_resolution=16, max_resolution=96),),
        proposal_samples=(48,),
        samples=20,
        anneal_steps=300,
        warmup_steps=1_000,
    ),
    feature_grid=FeatureGridConfig(levels=(6,), resolutions=((16, 160),), log2_rows=15, features=8),
    heads=(LanguageHeadConfig(width=128, layers=1), DenseHeadConfig()),
    head_samples=4,
    lr_steps=2_000,
    head_lr_steps=1_500,
    chunk_rays=2**12,
)

# For a minute or two on two CPU cores: colour from a few coarse grid levels, language lifted instead of trained.
LIFT = VoxelLiftConfig(
    radiance=RadianceConfig(
        levels=4,
        features=4,
        log2_rows=17,
        max_resolution=192,
        density_width=32,
        color_width=32,
        color_layers=1,
        geometry_features=7,
        appearance_features=4,
    ),
    sampler=ProposalSamplerConfig(
        networks=(DensityConfig(levels=2, features=2, log2_rows=16, min_resolution=16, max_resolution=64, width=8),),
        proposal_samples=(32,),
        samples=12,
        near=0.1,
        far=50.0,
        anneal_steps=150,
        warmup_steps=400,
    ),
    lr=2e-2,
    lr_end=3e-3,
    lr_steps=700,
    chunk_rays=2**12,
)
# Larger crops, twice as far apart: half as many as LERF's, and each thing is still in several.
LIFT_PYRAMID = PyramidRecipe((0.14, 0.2, 0.28, 0.38, 0.5), 0.5)

# Four photos a step keep a GPU busy that one would not. The learning rate of the means, and MCMC's noise with it,
# decays to a quarter and not to a hundredth: Gaussians that begin at random have far to go in so few steps
# (docs/benchmarks/training-gaussians.md, "Rates of the means").
SPLAT = SplatConfig(
    gaussians=GaussianConfig(capacity=500_000),
    strategy=MCMCConfig(refine_start=100, refine_every=50, refine_stop=1_200, growth_factor=1.2),
    photos_per_step=4,
    half_size_until=500,
    sh_degree_every=250,
    means_lr_share=0.27,
    lr_steps=2_000,
)
SPLAT_FAST = replace(
    SPLAT,
    gaussians=GaussianConfig(capacity=300_000),
    strategy=MCMCConfig(refine_start=100, refine_every=50, refine_stop=700, growth_factor=1.2),
    half_size_until=300,
    sh_degree_every=150,
    lr_steps=1_200,
)
SPLAT_QUALITY = replace(
    SPLAT,
    gaussians=GaussianConfig(capacity=1_500_000),
    strategy=MCMCConfig(refine_start=200, refine_every=100, refine_stop=6_000, growth_factor=1.1),
    sh_degree_every=1000,
    means_lr_share=0.01,
    lr_steps=10_000,
)
# As Kerbl et al. 2023: larger and more transparent initial Gaussians, adaptive density control, no regularisers.
SPLAT_CLASSIC = SplatConfig(
    gaussians=GaussianConfig(capacity=3_000_000, init_opacity=0.1, init_scale=1.0),
    strategy=AdaptiveDensityConfig(),
    opacity_weight=0.0,
    scale_weight=0.0,
)


@dataclass(frozen=True)
class TrainingRecipe:
    """A model and how it is trained.

    Attributes:
        summary: one line for people.
        config: of the model.
        steps: training steps.
        rays: rays in a step; models that learn from whole photos do not use it (`ModelConfig.batching`).
        head_rays: how many of them have targets for heads, at least 1; None for all.
        encoder: spec of the image-text encoder.
        dense: spec of the self-supervised encoder; None for none.
        pyramid: which crops are encoded.
        feature_views: the most training photos that are encoded, evenly spread; None for all.

    Raises:
        ValueError: steps, rays, head_rays or feature_views below 1.
    """

    summary: str
    config: ModelConfig
    steps: int = 30_000
    rays: int = 4096
    head_rays: int | None = None
    encoder: str = "openclip:ViT-B-16/laion2b_s34b_b88k"
    dense: str | None = "timm:vit_small_patch8_224.dino"
    pyramid: PyramidRecipe = LERF_PYRAMID
    feature_views: int | None = None

    def __post_init__(self) -> None:
        check_counts(self, "steps", "rays")
        for name in ("head_rays", "feature_views"):
            if getattr(self, name) is not None:
                check_counts(self, name)


def _listed(name: str, config: ModelConfig, **settings: Any) -> TrainingRecipe:
    """The recipe of a listed preset. Args: settings: other fields of `TrainingRecipe`."""
    return TrainingRecipe(LISTED[name].summary, config, LISTED[name].steps, **settings)


PRESETS: dict[str, TrainingRecipe] = {
    "lerf": _listed("lerf", LERF),
    "lerf-lite": _listed("lerf-lite", LERF_LITE),
    "lerf-big": _listed("lerf-big", LERF_BIG, encoder="openclip:ViT-L-14/laion2b_s32b_b82k"),
    "nano": _listed("nano", NANO, rays=1024, head_rays=256, dense=None, feature_views=24),
    "lift": _listed("lift", LIFT, rays=1024, dense=None, pyramid=LIFT_PYRAMID, feature_views=16),
    "splat": _listed("splat", SPLAT, dense=None),
    "splat-fast": _listed("splat-fast", SPLAT_FAST, dense=None),
    "splat-quality": _listed("splat-quality", SPLAT_QUALITY, dense=None),
    "splat-classic": _listed("splat-classic", SPLAT_CLASSIC, dense=None),
}


def preset(name: str) -> TrainingRecipe:
    """A preset by name; UsageError names the nearest ones."""
    check_choice("preset", name, sorted(PRESETS))
    return PRESETS[name]


def default_preset(model: str, on_gpu: bool, has_gsplat: bool) -> tuple[str, str]:
    """The preset where none is chosen, and the reason, for people.

    Args:
        model: name of the model it must be of; "auto" for any.
        on_gpu: whether training is to run on a GPU.
        has_gsplat: whether gsplat is installed, which Gaussians need on a GPU.
    """
    if model == "auto":
        if not on_gpu:
            return "nano", "no GPU is used"
        if not has_gsplat:
            return "lerf", "a GPU is there, but not gsplat: pip install 'langfield[gpu]' gives splat"
        return "splat", "a GPU is there, and gsplat"
    if model == "lerf":
        return ("lerf", "a GPU is there") if on_gpu else ("nano", "no GPU is used")
    first = next(name for name, recipe in PRESETS.items() if recipe.config.model == model)
    return first, f"the method {model} is asked for"
