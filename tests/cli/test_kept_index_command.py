"""The first question to a run makes the scene's index; later commands find it, until the run is another one."""

import shutil
from pathlib import Path

import pytest

import langfield
from conftest import STEPS, Trained, printed_json
from langfield.query import opened_scene
from langfield.runs.directory import INDEX


@pytest.fixture
def unasked(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the trained run that nobody has asked."""
    return shutil.copytree(trained.run, tmp_path / "run", ignore=shutil.ignore_patterns(f"*{INDEX}*"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each index that is made."""
    numbers, real = [], opened_scene.build_scene_index

    def counted(*args, **kwargs):
        numbers.append(len(numbers))
        return real(*args, **kwargs)

    monkeypatch.setattr(opened_scene, "build_scene_index", counted)
    return numbers


def query(capsys: pytest.CaptureFixture[str], run: Path) -> dict:
    return printed_json(capsys, ["query", str(run), "red ball", "box", "--device", "cpu", "--min-presence", "0"])


def test_a_second_command_answers_the_same_from_what_the_first_made(capsys, unasked: Path, made: list[int]):
    before = sorted(path.name for path in unasked.iterdir())
    first = query(capsys, unasked)
    assert any(answer["hits"] for answer in first["answers"])
    assert len(made) == 1
    assert sorted(path.name for path in unasked.iterdir()) == sorted([*before, INDEX])
    assert query(capsys, unasked) == first
    out = unasked.parent / "pictures"
    shown = ["render", str(unasked), "--phrase", "red ball", "--outputs", "refined", "--out", str(out)]
    printed_json(capsys, [*shown, "--device", "cpu"])
    assert len(made) == 1
    (unasked / INDEX).unlink()
    assert query(capsys, unasked) == first
    assert len(made) == 2


def test_a_training_that_goes_on_has_an_index_of_its_own(capsys, trained: Trained, unasked: Path, made: list[int]):
    first = query(capsys, unasked)
    arguments = [str(unasked) if word == str(trained.run) else word for word in trained.arguments]
    printed_json(capsys, [*arguments, "--max-steps", str(STEPS + 40), "--no-progress"])
    assert not (unasked / INDEX).exists()
    then = query(capsys, unasked)
    assert len(made) == 2
    assert then != first
    session = langfield.open(unasked, device="cpu")
    anew = session.beside(session.info, session.model)
    found, expected = (one.query(["red ball", "box"], min_presence=0) for one in (session, anew))
    assert len(made) == 3
    assert [answer.to_json() for answer in found] == [answer.to_json() for answer in expected]


def test_a_baked_run_has_an_index_of_its_own(capsys, unasked: Path, made: list[int]):
    query(capsys, unasked)
    out = unasked.parent / "baked"
    printed_json(capsys, ["bake", str(unasked), "--out", str(out), "--elements", "300", "--phrase", "red ball"])
    of_baking = len(made)
    query(capsys, out)
    assert len(made) == of_baking + 1
    assert (out / INDEX).read_bytes() != (unasked / INDEX).read_bytes()
