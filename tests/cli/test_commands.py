"""The commands from end to end: photos in, words in, answers out; and every way out with its code and line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.cli.conftest import STEPS, Trained, failure, printed_json
from tests.data.scenes import write_ball_scene

import langfield
from langfield.cli.answer_files import write_answers
from langfield.cli.main import main
from langfield.core.progress import silent
from langfield.models.nerf.volume import VolumeModel
from langfield.models.voxels.voxel_lift import VoxelLift
from langfield.runs.directory import save_training_document
from langfield.training.loop import _Session


def test_training_says_what_it_did(trained: Trained):
    report = trained.printed
    assert report["run"] == str(trained.run)
    assert report["steps"] == STEPS
    assert set(report["stages"]) == {"scene", "encoders", "features", "training", "psnr"}
    assert sum(report["stages"].values()) <= report["seconds"] + 0.01
    assert report["memory_bytes"] > 10**7
    assert 3 < report["psnr"] < 40
    assert json.loads((trained.run / "metrics.json").read_text()) == report
    events = [json.loads(line) for line in (trained.run / "events.jsonl").read_text().splitlines()]
    assert {"training"} <= {event["stage"] for event in events}


def test_training_again_goes_on_and_keeps_the_features(trained: Trained, tmp_path: Path, capsys):
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]
    first = printed_json(capsys, [*arguments, "--max-steps", "2"])
    assert first["crops_per_second"] == 0  # in the cache since the fixture
    assert printed_json(capsys, [*arguments, "--max-steps", "4"])["steps"] == 4
    assert json.loads((tmp_path / "run.json").read_text())["steps_done"] == 4
    assert failure(capsys, [*arguments, "--max-steps", "4", "--seed", "5"]) == (
        f"{tmp_path}: holds a run with seed = 0, but 5 is asked for; ask for the same, or choose another folder"
    )


def test_a_run_on_all_photos_is_asked_and_reported_but_not_measured(trained: Trained, tmp_path: Path, capsys):
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]
    report = printed_json(capsys, [*arguments, "--max-steps", "2", "--test-every", "0"])
    assert report["psnr"] is None
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["scene"]["test_every"] == 0
    assert {view["split"] for view in document["scene"]["views"]} == {"train"}
    assert failure(capsys, [*arguments, "--max-steps", "4"]) == (
        f"{tmp_path}: holds a run with 0 of 9 photos kept for testing, but 2 are asked for; give --test-every 0, "
        "or choose another folder"
    )
    assert printed_json(capsys, [*arguments, "--max-steps", "3", "--test-every", "0"])["steps"] == 3
    assert failure(capsys, ["eval", str(tmp_path)]) == (
        f"{trained.scene}: has no test views, so nothing can be measured: all of its photos were trained on; train "
        "another run with --test-every 8"
    )
    assert printed_json(capsys, ["eval", str(tmp_path), "--protocol", "presence"])["views"] == 0
    written = printed_json(capsys, ["report", str(tmp_path), "--phrase", "red ball"])
    assert written["evaluation"] is None
    assert "no test views" in (tmp_path / "report.html").read_text()


def test_a_run_is_measured_on_the_photos_that_it_kept(trained: Trained, tmp_path: Path, capsys):
    """Not on those that the scene's files keep."""
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]
    assert printed_json(capsys, [*arguments, "--max-steps", "2", "--test-every", "4"])["psnr"] is not None
    assert printed_json(capsys, ["eval", str(tmp_path), "--max-side", "24"])["views"] == 3
    assert failure(capsys, [*arguments, "--test-every", "1"]) == (
        "test_every must be at least 2, or 0 to train on all photos, found 1: of every one none is left to train on"
    )


