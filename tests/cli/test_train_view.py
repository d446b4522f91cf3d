"""`langfield train --view` as a process: its page while it trains, stopping early, and the run that it leaves."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.cli.conftest import STEPS, Trained, failure, printed_json

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.viewer.clients import Page

import langfield
from langfield.runs.directory import load_run
from langfield.viewer.access import Access


@dataclass
class Reached:
    """Where a viewer is."""

    access: Access


@contextmanager
def started(arguments: list[str]) -> Iterator[tuple[subprocess.Popen, Reached]]:
    """A training with --view, as soon as it says where its page is."""
    command = [sys.executable, "-m", "langfield", *arguments, "--view", "--port", "0", "--json", "--no-progress"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        link = process.stderr.readline().removeprefix("open ").strip()
        assert link.startswith("http://127.0.0.1:")
        assert "ssh -L" in process.stderr.readline()
        parts = urlsplit(link)
        yield process, Reached(Access(parts.query.removeprefix("token="), "127.0.0.1", parts.port or 0))
    finally:
        process.kill()
        process.communicate()


def said_until(process: subprocess.Popen, text: str) -> str:
    """What a process says up to a line with a text."""
    assert process.stderr is not None
    lines = []
    while text not in "".join(lines):
        line = process.stderr.readline()
        assert line, "".join(lines)
        lines.append(line)
    return "".join(lines)


def ended(process: subprocess.Popen, how: signal.Signals, code: int) -> tuple[str, str]:
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def test_a_training_that_is_watched_and_stopped_leaves_a_whole_run(trained: Trained, tmp_path: Path, capsys):
    run, plain = tmp_path / "run", tmp_path / "plain"
    arguments = [*trained.arguments, "--rays", "64"]
    arguments[arguments.index("--out") + 1] = str(run)

    async def watch(reached: Reached) -> None:
        async with Page(reached) as page:
            await page.until(lambda: "Layer" in page.labels and any(p is not None for p in page.pictures), 120)
            await page.press("Stop and save")
            await page.until(lambda: page.inputs[page.uuid("Yes")]["props"]["visible"])
            await page.press("Yes")
            await page.until(lambda: "Pause" not in page.labels and "Find" in page.labels, 120)

    with started([*arguments, "--max-steps", "100000"]) as (process, reached):
        asyncio.run(watch(reached))
        assert "the training ends here" in said_until(process, "ready")
        out, err = ended(process, signal.SIGINT, 0)
        assert err.strip().endswith("stopped")
    report = json.loads(out)
    steps = load_run(run).info.steps_done
    assert 0 < steps == report["steps"] < 100_000
    assert json.loads((run / "metrics.json").read_text()) == report
    assert len(langfield.open(run, device="cpu").query(["red ball"])) == 1
    # As many steps that nobody watched give the same, bit for bit.
    arguments[arguments.index("--out") + 1] = str(plain)
    printed_json(capsys, [*arguments, "--max-steps", str(steps), "--no-progress"])
    assert (plain / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_a_finished_run_is_shown_until_sigterm(trained: Trained):
    with started([*trained.arguments, "--max-steps", str(STEPS)]) as (process, _):
        assert "the page goes on with the run; Ctrl-C ends it" in said_until(process, "ready")
        out, _ = ended(process, signal.SIGTERM, 0)
    assert json.loads(out)["steps"] == STEPS


def test_ctrl_c_while_it_trains_saves(trained: Trained, tmp_path: Path):
    arguments = list(trained.arguments)
    arguments[arguments.index("--out") + 1] = str(tmp_path / "run")

    async def begun(reached: Reached) -> None:
        async with Page(reached) as page:
            await page.until(lambda: re.search(r"step \d", page.text), 120)

    with started([*arguments, "--max-steps", "100000"]) as (process, reached):
        asyncio.run(begun(reached))
        out, _ = ended(process, signal.SIGINT, 130)
    assert "goes on from here" in json.loads(out)["error"]["message"]
    assert load_run(tmp_path / "run").info.steps_done > 0


def test_what_cannot_be_shown_is_told_before_anything_is_done(trained: Trained, capsys, monkeypatch):
    arguments = [*trained.arguments, "--max-steps", str(STEPS), "--view", "--no-progress"]
    assert "--port must be" in failure(capsys, [*arguments, "--port", "70000"])
    for name in [name for name in sys.modules if name.startswith("langfield.viewer")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "viser", None)
    assert failure(capsys, arguments) == "the viewer is not installed: pip install 'langfield[view]'"


def test_a_port_that_is_taken_is_told(trained: Trained, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = [*trained.arguments, "--max-steps", str(STEPS), "--view", "--port", port, "--no-progress"]
        assert "choose another --port" in failure(capsys, arguments)
