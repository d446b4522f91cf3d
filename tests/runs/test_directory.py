"""Saving is all or nothing: whatever kills or fails it, one whole state is there afterwards."""

import errno
import multiprocessing
import os
import random
import shutil
import time
from contextlib import contextmanager

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from run_states import an_info, save_state, state_of

from langfield.core.errors import RunError
from langfield.runs.directory import load_run, lock_run, save_run, save_training_document, settle
from langfield.runs.existence import has_run

SYSTEM_CALLS = ("write", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir")


class Killed(BaseException):
    """What a dead process does: nothing any more, no clean-up either."""


@contextmanager
def dying_at(call: int):
    """Let the `call`-th call that changes the disk stop half-way, and every later one do nothing."""
    calls = 0
    real = {name: getattr(os, name) for name in SYSTEM_CALLS}
    real_save = safetensors.torch.save_file

    def watched(name):
        def run(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls > call:
                raise Killed
            if calls == call:
                if name == "write":
                    real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
                raise Killed
            return real[name](*args, **kwargs)

        return run

    def save_file(tensors, path, metadata=None):
        nonlocal calls
        calls += 1
        if calls > call:
            raise Killed
        real_save(tensors, path, metadata)
        if calls == call:
            os.truncate(path, os.path.getsize(path) // 2)
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        for name in SYSTEM_CALLS:
            patch.setattr(os, name, watched(name))
        patch.setattr(safetensors.torch, "save_file", save_file)
        yield lambda: calls


def killed_while(action, call: int) -> bool:
    try:
        with dying_at(call):
            action()
    except Killed:
        return True
    return False


def test_a_save_killed_at_any_call_leaves_the_old_or_the_new_state(tmp_path):
    call, seen = 0, []
    killed = True
    while killed:
        call += 1
        run = tmp_path / str(call)
        run.mkdir()
        save_state(run, 1)
        killed = killed_while(lambda run=run: save_state(run, 2), call)
        seen.append(state_of(load_run(run, training=True)))
        settle(run)
        assert state_of(load_run(run, training=True)) == seen[-1]
        save_state(run, 3)
        assert state_of(load_run(run, training=True)) == 3
        assert sorted(p.name for p in run.iterdir()) == [
            "model.safetensors", "run.json", "training.json", "training.safetensors",
        ]  # fmt: skip
    assert call > 20  # every write, sync and rename was cut off once
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}


def test_a_training_document_is_replaced_whole_and_nothing_else_is(tmp_path):
    call, seen, killed = 0, [], True
    while killed:
        call += 1
        run = tmp_path / str(call)
        run.mkdir()
        save_state(run, 1)
        killed = killed_while(lambda run=run: save_training_document(run, {"state": 1, "cost": 2}), call)
        for settled in (False, True):
            if settled:
                settle(run)
            opened = load_run(run, training=True)
            assert state_of(opened) == 1
            seen.append(opened.training_document().get("cost"))
        assert seen[-1] == seen[-2]
        assert sorted(p.name for p in run.iterdir()) == [
            "model.safetensors", "run.json", "training.json", "training.safetensors",
        ]  # fmt: skip
    assert call > 10
    assert set(seen) == {None, 2}
    assert seen[-1] == 2


def test_a_first_save_killed_at_any_call_leaves_no_run_or_a_whole_one(tmp_path):
    call, killed = 0, True
    while killed:
        call += 1
        run = tmp_path / str(call)
        run.mkdir()
        killed = killed_while(lambda run=run: save_state(run, 1), call)
        assert not has_run(run) or state_of(load_run(run, training=True)) == 1
        save_state(run, 2)
        assert state_of(load_run(run, training=True)) == 2


@settings(deadline=None, max_examples=25)
@given(calls=st.lists(st.integers(1, 45), min_size=2, max_size=5))
def test_kills_in_a_row_never_lose_what_was_saved(tmp_path_factory, calls):
    run = tmp_path_factory.mktemp("run")
    save_state(run, 1)
    least = 1
    for state, call in enumerate(calls, start=2):
        if not killed_while(lambda state=state: save_state(run, state), call):
            least = state
        assert least <= state_of(load_run(run, training=True)) <= state


def message_of(action) -> str | None:
    try:
        action()
    except RunError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", ["replace", "rename", "fsync", "mkdir"])
def test_a_save_that_fails_at_any_call_keeps_the_old_state(tmp_path, monkeypatch, name):
    """The process lives on here: it must raise, and the next save must work."""
    for failing in range(1, 12):
        run = tmp_path / f"{name}{failing}"
        run.mkdir()
        save_state(run, 1)
        real, calls = getattr(os, name), 0

        def fail(*args, real=real, failing=failing, **kwargs):
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            message = message_of(lambda run=run: save_state(run, 2))
        if message is None:
            assert calls < failing
            break
        assert "No space left on device" in message
        assert "bytes are free there; what was saved before is intact" in message
        assert state_of(load_run(run, training=True)) in (1, 2)
        save_state(run, 3)
        assert state_of(load_run(run, training=True)) == 3
    else:
        pytest.fail("the call to fail was never reached last")


def save_forever(path, started):
    torch.set_num_threads(1)
    state = 1
    while True:
        state += 1
        save_state(path, state, numbers=100_000)
        started.value = state


def test_kill_9_at_any_moment_leaves_a_whole_state(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["langfield.runs.directory", "run_states"])
    moments = random.Random(0)
    save_state(tmp_path, 1, numbers=100_000)
    for _ in range(20):
        done = context.Value("i", 0, lock=False)  # a killed process would keep its lock for ever
        process = context.Process(target=save_forever, args=(tmp_path, done))
        process.start()
        while done.value == 0:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.03))
        process.kill()
        process.join()
        assert state_of(load_run(tmp_path, training=True)) in (done.value, done.value + 1)


