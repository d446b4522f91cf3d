"""Runs of Gaussians from the command line to answers, on a CPU through the reference rasteriser."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.cli.conftest import failure, printed_json
from tests.data.scenes import write_ball_scene
from tests.methods.test_splat import CONFIG, GROWTH

from langfield.features.pyramid import PyramidRecipe
from langfield.methods.presets import PRESETS
from langfield.methods.splat import LiftingConfig

STEPS = 12


@pytest.fixture
def tiny_splat(monkeypatch) -> None:
    config = replace(
        CONFIG,
        gaussians=replace(CONFIG.gaussians, capacity=330),
        growth=replace(GROWTH, start=4, every=4),
        lifting=LiftingConfig(codes=8, side_px=32, least_light=0.2),
    )
    small = replace(PRESETS["splat"], config=config, steps=STEPS, pyramid=PyramidRecipe((0.2, 0.5), 0.5))
    monkeypatch.setitem(PRESETS, "splat", small)


def _train(scene: Path, out: Path, encoder: str, *more: str) -> list[str]:
    return ["train", str(scene), "--out", str(out), "--preset", "splat", "--encoder", encoder, "--no-progress", *more]


def test_a_run_of_gaussians_answers(tiny_splat, encoder: str, tmp_path: Path, capsys):
    scene = write_ball_scene(tmp_path / "scene", n_views=9, width_px=48, height_px=36).folder
    run = tmp_path / "run"
    report = printed_json(capsys, _train(scene, run, encoder))
    assert report["steps"] == STEPS
    assert report["preset"] == "splat"
    assert json.loads((run / "run.json").read_text())["method"]["name"] == "splat"
    answers = printed_json(capsys, ["query", str(run), "red ball", "piano", "--out", str(tmp_path / "out")])["answers"]
    assert [answer["phrase"] for answer in answers] == ["red ball", "piano"]
    assert all(0 <= answer["presence"] <= 1 for answer in answers)
    assert (tmp_path / "out" / "answers.png").is_file()
    measured = printed_json(capsys, ["eval", str(run), "--no-progress"])
    assert 3 < measured["psnr"] < 40
    assert measured["localisation"]["all"]["total"] > 0
    lerf = printed_json(capsys, ["eval", str(run), "--protocol", "lerf", "--no-progress"])
    assert lerf["localisation"]["all"]["total"] == measured["localisation"]["all"]["total"]
    ovs = printed_json(capsys, ["eval", str(run), "--protocol", "lerf-ovs-held-out", "--no-progress"])
    assert ovs["localisation"]["headline"]["total"] == measured["localisation"]["headline"]["total"]
    assert ovs["left_out"] == []


def test_halves_are_the_whole(tiny_splat, encoder: str, tmp_path: Path, capsys):
    scene = write_ball_scene(tmp_path / "scene", n_views=5, width_px=40, height_px=30).folder
    for out, steps in (("whole", STEPS), ("halves", 5), ("halves", STEPS)):
        printed_json(capsys, _train(scene, tmp_path / out, encoder, "--max-steps", str(steps)))
    whole, halves = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "halves"))
    assert set(whole) == set(halves)
    for name, tensor in whole.items():
        assert tensor.equal(halves[name]), name


def test_a_scene_without_points_begins_at_random(tiny_splat, encoder: str, tmp_path: Path, capsys):
    scene = write_ball_scene(tmp_path / "scene", n_views=5, width_px=40, height_px=30).folder
    layout = json.loads((scene / "transforms.json").read_text())
    del layout["ply_file_path"]
    (scene / "transforms.json").write_text(json.dumps(layout))
    (scene / "points3D.ply").unlink()
    printed_json(capsys, _train(scene, tmp_path / "run", encoder, "--max-steps", "2"))


def test_dense_features_are_refused(tiny_splat, encoder: str, tmp_path: Path, capsys):
    scene = write_ball_scene(tmp_path / "scene", n_views=5, width_px=40, height_px=30).folder
    said = failure(capsys, _train(scene, tmp_path / "run", encoder, "--dense", "timm:vit_small_patch8_224.dino"))
    assert "preset splat learns no dense features" in said
