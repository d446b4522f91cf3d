"""Pages of a training without a browser: clients that speak viser's protocol, while a toy model learns in a thread."""

import asyncio
import time
from collections.abc import Iterator
from unittest.mock import MagicMock

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

import viser
from tests.viewer.clients import Page
from tests.viewer.trainings import RunningTraining, training
from tests.viewer.worlds import runs, wall_session

from langfield.core.progress import ProgressEvent
from langfield.query.pictures import depth_picture
from langfield.query.session import Session
from langfield.viewer import live_page
from langfield.viewer.access import new_token
from langfield.viewer.live_frames import FrameBudget
from langfield.viewer.live_page import LivePage
from langfield.viewer.live_training import LiveTraining, Watching
from langfield.viewer.page_server import ViewerOptions
from langfield.viewer.viewer import TrainingViewer


@pytest.fixture(scope="module")
def session() -> Session:
    session = wall_session()
    session.query(["thing"])
    return session


@pytest.fixture
def live() -> LiveTraining:
    return LiveTraining(lambda line: None, FrameBudget(share=1.0))


@pytest.fixture
def viewer(live: LiveTraining) -> Iterator[TrainingViewer]:
    viewer = TrainingViewer(live, ViewerOptions(new_token(), port=0))
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture
def running(live: LiveTraining, session: Session) -> Iterator[RunningTraining]:
    with training(lambda: session, live) as running:
        yield running


def shown(page: Page, label: str) -> bool:
    """Whether a button can be seen."""
    return page.inputs[page.uuid(label)]["props"]["visible"]


async def opened(page: Page) -> None:
    await page.until(lambda: "Layer" in page.labels and any(picture is not None for picture in page.pictures))
    await page.until(lambda: shown(page, "Pause"))


def test_the_scene_and_the_figures_are_shown_while_it_trains(
    viewer: TrainingViewer, running: RunningTraining, session: Session
):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            for part in ("Training", "of 10,000,000", "loss", "PSNR", "to go", "answered when the training is over"):
                await page.until(lambda part=part: part in page.text)
            before = len(page.pictures)
            await page.move(position=[0.3, 0.0, 0.0])
            await page.until(lambda: len(page.pictures) > before)
            await page.until(lambda: any(part["type"] == "GuiUplotMessage" for part in page.inputs.values()))
            await page.set("Layer", "Depth")
            await page.until(lambda: np.std(np.asarray(page.pictures[-1])) > 10)  # the wall itself is grey all over
            assert running.live.scene is not None
            frame = depth_picture(session.picture(session.views[0].camera)[1])
            assert np.abs(frame.mean(axis=(0, 1)) - np.mean(np.asarray(page.pictures[-1]), axis=(0, 1))).max() < 40

    asyncio.run(run())


def test_it_pauses_goes_on_and_ends_and_then_shows_the_run(
    viewer: TrainingViewer, running: RunningTraining, session: Session
):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            await page.press("Pause")
            await page.until(lambda: "Paused" in page.text and shown(page, "Resume") and not shown(page, "Pause"))
            await asyncio.sleep(0.1)
            done = running.live.figures.event
            before = len(page.pictures)
            await page.move(position=[0.2, 0.1, 0.0])
            await page.until(lambda: len(page.pictures) > before)  # also while it waits
            await asyncio.sleep(0.5)
            assert running.live.figures.event == done
            await page.press("Resume")
            await page.until(lambda: running.live.figures.event != done and shown(page, "Pause"))
            await page.ask("thing")
            await page.until(lambda: "Kept" in page.text)
            await page.press("Stop and save")
            await page.until(lambda: shown(page, "No, go on"))
            assert not running.live.ended
            await page.press("No, go on")
            await page.until(lambda: shown(page, "Stop and save") and not shown(page, "No, go on"))
            await page.press("Stop and save")
            await page.until(lambda: shown(page, "Yes"))
            await page.press("Yes")
            result = await asyncio.to_thread(running.join)
            assert 0 < result.steps < 10**7
            assert result.paused_seconds > 0.5
            await page.until(lambda: "Opening the run" in page.text)
            where = page.position
            await asyncio.to_thread(viewer.show_runs, runs(wall=session))
            presence = f"presence {session.query(['thing'])[0].presence:.2f}"
            await page.until(lambda: presence in page.text)  # of what was typed while it trained
            assert "Pause" not in page.labels
            assert page.position == where

    asyncio.run(run())


def test_before_there_is_a_model_the_stages_are_told(viewer: TrainingViewer, live: LiveTraining, session: Session):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await page.until(lambda: "Getting ready" in page.text)
            live.progress(ProgressEvent("features", 30, 120, "crops", 1.0))
            await page.until(lambda: "30 of 120 crops" in page.text)
            assert not shown(page, "Pause")
            assert "Find" not in page.labels
            with training(lambda: session, live):
                await opened(page)
                assert "Find" in page.labels

    asyncio.run(run())


def test_a_browser_that_leaves_costs_nothing_any_more(viewer: TrainingViewer, running: RunningTraining):
    async def run() -> None:
        async with Page(viewer._front) as page:
            await opened(page)
            assert len(running.live._watching) == 1
        deadline = time.monotonic() + 20
        while running.live._watching and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert not running.live._watching

    asyncio.run(run())


def test_two_browsers_see_and_steer_one_training(viewer: TrainingViewer, running: RunningTraining):
    async def run() -> None:
        async with Page(viewer._front) as one, Page(viewer._front) as other:
            await opened(one)
            await opened(other)
            await one.press("Pause")
            await other.until(lambda: shown(other, "Resume"))
            await other.press("Resume")
            await one.until(lambda: shown(one, "Pause"))

    asyncio.run(run())


def a_client() -> MagicMock:
    """A browser that says where its camera is, and takes everything."""
    wxyz, position = np.array([1.0, 0, 0, 0]), np.zeros(3)
    client = MagicMock(client_id=1)
    client.camera = MagicMock(wxyz=wxyz, position=position, fov=0.9, image_width=64, image_height=48)
    client.local_storage.get_item.side_effect = TimeoutError
    client.__class__ = viser.ClientHandle  # type: ignore[assignment]
    client.camera.__class__ = viser.CameraHandle
    return client


def test_a_page_that_is_closed_while_it_begins_to_watch_costs_nothing_any_more(
    live: LiveTraining, session: Session, monkeypatch: pytest.MonkeyPatch
):
    live.begins(lambda: session)
    page, watch = LivePage(a_client(), live), live.watch
    watched = []

    def late(watching: Watching) -> None:
        page.close()
        watch(watching)
        watched.append(watching)

    monkeypatch.setattr(live, "watch", late)
    page.start()
    page.join(20)
    assert not page.is_alive()
    assert len(watched) == 1
    assert not live._watching


def test_a_page_that_cannot_be_built_says_so_once(
    live: LiveTraining, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(live_page, "LivePanel", MagicMock(side_effect=RuntimeError("no panel")))
    page = LivePage(a_client(), live)
    page.start()
    page.join(1.5)  # in which it would have been told of figures three times
    assert not page.is_alive()
    assert caplog.text.count("Traceback") == 1