def test_time_adds_up_over_calls_and_a_finished_run_is_left_alone(trained: Trained, tmp_path: Path, capsys):
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]
    first = printed_json(capsys, [*arguments, "--max-steps", "2"])
    assert first["this_call"] == {"seconds": first["seconds"], "stages": first["stages"]}
    assert first["this_call"]["seconds"] == first["seconds"] > first["stages"]["training"]
    files = {name: (tmp_path / name).read_bytes() for name in ("run.json", "training.json")}
    again = printed_json(capsys, [*arguments, "--max-steps", "2"])
    for key in ("seconds", "stages", "memory_bytes", "device"):
        assert again[key] == first[key]
    assert again["this_call"] != first["this_call"]
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    more = printed_json(capsys, [*arguments, "--max-steps", "4"])
    assert more["seconds"] == pytest.approx(first["seconds"] + more["this_call"]["seconds"], abs=2e-3)
    for stage, seconds in more["stages"].items():
        assert seconds == pytest.approx(first["stages"][stage] + more["this_call"]["stages"][stage], abs=2e-3)
    assert json.loads((tmp_path / "metrics.json").read_text()) == more
    cost = json.loads((tmp_path / "training.json").read_text())["cost"]
    assert {key: more[key] for key in cost} == cost


def test_hours_of_a_finished_run_are_not_replaced_by_seconds(trained: Trained, tmp_path: Path, capsys):
    run = tmp_path / "run"
    shutil.copytree(trained.run, run)
    document = json.loads((run / "training.json").read_text())
    document["cost"] |= {"seconds": 7200.0, "stages": {"training": 7200.0}, "memory_bytes": 2**40}
    save_training_document(run, document)
    arguments = [str(run) if word == str(trained.run) else word for word in trained.arguments]
    report = printed_json(capsys, [*arguments, "--max-steps", str(STEPS)])
    assert report["seconds"] == report["stages"]["training"] == 7200
    assert report["memory_bytes"] == 2**40
    assert report["this_call"]["seconds"] < 600
    short = tmp_path / "short"
    shutil.copytree(trained.run, short)
    compared = printed_json(capsys, ["compare", str(run), str(short), "--max-side", "24"])
    long_run, short_run = (run["training"]["seconds"] for run in compared["runs"])
    assert long_run == 7200 > short_run
    more = printed_json(capsys, [*arguments, "--max-steps", str(STEPS + 1)])
    assert more["seconds"] > 7200
    assert more["memory_bytes"] == 2**40


def test_time_of_a_training_that_was_stopped_counts(trained: Trained, tmp_path: Path, capsys, monkeypatch):
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]
    before = printed_json(capsys, [*arguments, "--max-steps", "1"])["seconds"]
    step = _Session.train_step

    def stopped_after_two(session: _Session) -> None:
        step(session)
        if session.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(_Session, "train_step", stopped_after_two)
    assert main([*arguments, "--max-steps", "4", "--no-progress"]) == 130
    monkeypatch.undo()
    capsys.readouterr()
    cost = json.loads((tmp_path / "training.json").read_text())["cost"]
    assert cost["seconds"] > before
    whole = printed_json(capsys, [*arguments, "--max-steps", "4"])
    assert whole["seconds"] == pytest.approx(cost["seconds"] + whole["this_call"]["seconds"], abs=2e-3)


def test_a_run_and_its_answers_do_not_depend_on_how_many_threads_there_are(
    trained: Trained, tmp_path: Path, monkeypatch
):
    models, answers, asking = [], [], set()
    render = VolumeModel.surface

    def watched(*arguments, **options):
        asking.add(torch.get_num_threads())
        return render(*arguments, **options)

    monkeypatch.setattr(VolumeModel, "surface", watched)
    before = torch.get_num_threads()
    encoder = trained.arguments[trained.arguments.index("--encoder") + 1]
    for threads in (1, 2):
        monkeypatch.setenv("LANGFIELD_CACHE", str(tmp_path / f"cache {threads}"))
        torch.set_num_threads(threads)
        try:
            run = tmp_path / f"run {threads}"
            langfield.train(trained.scene, run, preset="lift", encoder=encoder, rays=1024, max_steps=4, device="cpu")
            answers.append(
                [answer.to_json() for answer in langfield.open(run, device="cpu").query(["red ball", "box"])]
            )
        finally:
            torch.set_num_threads(before)
        models.append((run / "model.safetensors").read_bytes())
    assert models[0] == models[1]
    assert answers[0] == answers[1]
    assert asking == {1}  # pieces are too small to be shared


