"""A viewer of two small runs. Imports wait, for the viewer's extra may not be installed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from langfield.query.session import Session
    from langfield.viewer.viewer import Viewer


@pytest.fixture(scope="module")
def field() -> "Session":
    """A field with groups, whose index is made."""
    from tests.viewer.worlds import wall_session

    session = wall_session()
    session.query(["thing"])
    return session


@pytest.fixture(scope="module")
def splats() -> "Session":
    """Gaussians without groups, whose index is made."""
    from tests.viewer.worlds import splat_session

    session = splat_session()
    session.query(["thing"])
    return session


@pytest.fixture
def viewer(field: "Session", splats: "Session") -> "Iterator[Viewer]":
    """A viewer of both, which has started."""
    from tests.viewer.worlds import runs

    from langfield.cli.view import found_as_ply
    from langfield.viewer.access import new_token
    from langfield.viewer.viewer import Viewer, ViewerOptions

    viewer = Viewer(runs(field=field, splats=splats), ViewerOptions(new_token(), port=0), (found_as_ply(),))
    viewer.start()
    yield viewer
    viewer.stop()
