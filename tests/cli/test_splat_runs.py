"""Runs of Gaussians from the command line to answers, on a CPU through the reference rasteriser."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tests.cli.conftest import failure, printed_json
from tests.data.scenes import write_ball_scene
from tests.models.gaussians.test_splat import CONFIG, GROWTH

import langfield
from langfield.cli.main import main
from langfield.core.transforms import Similarity
from langfield.features.pyramid import PyramidRecipe
from langfield.models.batches import PhotoBatch
from langfield.models.gaussians.adaptive_density import AdaptiveDensityConfig
from langfield.models.gaussians.splat import LiftingConfig, Splat
from langfield.models.presets import PRESETS
from langfield.models.relevancy import relevancy

STEPS = 12


@pytest.fixture
def tiny_splat(monkeypatch) -> None:
    config = replace(
        CONFIG,
        gaussians=replace(CONFIG.gaussians, capacity=330),
        strategy=replace(GROWTH, refine_start=4, refine_every=4),
        lifting=LiftingConfig(codes=8, side_px=32, min_contribution=0.2),
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
    assert json.loads((run / "run.json").read_text())["model"]["name"] == "splat"
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


def test_quick_relevancy_is_each_gaussians_highest(tiny_splat, encoder: str, tmp_path: Path, capsys):
    """Against embeddings mixed in full, compared at every level, and drawn as features."""
    scene = write_ball_scene(tmp_path / "scene", n_views=9, width_px=48, height_px=36).folder
    printed_json(capsys, _train(scene, tmp_path / "run", encoder))
    session = langfield.open(tmp_path / "run", device="cpu")
    phrases, card, model = ["red ball", "piano"], session.encoder.card, session.model
    assert isinstance(model, Splat)
    asked, negatives = session.encoder.encode_texts(phrases), session.encoder.encode_texts(list(card.negatives))
    every, language = torch.arange(model.gaussians.count), model.language
    highest = torch.zeros(len(every), len(phrases))
    for level in range(len(language.crop_angles)):
        embedding = language.embedding(every, level)
        found = relevancy(embedding, asked, negatives, card.temperature)
        highest = torch.maximum(highest, torch.where(embedding.any(dim=1, keepdim=True), found, 0))
    scene_from_world = Similarity.from_matrix(session.info.scene_from_world)
    for view in session.views[:2]:
        picture = model.project(view.camera.moved(scene_from_world)).splat(highest)
        expected = picture.features / picture.alpha.clamp_min(1e-3)[..., None]
        quick = session.quick_relevancy(view.camera, phrases)
        torch.testing.assert_close(quick, expected.permute(2, 0, 1), rtol=0, atol=2e-3)
        assert quick.std() > 1e-3
    swapped = session.quick_relevancy(session.views[0].camera, ["piano"], negatives=["red ball"])
    assert not torch.equal(swapped[0], session.quick_relevancy(session.views[0].camera, ["piano"])[0])


DENSE = AdaptiveDensityConfig(
    refine_start=1,
    refine_every=3,
    refine_stop=11,
    grow_grad2d=0.0,
    grow_scale3d=0.01,
    prune_scale3d=0.4,
    prune_scale3d_after=6,
    reset_every=7,
)


@pytest.mark.parametrize(
    "ways", [{}, {"strategy": DENSE, "photos_per_step": 2, "half_size_until": 6, "exposure": True}]
)
def test_halves_are_the_whole(ways: dict, tiny_splat, monkeypatch, encoder: str, tmp_path: Path, capsys):
    """Bit for bit, also where the halves meet between two refinements, in half-size steps."""
    small = PRESETS["splat"]
    monkeypatch.setitem(PRESETS, "splat", replace(small, config=replace(small.config, **ways)))
    scene = write_ball_scene(tmp_path / "scene", n_views=5, width_px=40, height_px=30).folder
    for out, steps in (("whole", STEPS), ("halves", 5), ("halves", STEPS)):
        printed_json(capsys, _train(scene, tmp_path / out, encoder, "--max-steps", str(steps)))
    whole, halves = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "halves"))
    assert set(whole) == set(halves)
    for name, tensor in whole.items():
        assert tensor.equal(halves[name]), name
    assert {"strategy.grad2d", "exposure.affine"}.isdisjoint(whole) == (not ways)


def finite(run: Path) -> bool:
    return all(t.isfinite().all() for t in load_file(run / "model.safetensors").values() if t.is_floating_point())


def test_a_scene_without_points_begins_at_random(tiny_splat, encoder: str, tmp_path: Path, capsys):
    scene = write_ball_scene(tmp_path / "scene", n_views=5, width_px=40, height_px=30).folder
    layout = json.loads((scene / "transforms.json").read_text())
    del layout["ply_file_path"]
    (scene / "transforms.json").write_text(json.dumps(layout))
    (scene / "points3D.ply").unlink()
    assert printed_json(capsys, _train(scene, tmp_path / "run", encoder, "--max-steps", "2"))["steps"] == 2
    means = load_file(tmp_path / "run" / "model.safetensors")["gaussians.means"]
    assert len(means.unique(dim=0)) > 1
    assert finite(tmp_path / "run")


def test_dense_features_and_rays_are_refused(tiny_splat, encoder: str, tmp_path: Path, capsys):
    scene = write_ball_scene(tmp_path / "scene", n_views=5, width_px=40, height_px=30).folder
    said = failure(capsys, _train(scene, tmp_path / "run", encoder, "--dense", "timm:vit_small_patch8_224.dino"))
    assert "preset splat learns no dense features" in said
    said = failure(capsys, _train(scene, tmp_path / "run", encoder, "--rays", "64"))
    assert said == "preset splat learns from whole photos; leave --rays out"
    assert not (tmp_path / "run").exists()


def small_scene(folder: Path, n_views: int = 5) -> Path:
    return write_ball_scene(folder, n_views=n_views, width_px=40, height_px=30).folder


def write_cloud(scene: Path, points: np.ndarray) -> None:
    header = f"ply\nformat ascii 1.0\nelement vertex {len(points)}\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    (scene / "points3D.ply").write_text(header + "".join(f"{x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in points))


def test_one_photo_is_too_few_for_a_scene_and_two_are_one_to_learn_from(
    tiny_splat, encoder: str, tmp_path: Path, capsys
):
    one = small_scene(tmp_path / "one", 1)
    assert failure(capsys, _train(one, tmp_path / "none", encoder)).endswith("a scene needs at least 2")
    assert not (tmp_path / "none").exists()
    two = small_scene(tmp_path / "two", 2)
    printed_json(capsys, _train(two, tmp_path / "run", encoder))
    assert finite(tmp_path / "run")


def test_black_photos_are_learnt_as_black(tiny_splat, encoder: str, tmp_path: Path, capsys):
    scene = small_scene(tmp_path / "scene")
    for path in (scene / "images").iterdir():
        with Image.open(path) as photo:
            Image.new(photo.mode, photo.size).save(path)
    printed_json(capsys, _train(scene, tmp_path / "run", encoder))
    assert finite(tmp_path / "run")
    answers = printed_json(capsys, ["query", str(tmp_path / "run"), "red ball", "--no-progress"])["answers"]
    assert 0 <= answers[0]["presence"] <= 1


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (np.zeros((0, 3)), "the scene has no point cloud"),
        (np.zeros((7, 3)), "the scene's point cloud has only 7 points"),
        (
            np.random.default_rng(0).uniform(499, 501, (300, 3)),
            "the photos show next to none of the scene's 300 points, which may be in another frame",
        ),
    ],
)
def test_a_cloud_of_no_use_is_said_and_random_points_taken(
    points: np.ndarray, said: str, tiny_splat, encoder: str, tmp_path: Path, capsys
):
    scene = small_scene(tmp_path / "scene")
    write_cloud(scene, points)
    assert main([*_train(scene, tmp_path / "run", encoder), "--max-steps", "2"]) == 0
    assert f"{said}: Gaussians begin at 330 random points" in capsys.readouterr().err
    assert finite(tmp_path / "run")


@pytest.mark.parametrize("strategy", [None, DENSE])
def test_gaussians_that_all_die_are_said_and_leave_a_run_of_numbers(
    strategy: AdaptiveDensityConfig | None, tiny_splat, monkeypatch, encoder: str, tmp_path: Path, capsys
):
    small = PRESETS["splat"]
    if strategy is not None:
        monkeypatch.setitem(PRESETS, "splat", replace(small, config=replace(small.config, strategy=strategy)))
    loss = Splat.loss

    def fatal(self: Splat, batch: PhotoBatch, step: int) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            self.gaussians.opacity_logits.fill_(-300.0)
        return loss(self, batch, step)

    monkeypatch.setattr(Splat, "loss", fatal)
    run = tmp_path / "run"
    assert main(_train(small_scene(tmp_path / "scene"), run, encoder)) == 1
    assert "no photo shows a Gaussian to lift language to" in capsys.readouterr().err
    assert finite(run)
    assert "no language yet" in failure(capsys, ["query", str(run), "mug", "--no-progress"])


def test_gradients_that_are_no_numbers_end_the_training_and_the_good_state_stays(
    tiny_splat, monkeypatch, encoder: str, tmp_path: Path, capsys
):
    small = PRESETS["splat"]
    monkeypatch.setitem(PRESETS, "splat", replace(small, config=replace(small.config, strategy=DENSE), steps=200))
    scene, run = small_scene(tmp_path / "scene"), tmp_path / "run"
    printed_json(capsys, _train(scene, run, encoder, "--max-steps", "3"))
    loss = Splat.loss

    def poisoned(self: Splat, batch: PhotoBatch, step: int) -> dict[str, torch.Tensor]:
        terms = loss(self, batch, step)
        return terms | {"l1": terms["l1"] * torch.nan}

    monkeypatch.setattr(Splat, "loss", poisoned)
    assert main(_train(scene, run, encoder)) == 1
    assert "the state of step 3 is kept; check poses and learning rates" in capsys.readouterr().err
    assert json.loads((run / "run.json").read_text())["steps_done"] == 3
    assert finite(run)
