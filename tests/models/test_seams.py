"""The seams: a head, a coupling and a sampler that nobody knew are trained, saved, resumed and rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from examples.new_head import BlurredConfig, blurred
from tests.cli.conftest import write_encoder
from tests.data.scenes import write_ball_scene

import langfield
from langfield.core.rays import Rays
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidRecipe
from langfield.models.heads import HeadOutput, HeadSamples
from langfield.models.presets import NANO, PRESETS, TrainingRecipe
from langfield.renderers.samplers.base import (
    RaySamples,
    Round,
    Sampler,
    SamplerConfig,
    distance_from_spacing,
    stratified_edges,
)
from langfield.runs.directory import load_run

STEPS = 60


@dataclass(frozen=True)
class UniformSamplerConfig(SamplerConfig):
    type: ClassVar[str] = "uniform in a test"
    samples: int = 32

    def build(self) -> "UniformSampler":
        return UniformSampler(self)


class UniformSampler(Sampler):
    """Equal intervals of the normalised coordinate; nothing is learnt."""

    def __init__(self, config: UniformSamplerConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, rays: Rays, step: int | None = None, jitter: torch.Tensor | None = None
    ) -> tuple[RaySamples, list[Round]]:
        edges = stratified_edges(rays, self.config.samples, None if jitter is None else jitter[:, 0])
        return RaySamples(edges, distance_from_spacing(edges, 0.2, 10.0)), []


@dataclass(frozen=True)
class GreyConfig(langfield.CouplingConfig):
    type: ClassVar[str] = "grey in a test"
    weight: float = 0.5

    def build(self) -> "Grey":
        return Grey(self)


class Grey(langfield.Coupling):
    """Colours are to be grey where language is sure: a loss that needs both heads."""

    name = "grey"
    heads = ("blurred", "language")

    def loss(
        self, outputs: Mapping[str, HeadOutput], samples: HeadSamples, targets: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        sure = outputs["language"].rendered.detach().amax(dim=-1)
        return (sure * outputs["blurred"].rendered.std(dim=-1)).mean()


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("seams") / "balls"
    write_ball_scene(root, n_views=9, width_px=32, height_px=24, n_points=200)
    return root


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> TrainingRecipe:
    config = replace(NANO, radiance=replace(NANO.radiance, levels=4, log2_rows=10), head_lr=3e-2)
    encoder, pyramid = write_encoder(tmp_path_factory.mktemp("encoder")), PyramidRecipe((0.3, 0.5), 0.5)
    return replace(PRESETS["nano"], config=config, encoder=encoder, pyramid=pyramid, rays=256, steps=STEPS)


def with_head(recipe: TrainingRecipe, weight: float = 1.0, **changes) -> TrainingRecipe:
    return replace(recipe, config=replace(recipe.config, heads=(*NANO.heads, BlurredConfig(weight)), **changes))


def test_a_head_in_one_file_is_trained_saved_resumed_and_rendered(scene, recipe, tmp_path):
    own = with_head(recipe)
    langfield.train(scene, tmp_path / "run", preset=own, device="cpu", max_steps=STEPS // 2)
    saved = load_run(tmp_path / "run").tensors("model")
    assert "heads.blurred.field.weight" in saved
    report = langfield.train(scene, tmp_path / "run", preset=own, device="cpu")
    assert report.steps == STEPS
    langfield.train(scene, tmp_path / "whole", preset=own, device="cpu")
    resumed, whole = (load_run(tmp_path / name).tensors("model") for name in ("run", "whole"))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert not torch.equal(saved["heads.blurred.field.weight"], whole["heads.blurred.field.weight"])

    langfield.train(scene, tmp_path / "begun", preset=own, device="cpu", max_steps=1)
    wanted, error = blurred(TrainingPhotos(langfield.open_scene(scene), (0,)).rgb(0)), {}
    for name in ("begun", "run"):
        run = langfield.open(tmp_path / name, device="cpu")
        picture = run.head_picture(run.views[0].camera, "blurred")
        assert picture.shape == (24, 32, 3)
        error[name] = float(((picture - wanted) ** 2).mean())
    assert error["run"] < 0.3 * error["begun"]
    assert langfield.open(tmp_path / "run", device="cpu").query(["red"])[0].phrase == "red"


def test_a_head_without_weight_changes_nothing_else(scene, recipe, tmp_path):
    """What other parts learn does not depend on a head beside them, but for the feature grid that all share."""
    langfield.train(scene, tmp_path / "without", preset=recipe, device="cpu", max_steps=10)
    langfield.train(scene, tmp_path / "with", preset=with_head(recipe, 0.0), device="cpu", max_steps=10)
    without, beside = (load_run(tmp_path / name).tensors("model") for name in ("without", "with"))
    assert all(torch.equal(without[name], beside[name]) for name in without)


def test_a_head_that_is_not_there_is_named(scene, recipe, tmp_path):
    langfield.train(scene, tmp_path, preset=recipe, device="cpu", max_steps=1)
    run = langfield.open(tmp_path, device="cpu")
    for head in ("blurred", "language"):
        with pytest.raises(langfield.LangfieldError, match=f"no head '{head}' that gives a picture"):
            run.head_picture(run.views[0].camera, head)


def test_a_coupling_is_a_loss_of_two_heads(scene, recipe, tmp_path):
    coupled = with_head(recipe, couplings=(GreyConfig(weight=3.0),))
    for name, own in (("alone", with_head(recipe)), ("coupled", coupled)):
        langfield.train(scene, tmp_path / name, preset=own, device="cpu")
    greyness = {}
    for name in ("alone", "coupled"):
        run = langfield.open(tmp_path / name, device="cpu")
        greyness[name] = float(np.std(run.head_picture(run.views[0].camera, "blurred"), axis=-1).mean())
    assert greyness["coupled"] < 0.7 * greyness["alone"]
    # Without one of its heads it is left out.
    only = replace(recipe, config=replace(recipe.config, couplings=(GreyConfig(),)))
    langfield.train(scene, tmp_path / "only", preset=only, device="cpu", max_steps=1)
    assert not len(langfield.open(tmp_path / "only", device="cpu").model.couplings)


def test_any_sampler_will_do(scene, recipe, tmp_path):
    own = replace(recipe, config=replace(recipe.config, sampler=UniformSamplerConfig()))
    psnr = []
    for steps in (2, 4 * STEPS):
        langfield.train(scene, tmp_path, preset=own, device="cpu", max_steps=steps)
        psnr.append(load_run(tmp_path, training=True).training_document()["metrics"]["psnr"])
    assert psnr[1] > psnr[0] + 3, psnr
    run = langfield.open(tmp_path, device="cpu")
    assert isinstance(run.model.sampler, UniformSampler)
    assert np.isfinite(run.picture(run.views[0].camera)[1]).any()
