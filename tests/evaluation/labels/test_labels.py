"""Labels: what is read is what was drawn, and what is wrong is said in one line."""

import copy
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.scenes import BALLS, draw, queries, write_ball_scene

from langfield.core.errors import DataError
from langfield.data.scene import Scene, open_scene
from langfield.evaluation.labels.instance_labels import MIN_VISIBLE_PX, visible_box
from langfield.evaluation.labels.layouts import open_labels

WIDTH, HEIGHT = 160, 120


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("balls")
    write_ball_scene(folder, n_views=9, width_px=WIDTH, height_px=HEIGHT)
    return open_scene(folder)


def test_instances_have_the_boxes_and_masks_that_were_drawn(scene: Scene):
    views = [scene.views[i] for i in scene.test]
    labels = open_labels(scene.root / "queries.json", views)
    assert {phrase.text for phrase in labels.phrases} == {query["text"] for query in queries()["queries"]}
    for view in views:
        seen = labels.of_view(view)
        assert seen is not None
        _, ids, _ = draw(view.camera)
        by_phrase = {label.phrase: label for label in seen.labels}
        for query in queries()["queries"]:
            mask = np.isin(ids, query["ids"])
            assert (query["text"] in by_phrase) == (mask.sum() >= 120), query
            if query["text"] in by_phrase:
                label = by_phrase[query["text"]]
                assert (label.mask == mask).all()
                assert label.kind == query["kind"]
                assert len(label.boxes) == sum((ids == i).any() for i in query["ids"])
        for index, ball in enumerate(BALLS):
            if ball.name in by_phrase:
                rows, columns = np.nonzero(ids == index)
                wanted = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert by_phrase[ball.name].boxes.tolist() == [wanted]


def test_a_view_without_a_picture_of_ids_has_no_labels(scene: Scene):
    labels = open_labels(scene.root / "queries.json", [scene.views[i] for i in scene.test])
    assert labels.of_view(scene.views[scene.train[0]]) is None


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_box_is_the_smallest_that_holds_all_pixels(data: st.DataObject):
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    mask = np.zeros((height, width), bool)
    for _ in range(data.draw(st.integers(1, 6))):
        mask[data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))] = True
    x0, y0, x1, y1 = visible_box(mask).astype(int)
    assert mask[y0:y1, x0:x1].sum() == mask.sum()
    assert all(edge.any() for edge in (mask[y0], mask[y1 - 1], mask[:, x0], mask[:, x1 - 1]))


def write_polygons(folder: Path, name: str, objects: list[dict], width: int = WIDTH, height: int = HEIGHT) -> Path:
    folder.mkdir(exist_ok=True)
    info = {"name": f"{name}.jpg", "width": width, "height": height}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"info": info, "objects": objects}))
    return path


def thing(category: str, x0: int, y0: int, x1: int, y1: int) -> dict:
    corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    return {"category": category, "segmentation": corners, "bbox": [x0, y0, x1, y1]}


def test_lerf_ovs_polygons_of_one_label_are_joined(scene: Scene, tmp_path: Path):
    views = [scene.views[i] for i in scene.test]
    name = Path(views[0].name).stem
    objects = [thing("mug", 10, 20, 30, 40), thing("cup", 5, 5, 9, 9), thing("mug", 50, 60, 70, 65)]
    write_polygons(tmp_path / "labels", name, objects)
    labels = open_labels(tmp_path / "labels", views)
    assert [(p.text, p.kind) for p in labels.phrases] == [("mug", "object"), ("cup", "object")]
    assert labels.of_view(views[1]) is None
    seen = labels.of_view(views[0])
    assert seen is not None
    mug = seen.labels[0]
    wanted = np.zeros((HEIGHT, WIDTH), bool)
    wanted[20:41, 10:31] = wanted[60:66, 50:71] = True
    assert (mug.mask == wanted).all()
    assert mug.boxes.tolist() == [[10, 20, 31, 41], [50, 60, 71, 66]]


def test_labels_of_another_raster_of_the_same_picture_keep_theirs(scene: Scene, tmp_path: Path):
    views = [scene.views[i] for i in scene.test]
    write_polygons(tmp_path / "labels", Path(views[0].name).stem, [thing("mug", 1, 2, 3, 4)], 2 * WIDTH, 2 * HEIGHT)
    seen = open_labels(tmp_path / "labels", views).of_view(views[0])
    assert seen is not None
    assert (seen.width_px, seen.height_px) == (2 * WIDTH, 2 * HEIGHT)


def check_error(path: Path, scene: Scene, message: str) -> None:
    views = [scene.views[i] for i in scene.test]
    with pytest.raises(DataError) as error:
        open_labels(path, views).of_view(views[0])
    assert str(error.value) == message


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
def test_queries_that_make_no_sense(scene: Scene, tmp_path: Path, change: dict, message: str):
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(queries() | change))
    check_error(path, scene, f"{path}: {message}")


def test_pictures_of_ids_that_cannot_be(scene: Scene, tmp_path: Path):
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(queries()))
    (tmp_path / "gt").mkdir()
    view = scene.views[scene.test[0]]
    picture = tmp_path / "gt" / f"{Path(view.name).stem}_ids.png"
    Image.new("RGB", (WIDTH, HEIGHT), (1, 2, 3)).save(picture)
    check_error(path, scene, f"{picture}: is a picture in colour: an 8-bit grey picture of ids is needed")
    Image.new("L", (WIDTH, 2 * HEIGHT)).save(picture)
    check_error(
        path,
        scene,
        f"{picture}: is of 160 by 240 pixels, the photo {view.name} of 160 by 120: labels must cover the same picture",
    )


