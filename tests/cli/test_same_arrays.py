"""Python, the command line and the evaluator give the same arrays for the same phrase and camera."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Trained, printed_json
from tests.query.fake_session import session

import langfield
from langfield.cli.main import main
from langfield.core.cameras import Camera
from langfield.data.scene import open_scene
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.labels.layouts import open_labels
from langfield.evaluation.phrase_results import PhraseRecorder
from langfield.query.answers import ViewAnswers
from langfield.query.pictures import composited, relevancy_picture
from langfield.query.session import Session
from langfield.reports.answer_pictures import best_view_indices

NAMES = ("relevancy", "refined", "masks")


@pytest.fixture
def run(monkeypatch) -> Session:
    """A session of which the command line opens another one."""
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", lambda *args, **kwargs: session())
    return session()


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_warnings_of_a_run_go_with_its_answers(monkeypatch, tmp_path: Path, capsys):
    warned = session()
    warning = "all photos were taken from one place: positions and sizes are guesses"
    warned.info = replace(warned.info, warnings=(warning,))
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", lambda *args, **kwargs: warned)
    assert printed_json(capsys, ["query", "run", "thing", "--no-progress"])["warnings"] == [warning]
    assert main(["query", "run", "thing", "--no-progress"]) == 0
    assert capsys.readouterr().err.splitlines() == [f"warning: {warning}"]
    export = ["export", "run", "--format", "json", "--phrase", "thing", "--out", str(tmp_path / "a.json")]
    assert printed_json(capsys, [*export, "--no-progress"])["warnings"] == [warning]
    assert json.loads((tmp_path / "a.json").read_text())["warnings"] == [warning]
    monkeypatch.setattr("langfield.cli.options.RunOptions.opened", lambda *args, **kwargs: session())
    assert printed_json(capsys, ["query", "run", "thing", "--no-progress"])["warnings"] == []


def test_query_writes_what_python_gives(run: Session, tmp_path: Path, capsys):
    answers = printed_json(capsys, ["query", "run", "thing", "nothing", "--out", str(tmp_path), "--no-progress"])
    asked = run.query(["thing", "nothing"])
    assert answers["answers"] == json.loads(json.dumps([answer.to_json() for answer in asked]))
    for slug, answer, view in zip(("01-thing", "02-nothing"), asked, best_view_indices(run, asked), strict=True):
        seen = run.ask_view(run.views[view].camera, [answer.phrase])  # 64 pixels wide: shown as large as it is
        np.testing.assert_array_equal(pixels(tmp_path / f"{slug}_mask.png") == 255, seen.masks[0])
        np.testing.assert_array_equal(pixels(tmp_path / f"{slug}_relevancy.png"), relevancy_picture(seen.relevancy[0]))
        np.testing.assert_array_equal(pixels(tmp_path / f"{slug}_refined.png"), relevancy_picture(seen.refined[0]))
        over = composited(seen.rgb, seen.refined[0], seen.masks[0])
        np.testing.assert_array_equal(pixels(tmp_path / f"{slug}_composited.png"), over)
        assert seen.masks[0].any() == answer.present
        outside = np.round(0.6 * seen.rgb.astype(float))[~seen.masks[0]]
        np.testing.assert_array_equal(over[~seen.masks[0]], outside)


def test_render_writes_what_python_gives(run: Session, tmp_path: Path, capsys):
    command = (
        f"render run --out {tmp_path} --views all --raw --outputs mask composited --phrase wall thing --no-progress"
    )
    assert len(printed_json(capsys, command.split())["files"]) == 4 * 5
    for number, view in enumerate(run.views):
        seen = run.ask_view(view.camera, ["wall", "thing"])
        with np.load(tmp_path / f"0{number + 1}-{number}_raw.npz", allow_pickle=False) as numbers:
            for name in (*NAMES, "scale_world", "depth_world"):
                np.testing.assert_array_equal(numbers[name], getattr(seen, name), err_msg=name)
        mask = pixels(tmp_path / f"0{number + 1}-{number}_mask_02-thing.png")
        np.testing.assert_array_equal(mask, seen.masks[1] * 255)


def test_a_video_of_masks_is_black_and_white(run: Session, tmp_path: Path, capsys):
    command = f"render run --out {tmp_path} --views all --video --outputs mask --phrase thing --no-progress"
    (file,) = printed_json(capsys, command.split())["files"]
    with Image.open(file) as video:
        assert video.n_frames == 4
        shown = np.asarray(video.convert("RGB")).astype(int)
    truth = 255 * run.ask_view(run.views[0].camera, ["thing"]).masks[0, ..., None]
    assert np.abs(shown - truth).mean() < 6  # WebP's own loss


def test_export_writes_what_python_gives(run: Session, tmp_path: Path, capsys):
    for kind in ("relevancy", "masks"):
        command = f"export run --format {kind} --out {tmp_path / kind} --views all --phrase wall --phrase thing"
        printed_json(capsys, [*command.split(), "--no-progress"])
    for number, view in enumerate(run.views):
        seen = run.ask_view(view.camera, ["wall", "thing"])
        for index, slug in enumerate(("01-wall", "02-thing")):
            for name in ("relevancy", "refined"):
                values = np.load(
                    tmp_path / "relevancy" / f"0{number + 1}-{number}_{name}_{slug}.npy", allow_pickle=False
                )
                assert values.dtype == np.float32
                np.testing.assert_array_equal(values, getattr(seen, name)[index])
                picture = pixels(tmp_path / "relevancy" / f"0{number + 1}-{number}_{name}_{slug}.png")
                np.testing.assert_array_equal(picture, relevancy_picture(values))
            mask = pixels(tmp_path / "masks" / f"0{number + 1}-{number}_mask_{slug}.png")
            np.testing.assert_array_equal(mask == 255, seen.masks[index])


class Listening(PhraseRecorder):
    """The recorder of a report, which also keeps what it hands on."""

    def ask_view(self, camera: Camera, phrases: Sequence[str], **options: Any) -> ViewAnswers:
        answers = super().ask_view(camera, phrases, **options)
        self.__dict__.setdefault("heard", []).append((camera, answers))
        return answers


def test_the_evaluator_is_given_what_python_gives(trained: Trained):
    scene = open_scene(trained.scene)
    queries = trained.scene / "queries.json"
    views = [scene.views[index] for index in scene.test]
    recorder = Listening(langfield.open(trained.run, device="cpu"), views, open_labels(queries, views))
    evaluate(recorder, scene, queries=queries, max_side_px=24)
    ours = langfield.open(trained.run, device="cpu")
    heard = recorder.__dict__["heard"]
    assert {camera.width_px for camera, _ in heard} == {24}
    assert len(heard) >= len(views) == 2
    for camera, theirs in heard:
        mine = ours.ask_view(camera, theirs.phrases)
        for name in (*NAMES, "rgb", "depth_world", "scale_world", "best_xy_px", "score"):
            np.testing.assert_array_equal(getattr(theirs, name), getattr(mine, name), err_msg=name)
    results = recorder.results()
    assert [result.answer for result in results] == ours.query([result.phrase for result in results])
