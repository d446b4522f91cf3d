"""A run that is looked at while it is trained is the same run, bit for bit, whatever model it is of."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import write_encoder
from tests.data.scenes import write_ball_scene
from tests.models.gaussians.test_splat import CONFIG, GROWTH

import langfield
from langfield.features.pyramid import PyramidRecipe
from langfield.models.gaussians.splat import LiftingConfig
from langfield.models.presets import PRESETS
from langfield.pipelines.observing import TrainObserver
from langfield.query.session import Session

STEPS = 12


class Looker:
    """Renders two cameras after each step, one of them never seen before."""

    def __init__(self, pauses_at: int = 0, ends_at: int = 0) -> None:
        self.pictures: list[np.ndarray] = []
        self._pauses_at, self._ends_at = pauses_at, ends_at
        self.paused = self.ended = False

    def begins(self, session_now: Callable[[], Session]) -> None:
        self._session_now = session_now

    def between_steps(self, step: int) -> None:
        self.paused = step == self._pauses_at and not self.paused
        self.ended = step == self._ends_at
        session = self._session_now()
        camera = session.views[0].camera.fit_within(32)
        self.pictures.append(session.picture(camera)[0])
        moved = camera.world_from_camera.copy()
        moved[:3, 3] += 0.01 * step
        session.picture(replace(camera, world_from_camera=moved))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANGFIELD_CACHE", str(tmp_path / "cache"))
    strategy = replace(GROWTH, refine_start=4, refine_every=4)
    lifting = LiftingConfig(codes=8, side_px=32, min_contribution=0.2)
    gaussians = replace(CONFIG.gaussians, capacity=330)
    config = replace(CONFIG, gaussians=gaussians, strategy=strategy, lifting=lifting)
    pyramid = PyramidRecipe((0.2, 0.5), 0.5)
    monkeypatch.setitem(PRESETS, "splat", replace(PRESETS["splat"], config=config, steps=STEPS, pyramid=pyramid))
    return write_ball_scene(tmp_path / "scene", n_views=6, width_px=48, height_px=36).folder


@pytest.mark.parametrize("preset", ["splat", "nano", "lift"])
def test_it_is_the_same_run(preset: str, scene: Path, tmp_path: Path):
    (tmp_path / "encoder").mkdir()
    encoder = write_encoder(tmp_path / "encoder")
    options: dict[str, Any] = {"preset": preset, "encoder": encoder, "device": "cpu", "max_steps": STEPS}
    options |= {} if preset == "splat" else {"rays": 64}
    langfield.train(scene, tmp_path / "plain", **options)
    looker = Looker(pauses_at=5)
    assert isinstance(looker, TrainObserver)
    langfield.train(scene, tmp_path / "looked-at", **options, observer=looker)
    assert len(looker.pictures) == STEPS + 1
    assert np.abs(looker.pictures[-1].astype(float) - looker.pictures[0]).max() > 0  # none was kept from before
    for file in ("model.safetensors", "training.safetensors"):
        assert (tmp_path / "looked-at" / file).read_bytes() == (tmp_path / "plain" / file).read_bytes()


def test_gaussians_that_are_ended_early_have_language(scene: Path, tmp_path: Path):
    (tmp_path / "encoder").mkdir()
    options: dict[str, Any] = {"preset": "splat", "encoder": write_encoder(tmp_path / "encoder"), "device": "cpu"}
    report = langfield.train(scene, tmp_path / "run", **options, observer=Looker(ends_at=7))
    assert report.steps == 7
    assert langfield.open(tmp_path / "run", device="cpu").query(["red ball"])[0].phrase == "red ball"
    assert langfield.train(scene, tmp_path / "run", **options).steps == STEPS


def test_pauses_are_no_part_of_what_a_run_took(scene: Path, tmp_path: Path):
    class Waits(Looker):
        waited_s = 0.0

        def between_steps(self, step: int) -> None:
            self.paused = step == 3 and self.waited_s < 1
            if self.paused:
                time.sleep(0.25)
                self.waited_s += 0.25

    (tmp_path / "encoder").mkdir()
    waits, start = Waits(), time.perf_counter()
    options: dict[str, Any] = {"preset": "splat", "encoder": write_encoder(tmp_path / "encoder"), "device": "cpu"}
    report = langfield.train(scene, tmp_path / "run", **options, observer=waits)
    assert waits.waited_s == 1
    # Of the second that it waited the first quarter was a look like any other.
    assert report.call_seconds <= time.perf_counter() - start - 0.75
    assert report.seconds == pytest.approx(report.call_seconds)
    assert report.stages["training"] > 0
    assert sum(report.stages.values()) <= report.seconds + 0.1
