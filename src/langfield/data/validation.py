"""Checks on what a scene's files say, before it is believed: paths stay inside the scene, numbers make sense.

Whatever is wrong becomes one `DataError` that names the file and the place in it. JSON itself is read by
`langfield.core.json_files`.
"""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from langfield.core.cameras import Camera
from langfield.core.errors import DataError
from langfield.core.json_files import MAX_COORDINATE, MAX_SIDE_PX, ends_as_pose, short_text
from langfield.core.transforms import Matrix4
from langfield.data.views import Points

MAX_PATH_CHARS = 1024
MAX_FAULTY_SHARE = 0.25  # of a scene's cameras or points that may be impossible; beyond it the whole file is wrong
_ROTATION_TOLERANCE = 1e-2


class CameraFault(DataError):
    """One photo's pose or lens cannot be: the photo is left out where most others can be used."""


class OutsideSceneError(DataError):
    """A path that leads out of the scene's folder, where it may not."""


def safe_path(root: Path, name: str, file: Path, where: str, *, allow_outside: bool = False) -> Path:
    """Where `name` lies, links followed, relative to `root`; a Windows backslash counts as a slash.

    Args:
        root: the scene's folder, resolved.
        file, where: what to name in the error.
        allow_outside: also accept absolute paths and such that leave the folder.

    Raises DataError for names that are empty, too long, or hold control characters, OutsideSceneError for such that
    leave `root`.
    """
    shown = short_text(name)
    if not name.strip() or len(name) > MAX_PATH_CHARS or re.search(r"[\x00-\x1f\x7f]|[\ud800-\udfff]", name):
        raise DataError(f"{where} is no usable path: found {shown}, give the file's path inside {root}", file)
    slashed = name.replace("\\", "/")
    if not allow_outside and (slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed)):
        raise OutsideSceneError(f"{where} must be a path inside {root}, found {shown}: {_OUTSIDE_ADVICE}", file)
    try:
        resolved = (root / slashed).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{where} cannot be followed, found {shown}: check its links", file) from error
    if not allow_outside and not resolved.is_relative_to(root):
        raise OutsideSceneError(f"{where} leaves {root}, found {shown}: {_OUTSIDE_ADVICE}", file)
    return resolved


_OUTSIDE_ADVICE = "move the file into the scene, or allow paths outside it (--allow-outside)"


def is_file(path: Path) -> bool:
    """Whether a file is there; False also where the name is too long for the disk."""
    try:
        return path.is_file()
    except OSError:
        return False


def printable(text: str | Path) -> str:
    """A name or path as a message shows it: what cannot be printed is written as Python escapes it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def plain_name(name: str) -> str:
    """A photo's name in one spelling: slashes, no `./`, no `a/../`."""
    return Path(os.path.normpath(name.replace("\\", "/"))).as_posix()


def check_unique(names: Sequence[str], file: Path) -> None:
    """Raise DataError if two names are the same, or are the same to a file system that ignores case."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(name.casefold())
        if other is not None:
            how = "twice" if other == name else f"beside {short_text(other)}, which differs only in case"
            raise DataError(f"lists the photo {short_text(name)} {how}: every photo needs its own name", file)
        seen[name.casefold()] = name


def checked_pose(matrix: Matrix4, file: Path, where: str) -> Matrix4:
    """A rigid pose, its rotation made exactly orthonormal.

    Raises CameraFault if numbers are not finite, the last row is not 0, 0, 0, 1, or the axes are mirrored or off from
    orthonormal by more than 1e-2.
    """
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > MAX_COORDINATE:
        raise CameraFault(
            f"{where} holds numbers that are not finite or beyond {MAX_COORDINATE:g}: solve it again", file
        )
    if not ends_as_pose(matrix):
        row = ", ".join(f"{number:g}" for number in matrix[3])
        raise CameraFault(f"{where} must end in the row 0, 0, 0, 1, found {row}: solve it again", file)
    rotation = matrix[:3, :3]
    error = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if error > _ROTATION_TOLERANCE:
        raise CameraFault(
            f"{where} is no camera pose: its axes are off from unit length and right angles by {error:.2g}, "
            f"at most {_ROTATION_TOLERANCE:g} is allowed: write rotations without scale or shear",
            file,
        )
    if np.linalg.det(rotation) <= 0:
        raise CameraFault(f"{where} mirrors (its determinant is negative): write a rotation, not a reflection", file)
    left, _, right = np.linalg.svd(rotation)
    out = np.eye(4)
    out[:3, :3] = left @ right
    out[:3, 3] = matrix[:3, 3]
    return out


def checked_camera(camera: Camera, file: Path, where: str) -> Camera:
    """A camera with a possible size, positive finite focal lengths, and finite other numbers; else CameraFault."""
    for side in (camera.width_px, camera.height_px):
        if not 1 <= side <= MAX_SIDE_PX:
            raise CameraFault(f"{where}: a picture's side must be 1 to {MAX_SIDE_PX} pixels, found {side}", file)
    for focal in (camera.fx_px, camera.fy_px):
        if not 0 < focal <= MAX_COORDINATE:
            raise CameraFault(f"{where}: the focal length must be positive and finite, found {focal:g} pixels", file)
    others = (camera.cx_px, camera.cy_px, *camera.distortion)
    bad = next((x for x in others if not math.isfinite(x) or abs(x) > MAX_COORDINATE), None)
    if bad is not None:
        raise CameraFault(f"{where}: principal point and distortion must be finite, found {bad:g}", file)
    return camera


def sound_points(xyz: Float64[np.ndarray, "n 3"], rgb: UInt8[np.ndarray, "n 3"], file: Path) -> Points:
    """The points of a file without those that are not finite or too far away to be one.

    Raises DataError if more than a quarter would be left out.
    """
    sound = (np.abs(xyz) <= MAX_COORDINATE).all(axis=1)
    bad = int((~sound).sum())
    if not bad:
        return Points(xyz, rgb)
    if bad > MAX_FAULTY_SHARE * len(xyz):
        raise DataError(
            f"holds {bad} of {len(xyz)} points that are not finite or beyond {MAX_COORDINATE:g} "
            f"(first: point {int((~sound).argmax())}): remove them",
            file,
        )
    return Points(xyz[sound], rgb[sound], left_out=bad)
