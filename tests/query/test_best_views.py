"""The photos that show a thing best: near, well inside of the picture, and with nothing in front of it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.data.scenes import arc_cameras
from tests.query.fake_session import WORLD_FROM_SCENE, session
from tests.query.fake_world import Wall, camera_at

from langfield.core.cameras import Camera
from langfield.models.base import Rendered
from langfield.query.best_views import BestViews, spread_views
from langfield.renderers.volume import SurfaceSamples
from langfield.runs.info import RunView


def nothing_in_between(camera: Camera) -> np.ndarray:
    return np.full((camera.height_px, camera.width_px), np.inf, dtype=np.float32)


def chosen(cameras: list[Camera], point, render_depth=nothing_in_between) -> list[int]:
    views = BestViews({str(index): camera for index, camera in enumerate(cameras)}, render_depth)
    return [int(name) for name in views.of_thing(np.array(point), np.array([point]), 0.01)]


@settings(deadline=None, max_examples=50)
@given(st.tuples(*[st.floats(-2, 2)] * 3))
def test_they_are_near_and_have_it_well_inside(point: tuple[float, float, float]):
    """First those that have it well inside, the nearest first; then those that have it least near an edge."""
    cameras = arc_cameras(10, 64, 48)
    offset, depth = {}, {}
    for index, camera in enumerate(cameras):
        x, y, z = np.linalg.inv(camera.world_from_camera)[:3] @ (*point, 1)
        offset[index] = max(abs(camera.fx_px * x / z) / 64, abs(camera.fy_px * y / z) / 48) if z > 0 else 1.0
        depth[index] = z
    assume(all(abs(value - limit) > 1e-4 for value in offset.values() for limit in (0.36, 0.5)))
    inside = sorted((index for index in offset if offset[index] < 0.36), key=lambda index: depth[index])
    edge = sorted((index for index in offset if 0.36 < offset[index] < 0.5), key=lambda index: offset[index])
    found = chosen(cameras, point)
    if not inside and not edge:
        assert found == [0, 3, 6, 9]
        return
    expected = [*inside, *edge][:4]
    assert len(found) == len(expected)
    for this, that in zip(found, expected, strict=True):  # equally good ones may change places
        assert offset[this] == pytest.approx(offset[that], abs=1e-4) or depth[this] == pytest.approx(
            depth[that], abs=1e-4
        )


def test_views_are_spread_evenly_where_there_is_no_point_to_look_at():
    assert spread_views(10) == [0, 3, 6, 9]
    assert spread_views(2) == [0, 1]


def test_photos_with_something_in_front_are_passed_over_and_each_is_rendered_once_and_small():
    cameras = [camera_at(x, 0, 640, 480) for x in np.linspace(-0.5, 0.5, 11)]
    rendered: list[tuple[float, int]] = []

    def render_depth(camera: Camera) -> np.ndarray:
        x = float(camera.world_from_camera[0, 3])
        rendered.append((x, camera.width_px))
        return np.full((camera.height_px, camera.width_px), 2.0 if abs(x) < 0.25 else 4.0, dtype=np.float32)

    views = BestViews({str(index): camera for index, camera in enumerate(cameras)}, render_depth)
    rng = np.random.default_rng(0)
    for _ in range(3):
        thing = np.array([0, 0, 4.0]) + rng.normal(0, 0.05, (100, 3)) * [1, 1, 0.1]
        assert {*views.of_thing(np.array([0, 0, 4.0]), thing, 0.05)} <= {"0", "1", "2", "8", "9", "10"}
    assert len(rendered) == len(set(rendered)) <= 11
    assert {width for _, width in rendered} == {40}


def test_where_every_photo_shows_little_of_it_those_that_show_most_are_taken():
    cameras = [camera_at(x, 0) for x in (0.0, 0.2, 0.4)]
    thing = np.stack([np.linspace(-2, 2, 41), np.zeros(41), np.full(41, 4.0)], axis=1)

    def render_depth(camera: Camera) -> np.ndarray:
        """A screen that leaves open a strip on the left, wider for cameras farther to the right."""
        depth = np.full((camera.height_px, camera.width_px), 1.0, dtype=np.float32)
        depth[:, : int(camera.width_px * (0.125 + 0.3 * camera.world_from_camera[0, 3]))] = 4.0
        return depth

    assert chosen_of(cameras, thing, render_depth) == [2, 1, 0]
    everywhere = np.float32(1.0)
    hidden = chosen_of(cameras, thing, lambda camera: np.full((camera.height_px, camera.width_px), everywhere))
    assert hidden == [0, 1, 2]  # better than none


def chosen_of(cameras: list[Camera], thing: np.ndarray, render_depth) -> list[int]:
    views = BestViews({str(index): camera for index, camera in enumerate(cameras)}, render_depth)
    return [int(name) for name in views.of_thing(thing.mean(axis=0), thing, 0.01)]


@dataclass
class Screen:
    """A board at z = 2 of the scene frame, between the wall and the cameras on the left."""

    low: tuple[float, float] = (-0.6, -0.8)
    high: tuple[float, float] = (0.77, 1.2)

    def in_front_of(self, wall: tuple[Rendered, SurfaceSamples], camera: Camera) -> tuple[Rendered, SurfaceSamples]:
        rendered, samples = wall
        assert rendered.depth_scene is not None
        eye = torch.from_numpy(camera.world_from_camera[:3, 3]).float()
        ahead = samples.points - eye
        board = eye + ahead * ((2 - eye[2]) / ahead[:, 2])[:, None]
        inside = (board[:, :2] > torch.tensor(self.low)) & (board[:, :2] < torch.tensor(self.high))
        hidden = inside.all(dim=1)
        depth = torch.where(hidden.reshape(rendered.depth_scene.shape), 2 - eye[2], rendered.depth_scene)
        points = torch.where(hidden[:, None], board, samples.points)
        return replace(rendered, depth_scene=depth), replace(samples, points=points)


class Screened(Wall):
    def surface(self, camera: Camera) -> tuple[Rendered, SurfaceSamples]:
        return Screen().in_front_of(super().surface(camera), camera)


def test_the_photos_of_a_hit_show_it():
    places = [(x, y) for x in (0.0, 0.05, 0.1, -0.1) for y in (0.0, 0.3)] + [(x, 0.2) for x in (1.4, 1.5, 1.6)]
    views = tuple(
        RunView(f"{number}.jpg", "train", camera_at(x, y).moved(WORLD_FROM_SCENE))
        for number, (x, y) in enumerate(places)
    )
    plain = session(Screened())
    made = plain.beside(replace(plain.info, views=views), plain.model)
    (hit, *_) = made.query(["thing"])[0].hits
    sees = {view.name: bool(made.hit_masks(view.camera, "thing")[0].any()) for view in made.views}
    assert not all(sees.values())
    assert hit.views
    assert all(sees[name] for name in hit.views)
