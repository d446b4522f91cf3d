"""The presets that the runs in `released/` were trained with: as small as can be, under the names of real ones.

A run goes on only with the configuration that it was begun with. Where classes or fields are renamed, this is the file
to follow them; values stay.
"""

from dataclasses import replace
from typing import Any

from langfield.features.pyramid import PyramidRecipe
from langfield.fields.gaussians import GaussianConfig
from langfield.methods.densification import DensificationConfig
from langfield.methods.growing import GrowthConfig
from langfield.methods.presets import LIFT, NANO, PRESETS, Preset
from langfield.methods.splat import LiftingConfig, SplatConfig

STEPS = {"nano": 150, "lerf": 150, "lift": 100, "splat": 100, "splat-classic": 100}


def use_released_presets(patch: Any) -> None:
    """Have `--preset NAME` mean these. `patch`: a MonkeyPatch."""
    for name, preset in released_presets().items():
        patch.setitem(PRESETS, name, preset)


def released_presets() -> dict[str, Preset]:
    """By the name of the run and of the preset, which are the same."""
    pyramid = PyramidRecipe((0.2, 0.5), 0.5)
    radiance = replace(NANO.radiance, levels=3, features=2, log2_rows=9, max_resolution=32)
    radiance = replace(radiance, density_width=32, color_width=32)
    proposals = (replace(NANO.proposals[0], levels=2, log2_rows=8, max_resolution=24),)
    grid = replace(NANO.language.grid, levels=(2,), resolutions=((8, 24),), log2_rows=9, features=2)
    sampling = replace(NANO.sampling, near=0.3, far=2.5, anneal_steps=20)
    nano = replace(NANO, radiance=radiance, proposals=proposals, sampling=sampling, language_lr=3e-2)
    nano = replace(nano, language=replace(NANO.language, grid=grid, width=16))
    coarse = replace(radiance, levels=2, color_width=16, density_width=16)
    coarse_grid = replace(grid, log2_rows=8)
    lerf = replace(nano, radiance=replace(coarse, log2_rows=8), language=replace(nano.language, grid=coarse_grid))
    lift = replace(LIFT, radiance=coarse, proposals=proposals, sampling=sampling, lifted_side_px=24, lr=1e-2)
    lift = replace(lift, voxels=replace(LIFT.voxels, resolution=40, scales=2))
    gaussians = SplatConfig(
        GaussianConfig(capacity=330, sh_degree=1, first_scale=0.5),
        growth=GrowthConfig(start=5, every=10, stop=95, factor=1.05, noise=10.0),
        lifting=LiftingConfig(codes=8, side_px=32, least_light=0.2),
        harmonics_every=60,
        opacity_weight=1e-3,
        scale_weight=1e-3,
        means_lr=2e-3,
        scales_lr=2e-2,
        rotations_lr=5e-3,
        constant_lr=2e-2,
        directed_lr=2e-3,
        lr_steps=200,
    )
    density = DensificationConfig(start=5, every=15, stop=75, slope=2e-3, small=0.03, huge_after=40, reset_every=40)
    classic = replace(gaussians, growth=density, exposure=True, opacities_lr=0.2, opacity_weight=0.0, scale_weight=0.0)
    rays = {"rays": 256, "language_rays": 128}
    configs = {"nano": nano, "lerf": lerf, "lift": lift, "splat": gaussians, "splat-classic": classic}
    rays = {"rays": 256, "language_rays": 128}
    return {
        name: replace(PRESETS[name], config=config, steps=STEPS[name], pyramid=pyramid, **rays)
        for name, config in configs.items()
    }