def test_lifted_language_is_trained_asked_measured_and_not_lifted_twice(trained: Trained, tmp_path: Path, capsys):
    run = tmp_path / "lifted"
    arguments = [*run_to(trained.arguments, run, preset="lift"), "--max-steps", str(STEPS), "--no-progress"]
    made = printed_json(capsys, arguments)
    assert made["steps"] == STEPS
    assert min(made["stages"]["training"], made["stages"]["lifting"]) > 0
    answers = printed_json(capsys, ["query", str(run), "red ball", "--no-progress"])["answers"]
    assert [answer["phrase"] for answer in answers] == ["red ball"]
    assert 0 <= answers[0]["presence"] <= 1
    report = printed_json(capsys, ["eval", str(run), "--no-progress"])
    assert report["psnr"] > 3
    model = (run / "model.safetensors").read_bytes()
    assert printed_json(capsys, arguments)["steps"] == STEPS
    assert (run / "model.safetensors").read_bytes() == model
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert sum(event["stage"] == "lifting" and event["done"] == event["total"] for event in events) == 1


def test_a_run_without_its_language_yet_says_so(trained: Trained, tmp_path: Path, capsys, monkeypatch):
    run = tmp_path / "unfinished"
    monkeypatch.setattr(VoxelLift, "finish", lambda *arguments: (_ for _ in ()).throw(MemoryError))
    arguments = [*run_to(trained.arguments, run, preset="lift"), "--max-steps", str(STEPS), "--no-progress"]
    assert main(arguments) == 1
    assert "no language yet" in failure(capsys, ["query", str(run), "mug", "--no-progress"])
    assert "leave --dense out" in failure(capsys, [*arguments, "--dense", "timm:vit_small_patch8_224.dino"])


def run_to(arguments: list[str], run: Path, preset: str) -> list[str]:
    """A training's arguments with another run directory and preset."""
    changed = list(arguments)
    changed[changed.index("--out") + 1] = str(run)
    changed[changed.index("--preset") + 1] = preset
    return changed


def test_a_run_of_few_photos_says_with_its_answers_that_places_are_guesses(trained: Trained, tmp_path: Path, capsys):
    write_ball_scene(tmp_path / "scene", n_views=3, width_px=48, height_px=36)
    file = tmp_path / "scene/transforms.json"
    meta = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in meta.items() if not key.endswith("_filenames")}))
    arguments = [str(tmp_path / "scene") if word == str(trained.scene) else word for word in trained.arguments]
    printed_json(capsys, [*run_to(arguments, tmp_path / "run", preset="nano"), "--max-steps", "2", "--no-progress"])
    warning = "only 3 photos to train on: positions and sizes are guesses, add photos"
    assert printed_json(capsys, ["query", str(tmp_path / "run"), "red ball"])["warnings"] == [warning]
    printed_json(capsys, [*run_to(arguments, tmp_path / "run", preset="nano"), "--max-steps", "3", "--no-progress"])
    assert langfield.open(tmp_path / "run").info.warnings == (warning,)


