"""`langfield bake` from the command line: a trained field in, a run of Gaussians out that everything works on."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Trained, failure, printed_json

from langfield.cli.main import main

ARGUMENTS = ["--elements", "300", "--no-progress"]


@pytest.fixture
def baked(trained: Trained, tmp_path: Path, capsys) -> tuple[dict, Path]:
    arguments = ["bake", str(trained.run), "--out", str(tmp_path / "baked"), *ARGUMENTS]
    return printed_json(capsys, arguments), tmp_path / "baked"


def test_a_baked_run_is_asked_rendered_and_measured(baked: tuple[dict, Path], capsys, tmp_path: Path):
    report, run = baked
    assert report["run"] == str(run)
    assert 1 <= report["elements"] <= 300
    assert report["agreement"]["phrases"] == 9  # of the scene's queries.json
    assert report["agreement"]["views"] == 2
    assert json.loads((run / "metrics.json").read_text()) == report
    answers = printed_json(capsys, ["query", str(run), "red ball", "--out", str(tmp_path / "out")])["answers"]
    assert answers[0]["phrase"] == "red ball"
    measured = printed_json(capsys, ["eval", str(run), "--no-progress"])
    assert measured["localisation"]["all"]["total"] > 0
    said = failure(capsys, ["bake", str(run), "--out", str(tmp_path / "twice"), *ARGUMENTS])
    assert said == f"{run}: has a LanguageMap already: it is a run of Gaussians, which needs no baking"
    assert not (tmp_path / "twice").exists()


def test_people_get_a_table(trained: Trained, tmp_path: Path, capsys):
    out = tmp_path / "baked"
    assert main(["bake", str(trained.run), "--out", str(out), "--phrase", "cup", "spoon", *ARGUMENTS]) == 0
    said = capsys.readouterr()
    assert "2 phrases in 2 views" in said.out
    assert "on disk" in said.out
    assert f"ask it: langfield query {out} 'wooden spoon'" in said.err


def test_bad_input_is_one_line(trained: Trained, tmp_path: Path, capsys):
    out = str(tmp_path / "out")
    said = failure(capsys, ["bake", str(tmp_path / "nothing"), "--out", out])
    assert said.startswith(f"{tmp_path / 'nothing'}: is no folder; a run directory is needed")
    said = failure(capsys, ["bake", str(trained.run), "--out", out, "--elements", "0"])
    assert said == "elements must be at least 1, got 0"
    said = failure(capsys, ["bake", str(trained.run), "--out", str(trained.run), *ARGUMENTS])
    assert said.startswith(f"{trained.run}: holds a trained run, which baking does not replace")
    assert not (tmp_path / "out").exists()
