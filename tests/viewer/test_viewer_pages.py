"""Pages without a browser: clients that speak viser's protocol, and what they are shown."""

import asyncio
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.query.fake_session import WORLD_FROM_SCENE
from tests.viewer.clients import Page, camera_message
from tests.viewer.worlds import runs, splat_session, wall_session

from langfield.cli.camera_path import read_camera_path
from langfield.cli.view import found_as_ply
from langfield.core.errors import RunError
from langfield.core.transforms import Similarity
from langfield.query.session import Session
from langfield.viewer import look
from langfield.viewer.access import new_token
from langfield.viewer.page_camera import page_camera
from langfield.viewer.page_server import PageServer
from langfield.viewer.run_scene import inner_point
from langfield.viewer.state import ViewerState
from langfield.viewer.viewer import Viewer, ViewerOptions, show_runs


@pytest.fixture(scope="module")
def field() -> Session:
    session = wall_session()
    session.query(["thing"])
    return session


@pytest.fixture(scope="module")
def splats() -> Session:
    session = splat_session()
    session.query(["thing"])
    return session


@pytest.fixture
def viewer(field: Session, splats: Session) -> Iterator[Viewer]:
    viewer = Viewer(runs(field=field, splats=splats), ViewerOptions(new_token(), port=0), (found_as_ply(),))
    viewer.start()
    yield viewer
    viewer.stop()


async def opened(page: Page) -> None:
    await page.until(lambda: "Find" in page.labels)
    await page.settle()


def server_picture(session: Session, page: Page, shape: tuple[int, ...], state: ViewerState) -> np.ndarray:
    """What the server draws for where a page's camera is."""
    camera = page_camera([1, 0, 0, 0], page.position, page.fov, 320, 240)
    assert camera is not None
    world = camera.camera(Similarity.from_matrix(session.info.scene_from_world), max(shape[:2]))
    return look.picture(session, world, look.Look(state)).numpy()


def assert_alike(one: np.ndarray | None, other: np.ndarray) -> None:
    """But for JPEG."""
    assert one is not None
    assert one.shape == other.shape
    assert np.abs(one.astype(float) - other).mean() < 4


def test_a_phrase_is_shown_where_it_is(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.2, 0.1, 0.0])
            await page.settle()
            before = page.pictures[-1]
            assert_alike(before, server_picture(field, page, before.shape, ViewerState()))
            await page.ask("thing, nothing")
            await page.until(lambda: "not there" in page.text)
            await page.settle()
            state = ViewerState(phrases=("thing", "nothing"), layer="Composited")
            drawn = server_picture(field, page, page.pictures[-1].shape, state)
            assert_alike(page.pictures[-1], drawn)
            plain = server_picture(field, page, drawn.shape, ViewerState())
            assert np.abs(drawn.astype(float) - plain).max() > 60
            answer = field.query(["thing"])[0]
            assert f"presence {answer.presence:.2f}" in page.text
            assert sum(name.endswith("/box") for name in page.nodes) == len(answer.hits)

    asyncio.run(run())


