"""Settings that would fail hours later, or quietly do something else than they say, are refused where they are made;
and those at the edge of what is allowed work."""

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.data.scenes import write_ball_scene
from tests.models.voxels.test_voxel_lifting import ColourEncoder
from tests.runs.run_states import save_state

from langfield.core.cameras import Camera
from langfield.core.config import config_from_json, config_to_json
from langfield.core.errors import LangfieldError, RunError
from langfield.core.rays import JITTER_COLUMNS, Rays
from langfield.data.scene import open_scene
from langfield.features.bank import build_features
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidRecipe
from langfield.fields.gaussians import GaussianConfig
from langfield.fields.language import FeatureGridConfig
from langfield.fields.language_map import MAX_CODES
from langfield.fields.radiance import DensityConfig, RadianceConfig
from langfield.fields.voxels import Observations, VoxelConfig, VoxelLanguage
from langfield.models.batches import Photo, PhotoBatch, RayBatch
from langfield.models.config import ModelContext
from langfield.models.gaussians.adaptive_density import AdaptiveDensityConfig
from langfield.models.gaussians.lifting import lift_language
from langfield.models.gaussians.mcmc import MCMCConfig
from langfield.models.gaussians.splat import LiftingConfig, Splat, SplatConfig
from langfield.models.nerf.heads import DenseHeadConfig, LanguageHeadConfig
from langfield.models.nerf.lerf import Lerf, LerfConfig
from langfield.models.presets import PRESETS, TrainingRecipe
from langfield.models.voxels.voxel_lift import VoxelLift, VoxelLiftConfig
from langfield.ops.hash_grid import HashGridSpec
from langfield.query.session import Session
from langfield.renderers.samplers.proposal import ProposalSamplerConfig
from langfield.runs.directory import load_run, save_run
from langfield.runs.info import RunInfo
from langfield.training.config import TrainingConfig
from langfield.training.optimiser import Optimiser

TINY = 1e-12
# Of every number in every config: the least value that is allowed, and one below it.
VOLUME = {
    "distortion_weight": (0.0, -TINY),
    "lr": (TINY, 0.0),
    "lr_end": (TINY, 0.0),
    "lr_steps": (1, 0),
    "chunk_rays": (1, 0),
}
EDGES: dict[Any, dict[str, tuple[float, float]]] = {
    HashGridSpec(2, 2, 6, 4, 16): {
        "levels": (1, 0),
        "features": (1, 0),
        "log2_rows": (0, -1),
        "min_resolution": (1, 0),
        "max_resolution": (4, 3),
    },
    RadianceConfig(levels=2, log2_rows=6, max_resolution=32): {
        "levels": (1, 0),
        "features": (1, 3),
        "log2_rows": (0, 31),
        "min_resolution": (1, 33),
        "max_resolution": (16, 15),
        "density_width": (1, 0),
        "color_width": (1, 0),
        "color_layers": (1, 0),
        "geometry_features": (0, -1),
        "appearance_features": (0, -1),
    },
    DensityConfig(levels=2, log2_rows=6, max_resolution=32): {
        "levels": (1, 0),
        "features": (1, 0),
        "log2_rows": (0, -1),
        "min_resolution": (1, 0),
        "max_resolution": (16, 15),
        "width": (1, 0),
    },
    FeatureGridConfig((2,), ((4, 8),), 6, 2): {"log2_rows": (0, -1), "features": (1, 0)},
    VoxelConfig(): {"resolution": (2, 1), "scales": (1, 0), "least_weight": (0.0, -TINY)},
    GaussianConfig(capacity=20, sh_degree=1): {
        "capacity": (1, 0),
        "sh_degree": (0, 4),
        "init_opacity": (TINY, 1.0),
        "init_scale": (TINY, 0.0),
    },
    ProposalSamplerConfig((DensityConfig(levels=1, log2_rows=4),), (6,), 5): {
        "samples": (1, 0),
        "near": (0.0, -TINY),
        "far": (math.nextafter(0.05, 1), 0.05),
        "anneal_steps": (0, -1),
        "anneal_slope": (TINY, 0.0),
        "loss_weight": (0.0, -TINY),
        "update_every": (1, 0),
        "warmup_steps": (0, -1),
    },
    LanguageHeadConfig(8, 1): {"width": (1, 0), "layers": (1, 0), "weight": (0.0, -TINY)},
    DenseHeadConfig(8): {"width": (1, 0), "weight": (0.0, -TINY)},
    LerfConfig(): VOLUME
    | {"head_samples": (1, 0), "head_lr": (TINY, 0.0), "head_lr_end": (TINY, 0.0), "head_lr_steps": (1, 0)},
    VoxelLiftConfig(): VOLUME | {"lifted_side_px": (1, 0)},
    LiftingConfig(): {
        "codes": (4, MAX_CODES + 1),
        "codes_per_crop": (1, 0),
        "codes_kept": (1, 0),
        "side_px": (1, 0),
        "min_contribution": (0.0, -TINY),
    },
    MCMCConfig(): {
        "refine_start": (0, -1),
        "refine_every": (1, 0),
        "refine_stop": (0, -1),
        "growth_factor": (1.0, 0.99),
        "noise_lr": (0.0, -TINY),
    },
    AdaptiveDensityConfig(): {
        "refine_start": (0, -1),
        "refine_every": (1, 0),
        "refine_stop": (0, -1),
        "grow_grad2d": (0.0, -TINY),
        "grow_scale3d": (0.0, -TINY),
        "prune_scale3d": (TINY, 0.0),
        "prune_scale3d_after": (0, -1),
        "prune_opacity": (TINY, 0.5),
        "reset_every": (0, -1),
    },
    SplatConfig(): {
        "photos_per_step": (1, 0),
        "half_size_until": (0, -1),
        "ssim_weight": (0.0, 1.01),
        "opacity_weight": (0.0, -TINY),
        "scale_weight": (0.0, -TINY),
        "sh_degree_every": (1, 0),
        "means_lr": (TINY, 0.0),
        "means_lr_share": (TINY, 1.01),
        "scales_lr": (TINY, 0.0),
        "rotations_lr": (TINY, 0.0),
        "opacities_lr": (TINY, 0.0),
        "sh0_lr": (TINY, 0.0),
        "shN_lr": (TINY, 0.0),
        "exposure_lr": (TINY, 0.0),
        "lr_steps": (1, 0),
        "extent": (TINY, 0.0),
    },
    TrainingConfig(): {
        "steps": (0, -1),
        "rays": (1, 0),
        "head_rays": (1, 0),
        "seed": (0, -1),
        "save_every": (0.0, -TINY),
        "report_every": (1, 0),
    },
    PRESETS["nano"]: {"steps": (1, 0), "rays": (1, 0), "head_rays": (1, 0), "feature_views": (1, 0)},
}
SETTINGS = [(config, name) for config, edges in EDGES.items() for name in edges]


