"""Tabs of a real browser that show the viewer: Debian's chromium, without a screen, with OpenGL in software.

LANGFIELD_SCREENSHOTS names a folder for pictures of each state, to be looked at.
"""

import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MARKS = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
    pytest.mark.timeout(600),
]
WIDTH, HEIGHT = 1280, 720
PANEL_LEFT = 930  # what is right of it may lie under the controls
THING_XY = (813, 446)  # where the first photo's camera sees it
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


class Tab:
    """A tab of a browser that shows the viewer."""

    def __init__(self, context, link: str) -> None:
        self.page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(link)
        self.ready()

    def ready(self) -> None:
        """Wait until its controls are there."""
        self.page.get_by_role("button", name="Find", exact=True).wait_for()

    @property
    def prompt(self):
        return self.page.locator("form input").first

    def ask(self, text: str) -> None:
        """Type a prompt as a person does, and press Enter at once."""
        self.prompt.click()
        self.prompt.press("ControlOrMeta+a")
        self.prompt.press_sequentially(text)
        self.prompt.press("Enter")

    def choose(self, label: str, option: str) -> None:
        """Another option of a drop-down list."""
        row = self.page.locator("label", has_text=label).locator("xpath=ancestor::div[.//input][1]")
        row.locator("input").first.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def screenshot(self, name: str) -> np.ndarray:
        data = self.page.screenshot(timeout=120_000)
        if folder := os.environ.get("LANGFIELD_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(data)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int64)

    def settled(self, name: str, seconds: float = 20) -> np.ndarray:
        """A screenshot after two that were alike."""
        before, deadline = self.screenshot(name), time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(1)
            now = self.screenshot(name)
            if np.abs(now - before)[:, :PANEL_LEFT].mean() < 0.5:
                return now
            before = now
        return before
