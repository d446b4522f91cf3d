"""Files are the old or the new one, and what cannot be written is said with path and free bytes."""

import errno
import json
import os
import resource
import shutil
import signal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from langfield.core.errors import RunError
from langfield.runs.atomic import (
    commit,
    read_json,
    record_of,
    stage_bytes,
    stage_tensors,
    staged,
    write_bytes,
    write_json,
    write_text,
)


def test_writers_round_trip_and_leave_nothing_else(tmp_path):
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(3, dtype=torch.uint8)}
    write_text(tmp_path / "text", "größer\n")
    write_json(tmp_path / "json", {"pi": 3.141592653589793, "list": [1, None]})
    stage_tensors(tmp_path / "tensors", tensors)
    commit(tmp_path / "tensors")
    write_bytes(tmp_path / "text", b"again")
    assert (tmp_path / "text").read_bytes() == b"again"
    assert read_json(tmp_path / "json") == {"pi": 3.141592653589793, "list": [1, None]}
    loaded = load_file(tmp_path / "tensors")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["json", "tensors", "text"]


def test_staging_leaves_the_file_and_its_other_names_alone(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    os.link(tmp_path / "file", staged(tmp_path / "file"))  # what a save that was cut off may leave
    record = stage_bytes(tmp_path / "file", b"newer")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert record == record_of(staged(tmp_path / "file"))


def test_a_full_disk_is_said_with_path_and_free_bytes(tmp_path, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_text(tmp_path / "metrics.json", "old")
    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 83, 17))
    with pytest.raises(RunError) as caught:
        write_text(tmp_path / "metrics.json", "new!")
    assert str(caught.value) == (
        f"{tmp_path}/metrics.json: could not be written: No space left on device; 4 bytes are needed, "
        "17 bytes are free there; what was saved before is intact"
    )
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_failing_call_leaves_the_old_file_and_no_staged_one(tmp_path, monkeypatch, call, code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    write_text(tmp_path / "file", "old")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(RunError, match=os.strerror(code)):
        write_text(tmp_path / "file", "new")
    monkeypatch.undo()
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_tensors_that_do_not_fit_leave_the_old_ones(tmp_path):
    """A real limit, for the writing is done by a library: no file of this process may grow over 64 KiB."""
    stage_tensors(tmp_path / "model.safetensors", {"a": torch.ones(10)})
    commit(tmp_path / "model.safetensors")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(RunError, match=r"model.safetensors: could not be written: .*400000 bytes are needed, \d+"):
            stage_tensors(tmp_path / "model.safetensors", {"a": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    assert torch.equal(load_file(tmp_path / "model.safetensors")["a"], torch.ones(10))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is torn or no JSON (Expecting value"),
        ('{"a": NaN}', "is torn or no JSON (NaN is not allowed)"),
        ('{"a": 1, "a": 2}', "is torn or no JSON (a key stands twice in one object)"),
        ("[" * 100_000, "is torn or no JSON ("),
        ("[1]", "holds a list; a JSON object is needed"),
        ('{"a": "\udcff"}', "is torn or no JSON ('utf-8' codec"),
    ],
)
def test_reading_is_strict(tmp_path, text, why):
    (tmp_path / "x.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RunError) as caught:
        read_json(tmp_path / "x.json")
    assert str(caught.value).startswith(f"{tmp_path}/x.json: {why}")


def test_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"psnr": float("nan")})
    assert not list(tmp_path.iterdir())


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None, max_examples=50)
@given(document=st.dictionaries(st.text(), plain))
def test_json_round_trips(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("json") / "x.json"
    try:
        write_json(path, document)
    except UnicodeEncodeError:  # a lone surrogate: no text
        return
    assert read_json(path) == json.loads(json.dumps(document)) == document
