"""The demo's parts: answers judged against the truth, and the whole on a scene of balls with a random encoder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.answers import hit_at
from tests.cli.conftest import STEPS, failure, printed_json
from tests.data.scenes import write_ball_scene

import langfield
from langfield.cli.demo import shown
from langfield.cli.main import main
from langfield.data.queries import Instance, SceneQuery
from langfield.models.presets import PRESETS
from langfield.pipelines.demo import JudgedAnswer, judge, run_demo
from langfield.query.answers import Answer

THING = Instance((0.3, -0.2, 0.1), radius=0.05, height=0.2)


def answer(position: tuple[float, float, float] | None, presence: float = 0.8) -> Answer:
    hits = () if position is None else (hit_at(position, presence),)
    return Answer("mug", presence > 0.5, presence, presence, None, hits)


@pytest.mark.parametrize(
    ("found", "meant", "correct"),
    [
        (answer((0.3, -0.2, 0.1)), [THING], True),
        (answer((0.36, -0.2, 0.19)), [THING], True),
        (answer((0.38, -0.2, 0.1)), [THING], False),
        (answer((0.3, -0.2, 0.25)), [THING], False),
        (answer((0.38, -0.2, 0.1)), [THING, replace(THING, position=(0.4, -0.2, 0.1))], True),
        (answer((0.3, -0.2, 0.1), presence=0.4), [THING], False),
        (answer(None, presence=0.2), [THING], False),
        (answer(None, presence=0.2), [], True),
        (answer((0.3, -0.2, 0.1)), [], False),
    ],
)
def test_an_answer_is_right_if_it_lies_on_what_was_meant(found: Answer, meant: list, correct: bool):
    judged = judge(found, SceneQuery("mug", "object", tuple(range(len(meant)))), meant)
    assert judged.correct is correct
    assert judged.expected == ("present" if meant else "absent")
    assert judged.to_json()["correct"] is correct


def test_everything_that_the_truth_knows_is_asked(tmp_path: Path, encoder: str, monkeypatch):
    monkeypatch.setitem(PRESETS, "lift", replace(PRESETS["lift"], steps=STEPS, rays=64))
    scene = write_ball_scene(tmp_path / "scene", n_views=9, width_px=48, height_px=36)
    demo = run_demo(scene.folder, encoder, tmp_path / "out")
    assert [judged.answer.phrase for judged in demo.judged] == [
        *(ball.name for ball in scene.balls), *(ball.colour for ball in scene.balls), "ball", "piano",
    ]  # fmt: skip
    assert [judged.expected for judged in demo.judged] == ["present"] * 7 + ["absent"]
    assert set(demo.seconds) == {"training", "answers"}
    assert (tmp_path / "out" / "run" / "run.json").is_file()


@pytest.fixture
def bundled(tmp_path: Path, encoder: str, monkeypatch) -> Path:
    """A copy of langfield with a small scene and a random encoder in it."""
    weights = tmp_path / "package" / "builtin_weights" / "mini"
    shutil.copytree(encoder.removeprefix("openclip:local-dir:"), weights)
    (weights / "langfield_card.json").write_text(json.dumps({"licence": "none", "temperature": 10.0}))
    scene = write_ball_scene(tmp_path / "package" / "bundled" / "table", n_views=9, width_px=48, height_px=36)
    for module in ("langfield.encoders.builtin", "langfield.cli.demo"):
        monkeypatch.setattr(f"{module}.files", lambda package: tmp_path / "package")
    monkeypatch.setitem(PRESETS, "lift", replace(PRESETS["lift"], steps=STEPS, rays=64))
    return scene.folder


def test_the_command_answers_draws_and_says_what_next(bundled: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/an environment/bin/langfield", "demo"])
    monkeypatch.setattr("shutil.which", lambda name: None)  # what is said can be typed without the environment's PATH
    result = printed_json(capsys, ["demo", "--out", str(tmp_path / "demo"), "--no-progress"])
    assert all({"expected", "correct", "phrase", "position"} <= set(answer) for answer in result["answers"])
    written = json.loads((tmp_path / "demo" / "demo.json").read_text())
    assert written["answers"] == result["answers"]
    with Image.open(result["files"][0]) as sheet:
        assert sheet.width > 1.5 * sheet.height  # two blocks of a few rows
        assert len(sheet.getcolors(maxcolors=10**6) or []) > 200
    assert main(["demo", "--out", str(tmp_path / "demo"), "--no-progress"]) == 0  # the run is there already
    said = capsys.readouterr()
    assert "red ball" in said.out
    assert "'/an environment/bin/langfield' query" in said.err
    assert "'/an environment/bin/langfield' train kitchen" in said.err


def test_with_masks_things_can_be_clicked(bundled: Path, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("langfield.cli.demo._MASKS", "superpixels")
    result = printed_json(capsys, ["demo", "--out", str(tmp_path / "demo"), "--masks", "--no-progress"])
    assert langfield.open(result["run"]).has_groups


def test_it_goes_on_with_the_viewer_until_it_is_ended(bundled: Path, tmp_path: Path, capsys, monkeypatch):
    pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

    def ended(console: object, runs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("langfield.cli.view.serve_runs", ended)
    assert main(["demo", "--out", str(tmp_path / "demo"), "--view", "--no-progress"]) == 0
    said = capsys.readouterr().err
    assert "open http://127.0.0.1:" in said
    assert "look at it, type and click" not in said


def test_without_its_photos_it_says_so(bundled: Path, tmp_path: Path, capsys):
    (bundled / "transforms.json").unlink()
    assert "bundled photos are not in this copy" in failure(capsys, ["demo", "--out", str(tmp_path / "demo")])


def test_the_sheet_shows_different_things_in_all_kinds_of_words_and_some_that_are_not_there():
    spoken = {
        "object": [("bear", (0,)), ("mug", (1, 2)), ("car", (3,))],
        "synonym": [("teddy", (0,)), ("automobile", (3,))],
        "attribute": [("brown bear", (0,)), ("red mug", (1,)), ("old white mug", (2,))],
        "abstract": [("toy", (0, 3)), ("ware", (1, 2)), ("something to drink from", (1, 2))],
    }
    judged = [
        JudgedAnswer(replace(answer(None), phrase=phrase), "present", False, kind, ids)
        for kind, phrases in spoken.items()
        for phrase, ids in phrases
    ]
    absent = [JudgedAnswer(answer(None, presence=0.1), "absent", True, "absent", ())] * 10
    chosen = shown([*judged, *absent])
    assert [j.answer.phrase for j in chosen[:-2]] == ["bear", "automobile", "old white mug", "red mug"]
    assert [j.expected for j in chosen[-2:]] == ["absent"] * 2
    few = shown([judged[0], judged[-1], *absent], 4)
    assert [j.answer.phrase for j in few[:2]] == ["bear", "something to drink from"]
    assert len(shown(judged[:1])) == 1
