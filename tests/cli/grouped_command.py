"""Commands on the wall of `tests.query.grouped_wall` in place of a run: a thing, half of it, and a disc about it."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.query.fake_session import WORLD_FROM_SCENE
from tests.query.fake_world import THING
from tests.query.grouped_wall import session

from langfield.cli.options import RunOptions
from langfield.query.session import Session

_MADE = cache(session)  # one for all tests, for its index is slow to make


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Session:
    """What every command that opens a run gets."""
    monkeypatch.setattr(RunOptions, "opened", lambda *_, **__: _MADE())
    return _MADE()


def place(*offset_scene: float) -> np.ndarray:
    """A place of the world frame, so far from the thing's middle (scene frame)."""
    return WORLD_FROM_SCENE.points(THING.double().numpy()[None] + np.array([offset_scene]))[0]


def said(point: np.ndarray) -> str:
    """A place as it is given to the command."""
    return ",".join(f"{value:.6g}" for value in point)


def read_points(path: Path) -> np.ndarray:
    """The points (N, 3) of a PLY file, read by its header with numpy alone."""
    head, body = path.read_bytes().split(b"end_header\n", 1)
    sizes = {"float": "<f4", "double": "<f8", "uchar": "u1"}
    lines = [line.split() for line in head.decode().splitlines()]
    (count,) = (int(line[2]) for line in lines if line[:2] == ["element", "vertex"])
    rows = np.frombuffer(body, dtype=[(line[2], sizes[line[1]]) for line in lines if line[0] == "property"])
    assert len(rows) == count
    return np.stack([rows[axis] for axis in "xyz"], axis=1).astype(np.float64)
