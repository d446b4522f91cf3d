"""What a page is to show, drawn by the server."""

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.viewer.clients import Page

from langfield.core.transforms import Similarity
from langfield.query.session import Session
from langfield.viewer import look
from langfield.viewer.page_camera import page_camera
from langfield.viewer.state import ViewerState


def server_picture(session: Session, page: Page, shape: tuple[int, ...], state: ViewerState) -> np.ndarray:
    """What the server draws for where a page's camera is."""
    camera = page_camera([1, 0, 0, 0], page.position, page.fov, 320, 240)
    assert camera is not None
    world = camera.camera(Similarity.from_matrix(session.info.scene_from_world), max(shape[:2]))
    return look.picture(session, world, look.Look(state)).numpy()


def assert_alike(one: np.ndarray | None, other: np.ndarray) -> None:
    """But for JPEG."""
    assert one is not None
    assert one.shape == other.shape
    assert np.abs(one.astype(float) - other).mean() < 4
