"""viser on its socket: wherever temporary files are, and when it cannot start."""

import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

import websockets.asyncio.server

from langfield.core.errors import LangfieldError, RunError, UsageError
from langfield.viewer import viser_server
from langfield.viewer.viser_server import HiddenViser


def without_waiting_for_ever(make: Callable[[], HiddenViser]) -> HiddenViser | LangfieldError:
    """What it makes or raises, within 20 s."""
    made: list[HiddenViser | LangfieldError] = []

    def run() -> None:
        try:
            made.append(make())
        except LangfieldError as error:
            made.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert made, "it waits for ever"
    return made[0]


@pytest.fixture
def long_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_long_temporary_folder_is_not_used(long_folder: Path):
    hidden = without_waiting_for_ever(HiddenViser)
    assert isinstance(hidden, HiddenViser)
    try:
        assert hidden.socket.is_socket()
        assert len(str(hidden.socket)) < 100
        assert stat.S_IMODE(hidden.socket.parent.stat().st_mode) == 0o700
        assert list(long_folder.iterdir()) == []
    finally:
        hidden.stop()
    assert not hidden.socket.parent.exists()


def test_where_no_socket_can_be_made_it_says_so(long_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(viser_server, "_SHORT_FOLDER", str(long_folder / "missing"), raising=False)
    error = without_waiting_for_ever(HiddenViser)
    assert isinstance(error, UsageError)
    assert "set TMPDIR" in error.message
    assert list(long_folder.iterdir()) == []


def test_a_viser_that_cannot_listen_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(*arguments: object, **options: object):
        raise OSError("too many open files")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(websockets.asyncio.server, "serve", fails)
    error = without_waiting_for_ever(HiddenViser)
    assert isinstance(error, RunError)
    assert "too many open files" in error.message
    assert list(tmp_path.iterdir()) == []
    assert websockets.asyncio.server.serve is fails
