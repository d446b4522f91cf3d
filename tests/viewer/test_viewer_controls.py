"""What the page's controls do, beside asking: flights that a person ends, distances, things that come late."""

import asyncio
import io
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.query.fake_session import WORLD_FROM_SCENE
from tests.viewer.clients import Page, opened
from tests.viewer.worlds import runs

from langfield.core.cameras import Camera
from langfield.core.errors import RunError
from langfield.core.interruption import NotNeeded, stop_if_not_needed
from langfield.query.session import Session
from langfield.viewer import look
from langfield.viewer.access import new_token
from langfield.viewer.panel_parts import length_text
from langfield.viewer.runs import Runs
from langfield.viewer.viewer import Viewer, ViewerOptions


@pytest.fixture
def both(field: Session) -> Runs:
    return runs(field=field, other=field)


@pytest.fixture
def viewer(both: Runs) -> Iterator[Viewer]:
    viewer = Viewer(both, ViewerOptions(new_token(), port=0))
    viewer.start()
    yield viewer
    viewer.stop()


async def with_keyframes(page: Page, *places: float) -> None:
    await opened(page)
    for x in places:
        await page.move(position=[x, 0.0, 0.0])
        await page.settle(0.4)
        await page.press("Add keyframe")
        await page.settle(0.4)


