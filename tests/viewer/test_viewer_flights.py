"""Keyframes, paths and flights of pages without a browser."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.query.fake_session import WORLD_FROM_SCENE
from tests.viewer.clients import Page, opened

from langfield.cli.camera_path import read_camera_path
from langfield.query.session import Session
from langfield.viewer.viewer import Viewer


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
