"""A training in a real browser: seen, paused, stopped, and then the page of its run."""

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")
pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'langfield[dev]'")

from playwright.sync_api import sync_playwright
from tests.browser.tabs import CHROMIUM, FLAGS, HEIGHT, MARKS, PANEL_LEFT, WIDTH, Tab
from tests.viewer.trainings import training
from tests.viewer.worlds import runs, wall_session

from langfield.viewer.access import new_token
from langfield.viewer.live_frames import FrameBudget
from langfield.viewer.live_training import LiveTraining
from langfield.viewer.page_server import ViewerOptions
from langfield.viewer.viewer import TrainingViewer

pytestmark = MARKS


def press(tab: Tab, name: str) -> None:
    tab.page.get_by_role("button", name=name, exact=True).click()


def soon(tab: Tab, name: str) -> np.ndarray:
    """The scene a second from now, without what lies over it."""
    tab.page.wait_for_timeout(1000)
    return tab.screenshot(name)[170:, :PANEL_LEFT]


def test_a_training_is_seen_paused_stopped_and_then_asked():
    session = wall_session()
    session.query(["thing"])
    live = LiveTraining(lambda line: None, FrameBudget(share=0.5))
    viewer = TrainingViewer(live, ViewerOptions(new_token(), port=0))
    link = viewer.start()
    try:
        with sync_playwright() as engine, training(lambda: session, live) as running:
            browser = engine.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
            context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
            context.set_default_timeout(60_000)
            tab = Tab(context, link)
            tab.sees("of 10,000,000")
            tab.page.locator(".u-wrap canvas").wait_for()  # the curve of the loss
            tab.choose("Layer", "Depth")
            assert soon(tab, "live_training").std() > 20
            press(tab, "Pause")
            tab.sees("Paused")
            done = live.figures.event
            tab.ask("thing")
            tab.sees("Kept")
            soon(tab, "live_paused")
            assert live.figures.event == done
            press(tab, "Resume")
            tab.sees("Training")
            press(tab, "Stop and save")
            press(tab, "Yes, stop here and save")
            assert running.join().steps < 10**7
            tab.sees("Opening the run")
            viewer.show_runs(runs(wall=session))
            tab.sees("presence")
            assert np.ptp(soon(tab, "live_after")) > 60
            assert not tab.errors
            browser.close()
    finally:
        viewer.stop()
