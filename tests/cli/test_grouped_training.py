"""`langfield train --masks`, from photos to groups in the run directory and to what is asked of them."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.cli.conftest import STEPS, Trained, failure, printed_json

import langfield
from langfield.cli.main import main
from langfield.encoders.masks import superpixels
from langfield.pipelines import grouping

pytest.importorskip("skimage", reason="superpixels need the extra masks")


@dataclass(frozen=True)
class Grouped:
    """A run that was trained before it got groups: where, and the command that gave them."""

    run: Path
    arguments: list[str]


@pytest.fixture(scope="module")
def grouped(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Grouped:
    run = tmp_path_factory.mktemp("grouped") / "run"
    shutil.copytree(trained.run, run)
    arguments = _with_masks(trained, run)
    assert main(arguments) == 0
    return Grouped(run, arguments)


def _with_masks(trained: Trained, run: Path, steps: int = STEPS) -> list[str]:
    arguments = [str(run) if word == str(trained.run) else word for word in trained.arguments]
    return [*arguments, "--max-steps", str(steps), "--no-progress", "--masks", "superpixels"]


def _document(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())


def test_a_trained_run_only_gets_its_groups(trained: Trained, grouped: Grouped):
    before, after = _document(trained.run), _document(grouped.run)
    described, files = after.pop("groups"), after.pop("files")
    assert described["masks"] == "superpixels"
    assert described["photos"] == 7  # of nine, two are for testing
    assert described["groups"] > 0
    assert files.keys() == before.pop("files").keys() | {"groups.safetensors"}
    assert before.pop("groups", None) is None
    assert after == before
    assert (grouped.run / "model.safetensors").read_bytes() == (trained.run / "model.safetensors").read_bytes()
    tensors = load_file(grouped.run / "groups.safetensors")
    assert len(tensors["groups.parent"]) == described["groups"]
    assert tensors["embeddings"].shape == (described["groups"], 16)
    lengths = tensors["embeddings"].float().norm(dim=1)
    assert ((lengths < 0.01) | ((lengths - 1).abs() < 0.01)).all()


def test_a_new_run_gets_its_groups_in_the_same_call(trained: Trained, grouped: Grouped, tmp_path: Path, capsys):
    report = printed_json(capsys, _with_masks(trained, tmp_path / "run"))
    assert report["steps"] == STEPS
    assert {"training", "masks", "groups"} <= report["stages"].keys()
    one, other = (load_file(run / "groups.safetensors") for run in (grouped.run, tmp_path / "run"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_masks_keep_the_groups_and_others_replace_them(grouped: Grouped, tmp_path: Path, capsys, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(grouped.run, run)
    arguments = [str(run) if word == str(grouped.run) else word for word in grouped.arguments]
    before = (run / "groups.safetensors").read_bytes(), _document(run)["groups"]
    with monkeypatch.context() as patch:
        patch.setattr(grouping, "build_masks", None)  # not called
        assert main(arguments) == 0
    assert "has its groups" in capsys.readouterr().err
    assert ((run / "groups.safetensors").read_bytes(), _document(run)["groups"]) == before

    monkeypatch.setattr(superpixels, "SCALES", superpixels.SCALES[:1])
    monkeypatch.setattr(superpixels, "MIN_SHARES", superpixels.MIN_SHARES[:1])
    other = superpixels.SuperpixelProposer(torch.device("cpu"))
    monkeypatch.setattr(grouping, "load_masks", lambda *_: other)
    assert main(arguments) == 0
    after = _document(run)["groups"]
    assert after["made_by"] == other.card.identity() != before[1]["made_by"]
    assert (run / "groups.safetensors").read_bytes() != before[0]


def test_a_training_that_goes_on_makes_groups_of_the_new_surface(grouped: Grouped, tmp_path: Path, capsys):
    run = tmp_path / "run"
    shutil.copytree(grouped.run, run)
    words = [str(run) if word == str(grouped.run) else word for word in grouped.arguments]
    words[words.index("--max-steps") + 1] = str(STEPS + 2)
    masks = words.index("--masks")
    without = [*words[:masks], *words[masks + 2 :]]
    assert printed_json(capsys, without)["steps"] == STEPS + 2
    assert _document(run).get("groups") is None
    assert not (run / "groups.safetensors").exists()
    assert failure(capsys, ["segment", str(run), "--at", "0,0,0"]).startswith("this run has no groups")
    assert main(words) == 0
    assert _document(run)["groups"]["groups"] > 0


def test_what_is_there_and_what_is_at_its_place(grouped: Grouped, tmp_path: Path, capsys):
    """After six steps the surface is no table; groups, their names and files are consistent all the same."""
    document = printed_json(capsys, ["objects", str(grouped.run), "--out", str(tmp_path / "out")])
    objects = document["objects"]
    assert objects
    described = _document(grouped.run)["groups"]
    assert all(found["group"] < described["groups"] for found in objects)
    assert all(found["photos"] <= described["photos"] for found in objects)
    assert len(document["files"]) == 3 + len(objects)
    assert all(Path(file).stat().st_size > 100 for file in document["files"])
    session = langfield.open(grouped.run, device="cpu")
    point = next(found.shape.points_world[0] for found in session.objects(["ball", "table"]))
    place = ",".join(repr(float(value)) for value in point)
    found = printed_json(capsys, ["segment", str(grouped.run), f"--at={place}"])
    assert found["group"] is not None
    low, high = np.array(found["box"])
    assert (low < high).all()


def test_masks_that_are_no_encoder_are_refused_before_anything_is_done(trained: Trained, tmp_path: Path, capsys):
    words = _with_masks(trained, tmp_path / "run")
    words[words.index("--masks") + 1] = "scissors"
    assert "scissors" in failure(capsys, words)
    assert not (tmp_path / "run").exists()
