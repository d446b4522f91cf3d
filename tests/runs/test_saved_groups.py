"""Groups of a run's surface on disk: written whole or not at all, verified, and dropped with the model that they are
of."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from run_states import save_state, state_of
from test_directory import killed_while
from tests.query.grouped_wall import scene_groups

from langfield.core.errors import RunError
from langfield.groups.scene_groups import SceneGroups
from langfield.runs.directory import load_run, save_groups, save_training_document, settle

FILES = ["model.safetensors", "run.json", "training.json", "training.safetensors"]


def save(path, number: int) -> None:
    """Groups whose tensor and description both say a number."""
    save_groups(path, {"groups.parent": torch.full((50,), number)}, {"masks": "superpixels", "groups": number})


def number_of(run) -> int | None:
    """The one number that groups.safetensors and run.json agree on; None without groups."""
    if run.info.groups is None:
        assert "groups.safetensors" not in run.files
        return None
    (number,) = set(run.tensors("groups")["groups.parent"].tolist())
    assert run.info.groups == {"masks": "superpixels", "groups": number}
    return number


def test_groups_killed_at_any_call_are_the_old_ones_or_the_new(tmp_path):
    for before in (None, 1):
        call, seen, killed = 0, [], True
        while killed:
            call += 1
            run = tmp_path / f"{before}-{call}"
            run.mkdir()
            save_state(run, 3)
            if before is not None:
                save(run, before)
            killed = killed_while(lambda run=run: save(run, 2), call)
            opened = load_run(run, training=True)
            assert state_of(opened) == 3
            seen.append(number_of(opened))
            settle(run)
            assert number_of(load_run(run, training=True)) == seen[-1]
            save(run, 4)
            assert number_of(load_run(run, training=True)) == 4
            assert sorted(file.name for file in run.iterdir()) == ["groups.safetensors", *FILES]
        assert call > 10
        assert set(seen) == {before, 2}
        assert seen[-1] == 2


def test_real_groups_come_back_as_they_were(tmp_path):
    save_state(tmp_path, 1)
    groups = scene_groups()
    tensors = {name: torch.from_numpy(array) for name, array in groups.arrays().items()}
    save_groups(tmp_path, tensors, {"masks": "superpixels", "groups": len(groups)})
    read = {name: tensor.numpy() for name, tensor in load_run(tmp_path).tensors("groups").items()}
    back = SceneGroups.from_arrays(read)
    assert read.keys() == groups.arrays().keys() == back.arrays().keys()
    for name, array in groups.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name], array)


def test_photo_counts_come_back_and_are_not_needed():
    bare = scene_groups()
    counted = replace(bare, photo_count=np.arange(len(bare.surface), dtype=np.int32))
    back = SceneGroups.from_arrays(counted.arrays())
    np.testing.assert_array_equal(back.photo_count, counted.photo_count)
    assert SceneGroups.from_arrays(bare.arrays()).photo_count is None
    with pytest.raises(ValueError, match="do not fit"):
        SceneGroups.from_arrays(counted.arrays() | {"photo_count": np.zeros(3, np.int32)})


def test_torn_groups_are_named(tmp_path):
    save_state(tmp_path, 1)
    save(tmp_path, 1)
    file = tmp_path / "groups.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(RunError, match=rf"{file}: is torn: {len(whole) - 1} bytes, but {len(whole)} were written"):
        load_run(tmp_path)
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RunError, match=f"{file}: is damaged"):
        load_run(tmp_path)
    file.unlink()
    with pytest.raises(RunError, match=f"{file}: cannot be read"):
        load_run(tmp_path)


def test_groups_torn_while_they_were_replaced_are_those_before(tmp_path):
    save_state(tmp_path, 1)
    save(tmp_path, 1)
    shutil.copytree(tmp_path, tmp_path / "previous")
    (tmp_path / "groups.safetensors").write_bytes(b"half")
    assert number_of(load_run(tmp_path)) == 1
    settle(tmp_path)
    assert load_run(tmp_path).folder == tmp_path
    assert number_of(load_run(tmp_path)) == 1


def test_a_run_that_is_saved_anew_has_no_groups_and_its_cost_keeps_them(tmp_path):
    save_state(tmp_path, 1)
    save(tmp_path, 1)
    save_training_document(tmp_path, {"state": 1, "cost": 2})
    assert number_of(load_run(tmp_path, training=True)) == 1
    save_state(tmp_path, 2)
    opened = load_run(tmp_path, training=True)
    assert (state_of(opened), number_of(opened)) == (2, None)
    assert sorted(file.name for file in tmp_path.iterdir()) == FILES


@pytest.mark.parametrize("where", ["empty", "missing"])
def test_what_belongs_to_a_run_is_not_saved_without_one(tmp_path, where):
    path = tmp_path / where
    if where == "empty":
        path.mkdir()
    said = "has no run.json" if where == "empty" else "is no folder"
    with pytest.raises(RunError, match=f"{path}: {said}; a run directory is needed"):
        save(path, 1)
    with pytest.raises(RunError, match=f"{path}: {said}; a run directory is needed"):
        save_training_document(path, {"state": 1})
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_groups_that_are_no_tensors_are_named(tmp_path):
    save_state(tmp_path, 1)
    save(tmp_path, 1)
    file = tmp_path / "groups.safetensors"
    file.write_bytes(b"no tensors")
    record = {"sha256": hashlib.sha256(b"no tensors").hexdigest(), "size": len(b"no tensors")}
    document = json.loads((tmp_path / "run.json").read_text())
    document["files"]["groups.safetensors"] = record
    (tmp_path / "run.json").write_text(json.dumps(document))
    with pytest.raises(RunError, match=f"{file}: holds no tensors"):
        load_run(tmp_path).tensors("groups")


def test_a_run_from_before_there_were_groups_opens_and_gets_some(tmp_path):
    save_state(tmp_path, 1)
    file = tmp_path / "run.json"
    document = json.loads(file.read_text())
    document.pop("groups", None)
    file.write_text(json.dumps(document))
    assert number_of(load_run(tmp_path)) is None
    save(tmp_path, 5)
    assert number_of(load_run(tmp_path)) == 5
    assert state_of(load_run(tmp_path, training=True)) == 1
