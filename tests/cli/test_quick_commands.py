"""What needs no torch does not wait for it: its import takes seconds."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import printed_json
from langfield.cli.main import main
from langfield.core.version import package_version

NOWHERE = "/no/such/folder"
COMMANDS = {
    "--version": 0,
    "methods": 0,
    "scenes": 0,
    f"query {NOWHERE} mug": 2,
    f"objects {NOWHERE}": 2,
    f"segment {NOWHERE} --at 0,0,0": 2,
    f"render {NOWHERE} --phrase mug --out pictures": 2,
    f"export {NOWHERE} --format points --out points.ply": 2,
    f"eval {NOWHERE}": 2,
    f"bake {NOWHERE} --out baked": 2,
    f"report {NOWHERE}": 2,
    f"compare {NOWHERE} {NOWHERE}/too --out compare.html": 2,
    f"view {NOWHERE}": 2,
    f"train {NOWHERE} --out run": 2,
    f"lift {NOWHERE} --splat gaussians.ply --out run": 2,
}
CODE = """
import json, sys
from langfield.cli.main import main
found = {}
for command in json.loads(sys.argv[1]):
    found[command] = main(command.split()), "torch" in sys.modules
print(json.dumps(found))
"""


def test_cheap_commands_and_wrong_paths_bring_no_torch(tmp_path: Path):
    run = [sys.executable, "-c", CODE, json.dumps(list(COMMANDS))]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {command: [code, False] for command, code in COMMANDS.items()}
    wrong = [line for line in done.stderr.splitlines() if line.startswith("langfield: ")]
    assert len(wrong) == sum(code == 2 for code in COMMANDS.values())
    for line in wrong:
        assert line in (
            f"langfield: {NOWHERE}: is no folder; a run directory is needed, as `langfield train` makes it",
            f"langfield: {NOWHERE}: does not exist: give the scene's folder",
        )
    assert not list(tmp_path.iterdir())


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"langfield {package_version()}\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])  # with which tyro frames what it says, or does not
def test_a_command_has_no_version(capsys, monkeypatch: pytest.MonkeyPatch, encoding: str):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert main(["methods", "--version"]) == 2
    assert capsys.readouterr().err == "langfield: Unrecognized options: --version; see langfield --help\n"


def test_methods_lists_what_there_is(capsys: pytest.CaptureFixture[str]):
    from langfield.models.presets import PRESETS
    from langfield.models.registry import MODELS

    said = printed_json(capsys, ["methods"])
    assert said["methods"] == sorted(MODELS)
    assert said["presets"] == [
        {"preset": name, "method": recipe.config.model, "summary": recipe.summary, "steps": recipe.steps}
        for name, recipe in PRESETS.items()
    ]
