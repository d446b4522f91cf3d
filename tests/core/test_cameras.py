"""Cameras: pixels become rays and come back, for every lens, size and frame."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.cameras import NO_DISTORTION, Camera, Cameras
from langfield.core.distortion import distort, undistort
from langfield.core.errors import UsageError
from langfield.core.transforms import Similarity

LENSES = {
    "pinhole": (NO_DISTORTION, "opencv"),
    "opencv": ((0.06, -0.08, -0.001, 0.002, 0.01, 0.0, 0.0, 0.0), "opencv"),
    "rational": ((0.3, 0.05, 0.001, -0.002, 0.01, 0.25, 0.04, 0.005), "opencv"),
    "equidistant": (NO_DISTORTION, "fisheye"),
    "fisheye": ((0.03, -0.01, 0.0, 0.0, 0.004, -0.001, 0.0, 0.0), "fisheye"),
}
lenses = st.sampled_from(sorted(LENSES))
seeds = st.integers(0, 2**32 - 1)
cases = settings(deadline=None, max_examples=50)


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.linalg.det(q)


def camera_of(lens: str, rng: np.random.Generator) -> Camera:
    """A camera somewhere, that sees about 40° to the side (a fisheye 70°)."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation(rng), rng.uniform(-2, 2, 3)
    distortion, kind = LENSES[lens]
    focal = 500 if kind == "opencv" else 330
    return Camera(
        world_from_camera=pose,
        width_px=int(rng.integers(300, 641)),
        height_px=int(rng.integers(300, 481)),
        fx_px=focal * rng.uniform(0.95, 1.05),
        fy_px=focal * rng.uniform(0.95, 1.05),
        cx_px=rng.uniform(140, 330),
        cy_px=rng.uniform(140, 250),
        distortion=distortion,
        lens=kind,
    )


def pixels(camera: Camera, rng: np.random.Generator, count: int = 50) -> torch.Tensor:
    inside = rng.uniform(0, 1, (count, 2)) * (camera.width_px, camera.height_px)
    return torch.from_numpy(inside).float()


def assert_round_trip(camera: Camera, rng: np.random.Generator) -> None:
    xy, distance = pixels(camera, rng), torch.from_numpy(rng.uniform(0.1, 5, (50, 1))).float()
    cameras = Cameras.from_list([camera])
    rays = cameras.rays(torch.zeros(50, dtype=torch.int64), xy)
    torch.testing.assert_close(rays.directions.norm(dim=-1), torch.ones(50))
    centre = torch.from_numpy(camera.world_from_camera[:3, 3]).float()
    torch.testing.assert_close(rays.origins, centre.expand(50, 3))
    again, depth = cameras.project(0, rays.origins + distance * rays.directions)
    torch.testing.assert_close(again, xy, atol=0.02, rtol=0)
    torch.testing.assert_close(depth, distance[:, 0] * rays.z_per_distance, atol=1e-5, rtol=1e-5)


@cases
@given(lenses, seeds)
def test_pixels_become_rays_and_come_back(lens, seed):
    rng = np.random.default_rng(seed)
    assert_round_trip(camera_of(lens, rng), rng)


