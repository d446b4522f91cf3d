"""What a camera must be, checked where one enters the public API; what is wrong becomes a UsageError that says how to
write it. Nothing inside checks again.

A pose in OpenGL's axes and an inverse pose are rigid motions, too: no check can tell them from a right one. Hence every
message says which axes are meant.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float64

from langfield.core.errors import UsageError
from langfield.core.json_files import MAX_COORDINATE, MAX_SIDE_PX
from langfield.core.transforms import Matrix4

Distortion = tuple[float, float, float, float, float, float, float, float]
AXES = (
    "world_from_camera maps points in camera axes as OpenCV has them (x right, y down, z forward) to the world; "
    "Camera.from_opengl takes OpenGL's axes, np.linalg.inv turns camera_from_world round"
)
OPENGL_AXES = (
    "world_from_camera_opengl maps points in camera axes as OpenGL has them (x right, y up, looking along -z) to the "
    "world; Camera.from_intrinsics takes OpenCV's axes (x right, y down, z forward)"
)
_ROTATION_TOLERANCE = 1e-2  # as readers of scenes allow
_EXACT = 1e-6  # rotations so near to orthonormal are left as they are
_SMALL = 1e-9
_UP_AHEAD = "up must not point along the way from eye to target: give the direction that is up in the picture"
_LAST_ROW = (0.0, 0.0, 0.0, 1.0)
# Where a calibration's coefficients stand among the eight of `Camera.distortion`; how many a calibration may give.
_PLACES = {"opencv": (0, 1, 2, 3, 4, 5, 6, 7), "fisheye": (0, 1, 4, 5)}
_COUNTS = {"opencv": (0, 4, 5, 8), "fisheye": (0, 4, 8)}


def checked_pose(pose: Any, name: str = "world_from_camera", axes: str = AXES) -> Matrix4:
    """A rigid pose as a float64 matrix; its rotation is made orthonormal where it is off by more than 1e-6.

    Args:
        pose: 4×4, or 3×4 without the last row; an array, nested lists, or a tensor in main memory.
        name: of the argument, for errors.
        axes: which axes are meant, for errors.
    """
    matrix = _array(pose, name, "4 by 4 matrix", axes)
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, _LAST_ROW])
    if matrix.shape != (4, 4):
        raise UsageError(f"{name} must be a 4 by 4 matrix, found {_shape(matrix)}: {axes}")
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > MAX_COORDINATE:
        raise UsageError(f"{name} holds numbers that are not finite or beyond {MAX_COORDINATE:g}: {axes}")
    if np.abs(matrix[3] - _LAST_ROW).max() > _EXACT:
        row = ", ".join(f"{number:g}" for number in matrix[3])
        raise UsageError(f"{name} must end with the row 0, 0, 0, 1, found {row}: is it transposed? {axes}")
    rotation = matrix[:3, :3]
    error = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if error > _ROTATION_TOLERANCE:
        raise UsageError(
            f"{name} is no camera's pose: its axes are off from unit length and right angles by {error:.2g}, at most "
            f"{_ROTATION_TOLERANCE:g} is allowed: give a rotation without scale or shear. {axes}"
        )
    if np.linalg.det(rotation) < 0:
        raise UsageError(
            f"{name} is mirrored (its determinant is negative): give a rotation; to change from OpenGL's axes, y and z "
            f"are negated both. {axes}"
        )
    return matrix if error <= _EXACT else _orthonormal(matrix)


def checked_side(value: Any, name: str) -> int:
    """A side of a picture, in pixels."""
    whole = _number(value)
    if not (whole.is_integer() and 1 <= whole <= MAX_SIDE_PX):
        raise UsageError(f"{name} must be a whole number of pixels from 1 to {MAX_SIDE_PX}, found {value!r}")
    return int(whole)


def checked_focal(value: Any, name: str) -> float:
    """A focal length in pixels."""
    focal = _number(value)
    if not 0 < focal <= MAX_COORDINATE:
        raise UsageError(f"{name} must be a focal length in pixels, positive and finite, found {value!r}")
    return focal


def checked_radius(value: Any, name: str) -> float:
    """A radius in pixels."""
    radius = _number(value)
    if not 0 < radius <= MAX_COORDINATE:
        raise UsageError(f"{name} must be a number of pixels, positive and finite, or None, found {value!r}")
    return radius


def checked_number(value: Any, name: str) -> float:
    """Any other number of a camera."""
    number = _number(value)
    if not abs(number) <= MAX_COORDINATE:
        raise UsageError(f"{name} must be a finite number, found {value!r}")
    return number


def checked_vector(value: Any, name: str) -> Float64[np.ndarray, "3"]:
    """A point or a direction of the world frame."""
    vector = _array(value, name, "list of three numbers")
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise UsageError(f"{name} must be three finite numbers, x, y and z in the world frame, found {value!r}")
    return vector


def all_coefficients(given: Any, lens: str) -> Distortion:
    """The eight coefficients of `Camera.distortion`, finite.

    Args:
        given: all eight, none, or those of a calibration in OpenCV's order: of lens "opencv" k1, k2, p1, p2, or
            k1, k2, p1, p2, k3; of "fisheye" k1, k2, k3, k4.
    """
    if lens not in _PLACES:
        raise UsageError(f'lens must be "opencv" or "fisheye", found {lens!r}')
    values = _array(given, "distortion", "list of numbers").reshape(-1)
    if len(values) not in _COUNTS[lens]:
        counts = " or ".join(str(count) for count in _COUNTS[lens])
        raise UsageError(f"distortion must be {counts} coefficients in OpenCV's order, found {len(values)}")
    k = [0.0] * 8
    for place, value in zip(range(8) if len(values) == 8 else _PLACES[lens], values.tolist(), strict=False):
        k[place] = checked_number(value, "distortion")
    return k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7]


def intrinsic_numbers(intrinsics: Any, width_px: int, height_px: int) -> tuple[float, float, float, float]:
    """fx, fy, cx and cy of a 3×3 matrix, or of a focal length alone: then the principal point is in the middle."""
    matrix = _array(intrinsics, "intrinsics", "3 by 3 matrix, or a focal length in pixels")
    if matrix.ndim == 0:
        focal = checked_focal(float(matrix), "intrinsics")
        return focal, focal, width_px / 2, height_px / 2
    if matrix.shape != (3, 3):
        raise UsageError(
            f"intrinsics must be the 3 by 3 matrix of fx, 0, cx; 0, fy, cy; 0, 0, 1, or one focal length in pixels, "
            f"found {_shape(matrix)}"
        )
    (fx, skew, cx), (low, fy, cy), last = matrix.tolist()
    if (skew, low, *last) != (0, 0, 0, 0, 1):
        raise UsageError("intrinsics must be fx, 0, cx; 0, fy, cy; 0, 0, 1: found other numbers in place of 0 or 1")
    focals = checked_focal(fx, "fx in intrinsics"), checked_focal(fy, "fy in intrinsics")
    return *focals, checked_number(cx, "cx in intrinsics"), checked_number(cy, "cy in intrinsics")


def look_at_pose(eye: Any, target: Any, up: Any) -> Matrix4:
    """The pose of a camera at `eye` that has `target` in the middle of its picture and `up` upwards in it."""
    centre, aim, upward = (checked_vector(v, n) for v, n in ((eye, "eye"), (target, "target"), (up, "up")))
    forward = _unit(aim - centre, "eye and target must be two points, found one")
    right = _unit(np.cross(forward, _unit(upward, "up must be a direction, found 0, 0, 0")), _UP_AHEAD)
    out = np.eye(4)
    out[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    out[:3, 3] = centre
    return out


def one_focal(focal_px: Any, fov_y_deg: Any, height_px: int) -> float:
    """The focal length in pixels, given it or the picture's vertical opening angle in degrees."""
    if (focal_px is None) == (fov_y_deg is None):
        raise UsageError("give either fov_y_deg, the picture's vertical opening angle in degrees, or focal_px")
    if fov_y_deg is None:
        return checked_focal(focal_px, "focal_px")
    angle = _number(fov_y_deg)
    if not 0 < angle < 180:
        raise UsageError(f"fov_y_deg must be an angle between 0 and 180 degrees, found {fov_y_deg!r}")
    return 0.5 * height_px / math.tan(math.radians(angle) / 2)


def _unit(vector: Float64[np.ndarray, "3"], otherwise: str) -> Float64[np.ndarray, "3"]:
    length = float(np.linalg.norm(vector))
    if length < _SMALL:
        raise UsageError(otherwise)
    return vector / length


def _orthonormal(matrix: Matrix4) -> Matrix4:
    left, _, right = np.linalg.svd(matrix[:3, :3])
    out = matrix.copy()
    out[:3, :3] = left @ right
    return out


def _array(value: Any, name: str, what: str, axes: str = "") -> Float64[np.ndarray, "..."]:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # ragged lists, tensors on a GPU
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiu":
        ending = f": {axes}" if axes else ""
        raise UsageError(f"{name} must be a {what}, found {type(value).__name__}{ending}")
    return array.astype(np.float64, copy=False)


def _number(value: Any) -> float:
    """NaN for what is no number."""
    try:
        return math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan


def _shape(matrix: np.ndarray) -> str:
    return " by ".join(str(side) for side in matrix.shape) if matrix.ndim > 1 else f"{matrix.size} numbers"
