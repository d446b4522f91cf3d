"""Stray cameras are found among cameras of every usual kind, and no usual camera is called one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.captures import CAPTURES, Capture, anywhere, forward_facing, looking, ring, thrown, two_distances

from langfield.core.cameras import Camera
from langfield.data.stray_cameras import find_strays, meeting_place

# Where there is a second round of photos from far away, what is left of it after a throw may be too few to be one.
ONE_ROUND = [capture for capture in CAPTURES if capture is not two_distances]
LAW = settings(deadline=None, max_examples=120)


@given(capture=st.sampled_from(CAPTURES), n=st.integers(4, 120), seed=st.integers(0, 10**6))
@LAW
def test_ordinary_captures_have_no_strays(capture: Capture, n: int, seed: int):
    rng = np.random.default_rng(seed)
    found = find_strays(anywhere(capture(rng, n), rng), None)
    assert not found.apart.any()
    assert not found.groups


@given(capture=st.sampled_from(ONE_ROUND), n=st.integers(12, 120), share=st.floats(0, 0.25), seed=st.integers(0, 10**6))
@LAW
def test_cameras_thrown_far_away_are_found_whatever_the_units(capture: Capture, n: int, share: float, seed: int):
    rng = np.random.default_rng(seed)
    cameras = capture(rng, n)
    which = rng.permutation(n)[: max(1, int(share * n))]
    reach = max(1.0, np.ptp([camera.world_from_camera[:3, 3] for camera in cameras], axis=0).max())
    for i in which:
        cameras[i] = thrown(cameras[i], rng, reach * 10 ** rng.uniform(2.5, 5))
    found = find_strays(anywhere(cameras, rng), None)
    assert set(np.flatnonzero(found.apart)) == set(which)
    assert not found.seeing.any()
    assert not found.groups
    assert found.times > 10


@given(n=st.integers(12, 60), share=st.floats(0.3, 0.5), seed=st.integers(0, 10**6))
@LAW
def test_too_many_far_away_are_groups(n: int, share: float, seed: int):
    rng = np.random.default_rng(seed)
    cameras = ring(rng, n)
    away = np.array([500.0, 0, 0])
    far = round(share * n)
    for i in range(far):
        cameras[i] = looking(cameras[i].world_from_camera[:3, 3] + away, cameras[i].world_from_camera[:3, 2], rng)
    found = find_strays(anywhere(cameras, rng), None)
    assert found.groups
    assert found.apart.sum() in (far, n - far)


@pytest.mark.parametrize("n", [5, 6, 7])
def test_two_far_away_of_few_are_groups(n: int):
    rng = np.random.default_rng(0)
    cameras = ring(rng, n)
    for i in (0, 3):
        place = cameras[i].world_from_camera[:3, 3] + np.array([500.0, 0, 0])
        cameras[i] = looking(place, cameras[i].world_from_camera[:3, 2], rng)
    found = find_strays(anywhere(cameras, rng), None)
    assert found.groups
    assert np.flatnonzero(found.apart).tolist() == [0, 3]


def far_view(direction: tuple[float, float, float], rng: np.random.Generator) -> Camera:
    return looking(np.array([20.0, 0, 0]), np.array(direction), rng, wobble=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("with_points", [False, True])
def test_what_a_stray_sees_is_told(seed: int, with_points: bool):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(500, 3)) * 0.3 if with_points else None
    looks_here = find_strays([*ring(rng, 30), far_view((-1, 0, 0), rng)], points)
    looks_away = find_strays([*ring(rng, 30), far_view((1, 0, 0), rng)], points)
    for found in (looks_here, looks_away):
        assert np.flatnonzero(found.apart).tolist() == [30]
        assert 15 < found.times < 22
    assert looks_here.seeing.sum() == 1
    assert not looks_away.seeing.any()


def test_points_say_how_far_the_others_reach():
    """Cameras close together that look at what is far away: one from the other side of it is no stray."""
    rng = np.random.default_rng(0)
    cameras = [*forward_facing(rng, 30), looking(np.array([0.0, 12, 0]), np.array([0.0, -1, 0]), rng)]
    assert find_strays(cameras, None).apart.sum() == 1
    assert not find_strays(cameras, np.array([0.0, 6, 0]) + rng.normal(size=(100, 3))).apart.any()


def test_cameras_in_one_place_and_few_cameras_have_no_strays():
    rng = np.random.default_rng(0)
    turned = [looking(np.array([1.0, 2, 3]), rng.normal(size=3), rng) for _ in range(9)]
    assert not find_strays([*turned, looking(np.zeros(3), np.ones(3), rng)], None).apart.any()
    assert not find_strays([*ring(rng, 2), far_view((1, 0, 0), rng)], None).apart.any()


def test_lines_of_sight_meet_where_they_do():
    rng = np.random.default_rng(0)
    poses = np.stack([camera.world_from_camera for camera in ring(rng, 30)])
    away = np.array([448262.0, 5411932, 412])
    found = meeting_place(poses[:, :3, 3] + away, poses[:, :3, 2])
    assert found is not None
    np.testing.assert_allclose(found - away, 0, atol=0.1)
    assert meeting_place(poses[:, :3, 3], -poses[:, :3, 2]) is None  # behind the cameras
    ahead = np.broadcast_to([0.0, 1, 0], (30, 3))
    assert meeting_place(poses[:, :3, 3], ahead) is None