def test_what_was_found_hides_the_scene(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.set("Hide", "Scene")
            await page.settle()
            picture = page.pictures[-1].astype(int)
            hidden = (np.abs(picture - look.BACKGROUND) < 8).all(axis=2)
            state = ViewerState(phrases=("thing",), layer="Composited", hide="Scene")
            wanted = (server_picture(field, page, picture.shape, state) == look.BACKGROUND).all(axis=2)
            assert (hidden == wanted).mean() > 0.97
            assert 0.5 < wanted.mean() < 1
            await page.set("Hide", "What was found")
            await page.until(lambda: "/elements" in page.nodes, 60)
            await page.settle()
            assert page.pictures[-1] is None  # the browser draws
            shown = len(page.nodes["/elements"]["props"]["points"]) // 3
            points = field.surface()[0]
            assert 0 < shown < len(points)

    asyncio.run(run())


def test_gaussians_are_drawn_by_the_browser_while_it_moves(viewer: Viewer, splats: Session):
    async def run() -> None:
        async with Page(viewer._front, '{"run": "splats"}') as page:
            await opened(page)
            await page.until(lambda: "/elements" in page.nodes)
            await page.settle()
            assert page.pictures[-1] is not None
            assert page.nodes["/elements"]["visible"] is False
            for step in range(12):
                await page.move(position=[0.02 * step, 0.0, 0.0])
                await asyncio.sleep(0.05)
            assert page.pictures[-1] is None
            assert page.nodes["/elements"]["visible"] is True
            await page.settle()
            assert page.pictures[-1] is not None
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.set("Hide", "What was found")
            await page.settle()
            count = len(page.nodes["/elements"]["props"]["buffer"]) // 8
            assert page.nodes["/elements"]["visible"] is True
            assert page.pictures[-1] is None
            assert count == len(splats.splats()) - sum(hit.sum() for hit in splats.elements("thing"))

    asyncio.run(run())


def test_a_click_selects_what_is_there(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.8, 0.4, 0.0])  # before the thing
            await page.settle()
            await page.click(0.5, 0.5)
            await page.until(lambda: "Selected" in page.text)
            await page.settle()
            world = field.point_at(page_camera_of(page, field), (160, 120))
            shape = field.segment(world)
            assert f"{shape.elements:,} elements" in page.text
            rim = page.pictures[-1].astype(int).min(axis=2) > 200
            assert rim.any()
            before = page.text
            assert 0 < page.inputs[page.uuid("Scale")]["value"] < 100
            await page.set("Scale", 100)  # the larger disc
            await page.until(lambda: page.text != before)
            assert f"{field.segment(world, scale_world=6.0).elements:,} elements" in page.text
            await page.press("Select nothing")
            await page.until(lambda: "Selected" not in page.text)

    asyncio.run(run())


def page_camera_of(page: Page, session: Session):
    camera = page_camera([1, 0, 0, 0], page.position, page.fov, 320, 240)
    assert camera is not None
    return camera.camera(Similarity.from_matrix(session.info.scene_from_world), 640)


def test_a_hit_is_flown_to(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: any(label.startswith("1 · score") for label in page.labels))
            start = page.position
            await page.press("1 · score")
            await page.until(lambda: "Seen best in" in page.text)
            await page.settle()
            thing = WORLD_FROM_SCENE.inverse().points(np.array(field.query(["thing"])[0].position))
            assert np.linalg.norm(thing - page.position) < np.linalg.norm(thing - start)

    asyncio.run(run())


def test_keyframes_become_a_path_that_render_reads(viewer: Viewer, field: Session, tmp_path: Path):
    async def run() -> dict[str, bytes]:
        async with Page(viewer._front) as page:
            await opened(page)
            for x in (0.0, 0.5):
                await page.move(position=[x, 0.0, 0.0])
                await page.settle(0.4)
                await page.press("Add keyframe")
                await page.settle(0.4)
            assert "2 keyframes" in page.text
            await page.press("Camera path")
            await page.press("This picture")
            await page.until(lambda: len(page.files) == 2)
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.press("Answers")
            await page.press("What was found")
            await page.until(lambda: len(page.files) == 4, 60)
            await page.settle()
            return page.files

    files = asyncio.run(run())
    (tmp_path / "path.json").write_bytes(files["camera_path.json"])
    path = read_camera_path(tmp_path / "path.json")
    assert len(path.cameras) == 49
    for camera, x in ((path.cameras[0], 0.0), (path.cameras[-1], 0.5)):
        np.testing.assert_allclose(
            camera.world_from_camera[:3, 3], WORLD_FROM_SCENE.points(np.array([x, 0, 0])), atol=1e-5
        )
    assert files["langfield.png"][:4] == b"\x89PNG"
    assert json.loads(files["answers.json"])["answers"][0] == field.query(["thing"])[0].to_json()
    assert files["found.ply"][:3] == b"ply"


