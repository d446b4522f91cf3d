"""The viewer's controls in a real browser: things and how large, photos of a hit, keys, names, distances, flights."""

import re

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")
pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'langfield[dev]'")

from tests.browser.tabs import MARKS, PANEL_LEFT, THING_XY, Tab

from langfield.viewer.runs import Runs
from langfield.viewer.viewer import Viewer

pytestmark = MARKS


def selected_elements(tab: Tab) -> int:
    """How many elements the page says are selected."""
    text = tab.page.get_by_text("Selected:").first.inner_text()
    return int(re.search(r"([\d,]+) elements", text).group(1).replace(",", ""))


def rim(picture: np.ndarray) -> np.ndarray:
    """Where a picture of the grey wall is nearly white, beside the controls."""
    return (picture[170:, :PANEL_LEFT].min(axis=2) > 180).nonzero()


def test_a_click_selects_a_thing_and_the_slider_grows_it(viewer: Viewer, context):
    tab = Tab(context, viewer._front.access.link)
    tab.settled("before the click")
    tab.page.mouse.click(*THING_XY)
    tab.page.get_by_role("tab", name="Things").click()
    tab.sees("Selected:")
    small, elements = rim(tab.settled("thing selected")), selected_elements(tab)
    assert len(small[0]) > 0
    slider = tab.page.get_by_role("slider").first
    slider.focus()
    valued = int(slider.get_attribute("aria-valuenow"))
    ((_, page),) = viewer._pages.values()
    camera = page._plan.camera
    for _ in range(5):
        slider.press("ArrowLeft", delay=100)
    assert int(slider.get_attribute("aria-valuenow")) == valued - 5
    slider.press("End")  # all around
    tab.page.wait_for_function(
        "was => !document.body.innerText.includes(was)", arg=f"{elements:,} elements", timeout=30_000
    )
    large = rim(tab.settled("all around selected"))
    assert selected_elements(tab) > 2 * elements
    assert page._plan.camera is camera  # the slider's keys are not the camera's
    assert np.ptp(large[0]) > 1.3 * np.ptp(small[0])
    tab.page.get_by_role("button", name="Select nothing").click()
    assert len(rim(tab.settled("nothing selected"))[0]) == 0
    assert tab.errors == []


def test_a_hit_s_photos_are_shown_and_one_is_stood_at_by_a_click_on_it(viewer: Viewer, context):
    tab = Tab(context, viewer._front.access.link)
    tab.ask("thing")
    tab.sees("found · presence")
    tab.page.get_by_role("button", name="1 · score").click()
    tab.sees("Seen best in")
    pictures = tab.page.locator("[data-langfield-press] img")
    assert pictures.count() >= 2
    assert all(width > 0 for width in pictures.evaluate_all("all => all.map(one => one.naturalWidth)"))
    before = tab.settled("photos of a hit")
    pictures.nth(1).click()
    tab.page.wait_for_timeout(1500)
    after = tab.settled("at a photo of a hit")
    assert np.abs(after - before)[170:, :PANEL_LEFT].mean() > 1
    assert tab.errors == []


def test_everything_is_done_with_keys(viewer: Viewer, context):
    tab = Tab(context, viewer._front.access.link)
    keys = tab.page.keyboard
    keys.press("?")
    dialog = tab.page.get_by_role("dialog", name="Help")
    dialog.wait_for()
    assert "measure a distance" in dialog.inner_text()
    tab.screenshot("help")
    keys.press("Escape")
    dialog.wait_for(state="detached")
    keys.press("/")
    keys.type("thing")
    keys.press("Enter")
    tab.sees("found · presence")
    keys.press("?")  # belongs to the text
    assert tab.prompt.input_value() == "thing?"
    keys.press("Backspace")
    keys.press("Escape")
    plain = tab.settled("asked by keys")
    keys.press("1")
    tab.sees("Seen best in")
    there = tab.settled("hit by keys")
    assert np.abs(there - plain)[170:, :PANEL_LEFT].mean() > 1
    keys.press("h")
    tab.page.wait_for_timeout(500)
    hidden = tab.settled("hidden by keys")
    assert np.abs(hidden - there)[170:, :PANEL_LEFT].mean() > 3
    tab.page.get_by_text("Keys and mouse").click()
    dialog.wait_for()
    tab.page.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")
    assert tab.errors == []


def test_a_mouse_that_rests_on_a_thing_is_told_its_name(viewer: Viewer, wall: Runs, context):
    wall.has_answered("wall")
    tab = Tab(context, viewer._front.access.link)
    tab.page.locator("[data-langfield-names]").wait_for(state="attached")
    x, y = THING_XY
    tab.page.mouse.move(x - 5, y)
    tab.page.mouse.move(x, y)
    tip = tab.page.get_by_role("tooltip")
    tip.wait_for()
    assert tip.inner_text().strip()
    tab.screenshot("name under the mouse")
    tab.page.mouse.move(200, 650)
    tip.wait_for(state="hidden")
    assert tab.errors == []


def test_two_clicks_measure_a_distance(viewer: Viewer, context):
    tab = Tab(context, viewer._front.access.link)
    plain = tab.settled("before measuring")
    tab.page.get_by_role("tab", name="Things").click()
    tab.page.get_by_role("button", name="Measure", exact=True).click()
    tab.sees("Click where it begins")
    tab.page.mouse.click(300, 400)
    tab.sees("Click where it ends")
    tab.page.mouse.click(700, 400)
    tab.sees("in the units of the input files")
    measured = tab.settled("measured")
    yellow = (measured[..., 0] > 200) & (measured[..., 1] > 150) & (measured[..., 2] < 120)
    assert yellow[395:406, 320:680].any(axis=0).mean() > 0.8  # the line
    tab.page.get_by_role("button", name="Clear distance").click()
    cleared = tab.settled("measure cleared")
    assert np.abs(cleared - plain)[170:, :PANEL_LEFT].mean() < 1
    assert tab.errors == []


def test_a_drag_ends_a_flight(viewer: Viewer, context):
    tab = Tab(context, viewer._front.access.link)
    ((_, page),) = viewer._pages.values()

    def centre() -> np.ndarray:
        """Where the browser says that its camera is."""
        assert page._plan.camera is not None
        return page._plan.camera.pose[:3, 3].copy()

    tab.settled("before the path")
    tab.page.get_by_role("tab", name="Camera").click()
    add = tab.page.get_by_role("button", name="Add keyframe")
    for count in range(1, 7):
        add.click()
        tab.sees(f"{count} keyframe")
        tab.page.mouse.move(400, 500)
        tab.page.mouse.down()
        tab.page.mouse.move(400 + 60 * (-1) ** count, 480, steps=5)
        tab.page.mouse.up()
        tab.page.wait_for_timeout(700)
    tab.page.get_by_role("button", name="Play").click()  # for ten seconds
    tab.page.wait_for_timeout(1000)
    before = centre()
    tab.page.wait_for_timeout(1000)
    assert np.linalg.norm(centre() - before) > 0.1  # it flies
    tab.page.mouse.move(400, 500)
    tab.page.mouse.down()
    tab.page.mouse.move(520, 560, steps=10)
    tab.page.mouse.up()
    tab.page.wait_for_timeout(1000)
    stopped = centre()
    tab.page.wait_for_timeout(1500)
    np.testing.assert_allclose(centre(), stopped, atol=1e-4)
    assert tab.errors == []