def test_query_answers_in_the_contracts_form(trained: Trained, tmp_path: Path, capsys):
    result = printed_json(capsys, ["query", str(trained.run), "red ball", "[b]", "--out", str(tmp_path)])
    assert [answer["phrase"] for answer in result["answers"]] == ["red ball", "[b]"]
    for answer in result["answers"]:
        keys = {"phrase", "present", "presence", "score", "position", "box", "scale", "hits"}
        assert keys <= set(answer)
        assert 0 <= answer["presence"] <= 1
        assert answer["present"] == (answer["presence"] > 0.5)
        assert (answer["position"] is None) == (not answer["hits"])
    outputs = ("rgb", "relevancy", "refined", "composited", "mask")
    wanted = {f"{name}_{output}.png" for name in ("01-red-ball", "02-b") for output in outputs}
    assert {Path(file).name for file in result["files"]} == wanted | {"answers.png"}
    with Image.open(tmp_path / "01-red-ball_mask.png") as mask:
        assert mask.size == (48, 36)
        assert set(np.unique(np.asarray(mask))) <= {0, 255}
    assert main(["query", str(trained.run), "red ball"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["phrase", "there", "presence", "score", "position", "box", "size"]
    assert table[1].startswith("red ball")


def test_other_negatives_give_another_answer(trained: Trained, capsys):
    arguments = ["query", str(trained.run), "red ball"]
    plain = printed_json(capsys, arguments)
    assert printed_json(capsys, [*arguments, "--negative", "blue", "sky"]) != plain
    assert printed_json(capsys, arguments) == plain


def test_render_writes_pictures_and_numbers(trained: Trained, tmp_path: Path, capsys):
    command = f"render {trained.run} --out {tmp_path} --views frame_00002 test --width 24 --raw"
    command += " --outputs rgb depth relevancy composited --phrase mug"
    result = printed_json(capsys, command.split())
    names = [Path(file).name for file in result["files"]]
    assert len(names) == len(set(names)) == 3 * 5
    assert names[0] == "01-images-frame-00002_rgb.png"
    with Image.open(tmp_path / "01-images-frame-00002_composited_01-mug.png") as picture:
        assert picture.size == (24, 18)
    numbers = np.load(tmp_path / "01-images-frame-00002_raw.npz", allow_pickle=False)
    assert numbers["relevancy"].shape == numbers["scale_world"].shape == (1, 18, 24)
    assert numbers["depth_world"].shape == (18, 24)
    assert ((numbers["relevancy"] >= 0) & (numbers["relevancy"] <= 1)).all()


@pytest.mark.parametrize("protocol", ["langfield", "lerf"])
def test_eval_reports_in_the_contracts_form(trained: Trained, capsys, protocol: str):
    report = printed_json(capsys, ["eval", str(trained.run), "--protocol", protocol, "--max-side", "24"])
    assert (report["protocol"], report["views"], report["seed"], report["lpips"]) == (protocol, 2, 0, None)
    assert 3 < report["psnr"] < 40
    assert set(report["localisation"]["all"]) == {"hits", "total"}
    assert 0 <= report["presence"]["auroc"] <= 1
    assert len(report["per_view"]) == 2


@pytest.mark.parametrize("protocol", ["lerf-ovs", "lerf-ovs-held-out", "lerf-mask", "3d", "presence"])
def test_every_protocol_reads_a_runs_answers(trained: Trained, capsys, protocol: str):
    arguments = ["eval", str(trained.run), "--protocol", protocol, "--max-side", "24"]
    report = printed_json(capsys, [*arguments, "--no-progress"])
    assert (report["protocol"], report["seed"]) == (protocol, 0)
    assert report["views"] == (0 if protocol in ("3d", "presence") else 2)
    assert all(0 <= question.get("iou", 0) <= 1 for question in report["questions"])
    assert report["questions"]


def test_eval_for_people_and_without_labels(trained: Trained, tmp_path: Path, capsys):
    write_ball_scene(tmp_path / "moved", n_views=9, width_px=48, height_px=36)
    (tmp_path / "moved" / "queries.json").unlink()
    assert main(["eval", str(trained.run), "--scene", str(tmp_path / "moved"), "--no-progress"]) == 0
    figures = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert figures == ["figure", "protocol", "test", "PSNR,", "SSIM", "seconds"]


def test_the_python_functions_are_the_same(trained: Trained):
    run = langfield.open(trained.run, device="cpu")
    (answer,) = run.query(["red ball"])
    assert answer.phrase == "red ball"
    seen = run.ask_view(run.views[0].camera, ["red ball"])
    assert seen.relevancy.shape == (1, 36, 48)
    assert langfield.evaluate(trained.run, max_side_px=24).to_json()["views"] == 2
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = langfield.nothing


def test_wrong_input_is_one_line_with_the_file_and_the_fix(trained: Trained, tmp_path: Path, capsys):
    run, out = str(trained.run), str(tmp_path / "out")
    train = ["train", str(trained.scene), "--out", out]
    assert failure(capsys, ["train", str(tmp_path / "none"), "--out", out, "--preset", "nano"]) == (
        f"{tmp_path / 'none'}: does not exist: give the scene's folder"
    )
    assert failure(capsys, [*train, "--preset", "lrf"]) == (
        "unknown preset 'lrf'; did you mean 'lerf'? known are lerf, lerf-big, lerf-lite, lift, nano, splat, "
        "splat-classic, splat-fast, splat-quality"
    )
    assert failure(capsys, [*train, "--max-steps", "0"]).endswith("max_steps must be at least 1, got 0")
    assert failure(capsys, ["query", str(tmp_path), "mug"]) == (
        f"{tmp_path}: has no run.json; a run directory is needed, as `langfield train` makes it"
    )
    assert failure(capsys, ["query", run]) == (
        "nothing to look for: add phrases, such as: langfield query RUN 'wooden spoon' mug"
    )
    assert failure(capsys, ["render", run, "--out", out, "--views", "frame_99"]) == (
        "the run has no view 'frame_99': did you mean 'frame_00009'? "
        "use test, train, all, or a photo's name such as images/frame_00002.jpg"
    )
    assert failure(capsys, ["render", run, "--out", out, "--outputs", "relevancy"]) == (
        "--outputs relevancy needs a phrase: add --phrase 'wooden spoon'"
    )
    assert failure(capsys, ["eval", run, "--max-side", "3"]) == "max_side_px must be at least 16, got 3"
    write_ball_scene(tmp_path / "other", n_views=10, width_px=48, height_px=36)
    other = tmp_path / "other"
    assert failure(capsys, ["eval", run, "--scene", str(other)]) == (
        f"{run}: was trained on another scene than {other}, or its photos, poses or points changed since; "
        "give the one it was trained on (--scene), or train again"
    )


def test_what_nobody_foresaw_ends_with_1_and_a_traceback(trained: Trained, monkeypatch, capsys):
    monkeypatch.setattr("langfield.open", lambda *args, **kwargs: 1 / 0)
    assert main(["query", str(trained.run), "mug", "--json"]) == 1
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert error == {"kind": "internal", "file": None, "message": "ZeroDivisionError: division by zero"}
    assert "Traceback" in said.err


def test_methods_are_listed(capsys):
    listed = printed_json(capsys, ["methods"])
    assert {"lerf", "lerf-lite", "lerf-big", "nano"} <= {preset["preset"] for preset in listed["presets"]}
    assert main(["methods"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(listed["presets"])


def test_ctrl_c_saves_and_exits_with_130(trained: Trained, tmp_path: Path):
    arguments = [str(tmp_path) if word == str(trained.run) else word for word in trained.arguments]
    command = [sys.executable, "-m", "langfield.cli.main", *arguments, "--max-steps", "100000", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "events.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    error = json.loads(out)["error"]
    assert (error["kind"], error["file"]) == ("interrupted", str(tmp_path))
    done = json.loads((tmp_path / "run.json").read_text())["steps_done"]
    assert error["message"] == f"stopped after step {done} of 100000 and saved; the same command goes on from here"
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("command", "line"),
    [("train", "interrupted; the same command goes on from what was kept"), ("query", "interrupted")],
)
def test_only_a_training_goes_on_after_ctrl_c(trained: Trained, monkeypatch, capsys, command: str, line: str):
    def pressed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("langfield.pipelines.stages.open_scene", pressed)
    monkeypatch.setattr("langfield.open", pressed)
    arguments = trained.arguments if command == "train" else ["query", str(trained.run), "mug"]
    assert main(arguments) == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"langfield: {line}"


def test_on_a_cpu_answers_are_shown_small(trained: Trained, tmp_path: Path, monkeypatch):
    run = langfield.open(trained.run, device="cpu")
    answers = run.query(["red ball"])
    run.views = tuple(replace(view, camera=view.camera.resized(1280, 960)) for view in run.views[:1])
    ask, asked = run.ask_view, []

    def ask_smaller(camera, phrases, **options):
        asked.append((camera.width_px, camera.height_px))
        return ask(camera.fit_within(24), phrases, **options)

    monkeypatch.setattr(run, "ask_view", ask_smaller)
    write_answers(run, answers, None, tmp_path, silent)
    assert asked == [(80, 60), (320, 240)]


def test_help_is_quick_because_torch_is_not_loaded():
    code = "import sys, langfield.cli.main as cli; assert cli.main(['--help']) == 0; sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "query" in result.stdout
