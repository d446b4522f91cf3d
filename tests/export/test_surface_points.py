"""The surface as points, from a run whose depth is known exactly: they lie on it, thinned, in their own colours."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.scenes import BALLS, arc_cameras, draw

from langfield.core.errors import UsageError
from langfield.core.transforms import Similarity
from langfield.export.points import backprojected, on_one_surface, surface_points
from langfield.query.session import Session
from langfield.runs.info import RunView

FAR_AWAY = np.array([500_000.0, -4e6, 300.0])


class BallSession(Session):
    """Sees the balls exactly, from cameras `offset` away from where they are; or nothing."""

    def __init__(self, offset: np.ndarray, blind: bool = False) -> None:
        cameras = [camera.moved(Similarity(np.eye(3), offset)) for camera in arc_cameras(6, 120, 90)]
        splits = ["test", *["train"] * 5]
        self.views = tuple(RunView(f"{i}", splits[i], camera) for i, camera in enumerate(cameras))
        self.device = torch.device("cpu")
        self.offset, self.blind = offset, blind

    def picture(self, camera):
        rgb, _, depth = draw(camera.moved(Similarity(np.eye(3), -self.offset)))
        return rgb, np.where((depth > 0) & (not self.blind), depth, np.inf).astype(np.float32)


def distance_to_surface(points: np.ndarray) -> np.ndarray:
    """From the table's plane or a ball, whichever is nearer."""
    to_balls = [np.abs(np.linalg.norm(points - ball.centre, axis=1) - ball.radius) for ball in BALLS]
    return np.min([np.abs(points[:, 2]), *to_balls], axis=0)


@pytest.mark.parametrize("offset", [np.zeros(3), FAR_AWAY], ids=["here", "far away"])
def test_points_lie_on_the_surface_one_a_cube(offset: np.ndarray):
    told = []
    found = surface_points(BallSession(offset), voxel_size_world=0.04, progress=told.append)
    assert told[-1].done == told[-1].total == len(told) == 5
    points = found.xyz - offset
    assert found.voxel_size_world == 0.04
    assert len(points) > 500
    assert np.quantile(distance_to_surface(points), 0.95) < 0.006  # a mean over a piece of a ball lies a little inside
    assert (np.abs(points[:, :2]) < 0.92).all()
    red = np.linalg.norm(points - BALLS[0].centre, axis=1) < BALLS[0].radius + 1e-3
    top = red & (points[:, 2] > 0.08)
    assert top.sum() > 20
    assert (found.rgb[top, 0] > found.rgb[top, 1:].max(axis=1) + 40).all()


def test_twice_the_cube_is_about_a_quarter_of_the_points():
    fine, coarse = (len(surface_points(BallSession(np.zeros(3)), voxel_size_world=c).xyz) for c in (0.04, 0.08))
    assert 3 < fine / coarse < 5


def test_cubes_are_a_pixel_wide_if_not_given():
    found = surface_points(BallSession(np.zeros(3)), side_px=60)
    camera = arc_cameras(6, 60, 45)[1]
    depth = draw(camera)[2]
    assert found.voxel_size_world == pytest.approx(np.median(depth[depth > 0]) / camera.fx_px, rel=0.1)


def test_what_cannot_be_is_said():
    with pytest.raises(UsageError, match="no camera of this run sees a surface"):
        surface_points(BallSession(np.zeros(3), blind=True))
    with pytest.raises(UsageError, match="cubes of 1e-07 are too small for this scene"):
        surface_points(BallSession(np.zeros(3)), voxel_size_world=1e-7)
    for side in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(UsageError, match="the cubes' side must be positive"):
            surface_points(BallSession(np.zeros(3)), voxel_size_world=float(side))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10_000))
def test_one_surface_is_where_no_neighbour_jumps(height: int, width: int, seed: int):
    rng = np.random.default_rng(seed)
    depth = rng.choice(np.array([1.0, 1.05, 1.2, np.inf], dtype=np.float32), (height, width), p=[0.5, 0.3, 0.1, 0.1])
    found = on_one_surface(depth)
    for y, x in np.ndindex(height, width):
        near = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
        others = [depth[b, a] for b, a in near if 0 <= b < height and 0 <= a < width]
        jumps = [np.isinf(other) or abs(other - depth[y, x]) > 0.1 * min(other, depth[y, x]) for other in others]
        assert found[y, x] == (np.isfinite(depth[y, x]) and not any(jumps))


def test_a_bent_lens_is_unbent():
    """Points of a plane seen by a fisheye lie on that plane."""
    camera = dataclasses.replace(arc_cameras(3, 64, 48)[1], lens="fisheye", distortion=(0.05, -0.01, 0, 0, 0, 0, 0, 0))
    xyz = backprojected(camera, np.full((48, 64), 2.0, dtype=np.float32))
    local = (xyz - camera.world_from_camera[:3, 3]) @ camera.world_from_camera[:3, :3]
    np.testing.assert_allclose(local[..., 2], 2.0, rtol=0, atol=1e-5)
    middle = local[23:25, 31:33].mean(axis=(0, 1))
    np.testing.assert_allclose(middle[:2], 0, rtol=0, atol=1e-4)
    straight = 2.0 * (63.5 - 32) / camera.fx_px  # a fisheye sees further to the side
    assert local[24, 63, 0] > straight * 1.05
