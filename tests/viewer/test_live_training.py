"""A training as pages see it: who gets pictures and when, pausing and ending, figures, and what goes wrong."""

import gc
import logging
import math
import weakref
from functools import partial

import numpy as np
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.query.fake_session import WORLD_FROM_SCENE
from tests.viewer.worlds import runs, wall_session

from langfield.core.progress import ProgressEvent
from langfield.query.session import Session
from langfield.viewer.live_frames import FrameBudget
from langfield.viewer.live_panel import chart_data, figures_html
from langfield.viewer.live_scene import LiveScene, nearest_to_axes
from langfield.viewer.live_training import Curve, LiveFigures, LiveFrame, LiveTraining, Watching
from langfield.viewer.page_camera import PageCamera, page_camera


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def live(said: list[str]) -> LiveTraining:
    return LiveTraining(said.append, FrameBudget(share=1.0, burst_seconds=1e9, seconds_between=0.0))


@pytest.fixture(scope="module")
def session() -> Session:
    return wall_session()


def event(done: int = 3, stage: str = "training", **metrics: float) -> ProgressEvent:
    return ProgressEvent(stage, done, 100, "steps", 6.0, metrics)


def looking(x: float = 0.0) -> PageCamera:
    camera = page_camera([2**-0.5, -(2**-0.5), 0, 0], [x, 0, 0], 0.9, 64, 48)  # along +y of the page's frame
    assert camera is not None
    return camera


def watch(live: LiveTraining, x: float = 0.0) -> tuple[Watching, list[LiveFrame]]:
    frames: list[LiveFrame] = []
    watching = Watching(frames.append)
    watching.plan.moved(looking(x))
    live.watch(watching)
    return watching, frames


def test_pictures_are_the_sessions_and_only_for_who_looks(live: LiveTraining, session: Session):
    made = []

    def now() -> Session:
        made.append(1)
        return session

    live.between_steps(1)  # before it begins
    live.begins(now)
    live.between_steps(1)
    assert len(made) == 1
    watching, frames = watch(live)
    live.between_steps(2)
    live.between_steps(2)  # nothing has changed
    assert len(frames) == 1
    assert len(made) == 2
    assert live.scene is not None
    camera = looking().camera(live.scene.page_from_world, frames[0].task.longest_px)
    rgb, depth = session.picture(camera)
    np.testing.assert_array_equal(frames[0].rgb, rgb)
    np.testing.assert_array_equal(frames[0].depth_world, depth)
    assert frames[0].step == 2
    assert np.isfinite(depth).any()
    live.leave(watching)
    watching.plan.moved(looking(0.5))
    live.between_steps(3)
    assert len(frames) == 1


def test_each_browser_gets_its_turn(live: LiveTraining, session: Session):
    live.begins(lambda: session)
    seen = [watch(live, x)[1] for x in (0.0, 0.5, 1.0)]
    for step in range(1, 4):
        live.between_steps(step)
    assert [len(frames) for frames in seen] == [1, 1, 1]
    assert [frames[0].task.camera.pose[0, 3] for frames in seen] == [0.0, 0.5, 1.0]


def test_without_time_there_is_no_picture_but_while_paused_there_always_is(session: Session):
    live = LiveTraining(lambda line: None, FrameBudget(share=0.0, burst_seconds=0.0))
    live.begins(lambda: session)
    live.progress(event())
    watching, frames = watch(live)
    live.between_steps(1)
    assert not frames
    live.pause(True)
    for x in range(3):
        watching.plan.moved(looking(x))
        live.between_steps(1)
    assert len(frames) == 3
    live.pause(False)
    watching.plan.moved(looking(7))
    live.between_steps(2)
    assert len(frames) == 3


def test_pausing_and_ending_are_told_and_only_while_it_trains(live: LiveTraining, said: list[str]):
    live.pause(True)
    live.end()
    live.progress(event(stage="features"))
    live.pause(True)
    live.end()
    assert not said
    assert not live.paused
    assert not live.ended
    live.progress(event())
    live.pause(True)
    live.pause(True)
    assert live.paused
    live.pause(False)
    assert not live.paused
    live.pause(True)
    live.end()
    assert (live.paused, live.ended) == (False, True)
    live.pause(True)
    assert not live.paused
    assert [line.partition(";")[0] for line in said] == [
        "the training is paused",
        "the training goes on",
        "the training is paused",
        "the training ends here, as asked in the browser",
    ]


def test_after_its_last_step_nothing_can_be_paused(live: LiveTraining):
    live.progress(event())
    live.pause(True)
    live.progress(event(1, stage="lifting"))
    assert not live.paused
    live.progress(event(100))
    live.pause(True)
    assert not live.paused


