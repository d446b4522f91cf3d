"""`langfield objects`: what it prints, what it writes, and the line it ends with when it cannot."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Trained, failure, printed_json
from tests.cli.grouped_command import place, read_points, wall
from tests.export.glb_reader import read_glb
from tests.query.grouped_wall import DISC, HALF, LARGE, RADIUS

from langfield.cli.main import main

__all__ = ["wall"]  # a fixture
KEYS = {
    *("group", "position", "box", "obb", "scale", "elements", "view", "views"),
    *("name", "score", "photos", "support", "parent", "parts"),
}


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    """As people write them: an empty line, a double, spaces."""
    path = tmp_path / "nouns.txt"
    path.write_text("nothing\n\n  thing \nthing\n", encoding="utf-8")
    return path


def test_things_are_listed_with_place_box_and_name(wall, vocabulary: Path, capsys):
    document = printed_json(capsys, ["objects", "run", "--vocabulary", str(vocabulary)])
    assert set(document) == {"objects", "warnings"}
    (thing,) = document["objects"]
    assert set(thing) == KEYS
    assert (thing["group"], thing["name"], thing["parent"], thing["parts"]) == (DISC, "thing", LARGE, [HALF])
    assert (thing["photos"], thing["support"]) == (4, 1.0)
    assert 0 <= thing["score"] <= 1
    np.testing.assert_allclose(thing["position"], place(0, 0, 0), atol=0.15)
    assert (
        0.75 < thing["scale"] / (2 * RADIUS * 3) < 1.08
    )  # the world is three times as large; boxes trim a disc's ends
    assert thing["view"] == thing["views"][0]
    assert thing["view"] in {view.name for view in wall.views}
    assert set(thing["obb"]) == {"centre", "axes", "size"}
    assert np.shape(thing["box"]) == (2, 3)
    assert thing["elements"] > 10


def test_parts_are_listed_when_asked_for(wall, vocabulary: Path, capsys):
    document = printed_json(capsys, ["objects", "run", "--vocabulary", str(vocabulary), "--parts"])
    parents = {found["group"]: found["parent"] for found in document["objects"]}
    assert parents == {DISC: LARGE, HALF: DISC, LARGE: None}


def test_people_get_a_table(wall, vocabulary: Path, capsys):
    assert main(["objects", "run", "--vocabulary", str(vocabulary)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["group", "name", "score", "position"]
    assert rows[0].split()[:2] == [str(DISC), "thing"]


def test_files_can_be_read_again(wall, vocabulary: Path, tmp_path: Path, capsys):
    out = tmp_path / "made" / "out"
    arguments = ["objects", "run", "--vocabulary", str(vocabulary), "--out", str(out)]
    document = printed_json(capsys, arguments)
    files = [Path(file) for file in document.pop("files")]
    assert files == [out / "objects.json", out / "objects.png", out / "objects.glb", out / "000-thing.ply"]
    assert sorted(files) == sorted(out.iterdir())
    assert json.loads(files[0].read_text()) == document
    with Image.open(files[1]) as picture:
        assert picture.size == (960, 720)
    points = read_points(files[3])
    away = np.linalg.norm(points - place(0, 0, 0), axis=1) / 3
    assert len(points) > 10
    assert away.max() < RADIUS + 0.1
    scene, thing = read_glb(files[2])[0]["nodes"]
    assert (scene["children"], thing["name"]) == ([1], "thing 0")
    assert thing["extras"] == document["objects"][0]
    np.testing.assert_allclose(thing["translation"], document["objects"][0]["obb"]["centre"])


def test_a_vocabulary_that_holds_no_noun_is_refused(wall, tmp_path: Path, capsys):
    missing, empty, binary = (tmp_path / name for name in ("missing.txt", "empty.txt", "binary.txt"))
    empty.write_text(" \n\n")
    binary.write_bytes(b"\xff\xfe\x00cup")
    for path, message in (
        (missing, "cannot be read as a text file with a noun a line"),
        (empty, "holds no noun; one a line is needed"),
        (binary, "cannot be read as a text file with a noun a line"),
    ):
        assert failure(capsys, ["objects", "run", "--vocabulary", str(path)]).startswith(f"{path}: {message}")


def test_a_folder_that_cannot_be_made_is_named(wall, vocabulary: Path, tmp_path: Path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    arguments = ["objects", "run", "--vocabulary", str(vocabulary), "--out", str(out), "--json"]
    assert main(arguments) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["file"] == str(out)
    assert error["message"].startswith("cannot be made")


def test_a_run_without_groups_says_how_to_get_them(trained: Trained, capsys):
    line = failure(capsys, ["objects", str(trained.run)])
    assert "this run has no groups of its surface: train it with --masks builtin:masks" in line
