"""Options of a training: what does not fit is found early, and what has moved is found again."""

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Trained, failure, printed_json
from tests.data.scenes import write_ball_scene
from tests.features.conftest import CellEncoder, ColourEncoder

import langfield
from langfield.core.errors import UsageError
from langfield.data.scene import open_scene
from langfield.features.bank import build_features
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import LERF_PYRAMID
from langfield.models.nerf.lerf import Lerf, LerfConfig
from langfield.models.registry import MODELS
from langfield.pipelines.stages import check_gpu_memory, feature_bytes
from langfield.runs.directory import lock_run


def test_what_speaks_against_a_training_is_found_before_a_crop_is_encoded(
    trained: Trained, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.setattr("langfield.pipelines.stages.build_features", lambda *args, **kwargs: 1 / 0)
    write_ball_scene(tmp_path / "other", n_views=10, width_px=48, height_px=36)
    other = [str(tmp_path / "other") if word == str(trained.scene) else word for word in trained.arguments]
    assert failure(capsys, other).startswith(f"{trained.run}: holds a run of another scene, or of '{trained.scene}'")
    rays = [*trained.arguments, "--rays", "65"]
    assert "holds a run with training.rays = 64, but 65 is asked for" in failure(capsys, rays)
    assert failure(capsys, [*trained.arguments, "--seed", "-1"]) == "seed must be at least 0, got -1"
    monkeypatch.setattr("langfield.training.event_log.importlib.util.find_spec", lambda name: None)
    assert failure(capsys, [*trained.arguments, "--tensorboard"]).startswith("TensorBoard is not installed")


def test_the_run_is_locked_while_photos_are_encoded(trained: Trained, tmp_path: Path, monkeypatch, capsys):
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]

    def another_one(*args, **kwargs):
        with lock_run(tmp_path):
            raise AssertionError("not locked")

    monkeypatch.setattr("langfield.pipelines.stages.build_features", another_one)
    assert failure(capsys, arguments) == (
        f"{tmp_path}: another process is writing this run; wait for it, or choose another folder"
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"method": "spalt"}, "unknown method 'spalt'; did you mean 'splat'? known are auto, lerf, splat, voxel_lift"),
        ({"preset": "nanno"}, "unknown preset 'nanno'; did you mean 'nano'? known are lerf, "),
        (
            {"encoder": "opencilp:ViT-B-16"},
            "'opencilp:ViT-B-16' names no image-text encoder: did you mean 'openclip'? a spec is one of ",
        ),
        (
            {"preset": "lerf", "dense": "tim:vit"},
            "'tim:vit' names no dense encoder: did you mean 'timm'? a spec is one of timm:NAME, ",
        ),
        ({"device": "gpu"}, "unknown device 'gpu': use auto, cpu, cuda or cuda:N"),
    ],
)
def test_mistyped_names_are_refused_before_the_scene_is_opened(options: dict[str, str], line: str, tmp_path: Path):
    with pytest.raises(UsageError) as error:
        langfield.train(tmp_path / "none", tmp_path / "run", **{"device": "cpu", **options})
    assert str(error.value).startswith(line)


def test_a_mistyped_encoder_is_refused_when_a_run_is_opened(trained: Trained):
    with pytest.raises(UsageError, match="names no image-text encoder: did you mean 'openclip'"):
        langfield.open(trained.run, device="cpu", encoder="openclp:local-dir:here")


def test_the_method_is_known_and_the_presets(trained: Trained, tmp_path: Path, monkeypatch, capsys):
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]
    assert failure(capsys, [*arguments, "--method", "nerf"]) == (
        "unknown method 'nerf'; did you mean 'lerf'? known are auto, lerf, splat, voxel_lift"
    )
    assert printed_json(capsys, [*arguments, "--method", "lerf", "--max-steps", "1"])["steps"] == 1
    monkeypatch.setitem(MODELS, "other", (Lerf, LerfConfig))
    assert failure(capsys, [*arguments, "--method", "other"]) == (
        "preset nano is of the method lerf, not other; leave one out"
    )


def test_photos_outside_the_scene_are_read_when_allowed(trained: Trained, tmp_path: Path, capsys):
    scene, run = tmp_path / "scene", tmp_path / "run"
    write_ball_scene(scene, n_views=9, width_px=48, height_px=36)
    (scene / "images").rename(tmp_path / "images")
    document = (scene / "transforms.json").read_text()
    (scene / "transforms.json").write_text(document.replace('"images/', '"../images/'))
    words = {str(trained.scene): str(scene), str(trained.run): str(run)}
    arguments = [words.get(word, word) for word in [*trained.arguments, "--max-steps", "1"]]
    assert f"leaves {scene}" in failure(capsys, arguments)
    assert printed_json(capsys, [*arguments, "--allow-outside"])["steps"] == 1
    evaluation = ["eval", str(run), "--max-side", "24"]
    assert f"leaves {scene}" in failure(capsys, evaluation)
    assert printed_json(capsys, [*evaluation, "--allow-outside"])["views"] == 2


def test_a_run_is_asked_and_trained_on_when_its_encoder_has_moved(trained: Trained, tmp_path: Path, capsys):
    old = Path(trained.arguments[trained.arguments.index("--encoder") + 1].split(":", 2)[2])
    first, second, run = tmp_path / "first", tmp_path / "second", tmp_path / "run"
    shutil.copytree(old, first)
    words = {f"openclip:local-dir:{old}": f"openclip:local-dir:{first}", str(trained.run): str(run)}
    arguments = [words.get(word, word) for word in trained.arguments]
    assert printed_json(capsys, [*arguments, "--max-steps", "1"])["steps"] == 1
    first.rename(second)
    new = ["--encoder", f"openclip:local-dir:{second}"]
    assert str(first) in failure(capsys, ["query", str(run), "mug"])
    assert printed_json(capsys, ["query", str(run), "mug", *new])["answers"]
    assert printed_json(capsys, ["eval", str(run), "--max-side", "24", *new])["views"] == 2
    assert printed_json(capsys, [*arguments, "--max-steps", "2", *new])["steps"] == 2
    assert printed_json(capsys, ["query", str(run), "mug"])["answers"]  # the run knows the new place now


def test_features_that_no_gpu_holds_are_one_line():
    check_gpu_memory(2**30, 2**30, 9)
    with pytest.raises(UsageError) as caught:
        check_gpu_memory(13 * 2**30, 4 * 2**30, 130)
    assert str(caught.value) == (
        "needs 13.0 GB of GPU memory for features of 130 photos, 4.0 GB are free; "
        "use --dense none, --preset nano, or --device cpu"
    )


def test_the_size_of_features_is_known_before_they_are_made(trained: Trained):
    scene = open_scene(trained.scene)
    views, encoders = list(scene.train), (ColourEncoder(), CellEncoder())
    bank = build_features(scene, views, *encoders, LERF_PYRAMID)
    assert bank.dense is not None
    made = bank.pyramid.rows.nbytes + bank.dense.rows.nbytes
    assert feature_bytes(TrainingPhotos(scene, views), encoders, LERF_PYRAMID) == made