def test_what_cannot_be_drawn_is_told_once_and_the_training_goes_on(live: LiveTraining, session: Session, caplog):
    broken = [True]

    class Broken:
        device = session.device

        def picture(self, camera):
            if broken[0]:
                raise RuntimeError("out of memory")
            return session.picture(camera)

    live.begins(lambda: session)
    live._session_now = Broken  # type: ignore[assignment]
    watching, frames = watch(live)
    with caplog.at_level(logging.ERROR):
        for step in range(1, 4):
            watching.plan.moved(looking(step))
            live.between_steps(step)
    assert caplog.text.count("could not be drawn") == 1
    assert "cannot be drawn" in live.figures.problem
    broken[0] = False
    watching.plan.moved(looking(4))
    live.between_steps(4)
    assert live.figures.problem == ""
    assert len(frames) == 1


def test_a_training_that_cannot_be_shown_goes_on(live: LiveTraining):
    def now() -> Session:
        raise RuntimeError("no views")

    live.begins(now)
    watch(live)
    live.between_steps(1)
    assert "cannot be shown" in live.figures.problem


def test_a_training_that_is_over_lets_go_of_its_model(live: LiveTraining):
    session = wall_session()
    held = weakref.ref(session)
    live.begins(partial(lambda now: now, session))
    _, frames = watch(live)
    live.between_steps(1)
    assert frames
    del session
    gc.collect()
    assert held() is not None
    live.over()
    gc.collect()
    assert held() is None
    live.between_steps(2)
    assert len(frames) == 1


def test_the_curve_keeps_the_means_of_all_in_few_points():
    curve = Curve(most=8)
    for step in range(1000):
        curve.add(step, step / 10, 3.0)
    points = curve.points()
    assert 4 <= len(points) <= 9
    assert [point[0] for point in points] == sorted(point[0] for point in points)
    assert points[-1][0] > 900
    assert all(point[1] == pytest.approx(point[0] / 10) for point in points)
    assert Curve().points() == ()


def test_the_chart_has_only_what_can_be_drawn():
    steps, loss = chart_data([(0, 0.5, math.nan), (1, 0.0, 1.0), (2, math.nan, 2.0), (3, 0.25, 3.0)])
    np.testing.assert_array_equal(steps, [0, 3])
    np.testing.assert_array_equal(loss, [0.5, 0.25])
    assert len(chart_data([(0, 0.5, 20.0), (1, 0.4, 21.0)])) == 3


def test_figures_as_text():
    assert "Getting ready" in figures_html(LiveFigures())
    assert "3 of 100 steps" in figures_html(LiveFigures(event(stage="features")))
    text = figures_html(LiveFigures(event(loss=0.0123, psnr=23.456)))
    for part in ("Training", "step 3 of 100", "0.0123", "23.46 dB", "3:14", "width:3.0%"):
        assert part in text
    assert "Paused" in figures_html(LiveFigures(event(), paused=True))
    stopping = figures_html(LiveFigures(event(), ended=True))
    assert "Stopping" in stopping
    assert "to go" not in stopping
    assert "&lt;b&gt;" in figures_html(LiveFigures(event(stage="<b>")))
    assert "Trained" in figures_html(LiveFigures(event(), over=True))


def test_curves_are_made_for_who_comes_late(live: LiveTraining):
    for done in range(1, 6):
        live.progress(event(done, loss=1 / done))
    assert live.figures.curve == ()
    watch(live)
    assert [point[0] for point in live.figures.curve] == [1, 2, 3, 4, 5]
    live.progress(event(6, loss=0.1))
    assert live.figures.curve[-1][:2] == (6, 0.1)


def test_where_photos_look_is_found_without_a_picture(session: Session):
    rng = np.random.default_rng(0)
    centres, target = rng.normal(size=(5, 3)), np.array([0.3, -2.0, 1.0])
    axes = (target - centres) / np.linalg.norm(target - centres, axis=1, keepdims=True)
    found = nearest_to_axes(centres, axes)
    assert found is not None
    np.testing.assert_allclose(found, target, atol=1e-9)
    assert nearest_to_axes(centres, np.tile([0.0, 0, 1], (5, 1))) is None

    scene = LiveScene(session)
    session_picture = session.picture
    try:
        session.picture = None  # type: ignore[method-assign]
        assert scene.first_distance == 1.0  # the wall's photos look in parallel
        assert scene.photo_pose(scene.first_view).shape == (4, 4)
    finally:
        session.picture = session_picture
    np.testing.assert_allclose(
        scene.page_from_world.inverse().scale, runs(wall=session).scene("wall").page_from_world.inverse().scale
    )
    assert scene.page_from_world.scale == pytest.approx(1 / WORLD_FROM_SCENE.scale)
