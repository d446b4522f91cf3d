"""A browser, and a viewer of the wall with groups. Imported where neither viser nor playwright is installed, too."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.browser.tabs import CHROMIUM, FLAGS, HEIGHT, WIDTH


@pytest.fixture(scope="module")
def session() -> Any:
    from tests.viewer.worlds import wall_session

    session = wall_session()
    session.query(["thing"])
    return session


@pytest.fixture
def wall(session: Any) -> Any:
    """The runs that the viewer shows."""
    from tests.viewer.worlds import runs

    return runs(wall=session)


@pytest.fixture
def viewer(wall: Any) -> Iterator[Any]:
    from langfield.viewer.access import new_token
    from langfield.viewer.viewer import Viewer, ViewerOptions

    viewer = Viewer(wall, ViewerOptions(new_token(), port=0))
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    context.set_default_timeout(60_000)
    yield context
    context.close()
