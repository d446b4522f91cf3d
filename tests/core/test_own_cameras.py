"""Cameras of one's own: three ways to make one, and what is refused, with a word on how to write it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core import camera_checks
from langfield.core.cameras import NO_DISTORTION, Camera, Cameras
from langfield.core.errors import UsageError
from langfield.core.transforms import opencv_from_opengl

K = [[500.0, 0, 320], [0, 510, 230], [0, 0, 1]]
EYE = np.eye(4)
coordinates = st.floats(-100, 100)
points = st.tuples(coordinates, coordinates, coordinates)


def projected(camera: Camera, point) -> tuple[np.ndarray, float]:
    xy, depth = Cameras.from_list([camera]).project(0, torch.tensor([point], dtype=torch.float32))
    return xy[0].numpy(), float(depth[0])


@settings(deadline=None, max_examples=100)
@given(eye=points, target=points, up=points)
def test_a_camera_that_looks_at_a_point_has_it_in_the_middle_and_up_upwards(eye, target, up):
    ahead, upward = np.subtract(target, eye), np.array(up)
    if np.linalg.norm(np.cross(ahead, upward)) < 0.1 * np.linalg.norm(ahead) * np.linalg.norm(upward) + 1e-3:
        return
    camera = Camera.looking_at(eye, target, up, width_px=640, height_px=480, focal_px=500)
    distance = float(np.linalg.norm(ahead))
    local = np.linalg.inv(camera.world_from_camera) @ [*target, 1]
    np.testing.assert_allclose(local[:3], [0, 0, distance], atol=1e-9 * max(1, distance))
    right, down, _ = (camera.world_from_camera[:3, :3].T @ upward) / np.linalg.norm(upward)
    assert right == pytest.approx(0, abs=1e-9)
    assert down < 0  # up in the picture
    rotation = camera.world_from_camera[:3, :3]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_the_opening_angle_is_from_the_pictures_top_to_its_bottom():
    camera = Camera.looking_at((0, -2, 0), (0, 0, 0), (0, 0, 1), width_px=640, height_px=480, fov_y_deg=90)
    xy, depth = projected(camera, (0, 0, 2))
    np.testing.assert_allclose(xy, [320, 0], atol=1e-3)
    assert depth == pytest.approx(2)


def test_intrinsics_are_a_matrix_or_one_focal_length():
    camera = Camera.from_intrinsics(EYE.tolist(), K, 640, 480)
    assert (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px) == (500, 510, 320, 230)
    assert camera.world_from_camera.dtype == np.float64
    middle = Camera.from_intrinsics(EYE[:3].astype(np.float32), 500, 640, 480)
    assert (middle.fx_px, middle.fy_px, middle.cx_px, middle.cy_px) == (500, 500, 320, 240)
    np.testing.assert_array_equal(middle.world_from_camera, EYE)


@pytest.mark.parametrize(
    ("lens", "given", "stored"),
    [
        ("opencv", (), NO_DISTORTION),
        ("opencv", (1, 2, 3, 4), (1, 2, 3, 4, 0, 0, 0, 0)),
        ("opencv", np.array([[1, 2, 3, 4, 5]]), (1, 2, 3, 4, 5, 0, 0, 0)),
        ("opencv", range(1, 9), (1, 2, 3, 4, 5, 6, 7, 8)),
        ("fisheye", (1, 2, 3, 4), (1, 2, 0, 0, 3, 4, 0, 0)),
    ],
)
def test_coefficients_are_those_of_a_calibration(lens, given, stored):
    assert camera_checks.all_coefficients(given, lens) == stored


def test_a_pose_in_opengls_axes_is_the_same_camera():
    own = Camera.looking_at((1, -2, 3), (0, 0, 0), (0, 0, 1), width_px=640, height_px=480, focal_px=500)
    opengl = opencv_from_opengl(own.world_from_camera)  # its own inverse
    again = Camera.from_opengl(opengl[:3].tolist(), 500.0, 640, 480)
    np.testing.assert_allclose(again.world_from_camera, own.world_from_camera, atol=1e-15)
    assert again.optics == own.optics


def test_a_pose_of_few_digits_becomes_a_rotation_and_an_exact_one_stays():
    own = Camera.looking_at((1, -2, 3), (0, 0, 0), (0, 0, 1), width_px=64, height_px=48, focal_px=50)
    assert own.checked().world_from_camera is own.world_from_camera
    rounded = camera_checks.checked_pose(own.world_from_camera.round(3))
    np.testing.assert_allclose(rounded, own.world_from_camera, atol=2e-3)
    np.testing.assert_allclose(rounded[:3, :3].T @ rounded[:3, :3], np.eye(3), atol=1e-12)


MIRRORED, SCALED, NOT_FINITE = np.diag([1.0, -1, 1, 1]), np.diag([2.0, 2, 2, 1]), EYE * np.nan
TRANSPOSED = EYE.copy()
TRANSPOSED[3, :3] = 1, 2, 3


@pytest.mark.parametrize(
    ("pose", "said"),
    [
        (MIRRORED, "is mirrored"),
        (SCALED, "off from unit length and right angles by 3"),
        (NOT_FINITE, "not finite"),
        (TRANSPOSED, "is it transposed"),
        (EYE[:3, :3], "must be a 4 by 4 matrix, found 3 by 3"),
        ([1.0] * 16, "found 16 numbers"),
        (None, "must be a 4 by 4 matrix"),
        ("eye", "must be a 4 by 4 matrix"),
        ([[1, 2], [3]], "must be a 4 by 4 matrix"),
    ],
)
def test_a_pose_that_is_none_is_refused_with_the_axes_that_are_meant(pose, said):
    with pytest.raises(UsageError, match=said) as raised:
        camera_checks.checked_pose(pose)
    assert "x right, y down, z forward" in str(raised.value)
    assert "from_opengl" in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width_px": 0}, "width_px must be a whole number of pixels from 1"),
        ({"height_px": -480}, "height_px must be"),
        ({"fx_px": 0.0}, "fx_px must be a focal length in pixels, positive"),
        ({"fy_px": -500.0}, "fy_px must be"),
        ({"fx_px": np.nan}, "fx_px must be"),
        ({"fy_px": np.inf}, "fy_px must be"),
        ({"cx_px": np.nan}, "cx_px must be a finite number"),
        ({"distortion": (np.nan, *NO_DISTORTION[1:])}, "distortion must be a finite number"),
        ({"world_from_camera": MIRRORED}, "mirrored"),
    ],
)
def test_cameras_that_are_none_are_refused(changes, said):
    camera = Camera(EYE, 640, 480, 500.0, 500.0, 320.0, 240.0)
    assert camera.checked() is not None
    with pytest.raises(UsageError, match=said):
        replace(camera, **changes).checked()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give either fov_y_deg"),
        ({"fov_y_deg": 60, "focal_px": 500}, "give either fov_y_deg"),
        ({"fov_y_deg": 180}, "between 0 and 180 degrees"),
        ({"focal_px": 0}, "focal_px must be a focal length"),
        ({"focal_px": 500, "width_px": 0}, "width_px must be"),
        ({"focal_px": 500, "target": (1, 2, 3)}, "two points"),
        ({"focal_px": 500, "up": (0, 0, 0)}, "up must be a direction"),
        ({"focal_px": 500, "up": (2, 4, 6)}, "up must not point along"),
        ({"focal_px": 500, "eye": (1, 2)}, "eye must be three finite numbers"),
        ({"focal_px": 500, "target": (1, 2, np.nan)}, "target must be three finite numbers"),
    ],
)
def test_looking_needs_two_points_a_direction_and_one_angle(options, said):
    given = {"eye": (1, 2, 3), "target": (0, 0, 0), "up": (0, 0, 1), "width_px": 640, "height_px": 480} | options
    with pytest.raises(UsageError, match=said):
        Camera.looking_at(**given)


@pytest.mark.parametrize(
    ("intrinsics", "said"),
    [
        (np.eye(4), "found 4 by 4"),
        ([500, 500, 320, 240], "found 4 numbers"),
        ([[500, 1, 320], [0, 500, 240], [0, 0, 1]], "other numbers in place of 0 or 1"),
        ([[0, 0, 320], [0, 500, 240], [0, 0, 1]], "fx in intrinsics must be a focal length"),
        ("500", "must be a 3 by 3 matrix"),
        (0, "intrinsics must be a focal length"),
    ],
)
def test_intrinsics_that_are_none_are_refused(intrinsics, said):
    with pytest.raises(UsageError, match=said):
        camera_checks.intrinsic_numbers(intrinsics, 640, 480)


def test_coefficients_that_fit_no_lens_are_refused():
    with pytest.raises(UsageError, match="0 or 4 or 5 or 8 coefficients in OpenCV's order, found 3"):
        camera_checks.all_coefficients((0.1, 0.2, 0.3), "opencv")
    with pytest.raises(UsageError, match='must be "opencv" or "fisheye"'):
        camera_checks.all_coefficients((), "wide")
