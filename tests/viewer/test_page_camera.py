"""Cameras of the page, flights, and which picture is due."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity
from langfield.viewer.frames import REST_SECONDS, FramePlan
from langfield.viewer.page_camera import (
    FrameSizes,
    PageCamera,
    Stand,
    flight,
    keyframe_camera,
    page_camera,
    stand_before,
    stand_of_photo,
    stands_at,
)

PAGE_FROM_WORLD = Similarity(Rotation.from_euler("xyz", [0.3, -0.2, 1]).as_matrix(), np.array([1.0, 2, 3]), 0.25)


def camera(**changed: object) -> PageCamera:
    given = {"wxyz": [1.0, 0, 0, 0], "position": [0.0, 0, 0], "fov_rad": 0.8, "width_px": 1600, "height_px": 900}
    made = page_camera(**(given | changed))
    assert made is not None
    return made


def test_the_server_s_camera_sees_what_the_page_s_sees():
    world = Camera.looking_at([4, -3, 2], [0, 0, 0], [0, 0, 1], width_px=640, height_px=480, fov_y_deg=50)
    pose = PAGE_FROM_WORLD.pose(world.world_from_camera)
    wxyz = 1.3 * np.roll(Rotation.from_matrix(pose[:3, :3]).as_quat(), 1)  # browsers round
    seen = camera(wxyz=wxyz, position=pose[:3, 3], fov_rad=np.radians(50), width_px=640, height_px=480)
    again = seen.camera(PAGE_FROM_WORLD, 640)
    np.testing.assert_allclose(again.world_from_camera, world.world_from_camera, atol=1e-9)
    assert again.fy_px == pytest.approx(world.fy_px)
    small = seen.camera(PAGE_FROM_WORLD, 160)
    assert (small.width_px, small.height_px) == (160, 120)
    kept = keyframe_camera(seen.keyframe(), 640, 480)
    np.testing.assert_allclose(kept.pose, seen.pose, atol=1e-9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"wxyz": [0.0, 0, 0, 0]},
        {"wxyz": [np.nan, 0, 0, 0]},
        {"wxyz": [1.0, 0, 0]},
        {"position": [np.inf, 0, 0]},
        {"fov_rad": 0.0},
        {"fov_rad": 4.0},
        {"width_px": 0},
    ],
)
def test_what_is_no_camera_is_none(wrong: dict):
    given = {"wxyz": [1.0, 0, 0, 0], "position": [0.0, 0, 0], "fov_rad": 0.8, "width_px": 1600, "height_px": 900}
    assert page_camera(**(given | wrong)) is None


def test_a_thing_is_stood_before_in_a_size_that_is_well_seen():
    up, eye = np.array([0.0, 0, 1]), np.array([4.0, 0, 0])
    stand = stand_before(np.zeros(3), 1.0, eye, up, np.radians(45))
    distance = np.linalg.norm(stand.position)
    assert 1 / (2 * distance * np.tan(np.radians(22.5))) == pytest.approx(0.4)  # of the picture's height
    np.testing.assert_allclose(stand.position / distance, [1, 0, 0])
    assert np.linalg.norm(stand_before(np.zeros(3), 0.01, eye, up, 0.8).position) == pytest.approx(2.4)  # not too near
    assert np.linalg.norm(stand_before(np.zeros(3), 99.0, eye, up, 0.8).position) == pytest.approx(4)  # not too far
    assert np.isfinite(stand_before(eye, 1.0, eye, up, 0.8).position).all()


def test_a_flight_is_smooth_and_ends_where_it_should():
    start = stand_of_photo(np.eye(4), 3.0)
    end = Stand(np.array([2.0, 0, 1]), np.array([0.0, 0, 3]), np.array([0.0, 0, 1]))
    way = flight(start, end, 20)
    assert way[-1] == end
    steps = np.linalg.norm(np.diff([start.position, *(stand.position for stand in way)], axis=0), axis=1)
    assert steps.max() < 0.25
    assert steps[0] < steps[len(steps) // 2]
    opposite = Stand(start.look_at, start.position, -start.up)
    assert all(np.isfinite(stand.up).all() for stand in flight(start, opposite))


def test_a_camera_stands_where_it_was_put_or_not():
    stand = stand_of_photo(np.eye(4), 2.0)
    assert stands_at(camera(), stand)
    assert not stands_at(camera(position=[0.1, 0, 0]), stand)
    assert not stands_at(camera(wxyz=[0.7, 0.7, 0, 0]), stand)


def test_pictures_are_as_large_as_there_is_time():
    unknown = FrameSizes()
    assert unknown.small(1600, 900) == 192
    slow = unknown.measured(192 * 108, 0.5)
    assert slow.small(1600, 900) == 128  # no smaller
    assert slow.stages(1600, 900)[-1] < 400
    fast = unknown.measured(1600 * 900, 0.004)
    assert fast.small(1600, 900) == 1600
    assert fast.stages(1600, 900) == [1600]
    assert fast.stages(8000, 4000) == [1920]
    middling = unknown.measured(400_000, 1.0)
    stages = middling.stages(1600, 900)
    assert stages == sorted(stages)
    assert len(stages) > 1
    assert 0.8 < stages[-1] ** 2 * 9 / 16 / 400_000 <= 1.2  # seconds


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_moving_camera_gets_small_pictures_and_a_resting_one_ever_sharper_ones():
    clock = Clock()
    plan = FramePlan(FrameSizes(pixels_per_second=400_000), clock)
    assert plan.next(browser_draws=False) is None  # it has not said where it is
    plan.moved(camera())
    small = plan.next(browser_draws=False)
    assert small is not None
    assert not small.last
    plan.drawn(small, 100 * 56, 100 * 56 / 400_000)
    assert plan.next(browser_draws=False) is None  # of the same place no second one
    clock.now += 0.05
    plan.moved(camera(position=[1.0, 0, 0]))
    assert plan.next(browser_draws=False) is not None
    assert not plan.is_current(small)
    assert plan.next(browser_draws=True) is None  # the browser draws while it moves
    assert 0 < plan.seconds_to_wait(browser_draws=True, idle=9) <= REST_SECONDS + 1e-9
    clock.now += REST_SECONDS + 1e-9
    sides = []
    while (task := plan.next(browser_draws=True)) is not None:
        sides.append(task.longest_px)
        plan.drawn(task, 400_000, 1.0)
        assert len(sides) < 9
    assert sides == sorted(sides)
    assert len(sides) > 1
    assert plan.seconds_to_wait(browser_draws=True, idle=9) == 9
    plan.changed()
    again = plan.next(browser_draws=True)
    assert again is not None
    assert again.longest_px == sides[0]
    assert plan.seconds_to_wait(browser_draws=True, idle=9) == 0
    plan.gave_up(again)
    assert plan.next(browser_draws=True) is None