@cases
@given(lenses, seeds)
def test_resized_cameras_see_the_same_through_other_pixels(lens, seed):
    rng = np.random.default_rng(seed)
    camera = camera_of(lens, rng)
    small = camera.resized(camera.width_px // 2, camera.height_px // 3)
    assert_round_trip(small, rng)
    xy = pixels(camera, rng)
    ratio = torch.tensor([small.width_px / camera.width_px, small.height_px / camera.height_px])
    both, index = Cameras.from_list([camera, small]), torch.zeros(50, dtype=torch.int64)
    torch.testing.assert_close(
        both.rays(index + 1, xy * ratio).directions, both.rays(index, xy).directions, atol=2e-6, rtol=0
    )


@cases
@given(lenses, seeds)
def test_moved_cameras_see_the_moved_world(lens, seed):
    rng = np.random.default_rng(seed)
    camera = camera_of(lens, rng)
    scene_from_world = Similarity(rotation(rng), rng.uniform(-1, 1, 3), rng.uniform(0.3, 3))
    moved = camera.moved(scene_from_world)
    assert np.array_equal(moved.frame_from_camera, scene_from_world.pose(camera.frame_from_camera))
    assert_round_trip(moved, rng)
    both, index, xy = Cameras.from_list([camera, moved]), torch.zeros(50, dtype=torch.int64), pixels(camera, rng)
    in_world, in_scene = both.rays(index, xy), both.rays(index + 1, xy)
    points = scene_from_world.points((in_world.origins + 2 * in_world.directions).double().numpy())
    expected = in_scene.origins + 2 * scene_from_world.scale * in_scene.directions
    torch.testing.assert_close(expected.double(), torch.from_numpy(points), atol=1e-5, rtol=0)
    torch.testing.assert_close(in_scene.z_per_distance, in_world.z_per_distance)


def test_cameras_of_all_lenses_together_see_what_each_sees_alone():
    rng = np.random.default_rng(5)
    alone = [camera_of(lens, rng) for lens in LENSES]
    together = Cameras.from_list(alone)
    assert len(together) == 5
    for i, camera in enumerate(alone):
        xy, index = pixels(camera, rng), torch.zeros(50, dtype=torch.int64)
        one, many = Cameras.from_list([camera]).rays(index, xy), together.rays(index + i, xy)
        torch.testing.assert_close(many.directions, one.directions)
        points = one.origins + one.directions
        torch.testing.assert_close(together.project(i, points)[0], Cameras.from_list([camera]).project(0, points)[0])


def test_axes_by_hand():
    """The principal point looks along +z; right in the picture is +x, down is +y; 45° are a focal length away."""
    camera = Camera(np.eye(4), 200, 100, fx_px=60.0, fy_px=40.0, cx_px=100.0, cy_px=50.0)
    xy = torch.tensor([[100.0, 50.0], [160.0, 50.0], [100.0, 90.0]])
    rays = Cameras.from_list([camera]).rays(torch.zeros(3, dtype=torch.int64), xy)
    half = 0.5**0.5
    torch.testing.assert_close(rays.directions, torch.tensor([[0, 0, 1.0], [half, 0, half], [0, half, half]]))
    torch.testing.assert_close(rays.z_per_distance, torch.tensor([1.0, half, half]))
    fisheye = Cameras.from_list([replace(camera, lens="fisheye")])
    angle = torch.tensor([[100 + 60 * torch.pi / 2, 50.0]])
    sideways = fisheye.rays(torch.zeros(1, dtype=torch.int64), angle).directions
    torch.testing.assert_close(sideways, torch.tensor([[1.0, 0, 0]]), atol=1e-6, rtol=0)


def test_pixel_centres():
    camera = Camera(np.eye(4), 3, 2, 1.0, 1.0, 1.5, 1.0)
    rows = [[[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]], [[0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]]
    assert torch.equal(camera.pixel_centres(), torch.tensor(rows))


@cases
@given(st.sampled_from(["pinhole", "opencv", "rational"]), seeds)
def test_undistort_undoes_distort(lens, seed):
    straight = torch.from_numpy(np.random.default_rng(seed).uniform(-0.8, 0.8, (40, 2)))
    coefficients = torch.tensor(LENSES[lens][0], dtype=torch.float64).expand(40, 8)
    torch.testing.assert_close(undistort(distort(straight, coefficients), coefficients), straight, atol=1e-9, rtol=0)


def test_distort_by_hand():
    """OpenCV's formula at (1, 0.5), where r² = 1.25, term by term."""
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients = (0.1, -0.2, 0.03, 0.04, 0.05, 0.06, -0.07, 0.08)
    radial = (1 + k1 * 1.25 + k2 * 1.25**2 + k3 * 1.25**3) / (1 + k4 * 1.25 + k5 * 1.25**2 + k6 * 1.25**3)
    expected = [radial + 2 * p1 * 0.5 + p2 * (1.25 + 2), 0.5 * radial + p1 * (1.25 + 0.5) + 2 * p2 * 0.5]
    got = distort(torch.tensor([[1.0, 0.5]], dtype=torch.float64), torch.tensor([coefficients], dtype=torch.float64))
    torch.testing.assert_close(got, torch.tensor([expected], dtype=torch.float64))


@pytest.mark.parametrize(
    ("lens", "k1", "has_inverse"),
    [("opencv", -0.1, True), ("opencv", -0.4, False), ("fisheye", -0.1, True), ("fisheye", -1.0, False)],
)
def test_lens_errors_tell_where_no_ray_belongs_to_a_pixel(lens, k1, has_inverse):
    """r + k1 r³ peaks at 1.22 for k1 = −0.1, at 0.61 for −0.4, at 0.38 for −1; the corner is at 0.89."""
    bent = (k1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    camera = Camera(np.eye(4), 126, 126, 100.0, 100.0, 63.0, 63.0, bent, lens)
    xy = torch.tensor([[63.0, 64.0], [126.0, 126.0]])
    near, far = Cameras.from_list([camera]).lens_error_px(torch.zeros(2, dtype=torch.int64), xy).tolist()
    assert near < 1e-3
    assert (far < 1e-3) == has_inverse


@cases
@given(lenses, seeds)
def test_json_gives_the_camera_back_bit_for_bit(lens, seed):
    camera = camera_of(lens, np.random.default_rng(seed))
    again = Camera.from_json(json.loads(json.dumps(camera.to_json())))
    assert again.world_from_camera.tobytes() == camera.world_from_camera.tobytes()
    names = [f.name for f in fields(Camera) if f.name != "world_from_camera"]
    assert [getattr(again, name) for name in names] == [getattr(camera, name) for name in names]


@cases
@given(lenses, seeds, st.integers(1, 700))
def test_a_camera_fits_within_a_longest_side_and_keeps_its_shape(lens, seed, longest_px):
    camera = camera_of(lens, np.random.default_rng(seed))
    small = camera.fit_within(longest_px)
    sides, before = (small.width_px, small.height_px), (camera.width_px, camera.height_px)
    assert max(sides) == min(max(before), longest_px)
    assert small == camera.resized(*sides) or sides == before
    shape = min(before) / max(before)
    assert abs(min(sides) - max(1, shape * max(sides))) <= 0.5
    assert (sides[0] >= sides[1]) == (before[0] >= before[1]) or sides[0] == sides[1]


def test_a_camera_that_fits_stays_as_it_is():
    camera = camera_of("opencv", np.random.default_rng(0))
    assert camera.fit_within(None) is camera
    assert camera.fit_within(max(camera.width_px, camera.height_px)) is camera


# -- the circle that a fisheye shows

CIRCLE = Camera(np.eye(4), 120, 90, 70.0, 70.0, 58.0, 47.0, lens="fisheye", valid_radius_px=40.0)


def test_a_circle_is_kept_scaled_and_written_only_where_there_is_one():
    assert "valid_radius_px" not in CIRCLE.undistorted().to_json()
    assert Camera.from_json(json.loads(json.dumps(CIRCLE.to_json()))).valid_radius_px == 40.0
    assert CIRCLE.resized(60, 45).valid_radius_px == 20.0
    assert CIRCLE.fit_within(40).valid_radius_px == pytest.approx(40 / 3)
    assert CIRCLE.moved(Similarity(np.eye(3), np.ones(3), 2.0)).valid_radius_px == 40.0
    assert CIRCLE.undistorted().valid_radius_px is None  # straightened, it is no circle any more
    assert CIRCLE.optics != replace(CIRCLE, valid_radius_px=41.0).optics


@cases
@given(st.floats(5, 60), st.integers(20, 120))
def test_valid_pixels_lie_wholly_within_the_circle(radius, longest_px):
    camera = replace(CIRCLE, valid_radius_px=radius).fit_within(longest_px)
    valid = camera.valid_pixels()
    assert valid is not None
    assert valid.shape == (camera.height_px, camera.width_px)
    corners = [
        np.hypot(
            np.arange(camera.width_px)[None] + x - camera.cx_px, np.arange(camera.height_px)[:, None] + y - camera.cy_px
        )
        for x in (0, 1)
        for y in (0, 1)
    ]
    assert camera.valid_radius_px is not None
    assert (np.max(corners, axis=0)[valid] <= camera.valid_radius_px + 1e-9).all()
    inside = np.max(corners, axis=0) <= camera.valid_radius_px - np.sqrt(0.5)
    assert valid[inside].all()
    assert CIRCLE.undistorted().valid_pixels() is None


@pytest.mark.parametrize("radius", [0.0, -3.0, np.nan])
def test_a_radius_that_is_none_is_refused(radius):
    with pytest.raises(UsageError, match="valid_radius_px must be a number of pixels, positive and finite, or None"):
        replace(CIRCLE, valid_radius_px=radius).checked()


def test_rays_meet_the_points_of_their_own_branch_only():
    """θ − 0.3 θ³ rises until θ = 1.054, where it is 0.703: points further to the side fall back into the picture."""
    camera = replace(CIRCLE, distortion=(-0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), valid_radius_px=49.0)
    theta = torch.tensor([0.2, 0.6, 0.95, 1.2, 1.5])
    points = torch.stack([theta.sin(), torch.zeros(5), theta.cos()], dim=-1) * 3
    cameras, index = Cameras.from_list([camera]), torch.zeros(5, dtype=torch.int64)
    xy, _ = cameras.project(0, points)
    assert bool(((xy[:, 0] - 58.0).abs() < 49.3).all())
    assert cameras.rays_meet(index, xy, points).tolist() == [True, True, True, False, False]
