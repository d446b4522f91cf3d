"""What is written is what langfield reads: cameras, truth, queries and points of a capture; training pictures."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.synthetic import small_scenes
from tests.synthetic.small_scenes import CENTRE, RADIUS, WHITE

from langfield.core.errors import UsageError
from langfield.data.queries import QUERIES_FILE, read_queries
from langfield.data.scene import open_scene
from langfield.evaluation.labels.layouts import open_labels
from langfield_synthetic.kinds import KINDS
from langfield_synthetic.meshes import rounded_box
from langfield_synthetic.rendering import FIRST_THING_ID, TABLE_ID
from langfield_synthetic.scenes import compose, ring_cameras
from langfield_synthetic.things import Kind, Look, Surface
from langfield_synthetic.writing import add_truth, queries, write_capture, write_pictures


@pytest.fixture(scope="module")
def cameras():
    return ring_cameras(10, 80, 60, distance=0.6)


@pytest.fixture(scope="module")
def pictures(cameras):
    return [small_scenes.closed_form(camera) for camera in cameras]


@pytest.fixture(scope="module")
def capture(tmp_path_factory, cameras, pictures):
    out = tmp_path_factory.mktemp("captures") / "ball"
    write_capture(out, "ball", small_scenes.scene(small_scenes.red_ball()), cameras, iter(pictures))
    return out


def test_the_cameras_are_read_back(capture, cameras):
    scene = open_scene(capture)
    assert len(scene.views) == len(cameras)
    for view, camera in zip(scene.views, cameras, strict=True):
        np.testing.assert_allclose(view.camera.world_from_camera, camera.world_from_camera, atol=1e-6)
        for name in ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px"):
            assert getattr(view.camera, name) == pytest.approx(getattr(camera, name), abs=1e-6)


def test_every_eighth_photo_is_a_test_view_with_truth(capture):
    scene = open_scene(capture)
    assert scene.test == (0, 8)
    assert set(scene.train) == set(range(10)) - {0, 8}
    frames = {path.name.rsplit("_", 1)[0] for path in (capture / "gt").iterdir()}
    assert frames == {"frame_00001", "frame_00009"}


def test_the_photos_show_the_pictures(capture, pictures):
    for view, picture in zip(open_scene(capture).views, pictures, strict=True):
        with Image.open(view.image_path) as photo:
            difference = np.abs(np.asarray(photo.convert("RGB"), dtype=float) - picture.rgb)
        assert np.median(difference) < 4


def test_the_labels_say_where_the_ball_is(capture, pictures):
    scene = open_scene(capture)
    views = [scene.views[i] for i in scene.test]
    labels = open_labels(capture / "queries.json", views)
    for index, view in zip(scene.test, views, strict=True):
        seen = labels.of_view(view)
        assert seen is not None
        masks = {label.phrase: label.mask for label in seen.labels}
        assert {"ball", "red ball", "toy", "table"} == set(masks)
        np.testing.assert_array_equal(masks["ball"], pictures[index].ids == FIRST_THING_ID)
        np.testing.assert_array_equal(masks["table"], pictures[index].ids == TABLE_ID)


def test_the_true_depth_is_in_millimetres(capture, pictures):
    with Image.open(capture / "gt" / "frame_00009_depth.png") as picture:
        np.testing.assert_allclose(np.asarray(picture) / 1000, pictures[8].depth, atol=0.0006)


def test_the_points_lie_on_what_the_training_photos_show(capture):
    points = open_scene(capture).points
    assert points is not None
    assert len(points) > 4000
    to_ball = np.abs(np.linalg.norm(points.xyz - CENTRE, axis=1) - RADIUS)
    to_table = np.abs(points.xyz[:, 2])
    assert np.minimum(to_ball, to_table).max() < 0.012  # six times the noise
    red = points.rgb[:, 1] < 100
    assert red.any()
    assert to_ball[red].max() < 0.012


def test_a_folder_that_holds_something_is_left_alone(capture, cameras):
    before = (capture / "queries.json").read_bytes()
    with pytest.raises(UsageError, match="not empty"):
        write_capture(capture, "other", small_scenes.scene(), cameras, [])
    assert (capture / "queries.json").read_bytes() == before


def test_one_photo_is_too_few(tmp_path, cameras, pictures):
    with pytest.raises(UsageError, match="too few"):
        write_capture(tmp_path / "out", "one", small_scenes.scene(), cameras[:1], pictures[:1])


def test_queries_mean_the_things_that_the_words_are_true_of():
    ball = small_scenes.red_ball()
    mug = Kind("mug", KINDS["mug"].build, ("red", "blue"), ("ceramic",), ("coffee mug",), ("container", "tableware"))
    bowl = Kind("bowl", KINDS["bowl"].build, ("red",), (), (), ("container", "tableware"))
    mesh, surface = ball.parts[0].mesh, ball.parts[0].surface
    things = [
        small_scenes.thing(mesh, surface, mug, Look("red", "ceramic", WHITE)),
        small_scenes.thing(mesh, surface, bowl, Look("red", "", WHITE)),
        small_scenes.thing(mesh, surface, mug, Look("blue", "ceramic", WHITE)),
    ]
    document = queries("three", small_scenes.scene(*things))
    found = {query["text"]: (query["kind"], query["ids"]) for query in document["queries"] if query["kind"] != "absent"}
    assert found == {
        "mug": ("object", [0, 2]),
        "coffee mug": ("synonym", [0, 2]),
        "red mug": ("attribute", [0]),
        "blue mug": ("attribute", [2]),
        "ceramic mug": ("attribute", [0, 2]),
        "container": ("abstract", [0, 1, 2]),
        "tableware": ("abstract", [0, 1, 2]),
        "bowl": ("object", [1]),
        "table": ("background", [-1]),
    }
    absent = {query["text"] for query in document["queries"] if query["kind"] == "absent"}
    assert absent == set(KINDS) - {"mug", "bowl"}
    assert [thing["name"] for thing in document["instances"]] == ["red ceramic mug", "red bowl", "blue ceramic mug"]
    assert [thing["id"] for thing in document["instances"]] == [0, 1, 2]


def test_training_pictures_are_read_back(tmp_path, pictures):
    path = tmp_path / "00003.npz"
    write_pictures(path, small_scenes.scene(small_scenes.red_ball()), pictures)
    assert [file.name for file in tmp_path.iterdir()] == ["00003.npz"]
    with np.load(path, allow_pickle=False) as read:
        np.testing.assert_array_equal(read["rgb"], np.stack([picture.rgb for picture in pictures]))
        np.testing.assert_array_equal(read["ids"], np.stack([picture.ids for picture in pictures]))
        assert read["rgb"].dtype == read["ids"].dtype == np.uint8
        assert "parts" not in read
        meta = json.loads(str(read["meta"]))
    ball = {"id": FIRST_THING_ID, "noun": "ball", "colour": "red", "material": "", "synonyms": [], "hypernyms": ["toy"]}
    ball["alike"] = None
    assert meta["seed"] == 3
    assert meta["things"] == [ball]
    assert meta["table"] == {key: list(words) for key, words in small_scenes.WORDS.items()}


def test_parts_and_sets_of_equals_are_read_back(tmp_path, pictures):
    path = tmp_path / "00003.npz"
    equal = replace(small_scenes.red_ball(), alike=0)
    write_pictures(path, small_scenes.scene(equal, equal, small_scenes.red_ball()), pictures, with_parts=True)
    with np.load(path, allow_pickle=False) as read:
        np.testing.assert_array_equal(read["parts"], np.stack([picture.parts for picture in pictures]))
        assert read["parts"].dtype == np.uint8
        assert [thing["alike"] for thing in json.loads(str(read["meta"]))["things"]] == [0, 0, None]


def test_truth_of_every_photo_is_written_at_once_or_added(tmp_path, capture, cameras, pictures):
    ball = small_scenes.scene(small_scenes.red_ball())
    write_capture(tmp_path / "ball", "ball", ball, cameras, pictures, all_truth=True)
    added = tmp_path / "added"
    shutil.copytree(capture, added)
    before = {path: path.stat().st_mtime_ns for path in added.rglob("*") if path.is_file()}
    add_truth(added, ball, cameras, iter(pictures))
    assert before == {path: path.stat().st_mtime_ns for path in before}
    one, other = ({path.relative_to(at) for path in at.rglob("*")} for at in (tmp_path / "ball", added))
    assert one == other
    assert len(list((added / "gt").iterdir())) == 2 * len(cameras)
    for path in sorted(file for file in one if (added / file).is_file()):
        assert (tmp_path / "ball" / path).read_bytes() == (added / path).read_bytes()


def test_truth_is_added_to_a_capture_of_the_same_alone(tmp_path, capture, cameras, pictures):
    ball = small_scenes.scene(small_scenes.red_ball())
    further = ring_cameras(10, 80, 60, distance=0.7)
    larger = [replace(camera, width_px=82) for camera in cameras]
    moved = small_scenes.scene(replace(small_scenes.red_ball(), position=(0.1, 0.0, RADIUS)))
    for scene, others, told in (
        (ball, cameras[:9], "10 photos, not 9"),
        (ball, further, "images/frame_00001.jpg was taken by another camera"),
        (ball, larger, "images/frame_00001.jpg was taken by another camera"),
        (moved, cameras, "other things"),
        (small_scenes.scene(), cameras, "other things"),
    ):
        with pytest.raises(UsageError, match=told):
            add_truth(capture, scene, others, iter(pictures))
    with pytest.raises(UsageError, match=r"transforms.json: expected a file of a capture"):
        add_truth(tmp_path, ball, cameras, iter(pictures))
    (tmp_path / "transforms.json").write_text("{}")
    (tmp_path / "queries.json").write_text("{}")
    with pytest.raises(UsageError, match="not a capture that langfield-synthetic wrote"):
        add_truth(tmp_path, ball, cameras, iter(pictures))
    assert len(list((capture / "gt").iterdir())) == 4


def test_a_broken_write_leaves_no_pictures(tmp_path, pictures, monkeypatch):
    def broken(file, **_):
        file.write(b"PK")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="disk full"):
        write_pictures(tmp_path / "00003.npz", small_scenes.scene(), pictures)
    assert not list(tmp_path.glob("*.npz"))


def test_the_queries_written_are_the_queries_read(capture):
    document = queries("ball", small_scenes.scene(small_scenes.red_ball()))
    file = read_queries(capture / QUERIES_FILE)
    assert file.id_png_offset == document["id_png_offset"]
    assert [vars(query) | {"ids": list(query.ids)} for query in file.queries] == document["queries"]
    for written in document["instances"]:
        thing = file.instances[written["id"]]
        assert thing.box is not None
        assert thing.turned_box is not None
        assert (list(thing.position), thing.radius, thing.height) == (
            written["position"],
            written["radius"],
            written["height"],
        )
        assert {"min": list(thing.box[0]), "max": list(thing.box[1])} == written["box"]
        turned = thing.turned_box
        assert written["obb"] == {
            "center": list(turned.centre),
            "size": list(turned.size),
            "yaw_deg": turned.yaw_degrees,
        }


@pytest.mark.parametrize("yaw", [0.0, 30.0, 123.0, 350.0])
def test_the_boxes_written_go_exactly_round_the_thing(yaw: float):
    size, away = np.array([0.3, 0.1, 0.05]), np.array([0.2, -0.1, 0.0])
    mesh = rounded_box(*size, radius=0.0).turned("z", yaw).moved(*away)
    thing = replace(small_scenes.thing(mesh, Surface(WHITE)), yaw_degrees=yaw)
    (written,) = queries("box", small_scenes.scene(thing))["instances"]
    middle = away + np.array([0, 0, size[2] / 2])
    assert written["obb"] == {"center": pytest.approx(middle), "size": pytest.approx(size, abs=1e-6), "yaw_deg": yaw}
    cos, sin = abs(np.cos(np.radians(yaw))), abs(np.sin(np.radians(yaw)))
    half = np.array([size[0] * cos + size[1] * sin, size[0] * sin + size[1] * cos, size[2]]) / 2
    np.testing.assert_allclose(written["box"]["min"], middle - half, atol=1e-6)
    np.testing.assert_allclose(written["box"]["max"], middle + half, atol=1e-6)


def test_the_boxes_of_a_composed_scene_hold_all_of_each_thing_and_nothing_more():
    scene = compose(7, count=(5, 6))
    for thing, written in zip(scene.things, queries("seven", scene)["instances"], strict=True):
        vertices = np.concatenate([part.mesh.vertices for part in thing.parts]).astype(np.float64)
        np.testing.assert_array_equal(written["box"]["min"], vertices.min(axis=0))
        np.testing.assert_array_equal(written["box"]["max"], vertices.max(axis=0))
        yaw, obb = np.radians(thing.yaw_degrees), written["obb"]
        own = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        inside = (vertices - obb["center"]) @ own.T
        np.testing.assert_allclose(inside.max(axis=0), np.array(obb["size"]) / 2, atol=1e-6)
        np.testing.assert_allclose(inside.min(axis=0), -np.array(obb["size"]) / 2, atol=1e-6)
