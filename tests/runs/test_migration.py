"""Runs of schema 1 are told in the words of schema 2, and their files stay as they are."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from run_states import an_info
from safetensors import safe_open

from langfield.core.config import config_from_json, config_to_json
from langfield.models.config import ModelContext
from langfield.models.registry import MODELS
from langfield.runs.directory import load_run, save_run, settle
from langfield.runs.info import RunInfo
from langfield.runs.migration import SCHEMA_VERSION, TensorFile, upgrade_document, upgraded_names

REFERENCE = Path(__file__).parent / "reference"
FILE = Path("somewhere/run.json")
PRESENT_NAMES = {"lerf": "lerf", "lift": "voxel_lift", "splat": "splat"}

RADIANCE = {"levels": 3, "color_layers": 1}
PROPOSALS = [{"levels": 2, "max_resolution": 24}]
GRID = {"levels": [2], "resolutions": [[8, 24]]}
FIELD = {  # what lerf and lift have in common; most numbers differ
    "radiance": RADIANCE,
    "proposals": PROPOSALS,
    "sampling": {"proposals": [48], "samples": 20, "near": 0.05, "far": 99.0, "anneal_steps": 3, "anneal_slope": 10.0},
    "proposal_weight": 1.5,
    "distortion_weight": 0.002,
    "lr": 0.01,
    "lr_end": 0.001,
    "lr_steps": 2000,
    "proposal_every": 5,
    "proposal_warmup": 1000,
    "chunk_rays": 4096,
}
FIELD_NOW = {
    "radiance": RADIANCE,
    "sampler": {
        "type": "proposal",
        "networks": PROPOSALS,
        "proposal_samples": [48],
        "samples": 20,
        "near": 0.05,
        "far": 99.0,
        "anneal_steps": 3,
        "anneal_slope": 10.0,
        "loss_weight": 1.5,
        "update_every": 5,
        "warmup_steps": 1000,
    },
    "distortion_weight": 0.002,
    "lr": 0.01,
    "lr_end": 0.001,
    "lr_steps": 2000,
    "chunk_rays": 4096,
}
LERF = FIELD | {
    "language": {"grid": GRID, "width": 16, "layers": 1},
    "language_samples": 4,
    "language_weight": 0.1,
    "dense_weight": 0.7,
    "language_lr": 0.02,
    "language_lr_end": 0.003,
    "language_lr_steps": 1500,
}
LERF_NOW = FIELD_NOW | {
    "feature_grid": GRID,
    "head_samples": 4,
    "head_lr": 0.02,
    "head_lr_end": 0.003,
    "head_lr_steps": 1500,
    "heads": [
        {"type": "language", "width": 16, "layers": 1, "weight": 0.1},
        {"type": "dense", "width": 256, "weight": 0.7},
    ],
    "couplings": [],
}
VOXELS = {"voxels": {"resolution": 64, "scales": 2, "least_weight": 0.5}, "lifted_side_px": 96}
SPLAT = {
    "gaussians": {"capacity": 330, "sh_degree": 1, "init_opacity": 0.5, "init_scale": 0.25},
    "lifting": {"codes": 8, "codes_per_crop": 2, "codes_kept": 4, "side_px": 32, "least_light": 0.2, "robust": True},
    "photos_per_step": 1,
    "half_size_until": 0,
    "exposure": True,
    "ssim_weight": 0.2,
    "opacity_weight": 0.01,
    "scale_weight": 0.02,
    "sh_degree_every": 60,
    "means_lr": 0.002,
    "means_lr_share": 0.01,
    "sh0_lr": 0.03,
    "shN_lr": 0.004,
    "extent": 1.1,
}
SPLAT_NOW = {
    "gaussians": {"capacity": 330, "sh_degree": 1, "init_opacity": 0.5, "init_scale": 0.25},
    "lifting": {
        "codes": 8,
        "codes_per_crop": 2,
        "codes_kept": 4,
        "side_px": 32,
        "min_contribution": 0.2,
        "robust": True,
    },
    "photos_per_step": 1,
    "half_size_until": 0,
    "exposure": True,
    "ssim_weight": 0.2,
    "opacity_weight": 0.01,
    "scale_weight": 0.02,
    "sh_degree_every": 60,
    "means_lr": 0.002,
    "means_lr_share": 0.01,
    "sh0_lr": 0.03,
    "shN_lr": 0.004,
    "extent": 1.1,
}
MCMC = {"start": 4, "every": 5, "stop": 150, "factor": 1.1, "noise": 10.0}
MCMC_NOW = {
    "type": "mcmc",
    "refine_start": 4,
    "refine_every": 5,
    "refine_stop": 150,
    "growth_factor": 1.1,
    "noise_lr": 10.0,
}
DENSITY = {
    "start": 4,
    "every": 5,
    "stop": 150,
    "slope": 2e-4,
    "small": 0.01,
    "huge": 0.1,
    "huge_after": 40,
    "least_opacity": 0.005,
    "reset_every": 70,
}
DENSITY_NOW = {
    "type": "adaptive_density",
    "refine_start": 4,
    "refine_every": 5,
    "refine_stop": 150,
    "grow_grad2d": 2e-4,
    "grow_scale3d": 0.01,
    "prune_scale3d": 0.1,
    "prune_scale3d_after": 40,
    "prune_opacity": 0.005,
    "reset_every": 70,
}


def of_schema_1(name: str, config: dict, **training) -> dict:
    context = {"photos": 9, "embed_dim": 32, "dense_dim": None, "crop_angles": [0.1, 0.5]}
    document = an_info(training_config={"steps": 40, "head_rays": 64} | training).document()
    del document["model"]
    return document | {"schema_version": 1, "method": {"name": name, "config": config, "context": context}}


def save_schema_1(run: Path, name: str, config: dict, model: dict, training: dict) -> None:
    """A run directory as schema 1 had it."""
    save_run(run, an_info(), {"model": model, "training": training}, {"seconds": 1.0})
    files = json.loads((run / "run.json").read_text())["files"]
    (run / "run.json").write_text(json.dumps(of_schema_1(name, config) | {"files": files}))


def assert_within(part, whole) -> None:
    """Every value of a JSON document stands in the other one at the same place."""
    if isinstance(part, dict):
        for key in part:
            assert_within(part[key], whole[key])
    elif isinstance(part, list):
        for one, other in zip(part, whole, strict=True):
            assert_within(one, other)
    else:
        assert part == whole


def reference_document(name: str) -> dict:
    return json.loads((REFERENCE / name / "run.json").read_text())


@pytest.mark.parametrize(
    ("name", "config", "name_now", "config_now"),
    [
        ("lerf", LERF, "lerf", LERF_NOW),
        ("lift", FIELD | VOXELS, "voxel_lift", FIELD_NOW | VOXELS),
        ("splat", SPLAT | {"growth": MCMC}, "splat", SPLAT_NOW | {"strategy": MCMC_NOW}),
        ("splat", SPLAT | {"growth": DENSITY}, "splat", SPLAT_NOW | {"strategy": DENSITY_NOW}),
        ("another", {"growth": 3, "language": {}}, "another", {"growth": 3, "language": {}}),
    ],
)
def test_each_model_is_named_and_configured_in_present_words(name, config, name_now, config_now):
    upgraded = upgrade_document(of_schema_1(name, config))
    context = {"photos": 9, "target_dims": {"embedding": 32}, "crop_angles": [0.1, 0.5]}
    assert upgraded["model"] == {"name": name_now, "config": config_now, "context": context}
    assert "method" not in upgraded
    assert upgraded["schema_version"] == SCHEMA_VERSION == 2


@pytest.mark.parametrize(
    ("dims", "dims_now"),
    [
        ({"embed_dim": 32, "dense_dim": 16}, {"embedding": 32, "dense": 16}),
        ({"embed_dim": None, "dense_dim": None}, {}),
        ({}, {}),
    ],
)
def test_what_heads_learn_stands_by_its_name(dims, dims_now):
    document = of_schema_1("lerf", LERF)
    document["method"]["context"] = {"photos": 9, "crop_angles": None} | dims
    context = upgrade_document(document)["model"]["context"]
    assert context == {"photos": 9, "target_dims": dims_now, "crop_angles": None}


def test_a_training_is_told_in_present_words():
    baked = {"run": "/runs/field", "method": "lift"}
    training = upgrade_document(of_schema_1("splat", SPLAT, head_rays=None, baked=baked))["training"]
    assert training == {"steps": 40, "head_rays": None, "baked": {"run": "/runs/field", "model": "voxel_lift"}}
    training = upgrade_document(of_schema_1("splat", SPLAT, baked=baked | {"method": "lerf"}))["training"]
    assert training["baked"] == {"run": "/runs/field", "model": "lerf"}
    assert training["head_rays"] == 64


def test_settings_that_are_missing_stay_missing():
    """They take their defaults when they are read."""
    assert upgrade_document(of_schema_1("splat", {}))["model"]["config"] == {"strategy": {"type": "mcmc"}}
    config = upgrade_document(of_schema_1("lift", {"sampling": {"near": 0.1}}))["model"]["config"]
    assert config == {"sampler": {"type": "proposal", "near": 0.1}}


@pytest.mark.parametrize("name", sorted(PRESENT_NAMES))
def test_an_upgrade_changes_nothing_it_is_given_and_nothing_twice(name: str):
    document = reference_document(name)
    before = copy.deepcopy(document)
    upgraded = upgrade_document(document)
    assert document == before
    assert upgrade_document(upgraded) == upgraded
    for key in ("seed", "steps_done", "created", "package_version", "encoders", "scene", "files"):
        assert upgraded[key] == document[key]


@pytest.mark.parametrize(
    "broken", [{}, {"method": "lerf"}, {"method": {"name": ["lift"], "config": 3}}, {"training": 1}]
)
def test_what_is_no_run_document_is_left_for_the_reader_to_name(broken: dict):
    upgraded = upgrade_document({"schema_version": 1} | broken)
    assert upgraded["schema_version"] == 2
    assert upgraded.get("model") == broken.get("method")
    assert upgraded.get("training") == broken.get("training")


@pytest.mark.parametrize("name", sorted(PRESENT_NAMES))
def test_the_config_of_a_run_of_schema_1_is_a_config(name: str):
    info = RunInfo.from_document(reference_document(name), FILE)
    assert info.model == PRESENT_NAMES[name]
    for kind, values in ((MODELS[info.model][1], info.model_config), (ModelContext, info.model_context)):
        assert_within(values, config_to_json(config_from_json(kind, values)))


@pytest.mark.parametrize(
    ("file", "model", "names"),
    [
        (
            "model",
            "lerf",
            {
                "radiance.grid.table": "radiance.grid.table",
                "proposals.0.grid.table": "sampler.networks.0.grid.table",
                "language_grid.grids.0.table": "feature_grid.grids.0.table",
                "language.of_features.bias": "heads.language.field.of_features.bias",
                "dense.network.0.weight": "heads.dense.field.network.0.weight",
            },
        ),
        (
            "model",
            "voxel_lift",
            {
                "proposals.0.network.2.weight": "sampler.networks.0.network.2.weight",
                "voxels.codes": "voxels.codes",
                "radiance.appearance": "radiance.appearance",
            },
        ),
        (
            "model",
            "splat",
            {
                "gaussians.means": "gaussians.means",
                "gaussians.colors_constant": "gaussians.sh0",
                "gaussians.colors_directed": "gaussians.shN",
                "slopes.total": "strategy.grad2d",
                "slopes.pictures": "strategy.count",
                "language.codebook": "language.codebook",
                "exposure.affine": "exposure.affine",
            },
        ),
        ("model", "toy", {"language.weight": "language.weight", "proposals.0": "proposals.0"}),
        (
            "training",
            "splat",
            {
                "constant/0/exp_avg": "sh0/0/exp_avg",
                "directed/0/step": "shN/0/step",
                "means/0/exp_avg_sq": "means/0/exp_avg_sq",
                "random/batches": "random/batches",
            },
        ),
        (
            "training",
            "lerf",
            {
                "proposals/1/step": "sampler/1/step",
                "language/2/exp_avg": "heads/2/exp_avg",
                "radiance/0/exp_avg": "radiance/0/exp_avg",
            },
        ),
    ],
)
def test_tensors_of_schema_1_have_present_names(file: TensorFile, model: str, names: dict[str, str]):
    assert upgraded_names(file, names, model, 1) == names
    assert upgraded_names(file, names, model, 2) == {name: name for name in names}


@pytest.mark.parametrize("name", sorted(PRESENT_NAMES))
def test_a_run_of_schema_1_opens_as_it_lies_there(tmp_path, name: str):
    run = shutil.copytree(REFERENCE / name, tmp_path / name)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    loaded = load_run(run)
    tensors = loaded.tensors("model")
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert (loaded.schema_version, loaded.info.model) == (1, PRESENT_NAMES[name])
    with safe_open(run / "model.safetensors", "pt") as file:
        present = upgraded_names("model", file.keys(), PRESENT_NAMES[name], 1)
        assert len(set(present.values())) == len(present)
        assert tensors.keys() == set(present.values())
        assert all(torch.equal(file.get_tensor(old), tensors[new]) for old, new in present.items())


def test_the_next_save_of_a_run_of_schema_1_writes_schema_2(tmp_path):
    old = {"gaussians.colors_constant": torch.ones(2, 3), "slopes.total": torch.zeros(2)}
    save_schema_1(tmp_path, "splat", SPLAT | {"growth": DENSITY}, old, {"constant/0/step": torch.ones(())})
    loaded = load_run(tmp_path, training=True)
    assert loaded.tensors("training").keys() == {"sh0/0/step"}
    model, training = loaded.tensors("model"), loaded.tensors("training")
    save_run(tmp_path, loaded.info, {"model": model, "training": training}, loaded.training_document())
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["schema_version"] == 2
    assert document["model"]["config"]["strategy"]["type"] == "adaptive_density"
    written = safetensors.torch.load_file(tmp_path / "model.safetensors")
    assert written.keys() == {"gaussians.sh0", "strategy.grad2d"}
    again = load_run(tmp_path, training=True)
    assert (again.schema_version, again.info.document()) == (2, loaded.info.document())
    assert again.tensors("model").keys() == written.keys()
    assert again.tensors("training").keys() == {"sh0/0/step"}


def test_after_a_torn_first_save_of_schema_2_the_state_of_schema_1_opens(tmp_path):
    save_schema_1(tmp_path, "lift", FIELD | VOXELS, {"proposals.0": torch.ones(3)}, {})
    shutil.copytree(tmp_path, tmp_path / "previous")
    other = tmp_path / "other"
    other.mkdir()
    save_run(other, load_run(tmp_path).info, {"model": {"sampler.networks.0": torch.zeros(3)}, "training": {}}, {})
    (tmp_path / "run.json").write_bytes((other / "run.json").read_bytes())  # and no file that it lists
    loaded = load_run(tmp_path)
    assert (loaded.folder, loaded.schema_version) == (tmp_path / "previous", 1)
    assert loaded.tensors("model")["sampler.networks.0"].tolist() == [1.0] * 3
    settle(tmp_path)
    assert load_run(tmp_path).schema_version == 1
    assert load_run(tmp_path).tensors("model")["sampler.networks.0"].tolist() == [1.0] * 3


def test_names_that_mean_something_else_now_are_not_renamed_again(tmp_path):
    """A version is told apart by its number, not by what names look like."""
    tensors = {"language.weight": torch.ones(2), "dense.bias": torch.zeros(1)}
    save_run(tmp_path, an_info(model="lerf"), {"model": tensors})
    assert load_run(tmp_path).tensors("model").keys() == tensors.keys()
