"""Somebody else's Gaussians in, language on them, and Gaussians and points out again: commands from end to end."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from tests.cli.conftest import Trained, failure, printed_json
from tests.data.scenes import BallScene, write_ball_scene
from tests.data.splat_writers import write_spz
from tests.data.splats import ball_splats, columns_of, write_rows

import langfield
from langfield.cli.main import main
from langfield.core.splats import half_turned
from langfield.data.formats.ply import read_ply
from langfield.data.formats.splat_files import read_splats
from langfield.features.pyramid import PyramidRecipe
from langfield.models.gaussians.splat import LiftingConfig, SplatConfig
from langfield.models.presets import PRESETS
from langfield.query.index.elements_in_voxels import ElementVoxels
from langfield.query.presence import PresenceCalibration

RUN_FILES = {"run.json", "model.safetensors", "metrics.json", "events.jsonl", "preview.jpg"}


@dataclass(frozen=True)
class Lifted:
    scene: BallScene
    splat: Path
    run: Path
    arguments: list[str]
    printed: dict


@pytest.fixture(scope="module")
def lifted(tmp_path_factory: pytest.TempPathFactory, encoder: str):
    folder = tmp_path_factory.mktemp("lifted")
    config = SplatConfig(lifting=LiftingConfig(codes=8, side_px=32, min_contribution=0.05))
    small = replace(PRESETS["splat"], config=config, pyramid=PyramidRecipe((0.2, 0.5), 0.5))
    scene = write_ball_scene(folder / "scene", n_views=9, width_px=48, height_px=36)
    splat = write_rows(folder / "theirs.ply", columns_of(ball_splats(2000)))
    arguments = ["lift", str(scene.folder), "--splat", str(splat), "--out", str(folder / "run"), "--encoder", encoder]
    printed = folder / "printed.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "splat", small)
        with printed.open("w") as file, pytest.MonkeyPatch.context() as output:
            output.setattr("sys.stdout", file)
            assert main([*arguments, "--json", "--no-progress"]) == 0
        yield Lifted(scene, splat, folder / "run", arguments, json.loads(printed.read_text()))


def test_a_lift_leaves_a_run_of_no_steps_that_answers(lifted: Lifted, tmp_path: Path, capsys):
    assert lifted.printed["steps"] == 0
    assert lifted.printed["psnr"] > 6  # black pictures have 4.7
    assert set(lifted.printed["stages"]) == {"splat", "scene", "encoders", "features", "lifting", "psnr"}
    assert {path.name for path in lifted.run.iterdir() if not path.name.startswith(".")} == RUN_FILES
    info = json.loads((lifted.run / "run.json").read_text())
    assert info["steps_done"] == 0
    assert info["model"]["name"] == "splat"
    assert info["model"]["config"]["gaussians"]["capacity"] == 2000
    run = str(lifted.run)
    answers = printed_json(capsys, ["query", run, "red ball", "--out", str(tmp_path / "out"), "--no-progress"])[
        "answers"
    ]
    assert 0 <= answers[0]["presence"] <= 1
    assert (tmp_path / "out" / "answers.png").is_file()
    measured = printed_json(capsys, ["eval", run, "--no-progress"])
    assert measured["psnr"] > 6
    assert printed_json(capsys, ["render", run, "--out", str(tmp_path / "seen")])["files"]


def test_a_lift_may_look_at_all_photos(lifted: Lifted, tmp_path: Path, capsys):
    arguments = [str(tmp_path) if word == str(lifted.run) else word for word in lifted.arguments]
    assert printed_json(capsys, [*arguments, "--test-every", "0", "--no-progress"])["psnr"] is None
    scene = json.loads((tmp_path / "run.json").read_text())["scene"]
    assert [view["split"] for view in scene["views"]] == ["train"] * 9


def test_the_same_lift_again_is_the_same_run(lifted: Lifted, capsys):
    model = (lifted.run / "model.safetensors").read_bytes()
    again = printed_json(capsys, [*lifted.arguments, "--no-progress"])
    assert again["crops_per_second"] == 0  # in the cache since the first time
    assert (lifted.run / "model.safetensors").read_bytes() == model


@pytest.mark.parametrize("turned", [True, False])
def test_spz_lies_where_the_photos_are_whether_its_writer_turned_it_or_not(lifted: Lifted, tmp_path, turned: bool):
    splats = ball_splats(2000)
    packed = write_spz(tmp_path / "theirs.spz", half_turned(splats) if turned else splats)
    run, said = tmp_path / "run", []
    langfield.lift(lifted.scene.folder, packed, run, encoder=lifted.arguments[-1], device="cpu", log=said.append)
    note = "turned from SPZ's axes to those of a PLY" if turned else "its axes are taken as they stand"
    assert sum(line.startswith(f"{packed}: {note}") for line in said) == 1
    assert not any("warning" in line for line in said)
    found = langfield.open(run, device="cpu").splats()
    np.testing.assert_allclose(found.means, splats.means, atol=1 / 4096)


def test_black_photos_leave_a_run_of_finite_numbers(lifted: Lifted, tmp_path: Path, capsys):
    scene, run = write_ball_scene(tmp_path / "scene", n_views=5, width_px=48, height_px=36).folder, tmp_path / "run"
    for path in (scene / "images").iterdir():
        with Image.open(path) as photo:
            Image.new(photo.mode, photo.size).save(path)
    arguments = ["lift", str(scene), "--splat", str(lifted.splat), "--out", str(run), *lifted.arguments[-2:]]
    printed_json(capsys, [*arguments, "--no-progress"])
    saved = load_file(run / "model.safetensors").values()
    assert all(np.isfinite(values).all() for values in saved if values.dtype.kind == "f")
    answers = printed_json(capsys, ["query", str(run), "red ball", "--no-progress"])["answers"]
    assert 0 <= answers[0]["presence"] <= 1


def test_gaussians_come_out_as_they_went_in(lifted: Lifted, tmp_path: Path, capsys):
    out = tmp_path / "new" / "mine.ply"
    printed = printed_json(capsys, ["export", str(lifted.run), "--format", "splat", "--out", str(out)])
    assert printed == {"format": "splat", "files": [str(out)], "count": 2000}
    read = read_splats(out)
    ours, left_out = read.splats, read.left_out
    theirs = read_splats(lifted.splat).splats
    assert left_out == 0
    for name in ("means", "rotations", "log_scales", "opacity_logits", "harmonics"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=0, atol=1e-5)
    np.testing.assert_allclose(langfield.open(lifted.run, device="cpu").splats().means, ours.means, rtol=0, atol=1e-6)


UTM = np.array([448262.25, 5411932.5, 412.0])


def test_gaussians_in_large_coordinates_keep_their_digits_there_and_back(lifted: Lifted, tmp_path: Path, capsys):
    scene = write_ball_scene(tmp_path / "scene", n_views=9, width_px=48, height_px=36).folder
    meta = json.loads((scene / "transforms.json").read_text())
    for frame in meta["frames"]:
        for row, moved in zip(frame["transform_matrix"], UTM.tolist(), strict=False):
            row[3] += moved
    (scene / "transforms.json").write_text(json.dumps(meta))
    theirs = ball_splats(2000)
    there = columns_of(theirs) | {axis: theirs.means[:, i] + UTM[i] for i, axis in enumerate("xyz")}
    first, again = (str(tmp_path / name) for name in ("first.ply", "again.ply"))
    write_rows(Path(first), there, dict.fromkeys("xyz", "<f8"))
    for splat, out in ((first, again), (again, str(tmp_path / "last.ply"))):
        run = str(tmp_path / Path(out).stem)
        lift = ["lift", str(scene), "--splat", splat, "--out", run, *lifted.arguments[-2:], "--no-progress"]
        assert printed_json(capsys, lift)["psnr"] == pytest.approx(lifted.printed["psnr"], abs=0.1)
        offset = printed_json(capsys, ["export", run, "--format", "splat", "--out", out])["offset"]
        np.testing.assert_allclose(offset, UTM, atol=1)
        np.testing.assert_allclose(read_splats(out).splats.means - UTM, theirs.means, atol=1e-5)


def test_an_objects_gaussians_and_the_others_are_all(lifted: Lifted, tmp_path: Path, capsys, monkeypatch):
    # Its encoder is random.
    monkeypatch.setattr(PresenceCalibration, "presence", lambda self, score: np.full(len(score), 0.9))
    run = langfield.open(lifted.run, device="cpu")
    hits = run.elements("red ball")
    (answer,) = run.query(["red ball"])
    assert [hit.elements for hit in answer.hits] == [int(mask.sum()) for mask in hits]
    chosen = np.any(hits, axis=0)
    assert 0 < chosen.sum() < 2000
    assert np.sum(hits, axis=0).max() == 1
    whole = run.splats()
    for mask, hit in zip(hits, answer.hits, strict=True):
        box = np.array([hit.points_world.min(axis=0), hit.points_world.max(axis=0)])
        assert ((whole.means[mask] > box[0] - 0.3) & (whole.means[mask] < box[1] + 0.3)).all()
    for kind, mask in (("object", chosen), ("hide", ~chosen)):
        out = tmp_path / f"{kind}.ply"
        arguments = ["export", str(lifted.run), "--format", kind, "--phrase", "red ball", "--out", str(out)]
        printed = printed_json(capsys, [*arguments, "--no-progress"])
        assert printed == {"format": kind, "files": [str(out)], "absent": [], "count": int(mask.sum())}
        read = read_splats(out)
        found, left_out = read.splats, read.left_out
        assert left_out == 0
        for name in ("means", "rotations", "log_scales", "opacity_logits", "harmonics"):
            np.testing.assert_array_equal(getattr(found, name), getattr(whole, name)[mask].astype(np.float32))


def test_where_no_gaussian_lies_no_file_is_made(lifted: Lifted, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(PresenceCalibration, "presence", lambda self, score: np.full(len(score), 0.9))
    monkeypatch.setattr(ElementVoxels, "mask_of", lambda self, region: np.zeros(2000, dtype=bool))
    out = tmp_path / "alone.ply"
    arguments = ["export", str(lifted.run), "--format", "object", "--phrase", "red ball", "--out", str(out)]
    assert main([*arguments, "--no-progress"]) == 0
    assert f"no Gaussian lies at red ball: {out} is not written" in capsys.readouterr().err.splitlines()
    assert list(tmp_path.iterdir()) == []


def test_points_of_gaussians_lie_in_the_world(lifted: Lifted, tmp_path: Path, capsys):
    out = tmp_path / "points.ply"
    arguments = ["export", str(lifted.run), "--format", "points", "--out", str(out), "--no-progress"]
    count = printed_json(capsys, arguments)["count"]
    points = read_ply(out)
    assert len(points) == count > 100
    assert (np.abs(points.xyz[:, :2]) < 1.0).all()
    assert np.median(np.abs(points.xyz[:, 2])) < 0.05  # most of it is table
    assert printed_json(capsys, [*arguments, "--cube", "0.3"])["count"] < count / 4


def test_points_come_from_other_models_too_but_gaussians_do_not(trained: Trained, tmp_path: Path, capsys):
    arguments = ["export", str(trained.run), "--out", str(tmp_path / "a.ply"), "--no-progress", "--format"]
    assert failure(capsys, [*arguments, "splat"]) == (
        "this run is of the model lerf, which has no Gaussians: export points, or train with --preset splat"
    )
    assert not (tmp_path / "a.ply").exists()
    said = main([*arguments, "points", "--cube", "0.05"])
    assert said in (0, 2)  # after six steps there may be no surface yet
    assert (tmp_path / "a.ply").exists() == (said == 0)


def test_wrong_input_is_one_line_with_the_file_and_the_fix(lifted: Lifted, tmp_path: Path, capsys):
    run, out = str(lifted.run), str(tmp_path / "out.ply")
    assert failure(capsys, ["export", run, "--format", "splat", "--out", str(tmp_path)]) == (
        f"{tmp_path}: is a folder: give the file to write, such as scene.ply"
    )
    assert failure(capsys, ["export", run, "--format", "splat", "--out", out, "--cube", "1"]) == (
        "--cube belongs to --format points: leave it out for splat"
    )
    assert "cubes' side must be positive" in failure(
        capsys, ["export", run, "--format", "points", "--out", out, "--cube", "0"]
    )
    new = [str(tmp_path / "run") if word == run else word for word in lifted.arguments]

    def lift(splat: Path) -> str:
        return failure(capsys, [str(splat) if word == str(lifted.splat) else word for word in new])

    cloud = lifted.scene.folder / "points3D.ply"
    assert lift(cloud).startswith(f"{cloud}: is a point cloud, not Gaussians: ")
    splats = ball_splats(300)
    away = write_rows(tmp_path / "away.ply", columns_of(replace(splats, means=splats.means + np.array([0, 0, 90.0]))))
    assert lift(away).startswith(f"{away}: covers 0.0 % of the photos' pixels: its Gaussians lie nowhere in front of ")
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_to_its_gaussians(lifted: Lifted, tmp_path: Path, capsys):
    moved = ball_splats(2000)
    moved.means[:] += 0.01
    other = write_rows(tmp_path / "other.ply", columns_of(moved))
    said = failure(capsys, [str(other) if word == str(lifted.splat) else word for word in lifted.arguments])
    assert said.startswith(f"{lifted.run}: holds a run with training.splat_sha256 = ")
    train = [*lifted.arguments, "--preset", "splat"]
    train[0:1] = ["train"]
    del train[train.index("--splat") : train.index("--splat") + 2]
    assert failure(capsys, train).startswith(f"{lifted.run}: holds a run with ")


def test_bad_gaussians_are_left_out_with_a_line(lifted: Lifted, tmp_path: Path, capsys):
    columns = {name: np.array(values, dtype=np.float32) for name, values in columns_of(ball_splats(2000)).items()}
    columns["y"][:3] = np.nan
    torn = write_rows(tmp_path / "torn.ply", columns)
    arguments = [str(torn) if word == str(lifted.splat) else word for word in lifted.arguments]
    arguments[arguments.index("--out") + 1] = str(tmp_path / "run")
    assert main([*arguments, "--no-progress"]) == 0
    assert (
        f"{torn}: 1,997 Gaussians with harmonics of degree 0; 3 left out, whose numbers are not finite or not possible"
        in capsys.readouterr().err.splitlines()
    )
