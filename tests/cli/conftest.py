"""A small scene, a tiny encoder, and a run trained on them by the command line itself."""

import json
from dataclasses import dataclass
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tests.data.scenes import write_ball_scene

from langfield.cli.main import main

STEPS = 6
MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@dataclass(frozen=True)
class Trained:
    """What `langfield train` left: its arguments (without --json), where, and what it printed."""

    arguments: list[str]
    scene: Path
    run: Path
    printed: dict


def printed_json(capsys, arguments: list[str], code: int = 0) -> dict:
    """Run a command with --json: exactly one object on stdout."""
    assert main([*arguments, "--json"]) == code
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def failure(capsys, arguments: list[str]) -> str:
    """Run a command that ends with 2: its one line on stderr, nothing on stdout, and the same in JSON."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    line = said.err.splitlines()[-1]
    error = printed_json(capsys, arguments, code=2)["error"]
    assert set(error) == {"kind", "file", "message"}
    assert line == "langfield: " + (f"{error['file']}: " if error["file"] else "") + error["message"]
    return line.removeprefix("langfield: ")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGFIELD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The spec of an OpenCLIP model with random weights."""
    return write_encoder(tmp_path_factory.mktemp("encoder"))


def write_encoder(folder: Path) -> str:
    """Write that model into a folder; its spec."""
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODEL, "preprocess_cfg": {}}))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"openclip:local-dir:{folder}"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, encoder: str) -> Trained:
    folder = tmp_path_factory.mktemp("run")
    scene, run, printed = folder / "scene", folder / "run", folder / "printed.json"
    write_ball_scene(scene, n_views=9, width_px=48, height_px=36)
    arguments = ["train", str(scene), "--out", str(run), "--preset", "nano", "--encoder", encoder, "--rays", "64"]
    with printed.open("w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", file)
        assert main([*arguments, "--max-steps", str(STEPS), "--json", "--no-progress"]) == 0
    return Trained(arguments, scene, run, json.loads(printed.read_text()))
