"""`langfield segment`: what is at places and pixels, at which scale, and what it writes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Trained, failure, printed_json
from tests.cli.grouped_command import place, read_points, said, wall
from tests.query.fake_world import THING
from tests.query.grouped_wall import DISC, HALF, LARGE, RADIUS

from langfield.cli.main import main

__all__ = ["wall"]  # a fixture
KEYS = {"group", "position", "box", "obb", "scale", "elements", "view", "views"}
MIDDLE = said(place(0, 0, 0))
LEFT, RIGHT = said(place(-0.1, 0, 0)), said(place(0.1, 0, 0))
FIRST = "0"  # the photo 0.jpg, by its name without its ending


def pixel(*offset_scene: float) -> str:
    """The pixel of the first photo that shows a place so far from the thing's middle."""
    x, y, z = (THING.double().numpy() + np.array(offset_scene)).tolist()
    return f"{x / z * 0.9 * 64 + 32:.3f},{y / z * 0.9 * 64 + 24:.3f}"


def group_at(capsys, *arguments: str) -> int | None:
    return printed_json(capsys, ["segment", "run", *arguments])["group"]


def test_a_place_gives_the_thing(wall, capsys):
    found = printed_json(capsys, ["segment", "run", "--at", MIDDLE])
    assert set(found) == KEYS
    assert found["group"] == DISC
    np.testing.assert_allclose(found["position"], place(0, 0, 0), atol=0.15)
    assert 0.75 < found["scale"] / (2 * RADIUS * 3) < 1.08  # boxes trim a disc's ends
    assert max(found["obb"]["size"]) == found["scale"]
    low, high = np.array(found["box"])
    assert (low <= found["position"]).all()
    assert (found["position"] <= high).all()
    assert found["elements"] > 10


def test_people_get_a_row(wall, capsys):
    assert main(["segment", "run", "--at", MIDDLE]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["group", "position", "box", "size", "elements", "best", "photo"]
    assert row.split()[0] == str(DISC)


def test_a_pixel_gives_what_it_shows(wall, capsys):
    by_pixel = printed_json(capsys, ["segment", "run", "--view", FIRST, "--pixel", pixel(0, 0, 0)])
    assert by_pixel == printed_json(capsys, ["segment", "run", "--at", MIDDLE])
    assert group_at(capsys, "--view", "0.jpg", "--pixel", pixel(0, 0.7, 0)) == LARGE


def test_the_scale_chooses_between_part_thing_and_set(wall, capsys):
    scales = {scale: group_at(capsys, "--at", LEFT, "--scale", scale) for scale in ("1", "2.1", "6")}
    assert scales == {"1": HALF, "2.1": DISC, "6": LARGE}


def test_more_places_widen_it_and_excluded_ones_narrow_it(wall, capsys):
    assert group_at(capsys, "--at", LEFT, "--at", said(place(0, 0.6, 0))) == LARGE
    assert group_at(capsys, "--at", LEFT, "--not-at", RIGHT) == HALF
    not_pixel = ["--view", FIRST, "--not-pixel", pixel(0.15, 0, 0)]
    assert group_at(capsys, "--at", said(place(-0.15, 0, 0)), *not_pixel) == HALF


def test_nothing_there_is_an_answer(wall, capsys):
    found = printed_json(capsys, ["segment", "run", "--at", said(place(0, 0, -1))])
    assert found == {"group": None, "position": None, "box": None, "obb": None, "scale": None, "elements": 0}
    assert group_at(capsys, "--at", LEFT, "--not-at", LEFT) is None
    assert main(["segment", "run", "--at", said(place(0, 0, -1))]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("nothing there")


def test_coordinates_may_be_negative(wall, capsys):
    assert group_at(capsys, "--at=-100,-2,3") is None
    assert group_at(capsys, "--at", "-100,-2,3") is None


def test_files_can_be_read_again(wall, tmp_path: Path, capsys):
    found = printed_json(capsys, ["segment", "run", "--at", MIDDLE, "--out", str(tmp_path / "out")])
    files = [Path(file) for file in found["files"]]
    assert files[0] == tmp_path / "out" / f"group-{DISC:03d}.ply"
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    points = read_points(files[0])
    assert len(points) > 10
    assert (np.linalg.norm(points - place(0, 0, 0), axis=1) / 3).max() < RADIUS + 0.1
    assert {file.name for file in files[1:]} == {f"{Path(name).stem}_mask.png" for name in found["views"]}
    for view in (view for view in wall.views if view.name in found["views"]):
        with Image.open(tmp_path / "out" / f"{Path(view.name).stem}_mask.png") as mask:
            pixels = np.asarray(mask)
        assert set(np.unique(pixels)) == {0, 255}
        np.testing.assert_array_equal(pixels == 255, wall.group_masks(view.camera, [DISC])[0])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "give a place: --at X,Y,Z, or --view PHOTO --pixel X,Y"),
        (["--not-at", MIDDLE], "give a place: --at X,Y,Z, or --view PHOTO --pixel X,Y"),
        (["--pixel", "3,4"], "--pixel needs the photo that it is in: --view PHOTO"),
        (["--at", MIDDLE, "--not-pixel", "3,4"], "--pixel needs the photo that it is in: --view PHOTO"),
        (["--view", FIRST, "--pixel", "64,3"], "pixel 64,3 is not in the picture of 64 by 48"),
        (["--view", "holiday", "--pixel", "3,4"], "the run has no view 'holiday'"),
        (["--at", "1,2"], "'1,2' is no place: 3 numbers with commas between are needed, such as 0.1,0.2,0.05"),
        (["--at", "1,2,nan"], "'1,2,nan' is no place: 3 numbers"),
        (["--at", "here"], "'here' is no place: 3 numbers"),
        (["--view", FIRST, "--pixel", "3"], "'3' is no place: 2 numbers"),
        (["--at", MIDDLE, "--scale", "0"], "a scale is a length above 0, got 0"),
        (["--at", MIDDLE, "--scale", "inf"], "a scale is a length above 0, got inf"),
    ],
)
def test_what_cannot_be_is_refused(wall, arguments: list[str], line: str, capsys):
    assert failure(capsys, ["segment", "run", *arguments]).startswith(line)


def test_a_run_without_groups_says_how_to_get_them(trained: Trained, capsys):
    line = failure(capsys, ["segment", str(trained.run), "--at", "0,0,0"])
    assert "this run has no groups of its surface: train it with --masks builtin:masks" in line