def test_two_clients_do_not_see_each_other_s_questions(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as one, Page(viewer._front) as other:
            await asyncio.gather(opened(one), opened(other))
            await one.ask("thing")
            await other.ask("wall")
            await one.until(lambda: "</span>thing</span>" in one.text)
            await other.until(lambda: "</span>wall</span>" in other.text)
            await asyncio.gather(one.settle(), other.settle())
            assert "</span>wall</span>" not in one.text
            assert "</span>thing</span>" not in other.text

    asyncio.run(run())


def test_a_page_that_is_opened_again_shows_the_same(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.set("Opacity", 0.3)
            await page.until(lambda: page.stored is not None and "0.3" in page.stored)
            stored = page.stored
        async with Page(viewer._front, stored) as page:
            await page.until(lambda: "found" in page.text)
            assert page.inputs[page.uuid("Find")]["value"] == "thing"
            assert page.inputs[page.uuid("Opacity")]["value"] == 0.3

    asyncio.run(run())


@pytest.mark.parametrize("stored", ["{", "[]", '{"phrases": [1]}', '{"layer": "x", "keyframes": [{}]}', "[" * 9000])
def test_whatever_a_browser_kept_the_page_opens(viewer: Viewer, stored: str):
    async def run() -> None:
        async with Page(viewer._front, stored) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)

    asyncio.run(run())


def test_wrong_input_is_said_or_ignored(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("x" * 300)
            await page.until(lambda: "at most 200 characters" in page.text)
            await page.ask(", ".join(f"phrase {number}" for number in range(9)))
            await page.until(lambda: "at most 8 phrases" in page.text)
            await page.ask('<img src=x onerror="alert(1)">')
            await page.until(lambda: "&lt;img" in page.text)
            assert "<img src=x" not in page.text
            drawn = len(page.pictures)
            for value in (float("nan"), float("inf"), 1e300):
                await page._websocket.send(camera_message(position=[value, 0.0, 0.0]))
            await page._websocket.send(camera_message(wxyz=[0.0, 0.0, 0.0, 0.0]))
            await page._websocket.send(camera_message(image_width=10**9))
            await page._websocket.send(camera_message(fov=0.0))
            await page.set("Layer", "a layer that is none")
            await page.set("Opacity", -5.0)
            await page.set("Scale", 1e9)
            await page.click(7.0, -7.0)
            await page.settle()
            await page.press("Answers")
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.settle()
            assert len(page.pictures) > drawn

    asyncio.run(run())


def test_things_have_colours_and_can_be_gone_to(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.8, 0.4, 0.0])
            await page.set("Layer", "Objects")
            await page.settle()
            camera = page_camera_of(page, field).fit_within(max(page.pictures[-1].shape))
            things = tuple(found.shape.group for found in field.objects())
            drawn = look.picture(field, camera, look.Look(ViewerState(layer="Objects"), None, things)).numpy()
            assert_alike(page.pictures[-1], drawn)
            assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 1
            options = page.inputs[page.uuid("Things")]["props"]["options"]
            assert len(options) == 1 + len(things)
            start = page.position
            await page.set("Things", options[1])
            await page.until(lambda: "Selected" in page.text and page.position != start)

    asyncio.run(run())


def test_a_thing_of_the_list_can_be_scaled(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            options = page.inputs[page.uuid("Things")]["props"]["options"]
            await page.set("Things", options[1])
            await page.until(lambda: "Selected" in page.text)
            before = page.text
            await page.settle()
            await page.set("Scale", 100)
            await page.until(lambda: page.text != before)
            await page.settle()
            assert "Something went wrong" not in page.text
            group = field.objects()[0].shape
            wider = field.segment(inner_point(group.points_world), scale_world=6.0)
            assert f"{wider.elements:,} elements" in page.text

    asyncio.run(run())


@pytest.mark.parametrize("name", ["field", "splats"])
def test_a_flight_is_seen(viewer: Viewer, name: str):
    async def run() -> None:
        async with Page(viewer._front, json.dumps({"run": name})) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: any(label.startswith("1 · score") for label in page.labels))
            await page.settle()
            start, drawn = page.position, len(page.pictures)
            if name == "splats":
                assert page.nodes["/elements"]["visible"] is False
            await page.press("1 · score")
            await page.until(lambda: len(page.pictures) > drawn)
            on_the_way = page.position
            if name == "splats":
                assert page.nodes["/elements"]["visible"] is True
                assert page.pictures[-1] is None
            await page.settle()
            whole = np.linalg.norm(np.subtract(page.position, start))
            assert whole > 0.1
            assert np.linalg.norm(np.subtract(on_the_way, start)) < 0.95 * whole
            assert len(page.pictures) > drawn + (3 if name == "field" else 1)
            assert page.pictures[-1] is not None

    asyncio.run(run())


async def with_keyframes(page: Page) -> None:
    """Two of them, with different lenses; the camera is at the second one."""
    await opened(page)
    for x, degrees in ((0.0, 60.0), (0.5, 30.0)):
        await page.set("Field of view", degrees)
        await page.move(position=[x, 0.0, 0.0])
        await page.settle(0.4)
        await page.press("Add keyframe")
        await page.settle(0.4)
    assert "2 keyframes" in page.text


def test_play_flies_the_whole_path_with_its_lenses(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await with_keyframes(page)
            await page.press("Play")
            await page.until(lambda: page.position[0] < 0.1)
            assert page.fov > np.radians(50)
            await page.until(lambda: 0.05 < page.position[0] < 0.45)
            assert np.radians(31) < page.fov < np.radians(58)
            await page.settle()
            assert page.position[0] == pytest.approx(0.5, abs=1e-6)
            assert page.fov == pytest.approx(np.radians(30), abs=1e-6)

    asyncio.run(run())


def test_play_ends_when_the_person_does_something(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await with_keyframes(page)
            await page.press("Play")
            await page.until(lambda: 0.0 < page.position[0] < 0.3)
            await page.set("Opacity", 0.3)
            await page.settle()
            assert page.position[0] < 0.49

    asyncio.run(run())


def test_a_run_without_language_is_shown_whatever_the_browser_kept(field: Session, monkeypatch):
    monkeypatch.setattr(Session, "has_language", property(lambda session: session is field))
    silent = splat_session()
    viewer = Viewer(runs(silent=silent, field=field), ViewerOptions(new_token(), port=0))
    viewer.start()
    kept = {"run": "silent", "phrases": ["thing"], "negatives": ["wall"], "layer": "Relevancy", "hide": "Scene"}

    async def run() -> None:
        async with Page(viewer._front, json.dumps(kept)) as page:
            await page.until(lambda: "Layer" in page.labels)
            await page.until(lambda: "/elements" in page.nodes)
            await page.settle()
            assert "Find" not in page.labels
            assert page.inputs[page.uuid("Layer")]["value"] == "Picture"
            assert page.pictures[-1] is not None
            assert_alike(page.pictures[-1], server_picture(silent, page, page.pictures[-1].shape, ViewerState()))
            assert "went wrong" not in page.text

    try:
        asyncio.run(run())
    finally:
        viewer.stop()


def test_a_surface_that_cannot_be_made_is_said_and_not_tried_for_ever(viewer: Viewer, field: Session, monkeypatch):
    calls = []

    def fails(*_: object, **__: object) -> None:
        calls.append(1)
        raise RunError("not enough memory for the surface")

    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.settle()
            monkeypatch.setattr(field, "surface", fails)
            await page.set("Hide", "What was found")
            await page.until(lambda: "not enough memory" in page.text)
            before = len(page.pictures)
            await page.move(position=[0.3, 0.0, 0.0])
            await page.settle()
            assert len(calls) == 1
            assert page.inputs[page.uuid("Hide")]["value"] == "Nothing"
            assert json.loads(page.stored or "{}")["hide"] == "Nothing"
            assert len(page.pictures) > before
            assert "not enough memory" in page.text

    asyncio.run(run())


def test_phrases_that_could_not_be_answered_are_asked_again_when_they_are_typed_again(
    viewer: Viewer, field: Session, monkeypatch
):
    calls = []

    def fails(*_: object, **__: object) -> None:
        calls.append(1)
        raise RunError("no room on the GPU")

    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            with monkeypatch.context() as patch:
                patch.setattr(field, "query", fails)
                await page.ask("thing")
                await page.until(lambda: "no room" in page.text)
                before = len(calls)
                await page.settle()
                assert len(calls) == before  # not without being told to
            await page.ask("thing")
            await page.until(lambda: "presence" in page.text)
            await page.until(lambda: "no room" not in page.text)

    asyncio.run(run())


def test_the_run_that_was_chosen_is_kept(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("x" * 300)
            await page.until(lambda: "at most 200 characters" in page.text)
            await page.set("Run", "splats")
            await page.until(lambda: page.stored is not None and json.loads(page.stored)["run"] == "splats")
            await page.settle()
            assert "at most 200" not in page.text
            stored = page.stored
        async with Page(viewer._front, stored) as page:
            await opened(page)
            assert page.inputs[page.uuid("Run")]["value"] == "splats"

    asyncio.run(run())


def test_what_goes_wrong_is_said_once_and_the_page_goes_on(viewer: Viewer, field: Session, monkeypatch):
    calls = []

    def fails(*_: object, **__: object) -> None:
        calls.append(1)
        raise RunError("the encoder has moved: give --encoder")

    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            with monkeypatch.context() as patch:
                patch.setattr(field, "ask_view", fails)
                await page.ask("thing")
                await page.until(lambda: "the encoder has moved" in page.text)
                await page.settle()
                assert len(calls) == 1
            await page.set("Layer", "Depth")
            await page.until(lambda: "the encoder has moved" not in page.text)
            before = len(page.pictures)
            await page.move(position=[0.3, 0.0, 0.0])
            await page.until(lambda: len(page.pictures) > before)

    asyncio.run(run())


def test_stopping_waits_for_the_last_picture(field: Session, monkeypatch):
    drawing, ended = threading.Event(), []
    draw = look.picture

    def slowly(*arguments: object) -> torch.Tensor:
        drawing.set()
        time.sleep(1.5)
        ended.append(1)
        return draw(*arguments)

    viewer = Viewer(runs(field=field), ViewerOptions(new_token(), port=0))
    viewer.start()

    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            monkeypatch.setattr(look, "picture", slowly)
            await page.move(position=[0.3, 0.0, 0.0])
            await asyncio.to_thread(drawing.wait, 20)

    asyncio.run(run())
    before = len(ended)
    viewer.stop()
    assert len(ended) == before + 1


def test_who_comes_before_there_are_runs_waits_for_them(field: Session):
    preview = io.BytesIO()
    Image.new("RGB", (40, 30), (250, 10, 10)).save(preview, "JPEG")
    server = PageServer(ViewerOptions(new_token(), port=0), preview.getvalue())
    server.start()

    async def run() -> None:
        async with Page(server._front) as page:
            await page.until(lambda: "Starting" in page.text)
            await page.until(lambda: any(one is not None for one in page.pictures))
            assert page.pictures[-1].shape == (30, 40, 3)
            await asyncio.to_thread(show_runs, server, runs(field=field))
            await opened(page)
            assert "Starting" not in page.text
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)

    try:
        asyncio.run(run())
    finally:
        server.stop()


def test_another_run_answers_the_same_phrases(viewer: Viewer, splats: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.set("Run", "splats")
            await page.until(lambda: "/elements" in page.nodes)
            await page.until(lambda: "found" in page.text)
            assert f"presence {splats.query(['thing'])[0].presence:.2f}" in page.text

    asyncio.run(run())


def test_many_clients_at_once_get_what_one_gets(viewer: Viewer, field: Session):
    async def one(number: int) -> None:
        phrase = ("thing", "wall", "nothing")[number % 3]
        async with Page(viewer._front) as page:
            await page.until(lambda: "Find" in page.labels, 60)
            for step in range(3):
                await page.ask(phrase)
                await page.move(position=[0.1 * step, 0.02 * number, 0.0])
                await asyncio.sleep(0.05)
            await page.until(lambda: "presence" in page.text, 60)
            await page.settle(2.0)
            assert f"presence {field.query([phrase])[0].presence:.2f}" in page.text
            state = ViewerState(phrases=(phrase,), layer="Composited")
            assert_alike(page.pictures[-1], server_picture(field, page, page.pictures[-1].shape, state))

    async def run() -> None:
        await asyncio.gather(*(one(number) for number in range(10)))

    asyncio.run(run())
