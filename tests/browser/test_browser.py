"""The viewer in a real browser: Debian's chromium, without a screen, with OpenGL in software.

LANGFIELD_SCREENSHOTS names a folder for pictures of each state, to be looked at.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")
pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'langfield[dev]'")

from tests.browser.tabs import HEIGHT, MARKS, PANEL_LEFT, THING_XY, WIDTH, Tab
from tests.query.fake_session import WORLD_FROM_SCENE
from tests.viewer.worlds import runs

from langfield.query.session import Session
from langfield.viewer import look
from langfield.viewer.access import new_token
from langfield.viewer.page_camera import page_camera
from langfield.viewer.state import ViewerState
from langfield.viewer.viewer import Viewer, ViewerOptions

pytestmark = MARKS


def drawn(session: Session, state: ViewerState) -> np.ndarray:
    """What the server draws for the page's first camera."""
    view = session.views[0].camera
    pose = WORLD_FROM_SCENE.inverse().pose(view.world_from_camera)
    fov = 2 * np.arctan(view.height_px / (2 * view.fy_px))
    camera = page_camera([1, 0, 0, 0], pose[:3, 3], float(fov), WIDTH, HEIGHT)
    assert camera is not None
    return look.picture(session, camera.camera(WORLD_FROM_SCENE.inverse(), 960), look.Look(state)).numpy()


def difference(screenshot: np.ndarray, picture: np.ndarray) -> float:
    """The mean distance of two pictures in grey levels, where neither controls nor messages lie."""
    size = Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    apart = np.abs(screenshot - np.asarray(size).astype(np.int64))
    return float(apart[170:, :PANEL_LEFT].mean())


def test_find_hide_click_and_come_back(viewer: Viewer, session: Session, context):
    tab = Tab(context, viewer._front.access.link)
    assert "token" not in tab.page.url
    plain = tab.settled("opened")
    assert difference(plain, drawn(session, ViewerState())) < 6

    tab.ask("thing")
    tab.sees("found · presence")
    tab.page.get_by_role("checkbox").first.uncheck(force=True)  # the boxes lie over the picture
    found = tab.settled("found")
    wanted = drawn(session, ViewerState(phrases=("thing",), layer="Composited"))
    assert difference(found, wanted) < 6
    assert difference(found, drawn(session, ViewerState())) > 20
    x, y = THING_XY
    assert np.abs(found[y, x] - found[400, 200]).max() > 15

    tab.choose("Hide", "Scene")
    hidden = tab.settled("scene hidden")
    assert difference(hidden, drawn(session, ViewerState(phrases=("thing",), layer="Composited", hide="Scene"))) < 6
    assert np.abs(hidden[400, 200] - look.BACKGROUND).max() < 12
    tab.choose("Hide", "Nothing")

    tab.choose("Layer", "Relevancy")
    relevancy = tab.settled("relevancy")
    assert difference(relevancy, drawn(session, ViewerState(phrases=("thing",), layer="Relevancy"))) < 6

    tab.choose("Layer", "Picture")
    tab.page.mouse.click(x, y)
    tab.page.get_by_role("tab", name="Things").click()
    tab.sees("Selected:")
    selected = tab.settled("clicked")
    near = selected[y - 120 : y + 120, x - 120 : x + 110]
    assert (near.min(axis=2) > 180).any()  # the rim
    assert selected[600, 200].max() < 0.8 * plain[600, 200].max()  # all else is dimmed

    tab.page.reload()
    tab.ready()
    tab.sees("found · presence")
    assert tab.prompt.input_value() == "thing"
    tab.settled("reloaded")
    assert tab.errors == []


def test_a_hit_is_flown_to_and_the_mouse_turns_the_camera(viewer: Viewer, context):
    tab = Tab(context, viewer._front.access.link)
    tab.ask("thing")
    tab.sees("found · presence")
    before = tab.settled("before the flight")
    tab.page.get_by_role("button", name="1 · score").click()
    tab.sees("Seen best in")
    after = tab.settled("after the flight")
    assert np.abs(after - before)[170:, :PANEL_LEFT].mean() > 1
    tab.page.mouse.move(400, 500)
    tab.page.mouse.down()
    tab.page.mouse.move(520, 470, steps=8)
    tab.page.mouse.up()
    turned = tab.settled("turned")
    assert np.abs(turned - after)[170:, :PANEL_LEFT].mean() > 1
    tab.page.get_by_role("tab", name="Camera").click()
    tab.page.get_by_role("button", name="Add keyframe").click()
    tab.sees("1 keyframe")
    tab.screenshot("camera")
    tab.page.get_by_role("tab", name="Save").click()
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Camera path (JSON)").click()
    assert download.value.suggested_filename == "camera_path.json"
    assert tab.errors == []


def test_two_tabs_ask_their_own(viewer: Viewer, context, chromium):
    other_context = chromium.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    one, other = Tab(context, viewer._front.access.link), Tab(other_context, viewer._front.access.link)
    one.ask("thing")
    other.ask("thing, wall")
    other.sees("wall")
    one.sees("found · presence")
    assert one.page.get_by_text("presence").count() == 1
    assert other.page.get_by_text("presence").count() == 2
    other.settled("two phrases")
    other_context.close()


def test_without_the_token_there_is_nothing(viewer: Viewer, context):
    page = context.new_page()
    answer = page.goto(f"http://127.0.0.1:{viewer.port}/")
    assert answer.status == 401
    assert page.goto(f"http://127.0.0.1:{viewer.port}/?token=wrong").status == 403


def test_a_server_that_comes_back_finds_its_page(session: Session, context):
    options = ViewerOptions(new_token(), port=0)
    viewer = Viewer(runs(wall=session), options)
    viewer.start()
    tab = Tab(context, viewer._front.access.link)
    tab.ask("thing")
    tab.sees("found · presence")
    viewer.stop()
    time.sleep(1)
    again = Viewer(runs(wall=session), ViewerOptions(options.token, port=viewer.port))
    again.start()
    try:
        deadline = time.monotonic() + 60
        while not again._front.clients and time.monotonic() < deadline:
            tab.page.wait_for_timeout(200)
        tab.ready()
        tab.sees("found · presence")
        assert tab.prompt.input_value() == "thing"
        tab.settled("server came back")
    finally:
        again.stop()


def test_a_phone_shows_the_prompt(viewer: Viewer, chromium):
    phone = chromium.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    page.goto(viewer._front.access.link)
    page.get_by_text("langfield").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3000)
    data = page.screenshot(timeout=120_000)
    if folder := os.environ.get("LANGFIELD_SCREENSHOTS"):
        (Path(folder) / "phone.png").write_bytes(data)
    find = page.get_by_role("button", name="Find", exact=True)
    find.wait_for(timeout=60_000)
    assert find.bounding_box()["width"] > 200
    phone.close()
