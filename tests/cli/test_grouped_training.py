"""`langfield train --masks` from photos to groups in the run, and the commands that need them."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tests.cli.conftest import STEPS, Trained, failure, printed_json

import langfield

pytest.importorskip("skimage", reason="superpixels need the extra masks")
MASKS = ["--masks", "superpixels"]


def _into(trained: Trained, run: Path) -> list[str]:
    arguments = [str(run) if word == str(trained.run) else word for word in trained.arguments]
    return [*arguments, "--max-steps", str(STEPS), "--no-progress"]


@pytest.fixture(scope="module")
def grouped(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run with groups."""
    run = tmp_path_factory.mktemp("grouped") / "run"
    shutil.copytree(trained.run, run)
    langfield.train(
        trained.scene, run, preset="nano", encoder=trained.arguments[trained.arguments.index("--encoder") + 1],
        rays=64, max_steps=STEPS, device="cpu", masks="superpixels",
    )  # fmt: skip
    return run


def test_a_trained_run_only_gets_its_groups(trained: Trained, grouped: Path):
    before, after = (json.loads((run / "run.json").read_text()) for run in (trained.run, grouped))
    described = after.pop("groups")
    assert described["masks"] == "superpixels"
    assert described["photos"] == 7  # of nine, two are for testing
    assert described["groups"] > 0
    files = after.pop("files")
    assert files.keys() == before.pop("files").keys() | {"groups.safetensors"}
    before.pop("groups", None)
    assert after == before
    assert (grouped / "model.safetensors").read_bytes() == (trained.run / "model.safetensors").read_bytes()
    assert len(load_file(grouped / "groups.safetensors")["groups.parent"]) == described["groups"]
    assert langfield.open(grouped, device="cpu").has_groups
    print(described)


def test_objects_of_it(grouped: Path, tmp_path: Path, capsys):
    document = printed_json(capsys, ["objects", str(grouped), "--out", str(tmp_path / "out")])
    print(document["objects"][:2], len(document["objects"]))
    assert False
