"""A run as browsers draw it, and several of them."""

import io
import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.query.fake_session import WORLD_FROM_SCENE
from tests.query.fake_session import session as plain_session
from tests.viewer.worlds import PAGE_FROM_SCENE, SIDE, runs, splat_session, wall_session

from langfield.cli.view import photo_reader
from langfield.core.errors import DataError, UsageError
from langfield.core.splats import SH_C0
from langfield.viewer.panel_actions import besides_of_run
from langfield.viewer.run_scene import RunScene, elements_of_surface, inner_point
from langfield.viewer.runs import Runs, run_names
from langfield.viewer.saving import ANSWERS, camera_path, picture_png
from langfield.viewer.state import Keyframe, ViewerState


@pytest.fixture(scope="module")
def splats() -> RunScene:
    return RunScene("splats", splat_session(), 100_000)


@pytest.fixture(scope="module")
def field() -> RunScene:
    return RunScene("field", wall_session(), 5_000)


def test_the_page_s_frame_is_the_scene_s_with_z_upwards(field: RunScene):
    points = np.array([[0.0, 0, 0], [1, 2, 3]])
    page = field.page_from_world.points(WORLD_FROM_SCENE.points(points))
    np.testing.assert_allclose(page, points @ PAGE_FROM_SCENE.T, atol=1e-9)
    np.testing.assert_allclose(field.page_from_world.rotation @ field.session.up_world, field.up, atol=1e-9)


def test_gaussians_keep_their_places_shapes_and_colours(splats: RunScene):
    elements = splats.make_elements()
    assert len(elements) == elements.total == SIDE**2
    assert elements.covariances is not None
    np.testing.assert_allclose(elements.positions[0], PAGE_FROM_SCENE @ [-2, -2, 4], atol=1e-5)
    thin = PAGE_FROM_SCENE @ [0, 0, 1.0]  # across the wall
    np.testing.assert_allclose(thin @ elements.covariances[0] @ thin, 0.005**2, rtol=1e-3)
    np.testing.assert_allclose(np.trace(elements.covariances[0]), 2 * 0.06**2 + 0.005**2, rtol=1e-3)
    assert tuple(elements.rgb[0]) == (round(255 * (0.5 + 1.7 * SH_C0)), 5, 5)
    assert elements.opacities[0] == pytest.approx(1 / (1 + np.exp(-5)), rel=1e-5)


def test_of_too_many_gaussians_fewer_larger_ones_stay(splats: RunScene):
    few = RunScene("few", splat_session(), 400).make_elements()
    assert len(few) == 400
    assert few.total == SIDE**2
    assert (np.diff(few.numbers) > 0).all()
    assert few.covariances is not None
    all_of_them = splats.make_elements()
    assert all_of_them.covariances is not None
    np.testing.assert_allclose(few.covariances, 4 * all_of_them.covariances[few.numbers], rtol=1e-4)  # twice as wide
    x = few.positions[:, 0]
    assert abs(np.median(x)) < 0.3  # from everywhere


def test_points_of_a_field_are_drawn_evenly(field: RunScene):
    elements = field.make_elements()
    assert elements.covariances is None
    assert 2_000 < len(elements) <= 5_000
    assert elements.total == len(field.session.surface()[0])
    assert 0 < elements.spacing < 1
    none = elements_of_surface(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), field.page_from_world, 10)
    assert len(none) == 0


@pytest.mark.parametrize("name", ["field", "splats"])
def test_elements_are_answered_as_the_session_answers(name: str, field: RunScene, splats: RunScene):
    scene = field if name == "field" else splats
    elements = scene.make_elements()
    answers = scene.element_answers(ViewerState(phrases=("thing", "nothing")), None)
    found = np.any(scene.session.elements("thing"), axis=0)[elements.numbers]
    np.testing.assert_array_equal(answers.found[0], found)
    assert found.any()
    assert not answers.found[1].any()
    assert answers.relevancy[0][found].min() > np.median(answers.relevancy[0])


def test_things_and_what_was_clicked_are_marked(field: RunScene):
    (thing,) = {found.shape.group for found in field.objects() if found.shape.group == 0} or {field.things[0]}
    answers = field.element_answers(ViewerState(layer="Objects"), thing)
    elements = field.make_elements()
    np.testing.assert_array_equal(answers.selected, field.session.group_elements(thing)[elements.numbers])
    assert (answers.thing[answers.selected] >= 0).all()


def test_the_first_picture_is_of_a_photo(field: RunScene):
    assert Image.open(io.BytesIO(field.first_jpeg)).size == (64, 48)
    assert field.first_distance == pytest.approx(4, rel=1e-3)
    assert field.stand_at(field.first_view).look_at == pytest.approx(PAGE_FROM_SCENE @ [0, 0, 4], abs=1e-2)


def test_runs_have_names_that_differ():
    folders = [Path("/a/kitchen/run"), Path("/b/garage/run"), Path("/c/hall"), Path("/d/kitchen/run")]
    names = run_names(folders)
    assert names == ["kitchen/run", "garage/run", "hall", "kitchen/run (4)"]


def test_a_run_is_opened_once_and_when_it_is_needed():
    opened = []

    def open_session(folder: Path):
        opened.append(folder.name)
        return wall_session()

    several = Runs([Path("/x/one"), Path("/x/two")], open_session, 1000)
    assert several.names == ("one", "two")
    assert several.checked_name("two") == "two"
    assert several.checked_name("../etc") == "one"
    assert opened == []
    assert several.scene("two") is several.scene("two")
    assert opened == ["two"]
    assert not several.is_ready("two")
    several.prepare("two")
    assert several.is_ready("two")
    assert several.doing == ""