def test_files_that_are_not_there(scene: Scene, tmp_path: Path):
    what = (
        "give a queries.json, or the folder that holds LERF-OVS's <photo>.json, LERF-Mask's <n>/<phrase>.png "
        "(test_mask), or 3D-OVS's classes.txt and <photo>/<class>.png (segmentations)"
    )
    check_error(tmp_path / "no.json", scene, f"{tmp_path / 'no.json'}: does not exist: {what}")
    check_error(tmp_path, scene, f"{tmp_path}: holds no labels: {what}")
    write_polygons(tmp_path, "another", [thing("mug", 1, 2, 3, 4)])
    views = "holds no labels of the views that are asked: info.name must be a photo's file name"
    check_error(tmp_path, scene, f"{tmp_path}: {views}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": [[1, 2], [3, 4]]}, "must be a polygon of 3 to 100000 corners [x, y], found 2"),
        ({"segmentation": [[1, 2], [3, 4], [5]]}, "must be a polygon of 3 to 100000 corners [x, y], found 3"),
        ({"bbox": [5, 5, 1, 9]}, "must be [x from, y from, x to, y to], found [5.0, 5.0, 1.0, 9.0]"),
        ({"bbox": [0, 0, 500, 9]}, "leaves the picture of 160 by 120 pixels, found [0.0, 0.0, 500.0, 9.0]"),
        ({"bbox": [-9, 0, 50, 9]}, "leaves the picture of 160 by 120 pixels, found [-9.0, 0.0, 50.0, 9.0]"),
        ({"bbox": [0, 0, 9, 124]}, "leaves the picture of 160 by 120 pixels, found [0.0, 0.0, 9.0, 124.0]"),
        ({"bbox": [160, 0, 161, 9]}, "leaves the picture of 160 by 120 pixels, found [160.0, 0.0, 161.0, 9.0]"),
    ],
)
def test_polygons_that_make_no_sense(scene: Scene, tmp_path: Path, change: dict, message: str):
    name = Path(scene.views[scene.test[0]].name).stem
    path = write_polygons(tmp_path / "labels", name, [thing("mug", 1, 2, 3, 4) | change])
    check_error(tmp_path / "labels", scene, f"{path}: objects[0].{next(iter(change))} {message}")


def test_boxes_that_overlap_the_border_by_a_pixel_are_clipped_with_a_note(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    view = scene.views[scene.test[0]]
    boxes = [[-2, -1, 30, 40], [100, 80, WIDTH, HEIGHT + 1], [0, 0, WIDTH - 1, HEIGHT - 1]]
    objects = [thing(f"mug {number}", *box) for number, box in enumerate(boxes)]
    path = write_polygons(tmp_path / "labels", Path(view.name).stem, objects)
    seen = open_labels(tmp_path / "labels", [view]).of_view(view)
    assert seen is not None
    assert caplog.messages == [f"{path}: 2 of 3 boxes overlap the picture's border: they are clipped"]
    found = [label.boxes[0].tolist() for label in seen.labels]
    assert found == [[0, 0, 31, 41], [100, 80, WIDTH, HEIGHT], [0, 0, WIDTH, HEIGHT]]
    masks = [label.mask for label in seen.labels]
    assert [int(mask.sum()) for mask in masks] == [31 * 41, (WIDTH - 100) * (HEIGHT - 80), WIDTH * HEIGHT]


ODD = (None, True, -1, 1e300, "", "x" * 600, "\x00", [], {}, [[]], [1e9, 2], {"a": 1}, 0.5)


def damaged(document, rng: random.Random):
    """The document with one value replaced, taken out or doubled somewhere."""
    document = copy.deepcopy(document)
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = rng.choice(keys)
        child = place[key]
        if isinstance(child, dict | list) and child and rng.random() < 0.8:
            place = child
        else:
            break
    if rng.random() < 0.2:
        del place[key]
    else:
        place[key] = rng.choice(ODD)
    return document


@settings(deadline=None, max_examples=150)
@given(st.randoms(use_true_random=False))
def test_damaged_labels_are_refused_in_one_line_or_read(scene: Scene, tmp_path_factory, rng: random.Random):
    folder = tmp_path_factory.mktemp("fuzz")
    views = [scene.views[i] for i in scene.test]
    if rng.random() < 0.5:
        path = folder / "queries.json"
        path.write_text(json.dumps(damaged(queries(), rng)))
    else:
        path = folder / "labels"
        file = write_polygons(path, Path(views[0].name).stem, [thing("mug", 1, 2, 30, 40)] * 2)
        file.write_text(json.dumps(damaged(json.loads(file.read_text()), rng)))
    refused = None
    try:
        open_labels(path, views).of_view(views[0])
    except DataError as error:
        refused = error
    assert refused is None or (refused.file is not None and "\n" not in str(refused))


def test_the_rule_of_120_pixels_is_the_benchmarks():
    assert MIN_VISIBLE_PX == 120