def test_a_torn_file_is_named(tmp_path):
    save_state(tmp_path, 1)
    file = tmp_path / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(RunError) as caught:
        load_run(tmp_path)
    assert str(caught.value) == (
        f"{file}: is torn: {len(whole) - 1} bytes, but {len(whole)} were written; train into a new folder"
    )
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RunError) as caught:
        load_run(tmp_path)
    assert str(caught.value) == f"{file}: is damaged: its SHA-256 is not what was written; train into a new folder"
    file.unlink()
    with pytest.raises(RunError, match=f"{file}: cannot be read: No such file or directory; it belongs to the run"):
        load_run(tmp_path)


def test_answers_do_not_need_the_training_files(tmp_path):
    save_state(tmp_path, 4)
    (tmp_path / "training.safetensors").unlink()
    assert load_run(tmp_path).info.steps_done == 4
    with pytest.raises(RunError, match=r"training\.safetensors: cannot be read"):
        load_run(tmp_path, training=True)


def test_what_is_no_run_is_refused(tmp_path):
    for path, found in ((tmp_path, "has no run.json"), (tmp_path / "none", "is no folder")):
        with pytest.raises(RunError) as caught:
            load_run(path)
        assert str(caught.value) == f"{path}: {found}; a run directory is needed, as `langfield train` makes it"


@pytest.mark.parametrize("listed", ['{"../model.safetensors": {"sha256": "", "size": 1}}', "[]", '{"run.json": 3}'])
def test_a_list_of_files_is_not_trusted(tmp_path, listed):
    save_state(tmp_path, 1)
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text[: text.index('"files"')] + f'"files": {listed}}}')
    with pytest.raises(RunError, match=r"run.json: (files\.|lists no model)"):
        load_run(tmp_path)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_any_changed_byte_is_a_run_error_or_changes_nothing_that_counts(tmp_path_factory, data):
    run = tmp_path_factory.mktemp("run")
    save_state(run, 1)
    file = run / data.draw(st.sampled_from(["run.json", "model.safetensors", "training.json", "training.safetensors"]))
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        run_again = load_run(run, training=True)
    except RunError:
        return
    assert file.name == "run.json"  # its words are not hashed, the files it lists are
    assert run_again.tensors("model")["weight"].tolist() == [1.0] * 50


def test_a_model_that_was_made_drops_the_state_of_an_older_training(tmp_path):
    tensors = {"weight": torch.ones(3)}
    save_run(tmp_path, an_info(), {"model": tensors, "training": tensors})
    assert torch.equal(load_run(tmp_path).tensors("training")["weight"], torch.ones(3))
    save_run(tmp_path, an_info(), {"model": tensors})
    run = load_run(tmp_path)
    assert not (tmp_path / "training.safetensors").exists()
    with pytest.raises(RunError, match=r"has no training.safetensors; it holds model.safetensors"):
        run.tensors("training")


def test_a_torn_save_is_said(tmp_path):
    save_state(tmp_path, 1)
    shutil.copytree(tmp_path, tmp_path / "previous")
    (tmp_path / "model.safetensors").write_bytes(b"half")
    run = load_run(tmp_path)
    assert run.folder == tmp_path / "previous"
    assert state_of(run) == 1
    settle(tmp_path)
    assert load_run(tmp_path).folder == tmp_path


def test_without_hard_links_files_are_copied(tmp_path, monkeypatch):
    def no_links(*args):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    save_state(tmp_path, 1)
    save_state(tmp_path, 2)
    assert state_of(load_run(tmp_path, training=True)) == 2


def test_one_writer_at_a_time(tmp_path):
    with lock_run(tmp_path / "run"):
        with pytest.raises(RunError) as caught, lock_run(tmp_path / "run"):
            pass
        assert str(caught.value) == (
            f"{tmp_path}/run: another process is writing this run; wait for it, or choose another folder"
        )
    with lock_run(tmp_path / "run"):
        pass


def test_a_place_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match="file: could not be made or opened for writing: File exists"),
        lock_run(tmp_path / "file"),
    ):
        pass
