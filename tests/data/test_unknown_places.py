"""Cameras that cannot tell how far away things are: from one place, along one line of sight, or few."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.captures import CAPTURES, Capture, anywhere, looking, ring

from langfield.core.cameras import Camera
from langfield.data.unknown_places import unknown_places

LAW = settings(deadline=None, max_examples=100)


def poses(cameras: list[Camera]) -> np.ndarray:
    return np.stack([camera.world_from_camera for camera in cameras])


@given(capture=st.sampled_from(CAPTURES), n=st.integers(5, 80), seed=st.integers(0, 10**6))
@LAW
def test_ordinary_captures_tell_where_things_are(capture: Capture, n: int, seed: int):
    rng = np.random.default_rng(seed)
    assert unknown_places(poses(anywhere(capture(rng, n), rng)), None) == []


@given(n=st.integers(4, 40), seed=st.integers(0, 10**6))
@LAW
def test_a_panorama_head_is_said_whatever_the_units(n: int, seed: int):
    rng = np.random.default_rng(seed)
    place = rng.normal(size=3)
    turned = anywhere([looking(place, rng.normal(size=3), rng) for _ in range(n)], rng)
    said = "all photos were taken from one place: positions and sizes are guesses, add photos from other places"
    assert unknown_places(poses(turned), None) == [said]


def test_what_is_seen_says_what_one_place_is():
    """A hand's breadth is one place for a view over a valley, and none for what stands on a table."""
    rng = np.random.default_rng(0)
    near = poses([looking(0.05 * d, -d, rng) for d in rng.normal(size=(10, 3))])
    points = rng.normal(size=(100, 3))
    assert unknown_places(near, points) == []
    assert len(unknown_places(near, 100 * points)) == 1
    ahead = poses([looking(0.001 * rng.normal(size=3), np.array([0.0, 1, 0]), rng) for _ in range(10)])
    assert unknown_places(ahead, None) == []  # nothing says how far away things are
    assert len(unknown_places(ahead, points + np.array([0, 3, 0]))) == 1


@given(n=st.integers(4, 40), back=st.booleans(), seed=st.integers(0, 10**6))
@LAW
def test_moving_straight_ahead_is_said(n: int, back: bool, seed: int):
    rng = np.random.default_rng(seed)
    ways = np.linspace(0, 5, n)
    way = np.array([0.0, -1 if back else 1, 0])
    line = [looking(x * way + 0.005 * rng.normal(size=3), np.array([0, 1.0, 0]), rng, wobble=0.01) for x in ways]
    (said,) = unknown_places(poses(anywhere(line, rng)), None)
    assert said.startswith("all photos were taken along one line of sight: positions and sizes are guesses")
    aside = [looking(x * way, np.array([1.0, 0, 0]), rng, wobble=0.01) for x in ways]
    assert unknown_places(poses(aside), None) == []


def test_few_photos_are_said():
    cameras = poses(ring(np.random.default_rng(0), 4))
    assert unknown_places(cameras, None) == []
    for n in (2, 3):
        assert unknown_places(cameras[:n], None)[0] == (
            f"only {n} photos to train on: positions and sizes are guesses, add photos"
        )
    assert len(unknown_places(cameras[:1], None)) == 1
