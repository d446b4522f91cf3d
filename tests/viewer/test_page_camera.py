"""Cameras of the page, flights, and which picture is due."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")
import viser
from scipy.spatial.transform import Rotation

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity
from langfield.viewer.frames import REST_SECONDS, FramePlan, FrameTask
from langfield.viewer.navigator import Navigator
from langfield.viewer.page_camera import (
    FrameSizes,
    PageCamera,
    Stand,
    flight,
    keyframe_camera,
    page_camera,
    same_view,
    stand_before,
    stand_of_photo,
    stands_at,
)
from langfield.viewer.page_events import PageEvents

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


def test_in_flight_there_are_only_small_pictures():
    clock = Clock()
    plan = FramePlan(FrameSizes(pixels_per_second=400_000), clock)
    plan.moved(camera())
    small = plan.next(browser_draws=False)
    assert small is not None
    plan.drawn(small, 5600, 5600 / 400_000)
    clock.now += 1  # it rests, as far as the browser has said
    assert plan.next(browser_draws=False) is not None
    assert plan.next(browser_draws=False, flying=True) is None
    plan.moved(camera(position=[1.0, 0, 0]))
    clock.now += 1
    task = plan.next(browser_draws=False, flying=True)
    assert task is not None
    assert task.longest_px == small.longest_px
    assert plan.next(browser_draws=True, flying=True) is None


def test_a_camera_that_moves_while_a_picture_is_planned_is_not_missed():
    """Whenever it moves: the picture is of the new place, or counts as that of an old one."""
    there = camera(position=[1.0, 0, 0])
    planned = 0
    while True:
        plan = FramePlan(FrameSizes())
        plan.moved(camera())
        task, moved = after_steps(planned, partial(plan.next, browser_draws=False), partial(plan.moved, there))
        if not moved:
            break
        planned += 1
        assert task is not None
        assert task.camera is there or not plan.is_current(task), f"after {planned} steps"
    assert planned > 20


def after_steps(steps: int, work: Callable[[], FrameTask | None], other: Callable[[], None]):
    """Do some work, and another one after so many steps of the interpreter in it; and whether it came to that."""
    left, done = steps, False

    def trace(frame: FrameType, event: str, _: object):
        nonlocal left, done
        frame.f_trace_opcodes = True
        if event == "opcode" and not done:
            left -= 1
            if left < 0:
                done = True
                other()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        result = work()
    finally:
        sys.settrace(before)
    return result, done


class Calls(viser.ClientHandle):
    """A browser whose camera only remembers what it is set to."""

    def __init__(self) -> None:
        self.camera = SimpleNamespace(fov=0.5)

    def atomic(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def test_a_way_is_followed_in_its_time_and_to_its_end():
    client, seen = Calls(), []
    way = [stand_of_photo(np.eye(4), 1.0 + number, 0.5 + 0.01 * number) for number in range(40)]
    navigator = Navigator(client, lambda: None, threading.Event())

    def show() -> bool:
        seen.append((client.camera.look_at[2], client.camera.fov))
        time.sleep(0.03)  # a place is left every 10 ms
        return True

    started = time.monotonic()
    navigator.follow(way, 100, show)
    assert time.monotonic() - started < 1.0  # with all places it would take 1.2
    assert seen == sorted(seen)
    assert 1 < len(seen) < 33
    assert seen[0] == (1.0, 0.5)
    assert seen[-1] == (40.0, 0.5 + 0.01 * 39)
    client.camera.fov = 0.1
    navigator.follow(way, 100, show, stopped=lambda: len(seen) > 3)
    assert client.camera.fov == 0.1  # stopped before the first place


def test_a_flight_that_cannot_be_drawn_goes_on():
    client, calls = Calls(), []
    way = [stand_of_photo(np.eye(4), 1.0 + number) for number in range(5)]
    navigator = Navigator(client, lambda: None, threading.Event())
    navigator.follow(way, 200, lambda: bool(calls.append(1)))
    assert len(calls) == 1
    assert client.camera.look_at[2] == 5.0
    assert client.camera.fov == 0.5


def test_events_are_taken_in_order_and_wake_ups_are_not_a_person_s():
    events, done = PageEvents(), []
    events.wake()
    assert not events.person_waits
    assert list(events.take(5)) == []
    events.post(done.append, 1)
    events.wake()
    events.post(done.append, 2)
    assert events.person_waits
    for event in events.take(5):
        event()
    assert done == [1, 2]
    assert not events.person_waits
    assert list(events.take(0.01)) == []
    for number in range(3000):
        events.post(done.append, number)
    assert 0 < len(list(events.take(0))) < 3000


def test_small_and_large_moves_are_told_apart():
    assert same_view(camera(), camera(position=[1e-9, 0, 0]))
    for changed in ({"position": [1e-3, 0, 0]}, {"fov_rad": 0.81}, {"width_px": 8}, {"wxyz": [1.0, 1e-3, 0, 0]}):
        assert not same_view(camera(), camera(**changed))
