"""The surface as points, from pictures whose depth is known exactly: on it, thinned, in their own colours, cleaned."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.scenes import BALLS, arc_cameras, draw

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.core.transforms import Similarity
from langfield.query.surface_points import SurfacePoints, backprojected, on_one_surface, surface_points

FAR_AWAY = np.array([500_000.0, -4e6, 300.0])


class Balls:
    """Cameras that see the balls exactly, `offset` away from where they are; `stray` puts pixels of the first view
    half way to its camera."""

    def __init__(self, offset: np.ndarray | None = None, views: int = 12, stray: int = 0) -> None:
        self.offset = np.zeros(3) if offset is None else offset
        self.cameras = [camera.moved(Similarity(np.eye(3), self.offset)) for camera in arc_cameras(views, 120, 90)]
        self.stray = stray

    def picture(self, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        rgb, _, depth = draw(camera.moved(Similarity(np.eye(3), -self.offset)))
        depth = np.where(depth > 0, depth, np.inf).astype(np.float32)
        if np.array_equal(camera.world_from_camera, self.cameras[0].world_from_camera):
            middle = slice(40, 40 + self.stray)
            depth[middle, middle] *= 0.5
        return rgb, depth

    def points(self, side_px: int = 160, **options) -> SurfacePoints:
        return surface_points(self.cameras, self.picture, side_px=side_px, **options)


def distance_to_surface(points: np.ndarray) -> np.ndarray:
    """From the table's plane or a ball, whichever is nearer."""
    to_balls = [np.abs(np.linalg.norm(points - ball.centre, axis=1) - ball.radius) for ball in BALLS]
    return np.min([np.abs(points[:, 2]), *to_balls], axis=0)


@pytest.mark.parametrize("offset", [np.zeros(3), FAR_AWAY], ids=["here", "far away"])
def test_points_lie_on_the_surface_one_a_cube(offset: np.ndarray):
    told = []
    found = Balls(offset).points(progress=told.append).thinned(0.04)
    assert told[-1].done == told[-1].total == len(told) == 12
    points = found.xyz - offset
    assert len(points) > 500
    assert np.quantile(distance_to_surface(points), 0.95) < 0.006  # a mean over a piece of a ball lies a little inside
    assert (np.abs(points[:, :2]) < 0.92).all()
    red = np.linalg.norm(points - BALLS[0].centre, axis=1) < BALLS[0].radius + 1e-3
    top = red & (points[:, 2] > 0.08)
    assert top.sum() > 20
    assert (found.rgb[top, 0] > found.rgb[top, 1:].max(axis=1) + 40).all()


def test_cleaning_leaves_a_surface_whole():
    """Nearly all that the views see is kept: every place of the surface has a point beside it, as without cleaning."""
    balls = Balls()
    seen = np.concatenate(
        [backprojected(c, d)[on_one_surface(d)] for c in balls.cameras for _, d in [balls.picture(c)]]
    )
    points = balls.points().xyz
    near = {tuple(cell) for cell in np.floor(points / 0.03).astype(int)}
    cells, count = np.unique(np.floor(seen / 0.03).astype(int), axis=0, return_counts=True)
    assert np.mean([tuple(cell) in near for cell in cells[count > 20]]) > 0.97


@pytest.mark.parametrize("size", [3, 8])
@pytest.mark.parametrize("cube", [None, 0.04, 0.1, 0.2])
def test_what_other_views_look_through_is_no_point_however_large_the_cubes(size: int, cube: float | None):
    found = Balls(stray=size).points()
    points = (found if cube is None else found.thinned(cube)).xyz
    clean = Balls().points()
    expected = (clean if cube is None else clean.thinned(cube)).xyz
    assert distance_to_surface(points).max() < distance_to_surface(expected).max() + 0.01


def test_one_stray_pixel_is_no_cube():
    """Pixels that no view contradicts, but that are too few for a surface of that size."""
    rng = np.random.default_rng(0)
    wall = np.stack([*np.mgrid[0:1:0.01, 0:1:0.01].reshape(2, -1), np.zeros(10_000)], axis=1)
    air = rng.uniform([0, 0, 0.3], [1, 1, 1.3], (300, 3))
    xyz, ones = np.concatenate([wall, air]), np.ones(10_300)
    cloud = SurfacePoints(xyz, np.zeros((10_300, 3), np.uint8), 1e-4 * ones, ones, min_coverage=0.5)
    for cube in (0.05, 0.1, 0.25):
        points = cloud.thinned(cube)
        assert np.abs(points.xyz[:, 2]).max() < 1e-9
        assert len(points) >= round(1 / cube) ** 2


def test_twice_the_cube_is_about_a_quarter_of_the_points():
    points = Balls().points()
    fine, coarse = (len(points.thinned(cube)) for cube in (0.04, 0.08))
    assert 3 < fine / coarse < 5
    assert points.thinned(0.08).pixels.sum() <= points.pixels.sum()


def test_voxels_are_a_pixel_wide():
    balls = Balls()
    found = balls.points(side_px=60)
    camera = balls.cameras[0].fit_within(60)
    depth = draw(camera)[2]
    side = np.median(depth[depth > 0]) / camera.fx_px
    apart = np.unique(np.floor((found.xyz - found.xyz.mean(axis=0)) / side), axis=0)
    assert 0.5 < len(apart) / len(found) <= 1


def test_what_cannot_be_is_said():
    balls = Balls()
    blind = np.zeros((90, 120, 3), np.uint8), np.full((90, 120), np.inf, np.float32)
    with pytest.raises(UsageError, match="no camera of this run sees a surface"):
        surface_points(balls.cameras, lambda camera: blind, side_px=160)
    points = balls.points()
    with pytest.raises(UsageError, match="cubes of 1e-07 are too small for this scene"):
        points.thinned(1e-7)
    for side in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(UsageError, match="the cubes' side must be positive"):
            points.thinned(float(side))


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


def test_pixels_that_a_lens_does_not_show_make_no_points():
    """Beyond the circle the depth is wrong, as it is where a fisheye's polynomial has no inverse."""
    balls = Balls()
    balls.cameras = [dataclasses.replace(camera, valid_radius_px=30.0) for camera in balls.cameras]

    def picture(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
        rgb, depth = balls.picture(camera)
        valid = camera.valid_pixels()
        assert valid is not None
        return rgb, np.where(valid, depth, 0.3 * depth).astype(np.float32)

    found = surface_points(balls.cameras, picture, side_px=160)
    assert len(found) > 500
    assert np.quantile(distance_to_surface(found.xyz), 0.99) < 0.03