def test_a_person_who_turns_the_camera_ends_play(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await with_keyframes(page, 0.0, 0.6)
            await page.press("Play")
            await page.until(lambda: 0.05 < page.position[0] < 0.3)
            await page.move(position=[page.position[0], 0.3, 0.0])  # dragged off the way
            await page.settle()
            assert page.position[0] < 0.5  # it never came to the end

    asyncio.run(run())


def test_a_click_ends_play_and_is_answered(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await with_keyframes(page, 0.0, 0.6)
            await page.press("Play")
            await page.until(lambda: 0.05 < page.position[0] < 0.3)
            await page.click(0.5, 0.5)
            await page.until(lambda: "Here:" in page.text or "Selected" in page.text)
            await page.settle()
            assert page.position[0] < 0.5

    asyncio.run(run())


def test_a_camera_that_only_follows_does_not_end_play(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await with_keyframes(page, 0.0, 0.6)
            await page.press("Play")
            await page.until(lambda: 0.05 < page.position[0] < 0.3)
            for _ in range(5):
                await page.move()  # tells the same place once more, some of them late
                await asyncio.sleep(0.05)
            await page.settle()
            assert page.position[0] == pytest.approx(0.6, abs=1e-6)

    asyncio.run(run())


def test_two_clicks_measure_a_distance_in_the_units_of_the_files(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.0, 0.0, 0.0])
            await page.settle()
            await page.press("Measure")
            await page.until(lambda: "where it begins" in page.text)
            await page.click(0.25, 0.5)
            await page.until(lambda: "where it ends" in page.text)
            assert "Selected" not in page.text
            await page.click(0.75, 0.5)
            await page.until(lambda: "units of the input files" in page.text)
            wide = 4 * 2 * np.tan(page.fov / 2) * 320 / 240  # of the wall in the picture, scene units
            wanted = wide * 0.5 * WORLD_FROM_SCENE.scale
            (told,) = [text for text in page.text.split(">") if "units of the input files" in text]
            assert float(told.split()[0]) == pytest.approx(wanted, rel=0.01)
            await page.settle()
            line = page.nodes["/distance/line"]["props"]["points"]
            assert np.asarray(line).size == 6
            assert page.nodes["/distance/label"]["props"]["text"] == told.split()[0]
            await page.click(0.5, 0.5)  # and clicks select again
            await page.until(lambda: "Here:" in page.text or "Selected" in page.text)
            await page.press("Clear distance")
            await page.until(lambda: "units of the input files" not in page.text)
            await page.settle()
            assert not [name for name in page.nodes if name.startswith("/distance/")]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("length", "text"), [(0.0, "0"), (0.00123456, "0.00123"), (0.4567, "0.457"), (12.345, "12.3"), (98765.4, "98765")]
)
def test_lengths_have_three_digits(length: float, text: str):
    assert length_text(length) == text


def test_things_are_offered_once_a_run_that_could_not_be_prepared_answers(field: Session, monkeypatch):
    working, known = Session.query, threading.Event()

    def query(session: Session, *arguments: object, **options: object):
        if not known.is_set():
            raise RunError("the encoder has moved: give --encoder")
        return working(session, *arguments, **options)

    monkeypatch.setattr(Session, "query", query)
    opened_runs = runs(field=field)
    with pytest.raises(RunError):
        opened_runs.prepare("field")
    viewer = Viewer(opened_runs, ViewerOptions(new_token(), port=0))
    viewer.start()

    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            assert "encoder has moved" in page.text
            assert page.inputs[page.uuid("Things")]["props"]["visible"] is False
            known.set()
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.until(lambda: page.inputs[page.uuid("Things")]["props"]["visible"])
            assert len(page.inputs[page.uuid("Things")]["props"]["options"]) > 1
            await page.settle()
            assert "encoder has moved" not in page.text

    try:
        asyncio.run(run())
    finally:
        viewer.stop()


def test_things_that_cannot_be_named_are_not_asked_for_again_and_again(field: Session, monkeypatch):
    calls: list[float] = []

    def fails(*_: object, **__: object) -> None:
        calls.append(time.monotonic())
        raise RunError("no names today")

    monkeypatch.setattr(Session, "objects", fails)
    opened_runs = runs(field=field)
    opened_runs.has_answered("field")
    viewer = Viewer(opened_runs, ViewerOptions(new_token(), port=0))
    viewer.start()

    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            assert "no names today" in page.text
            assert len(calls) == 1
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.settle()
            assert len(calls) == 2

    try:
        asyncio.run(run())
    finally:
        viewer.stop()


async def trigger(page: Page, label: str) -> None:
    """Press the key of a command."""
    (uuid,) = [uuid for uuid, command in page.commands.items() if command["props"]["label"].startswith(label)]
    await page.send({"type": "CommandTriggerMessage", "uuid": uuid})


def test_a_hit_shows_its_photos_and_a_click_stands_there(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.ask("thing")
            await page.until(lambda: any(label.startswith("1 · score") for label in page.labels))
            assert "Seen best in" not in page.text
            await page.press("1 · score")
            await page.until(lambda: "Seen best in" in page.text)
            views = field.query(["thing"])[0].hits[0].views
            assert page.text.count("data-langfield-press") == len(views)
            assert all(name in page.text for name in views)
            await page.settle()
            await page.set("Stand there", "2")
            (photo,) = [view for view in field.views if view.name == views[1]]
            wanted = WORLD_FROM_SCENE.inverse().points(photo.camera.world_from_camera[:3, 3])
            await page.until(lambda: np.allclose(page.position, wanted, atol=1e-3))
            await page.ask("wall")
            await page.until(lambda: "Seen best in" not in page.text)

    asyncio.run(run())


def test_keys_do_what_the_controls_do(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            keys = [command["props"]["hotkey"] for command in page.commands.values()]
            assert len(keys) == len(set(keys))
            await trigger(page, "Another layer")
            await page.until(lambda: page.inputs[page.uuid("Layer")]["value"] == "Composited")
            await page.ask("thing")
            await page.until(lambda: "found" in page.text)
            await page.settle()
            start = page.position
            await trigger(page, "Go to hit 1")
            await page.until(lambda: "Seen best in" in page.text)
            assert page.position != start
            await trigger(page, "Hide the scene")
            await page.until(lambda: page.inputs[page.uuid("Hide")]["value"] == "Scene")
            await trigger(page, "Keep this view")
            await page.until(lambda: "1 keyframe" in page.text)
            await trigger(page, "Measure a distance")
            await page.until(lambda: "where it begins" in page.text)
            await trigger(page, "Select and measure nothing")
            await page.until(lambda: "where it begins" not in page.text)
            await trigger(page, "Go to hit 9")  # there is none: nothing happens
            await page.set("Run", "other")
            await page.settle()
            assert sorted(command["props"]["hotkey"] for command in page.commands.values()) == sorted(keys)

    asyncio.run(run())


def test_names_under_the_mouse_come_when_the_camera_rests_and_go_when_it_moves(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.move(position=[0.8, 0.4, 0.0])
            await page.ask("thing")
            await page.until(lambda: "data-langfield-names" in page.text)
            await page.move(position=[0.7, 0.4, 0.0])
            await page.until(lambda: "data-langfield-names" not in page.text)
            await page.until(lambda: "data-langfield-names" in page.text)

    asyncio.run(run())


def test_a_video_of_the_path_is_downloaded(viewer: Viewer):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await with_keyframes(page, 0.0, 0.4)
            await page.press("Make video")
            await page.until(lambda: "Picture " in page.text and " of 49" in page.text)
            await page.until(lambda: "langfield.webp" in page.files, 60)
            await page.until(lambda: " of 49" not in page.text)
            await page.settle()
            assert page.files["langfield.webp"][:4] == b"RIFF"
            with Image.open(io.BytesIO(page.files["langfield.webp"])) as video:
                assert video.n_frames == 49
            assert page.position[0] == pytest.approx(0.4)  # the page itself stayed where it was

    asyncio.run(run())


def test_a_video_is_cancelled_by_its_button_and_by_leaving(viewer: Viewer, both: Runs, monkeypatch):
    draw = look.picture

    def slowly(*arguments: object) -> torch.Tensor:
        time.sleep(0.1)
        return draw(*arguments)

    async def run() -> None:
        async with Page(viewer._front) as page, Page(viewer._front) as other:
            await with_keyframes(page, 0.0, 0.4)
            await with_keyframes(other, 0.0, 0.4)
            monkeypatch.setattr(look, "picture", slowly)
            await page.press("Make video")
            await page.until(lambda: " of 49" in page.text)
            await other.press("Make video")
            await other.until(lambda: "another video is being made" in other.text)
            await page.press("Cancel the video")
            await page.until(lambda: " of 49" not in page.text)
            assert page.files == {}
            await page.press("Make video")
            await page.until(lambda: " of 49" in page.text)
        assert await asyncio.to_thread(both.video_turn.acquire, timeout=20)
        both.video_turn.release()

    asyncio.run(run())


def test_another_run_is_shown_beside_this_one(viewer: Viewer, field: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            assert page.inputs[page.uuid("Beside")]["props"]["options"] == ["Nothing", "Run other"]  # no photos here
            await page.set("Beside", "Run other")
            await page.until(lambda: "Left this run, right other" in page.text)
            await page.settle()
            picture = page.pictures[-1]
            assert (picture[:, picture.shape[1] // 2].min(axis=0) > 240).all()
            drawn = len(page.pictures)
            await page.set("Line at", 0.25)
            await page.until(lambda: len(page.pictures) > drawn)
            assert (page.pictures[-1][:, picture.shape[1] // 4].min(axis=0) > 240).all()
            assert page.pictures[-1].shape == picture.shape  # at once the sharpest one

    asyncio.run(run())


def test_a_sharp_picture_of_where_the_camera_was_is_given_up(viewer: Viewer, monkeypatch):
    draw, started, given_up = look.picture, [], []

    def in_parts(session: Session, camera: Camera, shown: look.Look) -> torch.Tensor:
        started.append(max(camera.width_px, camera.height_px))
        try:
            for _ in range(40):
                stop_if_not_needed()
                time.sleep(0.05)
        except NotNeeded:
            given_up.append(started[-1])
            raise
        return draw(session, camera, shown)

    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            page.size_px = (1280, 960)
            monkeypatch.setattr(look, "picture", in_parts)
            await page.move(position=[0.1, 0.0, 0.0])
            await page.settle(4.0)  # now it is known how slow pictures are: small ones come first
            count = len(started)
            await page.move(position=[0.2, 0.0, 0.0])
            async with asyncio.timeout(20):
                while len(started) < count + 2:  # the small one is there, a sharper one under way
                    await asyncio.sleep(0.02)
            assert started[-1] > started[-2]
            before = time.monotonic()
            await page.move(position=[0.3, 0.0, 0.0])
            async with asyncio.timeout(20):
                while not given_up:
                    await asyncio.sleep(0.02)
            assert time.monotonic() - before < 1.0  # of the two seconds that it takes
            assert given_up == [started[count + 1]]
            monkeypatch.setattr(look, "picture", draw)
            await page.settle(2.5)
            assert page.pictures[-1] is not None
            assert "went wrong" not in page.text

    asyncio.run(run())
