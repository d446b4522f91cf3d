"""The presets that the runs in `released/` were trained with: as small as can be, under the names of real ones.

A run goes on only with the configuration that it was begun with. Where classes or fields are renamed, this is the file
to follow them; values stay.
"""

from dataclasses import replace
from typing import Any

from langfield.features.pyramid import PyramidRecipe
from langfield.fields.gaussians import GaussianConfig
from langfield.fields.radiance import DensityConfig
from langfield.models.gaussians.adaptive_density import AdaptiveDensityConfig
from langfield.models.gaussians.mcmc import MCMCConfig
from langfield.models.gaussians.splat import LiftingConfig, SplatConfig
from langfield.models.nerf.heads import DenseHeadConfig, LanguageHeadConfig
from langfield.models.presets import LIFT, NANO, PRESETS, TrainingRecipe
from langfield.renderers.samplers.proposal import ProposalSamplerConfig

STEPS = {"nano": 150, "lerf": 150, "lift": 100, "splat": 100, "splat-classic": 100}


def use_released_presets(patch: Any) -> None:
    """Have `--preset NAME` mean these. `patch`: a MonkeyPatch."""
    for name, preset in released_presets().items():
        patch.setitem(PRESETS, name, preset)


def released_presets() -> dict[str, TrainingRecipe]:
    """By the name of the run and of the preset, which are the same."""
    pyramid = PyramidRecipe((0.2, 0.5), 0.5)
    radiance = replace(NANO.radiance, levels=3, features=2, log2_rows=9, max_resolution=32)
    radiance = replace(radiance, density_width=32, color_width=32)
    network = DensityConfig(levels=2, features=2, log2_rows=8, min_resolution=16, max_resolution=24)
    sampler = ProposalSamplerConfig(
        networks=(network,),
        proposal_samples=(48,),
        samples=20,
        near=0.3,
        far=2.5,
        anneal_steps=20,
        warmup_steps=1_000,
    )
    grid = replace(NANO.feature_grid, levels=(2,), resolutions=((8, 24),), log2_rows=9, features=2)
    heads = (LanguageHeadConfig(width=16, layers=1), DenseHeadConfig())
    nano = replace(NANO, radiance=radiance, sampler=sampler, head_lr=3e-2, feature_grid=grid, heads=heads)
    coarse = replace(radiance, levels=2, color_width=16, density_width=16)
    coarse_grid = replace(grid, log2_rows=8)
    lerf = replace(nano, radiance=replace(coarse, log2_rows=8), feature_grid=coarse_grid)
    lift_sampler = replace(sampler, warmup_steps=400)
    lift = replace(LIFT, radiance=coarse, sampler=lift_sampler, lifted_side_px=24, lr=1e-2)
    lift = replace(lift, voxels=replace(LIFT.voxels, resolution=40, scales=2))
    gaussians = SplatConfig(
        GaussianConfig(capacity=330, sh_degree=1, init_scale=0.5),
        strategy=MCMCConfig(refine_start=5, refine_every=10, refine_stop=95, growth_factor=1.05, noise_lr=10.0),
        lifting=LiftingConfig(codes=8, side_px=32, min_contribution=0.2),
        sh_degree_every=60,
        opacity_weight=1e-3,
        scale_weight=1e-3,
        means_lr=2e-3,
        scales_lr=2e-2,
        rotations_lr=5e-3,
        sh0_lr=2e-2,
        shN_lr=2e-3,
        lr_steps=200,
    )
    density = AdaptiveDensityConfig(
        refine_start=5,
        refine_every=15,
        refine_stop=75,
        grow_grad2d=2e-3,
        grow_scale3d=0.03,
        prune_scale3d_after=40,
        reset_every=40,
    )
    classic = replace(
        gaussians, strategy=density, exposure=True, opacities_lr=0.2, opacity_weight=0.0, scale_weight=0.0
    )
    rays = {"rays": 256, "head_rays": 128}
    configs = {"nano": nano, "lerf": lerf, "lift": lift, "splat": gaussians, "splat-classic": classic}
    rays = {"rays": 256, "head_rays": 128}
    return {
        name: replace(PRESETS[name], config=config, steps=STEPS[name], pyramid=pyramid, **rays)
        for name, config in configs.items()
    }
