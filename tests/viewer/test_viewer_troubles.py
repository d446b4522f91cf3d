"""What pages without a browser are told of wrong input, of what fails, and what they keep."""

import asyncio
import io
import json
import threading
import time

import pytest
import torch
from PIL import Image

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.viewer.clients import Page, camera_message, opened
from tests.viewer.pictures import assert_alike, server_picture
from tests.viewer.worlds import runs, splat_session

from langfield.core.errors import RunError
from langfield.query.session import Session
from langfield.viewer import look
from langfield.viewer.access import new_token
from langfield.viewer.page_server import PageServer
from langfield.viewer.state import ViewerState
from langfield.viewer.viewer import Viewer, ViewerOptions, show_runs


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