def test_what_is_prepared_ends_when_the_viewer_stops():
    said: list[str] = []
    stopped = runs(one=wall_session())
    stopped.stop(1)
    stopped.prepare_in_background("one", said.append)
    stopped.stop(30)
    assert said == ["the viewer was stopped"]


def test_a_run_that_cannot_be_opened_is_said():
    def fails(folder: Path):
        raise UsageError("there is no GPU")

    said: list[str] = []
    broken = Runs([Path("/x/one")], fails, 10)
    broken.prepare_in_background("one", said.append).join(10)
    assert said == ["there is no GPU"]
    assert broken.doing == ""


def test_a_run_that_fails_otherwise_is_told_too():
    def fails(folder: Path):
        raise ValueError("a bug")

    said: list[str] = []
    Runs([Path("/x/one")], fails, 10).prepare_in_background("one", said.append).join(10)
    assert said == ["one could not be made ready: see what langfield view printed."]


def test_of_runs_that_are_prepared_at_once_none_is_forgotten(monkeypatch):
    opened, starting, first_ends = runs(one=wall_session(), two=wall_session()), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    class SlowToStart(threading.Thread):
        def start(self) -> None:
            starting.set()
            threading.Event().wait(0.3)
            super().start()

    def page(name: str) -> threading.Thread:
        return plain(target=lambda: threads.append(opened.prepare_in_background(name, lambda _: None)))

    plain = threading.Thread
    monkeypatch.setattr(opened, "prepare", lambda name: name == "two" or first_ends.wait(3))
    pages = [page("one"), page("two")]
    monkeypatch.setattr(threading, "Thread", SlowToStart)
    pages[0].start()
    assert starting.wait(10)
    pages[1].start()
    for asking in pages:
        asking.join(10)
    opened.stop(10)
    assert [thread.is_alive() for thread in threads] == [False, False]


def test_photos_of_a_scene_that_cannot_be_opened_are_not_offered(tmp_path: Path):
    folder, outside = tmp_path / "scene", tmp_path / "photo.png"
    folder.mkdir()
    Image.new("RGB", (8, 6)).save(outside)
    frame = {"file_path": str(outside), "transform_matrix": np.eye(4).tolist()}
    described = {"fl_x": 8, "fl_y": 8, "cx": 4, "cy": 3, "w": 8, "h": 6, "frames": [frame]}
    (folder / "transforms.json").write_text(json.dumps(described))
    session = wall_session()
    session.info = replace(session.info, scene_path=str(folder))
    with pytest.raises(DataError, match="outside"):
        photo_reader(session)
    opened = Runs([Path("/x/one")], lambda _: session, 1000, photo_reader)
    assert besides_of_run(opened.scene("one"), opened) == [("", "Nothing")]


def test_a_run_whose_first_question_failed_is_not_ready(monkeypatch):
    session = wall_session()
    several = Runs([Path("/x/one")], lambda _: session, 1000)

    def fails(*_: object, **__: object) -> None:
        raise UsageError("the encoder has moved")

    with monkeypatch.context() as patch:
        patch.setattr(session, "query", fails)
        with pytest.raises(UsageError, match="has moved"):
            several.prepare("one")
    assert not several.is_ready("one")
    several.prepare("one")
    assert several.is_ready("one")


def test_the_inner_point_of_a_group_is_one_of_its_points_in_its_middle():
    line = np.array([[9.0, 0, 0], [0, 0, 0], [1, 0, 0], [2.1, 0, 0], [3, 0, 0]], dtype=np.float32)
    point = inner_point(line)
    assert point.shape == (3,)
    np.testing.assert_array_equal(point, line[3].astype(np.float64))
    np.testing.assert_array_equal(inner_point(line[:1]), [9, 0, 0])


def test_what_is_saved(field: RunScene):
    saved = ANSWERS.make(field.session, ("thing",), None)
    assert json.loads(saved.content)["answers"] == [field.session.query(["thing"])[0].to_json()]
    with pytest.raises(UsageError, match="no keyframes"):
        camera_path(field, ViewerState(), (640, 480))
    one = ViewerState(keyframes=(Keyframe((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.8),))
    document = json.loads(camera_path(field, one, (641, 481)).content)
    assert (document["render_width"], document["render_height"], len(document["camera_path"])) == (640, 480, 1)
    two = ViewerState(keyframes=(*one.keyframes, Keyframe((1.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0), 0.4)))
    path = json.loads(camera_path(field, two, (640, 480)).content)["camera_path"]
    assert [path[0]["fov"], path[-1]["fov"]] == pytest.approx(np.degrees([0.8, 0.4]).tolist())
    assert picture_png(np.zeros((2, 3, 3), np.uint8)).content.startswith(b"\x89PNG")


def test_relevancy_of_elements_is_that_of_the_surface_there():
    session = plain_session()
    session.query(["thing"])
    relevancy = session.element_relevancy(["thing", "wall"])
    points, _ = session.surface()
    assert relevancy.shape == (2, len(points))
    thing = np.any(session.elements("thing"), axis=0)
    assert relevancy[0][thing].mean() > relevancy[0][~thing].mean() + 0.1
    camera = session.views[0].camera
    refined = session.ask_view(camera, ["thing"]).refined[0]
    best = np.unravel_index(refined.argmax(), refined.shape)
    place = session.point_at(camera, (best[1] + 0.5, best[0] + 0.5))
    nearest = np.linalg.norm(points - place, axis=1).argmin()
    assert relevancy[0][nearest] == pytest.approx(refined.max(), abs=0.05)
    with pytest.raises(UsageError, match="phrase"):
        session.element_relevancy([])


def test_an_answer_is_drawn_as_browsers_get_it(field: RunScene):
    jpeg = field.draw_answer("thing")
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.size == (64, 48)
