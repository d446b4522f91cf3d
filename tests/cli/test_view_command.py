"""`langfield view` as a process: what it prints, that its link works, and how it ends."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Trained, failure

import langfield
from langfield.cli.view import TOKEN_VARIABLE, found_as_ply, photo_reader, ssh_line
from langfield.core.errors import DataError
from langfield.runs.directory import INDEX
from langfield.runs.preview import PREVIEW, read_preview

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")


def status(link: str, host: str = "") -> int:
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Host": host} if host else {})
    return connection.getresponse().status


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_a_link_at_once_and_ends_when_asked(trained: Trained, ending: signal.Signals, tmp_path: Path):
    command = [sys.executable, "-m", "langfield", "view", str(trained.run), "--port", "0", "--json", "--no-progress"]
    files = {path: path.stat().st_mtime_ns for path in trained.run.rglob("*") if path.name != INDEX}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stderr is not None
        first, second = process.stderr.readline(), process.stderr.readline()
        link = first.removeprefix("open ").strip()
        assert link.startswith("http://127.0.0.1:")
        port = urlsplit(link).port
        assert second.strip() == ssh_line(port)
        assert status(link) == 200
        assert status(link.replace("token=", "token=x")) == 403
        assert status(link, "evil.example") == 403
        while process.stderr.readline().strip() != "ready":
            pass
        process.send_signal(ending)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert err.strip().endswith("stopped")
    assert "Traceback" not in err
    assert json.loads(out) == {"link": link, "port": port, "runs": [str(trained.run)]}
    assert list(tmp_path.iterdir()) == []
    assert (trained.run / INDEX).is_file()  # all that is written, and only where there is none
    assert {path: path.stat().st_mtime_ns for path in trained.run.rglob("*") if path.name != INDEX} == files


def test_wrong_options_are_one_line(trained: Trained, tmp_path: Path, capsys, monkeypatch):
    run = str(trained.run)
    assert "add a run" in failure(capsys, ["view"])
    assert "--port must be" in failure(capsys, ["view", run, "--port", "70000"])
    assert "--host must be" in failure(capsys, ["view", run, "--host", ""])
    assert "cannot listen on a..b" in failure(capsys, ["view", run, "--host", "a..b"])
    assert "--gaussians must be" in failure(capsys, ["view", run, "--gaussians", "0"])
    assert "--public-url must be like" in failure(capsys, ["view", run, "--public-url", "example.org"])
    monkeypatch.setenv(TOKEN_VARIABLE, "guess me")
    assert "must be 22 to 200" in failure(capsys, ["view", run])


def test_the_ssh_line_reaches_the_link_s_address():
    assert "ssh -L 7007:127.0.0.1:7007 " in ssh_line(7007)
    assert "ssh -L 7007:localhost:7007 " in ssh_line(7007, "localhost")
    assert "ssh -L 7007:[::1]:7007 " in ssh_line(7007, "::1")
    assert "ssh -L 127.0.0.2:7007:127.0.0.2:7007 " in ssh_line(7007, "127.0.0.2")


def test_without_the_extra_it_says_which(trained: Trained, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("langfield.viewer")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "viser", None)
    assert "langfield[view]" in failure(capsys, ["view", str(trained.run)])


def test_another_address_is_warned_of(trained: Trained, tmp_path: Path):
    command = [sys.executable, "-m", "langfield", "view", str(trained.run), "--host", "0.0.0.0", "--port", "0"]
    environment = os.environ | {TOKEN_VARIABLE: "a" * 32}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().strip().endswith("/?token=" + "a" * 32)
        assert process.stderr.readline().startswith("warning: 0.0.0.0 is reached by other machines")
    finally:
        process.kill()
        process.communicate()


def test_what_was_found_is_saved_as_export_writes_it(trained: Trained):
    import langfield
    from langfield.core.errors import UsageError

    session = langfield.open(trained.run)
    with pytest.raises(UsageError, match="nothing was found"):
        found_as_ply().make(session, ["a phrase that is not there at all"], ["a phrase that is not there at all"])


def test_photos_are_read_from_the_scene_that_was_trained_on(trained: Trained, tmp_path: Path):
    session = langfield.open(trained.run)
    read = photo_reader(session)
    view = session.views[0]
    photo = read(view.name, (32, 24))
    assert photo.shape == (24, 32, 3)
    assert np.ptp(photo) > 20
    with pytest.raises(DataError, match=r"has no photo other\.png"):
        read("other.png", (32, 24))
    session.info = replace(session.info, scene_path=str(tmp_path / "gone"))
    with pytest.raises(DataError, match="is not there any more"):
        photo_reader(session)


def test_people_have_the_link_before_torch_is_loaded(tmp_path: Path):
    code = (
        "import os, sys, langfield.cli.main as cli, langfield.cli.view as view\n"
        "def tell(console, options, link, port): os._exit(7 if 'torch' in sys.modules else 3)\n"
        "view.tell_link = tell; cli.main(['view', sys.argv[1], '--port', '0'])"
    )
    (tmp_path / "run.json").write_text("{}")
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=120).returncode == 3


def test_a_preview_is_a_small_jpeg_of_the_run_or_nothing(trained: Trained, tmp_path: Path):
    jpeg = read_preview(trained.run)
    assert jpeg is not None
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= 240
    assert read_preview(tmp_path) is None
    for other in (b"GIF89a", b"", b"\xff\xd8\xff" + bytes(1 << 20)):
        (tmp_path / PREVIEW).write_bytes(other)
        assert read_preview(tmp_path) is None
