"""Which photos are kept for testing: the files' own split, every so many-th, or none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.scenes import write_ball_scene

from langfield.core.errors import DataError, UsageError
from langfield.data.scene import open_scene
from langfield.data.split import split_views


@given(st.integers(4, 60), st.none() | st.just(0) | st.integers(2, 70))
def test_every_nth_is_tested_and_no_photo_is_lost(count, test_every):
    names = [f"{i:03d}.jpg" for i in range(count)]
    split = split_views(names, None, test_every)
    every = 8 if test_every is None else test_every
    assert split.test_every == every
    assert split.test == (tuple(range(0, count, every)) if every else ())
    assert sorted((*split.train, *split.test)) == list(range(count))
    assert split.train


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_few_photos_none_is_tested_unless_asked_for(count):
    names = ["a", "b", "c"][:count]
    split = split_views(names, None, None)
    assert (split.train, split.test, split.test_every, split.how) == (tuple(range(count)), (), 0, "photos are few")
    assert split_views(names, None, 2).test == (0, 2)[: (count + 1) // 2]


def test_the_files_own_split_holds_until_another_is_asked_for():
    names, own = ["a", "b", "c", "d"], (frozenset("ab"), frozenset("d"))
    assert split_views(names, own, None).train == (0, 1)
    assert split_views(names, own, None).test == (3,)
    assert split_views(names, own, None).test_every is None
    assert split_views(names, own, 2).test == (0, 2)
    assert split_views(names, own, 0).train == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("test_every", "note"),
    [
        (None, "8 to train on, 2 to test (every 8th by name)"),
        (0, "10 to train on, 0 to test (all are trained on)"),
        (2, "5 to train on, 5 to test (every 2nd by name)"),
        (3, "6 to train on, 4 to test (every 3rd by name)"),
        (22, "9 to train on, 1 to test (every 22nd by name)"),
        (113, "9 to train on, 1 to test (every 113th by name)"),
    ],
)
def test_a_scene_says_how_it_is_split(tmp_path, test_every, note):
    write_ball_scene(tmp_path, 10)
    meta = json.loads((tmp_path / "transforms.json").read_text())
    for own in (True, False):
        if not own:
            meta = {key: value for key, value in meta.items() if not key.endswith("_filenames")}
        (tmp_path / "transforms.json").write_text(json.dumps(meta))
        scene = open_scene(tmp_path, test_every=test_every)
        if own and test_every is None:
            assert scene.test_every is None
            assert "(the files' own split)" in scene.notes[0]
        else:
            expected = note.replace(")", ", not the files' own split)") if own else note
            assert scene.notes[0] == f"nerfstudio: 10 views, {expected}, 300 points"


def test_what_is_wrong_with_the_files_own_split_is_said_only_where_it_is_used(tmp_path):
    names = write_ball_scene(tmp_path, 10).names
    file = tmp_path / "transforms.json"
    meta = json.loads(file.read_text())
    file.write_text(json.dumps(meta | {"train_filenames": names[:5], "test_filenames": names[4:8]}))
    notes = open_scene(tmp_path).notes
    assert any("in both train_filenames" in note for note in notes)
    assert any("in no list of the split" in note for note in notes)
    asked = open_scene(tmp_path, test_every=3).notes
    assert not any("train_filenames" in note or "in no list" in note for note in asked)
    file.write_text(json.dumps(meta | {"train_filenames": []}))
    with pytest.raises(DataError, match=r"its own split leaves no photo to train on"):
        open_scene(tmp_path)
    assert len(open_scene(tmp_path, test_every=0).train) == 10


@pytest.mark.parametrize(
    ("test_every", "more"),
    [(1, ": of every one none is left to train on"), (-1, ""), (-8, ""), (True, ""), (False, "")],
)
def test_splits_that_leave_nothing_are_refused(tmp_path, test_every, more):
    write_ball_scene(tmp_path, 3)
    with pytest.raises(UsageError) as caught:
        open_scene(tmp_path, test_every=test_every)
    assert str(caught.value) == f"test_every must be at least 2, or 0 to train on all photos, found {test_every}{more}"
