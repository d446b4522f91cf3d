"""`langfield-synthetic`: captures that open, pictures that are kept, mistakes told in a line."""

import json

import numpy as np
import pytest

from langfield.data.scene import open_scene
from langfield_synthetic.__main__ import main

SMALL = ["--size", "24x18", "--samples", "1", "--variant", "scalar_rgb"]


def test_a_capture_opens(tmp_path):
    pytest.importorskip("mitsuba")
    wishes = tmp_path / "things.json"
    wishes.write_text(json.dumps([["egg", "brown", ""], ["dice", "red", ""]]))
    out = tmp_path / "two"
    assert main(["capture", str(out), "--photos", "9", "--seed", "4", "--things", str(wishes), *SMALL]) == 0
    scene = open_scene(out)
    assert len(scene.views) == 9
    named = [thing["name"] for thing in json.loads((out / "queries.json").read_text())["instances"]]
    assert named == ["brown egg", "red dice"]


def test_pictures_are_made_once_and_in_parts(tmp_path, capsys):
    pytest.importorskip("mitsuba")
    how = [str(tmp_path), "--photos", "2", "--scenes", "3", *SMALL]
    assert main(["pictures", *how, "--part", "1/2"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["00001.npz"]
    (tmp_path / "00000.npz").write_bytes(b"kept")
    assert main(["pictures", *how, "--part", "0/2", "--seconds", "0"]) == 0
    assert (tmp_path / "00000.npz").read_bytes() == b"kept"
    assert not (tmp_path / "00002.npz").exists()
    with np.load(tmp_path / "00001.npz", allow_pickle=False) as read:
        assert read["rgb"].shape == (2, 18, 24, 3)
        known = {thing["id"] for thing in json.loads(str(read["meta"]))["things"]}
        assert set(np.unique(read["ids"])) <= known | {0, 1, 2}


def test_pictures_have_parts_and_sets_of_equals_if_asked_for(tmp_path):
    pytest.importorskip("mitsuba")
    how = ["--photos", "2", "--scenes", "1", *SMALL]
    assert main(["pictures", str(tmp_path), *how, "--with-parts", "--alike", "1"]) == 0
    with np.load(tmp_path / "00000.npz", allow_pickle=False) as read:
        alike = [thing["alike"] for thing in json.loads(str(read["meta"]))["things"]]
        np.testing.assert_array_equal(read["parts"] > 0, read["ids"] >= 10)
    assert 2 <= alike.count(0) <= 6
    assert None in alike


@pytest.mark.parametrize("share", ["-0.1", "1.5", "some"])
def test_a_share_that_is_none_is_told(tmp_path, capsys, share):
    with pytest.raises(SystemExit):
        main(["pictures", str(tmp_path / "out"), f"--alike={share}"])
    assert "argument --alike" in capsys.readouterr().err


def test_truth_of_every_photo_comes_with_a_capture_or_later(tmp_path, capsys):
    pytest.importorskip("mitsuba")
    wishes = tmp_path / "things.json"
    wishes.write_text(json.dumps([["egg", "brown", ""]]))
    how = ["--photos", "4", "--seed", "4", "--things", str(wishes), *SMALL]
    whole, later = tmp_path / "whole" / "egg", tmp_path / "later" / "egg"
    assert main(["capture", str(whole), *how, "--all-truth"]) == 0
    assert main(["capture", str(later), *how]) == 0
    assert len(list((later / "gt").iterdir())) == 2
    assert main(["capture", str(later), *how, "--truth-only"]) == 0
    for path in (whole / "gt").iterdir():
        assert path.read_bytes() == (later / "gt" / path.name).read_bytes()
    assert len(list((later / "gt").iterdir())) == len(list((whole / "gt").iterdir())) == 8
    assert main(["capture", str(later), *how, "--truth-only", "--seed", "5"]) == 2
    assert "give the arguments that the capture was made with" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["not json", '{"a": 1}', "[1, 2]", '[["mug"]]'])
def test_a_list_of_things_that_is_none_is_told(tmp_path, capsys, content):
    pytest.importorskip("mitsuba")
    wishes = tmp_path / "things.json"
    wishes.write_text(content)
    assert main(["capture", str(tmp_path / "out"), "--things", str(wishes), *SMALL]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "things.json" in said
    assert not (tmp_path / "out").exists()


def test_an_unknown_thing_is_told(tmp_path, capsys):
    pytest.importorskip("mitsuba")
    wishes = tmp_path / "things.json"
    wishes.write_text('[["unicorn", "", ""]]')
    assert main(["capture", str(tmp_path / "out"), "--things", str(wishes), *SMALL]) == 2
    assert "unicorn" in capsys.readouterr().err


def test_without_mitsuba_it_is_told_how_to_install_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mitsuba", None)
    assert main(["capture", str(tmp_path / "out")]) == 2
    assert "pip install 'mitsuba>=3.9'" in capsys.readouterr().err


def test_only_listed_kinds_are_put_there_and_asked_for(tmp_path):
    pytest.importorskip("mitsuba")
    kinds = tmp_path / "kinds.txt"
    kinds.write_text("mug\n\napple\negg\n")
    how = ["--photos", "2", "--kinds", str(kinds), *SMALL]
    assert main(["pictures", str(tmp_path / "many"), "--scenes", "1", *how]) == 0
    with np.load(tmp_path / "many" / "00000.npz", allow_pickle=False) as read:
        nouns = {thing["noun"] for thing in json.loads(str(read["meta"]))["things"]}
    assert nouns <= {"mug", "apple", "egg"}
    assert nouns
    wishes = tmp_path / "things.json"
    wishes.write_text(json.dumps([["egg", "brown", ""]]))
    assert main(["capture", str(tmp_path / "one"), "--things", str(wishes), *how]) == 0
    asked = json.loads((tmp_path / "one" / "queries.json").read_text())["queries"]
    assert [query["text"] for query in asked if query["kind"] == "absent"] == ["apple", "mug"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("mug\nunicorn\n", "not kinds of things: unicorn; there are apple"),
        ("\n", "no kind of thing in it"),
        (None, "expected a text file"),
    ],
)
def test_a_list_of_kinds_that_is_none_is_told(tmp_path, capsys, content, told):
    pytest.importorskip("mitsuba")
    kinds = tmp_path / "kinds.txt"
    if content is not None:
        kinds.write_text(content)
    assert main(["pictures", str(tmp_path / "out"), "--kinds", str(kinds), *SMALL]) == 2
    assert told in capsys.readouterr().err
