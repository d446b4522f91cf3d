"""`queries.json`: what is written is what is read, and what is wrong is said in one line."""

import json
from pathlib import Path

import pytest
from tests.data.scenes import BALLS, queries

from langfield.core.errors import DataError
from langfield.data.queries import Instance, QueriesFile, SceneQuery, TurnedBox, read_queries

THING = {"id": 0, "position": [0, 1, 2], "radius": 1, "height": 1}


def written(folder: Path, **changes) -> QueriesFile:
    path = folder / "queries.json"
    path.write_text(json.dumps(queries() | changes))
    return read_queries(path)


def test_what_is_written_is_what_is_read(tmp_path: Path):
    file = written(tmp_path)
    assert file.id_png_offset == queries()["id_png_offset"]
    assert [vars(query) | {"ids": list(query.ids)} for query in file.queries] == queries()["queries"]
    assert file.instances == {
        number: Instance(ball.centre, ball.radius, 2 * ball.radius) for number, ball in enumerate(BALLS)
    }


def test_exact_boxes_are_read_where_they_are_given(tmp_path: Path):
    box = {"min": [-0.5, 0.5, 1.5], "max": [0.5, 1.5, 2.5]}
    obb = {"center": [0, 1, 2], "size": [0.5, 0.25, 1], "yaw_deg": 216.5}
    others = [THING | {"id": 1, "box": box}, THING | {"id": 2, "obb": obb}, THING | {"id": 3, "box": None}]
    file = written(tmp_path, instances=[THING | {"box": box, "obb": obb}, *others])
    corners, turned = ((-0.5, 0.5, 1.5), (0.5, 1.5, 2.5)), TurnedBox((0, 1, 2), (0.5, 0.25, 1), 216.5)
    assert [(one.box, one.turned_box) for one in file.instances.values()] == [
        (corners, turned), (corners, None), (None, turned), (None, None)
    ]  # fmt: skip


def test_a_query_has_the_things_that_it_means_and_background_is_none(tmp_path: Path):
    file = written(tmp_path)
    by_text = {query.text: query for query in file.queries}
    assert file.instances_of(by_text["ball"]) == tuple(file.instances[number] for number in range(len(BALLS)))
    assert file.instances_of(by_text["table"]) == file.instances_of(by_text["piano"]) == ()


def test_labels_of_pictures_need_no_instances(tmp_path: Path):
    file = written(tmp_path, instances=None)
    assert file.queries[0] == SceneQuery("red ball", "object", (0,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id_png_offset": 300}, "id_png_offset must be a number between 0 and 255, found 300"),
        ({"id_png_offset": 1.5}, "id_png_offset must be a whole number, found 1.5"),
        ({"queries": []}, "has 0 queries: 1 to 10000 are read"),
        (
            {"queries": [{"text": "mug", "ids": [], "kind": "object"}]},
            "queries[0] ('mug') is of kind 'object' with 0 ids: only 'absent' has none",
        ),
        (
            {"queries": [{"text": "mug", "ids": [0], "kind": "object"}] * 2},
            "queries[1] ('mug') stands there twice: ask each phrase once",
        ),
        (
            {"queries": [{"text": "mug", "ids": [0, 0], "kind": "object"}]},
            "queries[0] ('mug') names a thing twice: name it once",
        ),
        (
            {"queries": [{"text": " ", "ids": [0], "kind": "object"}]},
            "queries[0].text must be a phrase of 1 to 500 characters, found 1",
        ),
        ({"queries": [{"text": "mug", "kind": "object"}]}, "queries[0].ids is missing: add it"),
    ],
)
def test_queries_that_make_no_sense(tmp_path: Path, change: dict, message: str):
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(queries() | change))
    with pytest.raises(DataError) as error:
        read_queries(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instances": None}, "instances is missing: add the id, position, radius and height of each thing"),
        ({"instances": []}, "query 'red ball' means thing 0, which instances has not: add it there"),
        (
            {"instances": [{"id": 0, "position": [0, 1], "radius": 1, "height": 1}]},
            "instances[0].position must be [x, y, z], found 2 numbers",
        ),
        (
            {"instances": [{"id": 0, "position": [0, 1, 2], "radius": 1, "height": 1}] * 2},
            "instances[1].id must be a whole number that no other instance has, found 0",
        ),
        (
            {"instances": [{"id": 0, "position": [0, 1, 2], "radius": 0, "height": 1}]},
            "instances[0].radius must be a number between 1e-09 and 1e+12, found 0",
        ),
        (
            {"instances": [THING | {"box": {"min": [0, 1, 2], "max": [1, 1, 3]}}]},
            "instances[0].box must be wider than nothing along each axis, "
            "found min [0.0, 1.0, 2.0], max [1.0, 1.0, 3.0]",
        ),
        ({"instances": [THING | {"box": {"min": [0, 1, 2]}}]}, "instances[0].box.max is missing: add it"),
        (
            {"instances": [THING | {"obb": {"center": [0, 1, 2], "size": [1, 0, 1], "yaw_deg": 0}}]},
            "instances[0].obb.size[1] must be a number between 1e-09 and 1e+12, found 0",
        ),
    ],
)
def test_instances_that_make_no_sense(tmp_path: Path, change: dict, message: str):
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(queries() | change))
    file = read_queries(path)
    with pytest.raises(DataError) as error:
        [file.instances_of(query) for query in file.queries]
    assert str(error.value) == f"{path}: {message}"
