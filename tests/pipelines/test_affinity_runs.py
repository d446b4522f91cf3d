"""Runs that learn affinity from masks: trained, gone on with, opened; and the coupling beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cli.conftest import write_encoder
from tests.data.scenes import surface_points, write_ball_scene, write_ply
from tests.models.nerf.ball_masks import AFFINITY

import langfield
from langfield.features.pyramid import PyramidRecipe
from langfield.models.nerf.affinity import AffinityLanguageConfig
from langfield.models.presets import NANO, PRESETS, TrainingRecipe
from langfield.runs.directory import load_run

pytest.importorskip("skimage", reason="superpixels need the extra masks")
STEPS = 20


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("affinity") / "balls"
    write_ball_scene(root, n_views=5, width_px=48, height_px=36)
    write_ply(root / "points3D.ply", *surface_points(2000))
    return root


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> TrainingRecipe:
    config = replace(
        NANO,
        radiance=replace(NANO.radiance, levels=4, log2_rows=10),
        heads=(*NANO.heads, replace(AFFINITY, photo_rays=64)),
        couplings=(AffinityLanguageConfig(photo_rays=64),),
    )
    encoder, pyramid = write_encoder(tmp_path_factory.mktemp("encoder")), PyramidRecipe((0.3, 0.5), 0.5)
    return replace(PRESETS["nano"], config=config, encoder=encoder, pyramid=pyramid, rays=256, steps=STEPS)


def test_masks_are_learnt_from_and_a_run_goes_on_as_if_it_had_not_stopped(scene, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("langfield.pipelines.train.add_groups", lambda *_: None)  # another matter, tested elsewhere
    settings = {"preset": recipe, "device": "cpu", "masks": "superpixels"}
    langfield.train(scene, tmp_path / "run", max_steps=STEPS // 2, **settings)
    begun = load_run(tmp_path / "run").tensors("model")
    langfield.train(scene, tmp_path / "run", **settings)
    langfield.train(scene, tmp_path / "whole", **settings)
    resumed, whole = (load_run(tmp_path / name).tensors("model") for name in ("run", "whole"))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert not torch.equal(begun["heads.affinity.grid.grids.0.table"], whole["heads.affinity.grid.grids.0.table"])
    metrics = load_run(tmp_path / "run", training=True).training_document()["metrics"]
    assert {"affinity", "affinity-language", "language"} <= metrics.keys()
    low, high = whole["heads.affinity.scale_range"].tolist()
    assert 0 < low < high < 10

    run = langfield.open(tmp_path / "run", device="cpu")
    assert run.model.head_rays_per_photo == 64
    features = run.model.affinity_features(torch.rand(5, 3), torch.full((5,), (low * high) ** 0.5))
    assert np.allclose(features.norm(dim=-1), 1, atol=1e-5)
    assert run.query(["red"])[0].phrase == "red"
    # Without masks, or by another encoder of masks, it would be another run.
    with pytest.raises(langfield.LangfieldError, match="holds a run with"):
        langfield.train(scene, tmp_path / "run", preset=recipe, device="cpu")


def test_without_masks_the_head_is_left_out(scene, recipe, tmp_path):
    langfield.train(scene, tmp_path, preset=recipe, device="cpu", max_steps=2)
    model = langfield.open(tmp_path, device="cpu").model
    assert list(model.heads) == ["language"]
    assert not len(model.couplings)
    assert model.head_rays_per_photo is None
