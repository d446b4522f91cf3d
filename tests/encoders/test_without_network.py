"""Without network, weights that are not here are missed within 3 seconds, in one line and with nothing printed before;
those that are here are loaded without asking anybody."""

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langfield.core.files import file_sha256

LOADED = """
import sys, time
import langfield.encoders.dense, langfield.encoders.openclip
from langfield.core.errors import LangfieldError
from langfield.encoders.registry import load_dense, load_image_text
for load, spec in ((load_image_text, sys.argv[1]), (load_dense, sys.argv[2])):
    start = time.perf_counter()
    try:
        loaded = load(spec)
        line = "loaded"
    except LangfieldError as error:
        line = str(error)
    print(f"{time.perf_counter() - start:.2f}|{line}")
"""
WEIGHTS = "openclip:ViT-B-16/laion2b_s34b_b88k", "timm:vit_small_patch8_224.dino"


@contextlib.contextmanager
def endpoint(kind: str) -> Iterator[str]:
    """An address that refuses, or that takes connections and never says anything, or whose name is not known."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        if kind == "silent":
            listening.listen(16)
        yield "http://no-such-host.invalid" if kind == "unknown" else address


def loading(hub: Path, address: str, *specs: str) -> list[tuple[float, str]]:
    """How long each of the encoders took in a process of its own, and what came of it."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(("HF_", "HTTP"))}
    environment |= {"HF_ENDPOINT": address, "HF_HOME": str(hub)}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *specs], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stderr == ""
    return [(float(seconds), line) for seconds, line in (text.split("|") for text in done.stdout.splitlines())]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("refusing", "no network"),
        ("unknown", "no network"),
        ("silent", "no answer within 2 s; HF_HUB_ETAG_TIMEOUT=30 waits longer"),
    ],
)
def test_missing_weights_are_missed_at_once(tmp_path: Path, kind: str, reason: str):
    with endpoint(kind) as address:
        for seconds, line in loading(tmp_path, address, *WEIGHTS):
            assert seconds < 3
            assert f"is not on this machine and could not be downloaded ({reason}); connect to the network" in line


class _Hub(http.server.BaseHTTPRequestHandler):
    """Serves files of one folder as the hub serves those of a repository; keeps what it was asked for."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self._answer((self.folder / name).read_bytes() if (self.folder / name).is_file() else b"")

    def _answer(self, body: bytes) -> None:
        file = self.folder / self.path.rpartition("/")[2]
        self.asked.append(f"{self.command} {file.name}")
        self.send_response(200 if file.is_file() else 404)
        self.send_header("X-Repo-Commit", "b" * 40)
        if file.is_file():
            self.send_header("ETag", f'"{file_sha256(file)}"')
            self.send_header("Content-Length", str(file.stat().st_size))
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_hub_that_answers_is_downloaded_from_once(tmp_path: Path, tiny_openclip: Path):
    _Hub.folder, _Hub.asked = tiny_openclip, []
    specs = "openclip:hf-hub:own/tiny", "timm:test_vit/random"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        lines = []
        for _ in range(2):
            lines += [line for _, line in loading(tmp_path, address, *specs)]
        server.shutdown()
    assert set(lines) == {"loaded"}
    downloads = [asked for asked in _Hub.asked if asked.startswith("GET open_clip")]
    assert sorted(downloads) == ["GET open_clip_config.json", "GET open_clip_model.safetensors"]


def test_weights_that_are_here_need_no_network(tmp_path: Path, tiny_openclip: Path):
    snapshot = tmp_path / "hub" / "models--own--tiny" / "snapshots" / ("a" * 40)
    shutil.copytree(tiny_openclip, snapshot)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    with endpoint("silent") as address:
        (seconds, line), _ = loading(tmp_path, address, "openclip:hf-hub:own/tiny", "timm:test_vit/random")
    assert line == "loaded"
    assert seconds < 6  # the hub is asked once, 2 s, for what OpenCLIP itself loads
