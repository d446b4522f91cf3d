"""Tensors kept beside a run: whole and of the wanted key, or none."""

import os
import threading
from pathlib import Path

import pytest
import torch
from run_states import save_state
from test_directory import killed_while

from langfield.core.errors import RunError
from langfield.runs.directory import INDEX, load_run, save_groups, save_run, save_training_document, settle
from langfield.runs.kept_tensors import read_kept, write_kept

LARGE = 1_000_000
TENSORS = {
    "vectors": torch.arange(24.0).reshape(2, 3, 4).half(),
    "known": torch.tensor([True, False]),
    "side": torch.tensor(0.1, dtype=torch.float64),
    "none": torch.zeros(0, 3, dtype=torch.int64),
}


def same(found: dict[str, torch.Tensor] | None, expected: dict[str, torch.Tensor]) -> bool:
    return found is not None and found.keys() == expected.keys() and all(
        found[name].dtype == tensor.dtype and torch.equal(found[name], tensor) for name, tensor in expected.items()
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_kept(tmp_path / INDEX, "a key", TENSORS)
    return tmp_path / INDEX


def test_what_was_kept_is_read(file: Path):
    assert same(read_kept(file, "a key", LARGE), TENSORS)


def test_another_key_reads_nothing(file: Path):
    assert read_kept(file, "another key", LARGE) is None
    assert read_kept(file.with_name("missing"), "a key", LARGE) is None


def test_a_file_cut_anywhere_is_none(file: Path):
    whole = file.read_bytes()
    for length in (0, 1, 8, 20, 200, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert read_kept(file, "a key", LARGE) is None, length


def test_a_file_with_one_other_byte_is_none(file: Path):
    whole = file.read_bytes()
    for place in range(8, len(whole)):
        other = bytearray(whole)
        other[place] ^= 1
        file.write_bytes(other)
        found = read_kept(file, "a key", LARGE)
        # A byte of the header that says nothing may change: what is read is the same all the same.
        assert found is None or same(found, TENSORS), place
    last = bytearray(whole)
    last[-1] ^= 1
    file.write_bytes(last)
    assert read_kept(file, "a key", LARGE) is None


def test_killed_at_any_call_it_is_the_old_one_or_the_new(tmp_path: Path):
    call, seen, killed = 0, [], True
    while killed:
        call += 1
        file = tmp_path / str(call) / INDEX
        file.parent.mkdir()
        write_kept(file, "old", TENSORS)
        killed = killed_while(lambda file=file: write_kept(file, "new", TENSORS), call)
        seen.append([key for key in ("old", "new") if same(read_kept(file, key, LARGE), TENSORS)])
        write_kept(file, "newer", TENSORS)  # whatever it left is no hindrance
        assert same(read_kept(file, "newer", LARGE), TENSORS)
    assert call > 3  # writing, renaming, removing what is left
    assert seen[0] == ["old"]
    assert seen[-1] == ["new"]
    assert all(len(keys) == 1 for keys in seen)


def test_one_that_is_too_large_or_no_file_is_not_read(file: Path, tmp_path: Path):
    size = sum(tensor.nbytes for tensor in TENSORS.values())
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size + 2**21)
    assert read_kept(file, "a key", size) is None
    os.mkfifo(tmp_path / "pipe")
    assert read_kept(tmp_path / "pipe", "a key", size) is None


def test_what_was_read_outlives_the_file(file: Path):
    found = read_kept(file, "a key", LARGE)
    with file.open("r+b") as opened:
        opened.truncate(0)
    assert same(found, TENSORS)


def test_many_at_once_never_show_half_a_file(file: Path):
    sets = {str(number): {"rows": torch.full((50_000,), number)} for number in range(4)}
    stop, bad = threading.Event(), []

    def write(key: str) -> None:
        for _ in range(20):
            write_kept(file, key, sets[key])

    def read() -> None:
        while not stop.is_set():
            bad.extend(
                key for key in sets if not ((found := read_kept(file, key, LARGE)) is None or same(found, sets[key]))
            )

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(key,)) for key in sets]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert not bad
    assert sum(read_kept(file, key, LARGE) is not None for key in sets) == 1
    assert sorted(path.name for path in file.parent.iterdir()) == [INDEX]


def test_where_nothing_can_be_written_it_says_so_and_leaves_nothing(tmp_path: Path):
    (tmp_path / INDEX / "in the way").mkdir(parents=True)
    with pytest.raises(RunError, match=f"{INDEX}: could not be written"):
        write_kept(tmp_path / INDEX, "a key", TENSORS)
    assert [path.name for path in tmp_path.iterdir()] == [INDEX]
    with pytest.raises(RunError, match="could not be written"):
        write_kept(tmp_path / "no folder" / INDEX, "a key", TENSORS)
    assert not (tmp_path / "no folder").exists()


def test_a_run_saved_anew_has_none_and_other_savings_keep_it(tmp_path: Path):
    save_state(tmp_path, 1)
    write_kept(tmp_path / INDEX, "a key", TENSORS)
    save_training_document(tmp_path, {"state": 1})
    save_groups(tmp_path, {"groups.parent": torch.zeros(3)}, {"groups": 3})
    assert same(read_kept(tmp_path / INDEX, "a key", LARGE), TENSORS)
    (tmp_path / f".{INDEX}.abc.new").write_bytes(b"of a process that was killed")
    save_run(tmp_path, load_run(tmp_path).info, {"model": {"weight": torch.zeros(2)}})
    assert not (tmp_path / INDEX).exists()
    assert not (tmp_path / f".{INDEX}.abc.new").exists()
    (tmp_path / INDEX / "in the way").mkdir(parents=True)
    save_run(tmp_path, load_run(tmp_path).info, {"model": {"weight": torch.ones(2)}})
    assert load_run(tmp_path).tensors("model")["weight"].tolist() == [1, 1]


def test_it_is_no_part_of_the_run(tmp_path: Path):
    save_state(tmp_path, 1)
    (tmp_path / INDEX).write_bytes(b"nothing")
    assert INDEX not in load_run(tmp_path, training=True).files
    settle(tmp_path)
    assert (tmp_path / INDEX).exists()