def setting_id(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


settings = pytest.mark.parametrize(("config", "name"), SETTINGS, ids=setting_id)


def test_no_number_of_a_config_is_left_out():
    for config, edges in EDGES.items():
        numbers = {f.name for f in fields(config) if type(getattr(config, f.name)) in (int, float)}
        assert numbers <= set(edges), type(config).__name__


@settings
def test_what_is_no_such_number_is_refused_by_name(config: Any, name: str):
    least, below = EDGES[config][name]
    assert getattr(replace(config, **{name: least}), name) == least
    numbers = [below, -1.0, math.nan, math.inf, -math.inf] if isinstance(least, float) else [below, -1]
    for value in numbers:
        with pytest.raises(ValueError, match=name) as raised:
            replace(config, **{name: value})
        assert "\n" not in str(raised.value)
        assert repr(value) in str(raised.value)
    for value in ("8", True, math.nan, 1.5 if isinstance(least, int) else []):
        with pytest.raises((ValueError, TypeError)):  # where types are checked, a TypeError
            replace(config, **{name: value})


@pytest.mark.parametrize(
    ("config", "change", "said"),
    [
        (FeatureGridConfig(), {"levels": (12,)}, "resolutions must be one .* for each of levels"),
        (FeatureGridConfig(), {"levels": (), "resolutions": ()}, "at least one"),
        (FeatureGridConfig(), {"resolutions": ((16, 128), (512, 128))}, "min_resolution <= max_resolution"),
        (
            ProposalSamplerConfig(),
            {"networks": (DensityConfig(),) * 4, "proposal_samples": (8,) * 4},
            "1 to 3 networks",
        ),
        (ProposalSamplerConfig(), {"networks": (), "proposal_samples": ()}, "1 to 3 networks"),
        (ProposalSamplerConfig(), {"proposal_samples": (8, 0)}, "whole numbers of at least 1"),
        (ProposalSamplerConfig(), {"near": 2.0, "far": 1.0}, "far must be a finite number above 2"),
        (ProposalSamplerConfig(), {"far": 1e7}, "at most 1e"),
        (LerfConfig(), {"heads": (LanguageHeadConfig(), LanguageHeadConfig(width=8))}, "heads must be of different"),
        (LiftingConfig(), {"codes": 3}, "codes_kept must be a whole number from 1 to 3, got 4"),
        (ModelContext(3), {"photos": 0}, "photos must be a whole number of at least 1, got 0"),
        (ModelContext(3), {"target_dims": {"embedding": 0}}, "sizes of at least 1"),
        (ModelContext(3), {"crop_angles": (0.5, 0.1)}, "a smallest and a largest"),
        (ModelContext(3), {"crop_angles": (0.0, 0.1)}, "a smallest and a largest"),
        (PyramidRecipe(), {"tile_ratios": (math.nan,)}, "tile ratios must increase"),
        (PyramidRecipe(), {"stride_ratio": math.nan}, "stride ratio must be in"),
    ],
)
def test_what_does_not_fit_together_is_refused(config: Any, change: dict[str, Any], said: str):
    with pytest.raises((ValueError, LangfieldError), match=said):
        replace(config, **change)


# -- what is allowed works -------------------------------------------------------------------------------------------

CONTEXT = ModelContext(photos=2, target_dims={"embedding": 4, "dense": 3}, crop_angles=(0.1, 0.5))
SAMPLER = next(config for config in EDGES if isinstance(config, ProposalSamplerConfig))
RADIANCE = next(config for config in EDGES if isinstance(config, RadianceConfig))
GRID = next(config for config in EDGES if isinstance(config, FeatureGridConfig))
HEADS = (LanguageHeadConfig(8, 1), DenseHeadConfig(8))
LERF = LerfConfig(RADIANCE, SAMPLER, feature_grid=GRID, heads=HEADS, head_samples=3)
VOXELS = VoxelLiftConfig(RADIANCE, SAMPLER)
SPLAT = SplatConfig(GaussianConfig(20, 1), MCMCConfig(refine_start=0, refine_every=1), exposure=True, sh_degree_every=1)
ADAPTIVE = replace(SPLAT, strategy=AdaptiveDensityConfig(refine_start=0, refine_every=1, reset_every=2))


def models_with(config: Any) -> Iterator[Any]:
    """The models' configs that such a config is a part of, or is, with it."""
    match config:
        case LerfConfig():
            yield replace(LERF, **{name: getattr(config, name) for name in EDGES[LerfConfig()]})
        case VoxelLiftConfig():
            yield replace(VOXELS, **{name: getattr(config, name) for name in EDGES[VoxelLiftConfig()]})
        case SplatConfig():
            for whole in (SPLAT, ADAPTIVE):
                yield replace(whole, **{name: getattr(config, name) for name in EDGES[SplatConfig()]})
        case HashGridSpec():
            grid = (config.min_resolution, config.max_resolution)
            yield replace(LERF, feature_grid=FeatureGridConfig((config.levels,), (grid,), config.log2_rows, 1))
        case RadianceConfig():
            yield from (replace(LERF, radiance=config), replace(VOXELS, radiance=config))
        case DensityConfig():
            yield replace(LERF, sampler=replace(SAMPLER, networks=(config,)))
        case ProposalSamplerConfig():
            yield from (replace(LERF, sampler=config), replace(VOXELS, sampler=config))
        case FeatureGridConfig():
            yield replace(LERF, feature_grid=config)
        case LanguageHeadConfig() | DenseHeadConfig():
            yield replace(LERF, heads=(config,))
        case GaussianConfig():
            yield from (replace(SPLAT, gaussians=config), replace(ADAPTIVE, gaussians=config))
        case MCMCConfig() | AdaptiveDensityConfig():
            yield replace(SPLAT, strategy=config)


def drawn(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def ray_batch() -> RayBatch:
    count = 7
    directions = torch.nn.functional.normalize(drawn(count, 3) + 0.1, dim=-1)
    rays = Rays(-0.5 * directions, directions, torch.arange(count) % 2, torch.ones(count))
    embedding = torch.nn.functional.normalize(drawn(count, 4), dim=-1)
    targets = {"embedding": embedding, "crop_angle": drawn(count) + 0.1, "dense": drawn(count, 3)}
    return RayBatch(rays, {"rgb": drawn(count, 3), **targets}, drawn(count, JITTER_COLUMNS))


def photo_batch() -> PhotoBatch:
    world_from_camera = np.eye(4)
    world_from_camera[2, 3] = -2
    camera = Camera(world_from_camera, 16, 12, 14.0, 14.0, 8.0, 6.0)
    return PhotoBatch((Photo(0, camera, drawn(12, 16, 3)), Photo(1, camera, drawn(12, 16, 3))))


def learns(config: Any) -> None:
    """Three steps of training, as the loop does them, leave finite numbers; and the model shows a picture."""
    torch.manual_seed(0)
    kinds = {LerfConfig: Lerf, VoxelLiftConfig: VoxelLift, SplatConfig: Splat}
    model = kinds[type(config)](config, CONTEXT)
    if isinstance(model, Splat):
        model.gaussians.init_from_points(drawn(12, 3).numpy() - 0.5, drawn(12, 3).numpy())
    batch = photo_batch() if isinstance(model, Splat) else ray_batch()
    optimiser, generator = Optimiser(model.param_groups()), torch.Generator().manual_seed(1)
    for step in range(3):
        optimiser.set_rates(step)
        terms = model.loss(batch, step)  # type: ignore[arg-type]
        sum(value for name, value in terms.items() if not name.startswith("_")).backward()  # type: ignore[union-attr]
        assert all(value.isfinite() for value in terms.values()), terms
        assert all(gradient.isfinite().all() for gradient in optimiser.gradients())
        optimiser.step(torch.zeros(()))
        model.after_step(step, optimiser, torch.zeros((), dtype=torch.bool), generator)
    assert all(value.isfinite().all() for value in model.state_dict().values() if value.is_floating_point())
    picture = model.render(photo_batch().photos[0].camera)
    assert picture.rgb is not None
    assert picture.rgb.isfinite().all()


@settings
def test_the_least_value_that_is_allowed_works(config: Any, name: str):
    for whole in models_with(replace(config, **{name: EDGES[config][name][0]})):
        learns(whole)
        assert config_from_json(type(whole), json.loads(json.dumps(config_to_json(whole)))) == whole


@pytest.mark.parametrize("name", EDGES[VoxelConfig()])
def test_voxels_of_the_least_sizes_are_filled(name: str):
    voxels = VoxelLanguage(replace(VoxelConfig(), **{name: EDGES[VoxelConfig()][name][0]}), 4)
    embedding = torch.nn.functional.normalize(drawn(2, 9, 4), dim=-1)
    voxels.fill(lambda: iter([Observations(drawn(9, 3), torch.ones(9), embedding, drawn(2, 9) + 0.1)]))
    rows, weights = voxels.mix(drawn(9, 3), drawn(9) + 0.1)
    assert weights.isfinite().all()
    assert (rows >= 0).all()
    assert (rows < len(voxels.codes)).all()
    assert voxels.codes.isfinite().all()


@pytest.fixture(scope="module")
def featured(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("balls")
    write_ball_scene(folder / "scene", n_views=5, width_px=32, height_px=24, n_points=60)
    scene = open_scene(folder / "scene")
    recipe, cache = PyramidRecipe((0.3, 0.5), 0.5), folder / "cache"
    return scene, build_features(scene, scene.train, ColourEncoder(), recipe=recipe, cache_dir=cache)


@pytest.mark.parametrize("name", [*EDGES[LiftingConfig()], "lifted_side_px"])
def test_language_of_the_least_sizes_is_lifted(featured, name: str):
    scene, bank = featured
    context = ModelContext(photos=len(scene.train), target_dims={"embedding": 4})
    photos = TrainingPhotos(scene, scene.train)
    torch.manual_seed(0)
    if name == "lifted_side_px":
        model = VoxelLift(replace(VOXELS, lifted_side_px=1), context)
        model.finish(photos, bank)
        assert model.voxels.codes.isfinite().all()
        return
    lifting = replace(LiftingConfig(), **{name: EDGES[LiftingConfig()][name][0]})
    splat = Splat(replace(SPLAT, gaussians=GaussianConfig(60, 0, init_scale=0.5), lifting=lifting), context)
    splat.initialise(photos, 0)
    lift_language(splat, photos, bank.pyramid)
    assert splat.answers_phrases
    assert all(value.isfinite().all() for value in splat.language.state_dict().values() if value.is_floating_point())


# -- runs ------------------------------------------------------------------------------------------------------------


def test_a_run_with_such_a_setting_says_so_in_a_line(tmp_path: Path):
    model = Lerf(LERF, CONTEXT)
    save_state(tmp_path, 1)
    info = load_run(tmp_path).info
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    for key, value, said in (
        ("head_samples", 0, "config: LerfConfig.head_samples must be a whole number of at least 1, got 0"),
        ("heads", [{"type": "dense", "width": -2}], "config.heads[0]: DenseHeadConfig.width must be"),
    ):
        document = config_to_json(LERF) | {key: value}
        changed = {"model": "lerf", "model_config": document, "model_context": config_to_json(CONTEXT)}
        broken: RunInfo = replace(info, **changed)
        save_run(tmp_path, broken, {"model": model.state_dict()})
        with pytest.raises(RunError) as raised:
            Session.open(tmp_path, device="cpu")
        assert raised.value.file == str(tmp_path)
        assert said in raised.value.message
        assert "\n" not in str(raised.value)


def test_presets_and_their_json_pass(tmp_path: Path):
    for recipe in PRESETS.values():
        assert isinstance(recipe, TrainingRecipe)
        config = recipe.config
        assert config_from_json(type(config), json.loads(json.dumps(config_to_json(config)))) == config
