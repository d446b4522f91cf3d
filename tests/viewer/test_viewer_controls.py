"""What the page's controls do, beside asking: flights that a person ends, distances, things that come late."""

import asyncio
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.query.fake_session import WORLD_FROM_SCENE
from tests.viewer.clients import Page
from tests.viewer.worlds import runs, wall_session

from langfield.core.errors import RunError
from langfield.query.session import Session
from langfield.viewer.access import new_token
from langfield.viewer.panel_parts import length_text
from langfield.viewer.viewer import Viewer, ViewerOptions


@pytest.fixture(scope="module")
def field() -> Session:
    session = wall_session()
    session.query(["thing"])
    return session


@pytest.fixture
def viewer(field: Session) -> Iterator[Viewer]:
    viewer = Viewer(runs(field=field), ViewerOptions(new_token(), port=0))
    viewer.start()
    yield viewer
    viewer.stop()


async def opened(page: Page) -> None:
    await page.until(lambda: "Find" in page.labels)
    await page.settle()


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
