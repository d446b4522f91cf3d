"""When a picture of a training is drawn: within a share of the time, and only when there is something new to see."""

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from langfield.viewer.live_frames import FrameBudget, LivePlan
from langfield.viewer.page_camera import FrameSizes, PageCamera


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def camera(x: float = 0.0) -> PageCamera:
    pose = np.eye(4)
    pose[0, 3] = x
    return PageCamera(pose, 0.9, 1280, 720)


@pytest.mark.parametrize("cost", [0.001, 0.02, 0.3])
@pytest.mark.parametrize("step", [0.004, 0.05])
def test_pictures_take_no_more_than_their_share(cost: float, step: float):
    clock = Clock()
    budget = FrameBudget(0.08, 0.2, 0.0, clock)
    spent, end = 0.0, clock.now + 200
    while clock.now < end:
        clock.now += step
        if budget.allows():
            clock.now += cost
            spent += cost
            budget.spent(cost)
    assert spent <= 0.08 * 200 + 0.2 + cost
    assert spent >= min(0.07 * 200, 0.9 * 200 * cost / (cost + step))


def test_after_a_long_rest_there_is_time_for_a_few_pictures_only():
    clock = Clock()
    budget = FrameBudget(0.125, 0.25, 0.0, clock)
    clock.now += 1000
    for _ in range(4):
        assert budget.allows()
        budget.spent(0.0625)
    assert not budget.allows()
    clock.now += 0.5
    assert budget.allows()
    budget.spent(1.0625)
    clock.now += 7.5
    assert not budget.allows()
    clock.now += 1
    assert budget.allows()


def test_quick_pictures_are_not_too_many():
    clock = Clock()
    budget, count = FrameBudget(0.5, 0.2, 0.125, clock), 0
    for _ in range(1000):
        clock.now += 0.01
        if budget.allows():
            budget.spent(0.0)
            count += 1
    assert 75 <= count <= 80


def plan_with(clock: Clock) -> LivePlan:
    sizes = FrameSizes(pixels_per_second=1e6, moving_seconds=0.03, resting_seconds=0.25, least_moving_px=64)
    return LivePlan(sizes, FrameSizes(pixels_per_second=1e6), clock)


def drawn(plan: LivePlan, step: int, speed: float = 1e6) -> int | None:
    """Draw what is due; returns its longest side."""
    task = plan.next(step)
    if task is None:
        return None
    pixels = task.longest_px**2 * 9 // 16
    plan.drawn(task, step, pixels, pixels / speed)
    return task.longest_px


def test_without_a_camera_nothing_is_due():
    assert plan_with(Clock()).next(0) is None


def test_a_moving_camera_gets_one_small_picture_of_each_place():
    clock = Clock()
    plan = plan_with(clock)
    small = FrameSizes(1e6, 0.03).small(1280, 720)
    for place in range(5):
        plan.moved(camera(place))
        clock.now += 0.05
        task = plan.next(place)
        assert task is not None
        assert task.camera.pose[0, 3] == place
        assert drawn(plan, place) == small
        assert drawn(plan, place + 1) is None  # whatever was learnt: it is on its way already


def test_a_resting_one_gets_sharper_ones_and_then_the_sharpest_as_the_training_goes_on():
    clock = Clock()
    plan = plan_with(clock)
    plan.moved(camera())
    clock.now += 1
    sides = []
    while (side := drawn(plan, 7)) is not None:
        sides.append(side)
    assert sides == sorted(set(sides))
    assert len(sides) > 1
    clock.now += 10
    assert drawn(plan, 7) is None  # nothing was learnt: as it is while paused
    assert drawn(plan, 8) == sides[-1]
    assert drawn(plan, 9) is None  # too soon
    clock.now += 1
    assert drawn(plan, 9) == sides[-1]
    plan.moved(camera(1))
    assert drawn(plan, 9) == sides[0]


def test_a_quick_gpu_draws_all_of_a_resting_page_and_less_of_a_moving_one():
    clock = Clock()
    plan = LivePlan(clock=clock)
    for place in range(9):
        plan.moved(camera(place))
        drawn(plan, place, speed=1e9)
    plan.moved(camera(10))
    moving, waiting = plan.next(9), plan.next(9, paused=True)
    assert moving is not None
    assert waiting is not None
    assert (moving.longest_px, waiting.longest_px) == (960, 1280)
    drawn(plan, 9, speed=1e9)
    clock.now += 1
    assert drawn(plan, 9, speed=1e9) == 1280


def test_slow_pictures_become_small():
    clock = Clock()
    plan = plan_with(clock)
    for place in range(8):
        plan.moved(camera(place))
        drawn(plan, place, speed=1e4)
    plan.moved(camera(9))
    task = plan.next(9)
    assert task is not None
    assert task.longest_px == 64


def test_while_the_training_waits_there_is_time_for_sharper_ones():
    clock = Clock()
    plan = plan_with(clock)
    plan.moved(camera())
    clock.now += 1
    while (side := drawn(plan, 7)) is not None:
        last = side
    task = plan.next(7, paused=True)
    assert task is not None
    assert task.longest_px == FrameSizes(1e6).stages(1280, 720)[-1] > last


def test_what_cannot_be_drawn_is_tried_again_later():
    clock = Clock()
    plan = plan_with(clock)
    plan.moved(camera())
    clock.now += 1
    task = plan.next(3)
    assert task is not None
    plan.gave_up(task, 3)
    assert plan.next(3) is None
    assert plan.next(4) is None
    clock.now += 1
    assert plan.next(4) is not None
