"""Checks on everything a scene's files say, before it is believed.

JSON is read strictly (size, depth, duplicate keys, NaN, types), paths stay inside the scene, numbers are finite and
make sense. Whatever is wrong becomes one `DataError` that names the file and the place in it.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from langfield.core.cameras import Camera
from langfield.core.errors import DataError
from langfield.core.transforms import Matrix4

MAX_JSON_BYTES = 64 << 20
MAX_JSON_DEPTH = 32
MAX_SIDE_PX = 65536
MAX_COORDINATE = 1e12
MAX_PATH_CHARS = 1024
_ROTATION_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Json:
    """One value of a JSON file and where it stands, so that errors can say so.

    Attributes:
        file: the file it was read from.
        where: the place in it, such as `frames[3].fl_x` ("" for the whole).
        value: what `json` made of it.
    """

    file: Path
    where: str
    value: Any

    def error(self, message: str) -> DataError:
        return DataError(f"{self.where or 'the top level'} {message}", self.file)

    def get(self, key: str) -> "Json | None":
        """The member `key` of this object; None where it is absent or null."""
        if not isinstance(self.value, dict):
            raise self.error(f"must be an object {{…}}, found {_shown(self.value)}")
        value = self.value.get(key)
        return None if value is None else Json(self.file, f"{self.where}.{key}" if self.where else key, value)

    def need(self, key: str, advice: str = "add it") -> "Json":
        """The member `key`, which must be there."""
        child = self.get(key)
        if child is None:
            raise DataError(f"{self.where + '.' if self.where else ''}{key} is missing: {advice}", self.file)
        return child

    def items(self) -> Iterator["Json"]:
        """The entries of this list."""
        if not isinstance(self.value, list):
            raise self.error(f"must be a list […], found {_shown(self.value)}")
        return (Json(self.file, f"{self.where}[{i}]", value) for i, value in enumerate(self.value))

    def number(self, low: float = -MAX_COORDINATE, high: float = MAX_COORDINATE) -> float:
        """A finite number within [low, high]."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.error(f"must be a number, found {_shown(self.value)}")
        if not low <= self.value <= high:
            raise self.error(f"must be a number between {low:g} and {high:g}, found {_shown(self.value)}")
        return float(self.value)

    def side_px(self) -> int:
        """A picture's width or height; 1080.0 is accepted for 1080."""
        number = self.number()
        if number != round(number) or not 1 <= number <= MAX_SIDE_PX:
            raise self.error(f"must be a whole number of pixels from 1 to {MAX_SIDE_PX}, found {_shown(self.value)}")
        return int(number)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.error(f'must be text in "…", found {_shown(self.value)}')
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.error(f"must be true or false, found {_shown(self.value)}")
        return self.value

    def matrix(self) -> Matrix4:
        """A 4×4 matrix, or a 3×4 one completed by (0, 0, 0, 1)."""
        rows = [[entry.number() for entry in row.items()] for row in self.items()]
        if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
            raise self.error(f"must be a 4x4 or 3x4 matrix, found rows of {[len(row) for row in rows][:8]} numbers")
        out = np.eye(4)
        out[: len(rows)] = rows
        if not np.allclose(out[3], (0, 0, 0, 1), atol=1e-6):
            raise self.error(f"must end in the row 0, 0, 0, 1, found {_shown(rows[3])}")
        return out


def read_json(path: Path) -> Json:
    """Read a JSON object strictly.

    Raises DataError for more than 64 MiB, nesting deeper than 32, duplicate keys, NaN or Infinity, and no object.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_JSON_BYTES:
            raise DataError(f"has {size_bytes} bytes, at most {MAX_JSON_BYTES} are read: split the scene", path)
        text = path.read_bytes().decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_unique_members, parse_constant=_no_constant)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the path", path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is no UTF-8 text (byte {error.start}): save it as UTF-8", path) from error
    except RecursionError as error:
        raise DataError(f"is nested deeper than {MAX_JSON_DEPTH} levels: it is no scene description", path) from error
    except json.JSONDecodeError as error:
        message = f"is no valid JSON: line {error.lineno}, column {error.colno}: {error.msg}: correct it there"
        raise DataError(message, path) from error
    except ValueError as error:
        raise DataError(f"is no valid JSON: {error}: correct it", path) from error
    if not isinstance(value, dict):
        raise DataError(f"must hold one JSON object {{…}}, found {_shown(value)}", path)
    if _depth(value) > MAX_JSON_DEPTH:
        raise DataError(f"is nested deeper than {MAX_JSON_DEPTH} levels: it is no scene description", path)
    return Json(path, "", value)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {_shown(twice)} stands twice in one object")
    return members


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number a scene can use")


def _depth(value: Any) -> int:
    """Levels of nesting, level by level (no recursion of ours)."""
    level, depth = [value], 0
    while level:
        depth += 1
        children = (v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list))
        level = [child for group in children for child in group]
    return depth


def _shown(value: Any) -> str:
    """A value as an error message shows it: short, on one line, without control characters."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"


def safe_path(root: Path, name: str, file: Path, where: str, *, allow_outside: bool = False) -> Path:
    """Where `name` lies, links followed, relative to `root`; a Windows backslash counts as a slash.

    Args:
        root: the scene's folder, resolved.
        file, where: what to name in the error.
        allow_outside: also accept absolute paths and such that leave the folder.

    Raises DataError for names that are empty, too long, hold control characters, or leave `root`.
    """
    shown = _shown(name)
    if not name.strip() or len(name) > MAX_PATH_CHARS or re.search(r"[\x00-\x1f\x7f]|[\ud800-\udfff]", name):
        raise DataError(f"{where} is no usable path: found {shown}, give the file's path inside {root}", file)
    slashed = name.replace("\\", "/")
    if not allow_outside and (slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed)):
        raise DataError(f"{where} must be a path inside {root}, found {shown}: {_OUTSIDE_ADVICE}", file)
    try:
        resolved = (root / slashed).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{where} cannot be followed, found {shown}: check its links", file) from error
    if not allow_outside and not resolved.is_relative_to(root):
        raise DataError(f"{where} leaves {root}, found {shown}: {_OUTSIDE_ADVICE}", file)
    return resolved


_OUTSIDE_ADVICE = "move the file into the scene, or allow paths outside it (--allow-outside)"


def is_file(path: Path) -> bool:
    """Whether a file is there; False also where the name is too long for the disk."""
    try:
        return path.is_file()
    except OSError:
        return False


def plain_name(name: str) -> str:
    """A photo's name in one spelling: slashes, no `./`, no `a/../`."""
    return Path(os.path.normpath(name.replace("\\", "/"))).as_posix()


def check_unique(names: Sequence[str], file: Path) -> None:
    """Raise DataError if two names are the same, or are the same to a file system that ignores case."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(name.casefold())
        if other is not None:
            how = "twice" if other == name else f"beside {_shown(other)}, which differs only in case"
            raise DataError(f"lists the photo {_shown(name)} {how}: every photo needs its own name", file)
        seen[name.casefold()] = name


def checked_pose(matrix: Matrix4, file: Path, where: str) -> Matrix4:
    """A rigid pose, its rotation made exactly orthonormal.

    Raises DataError if numbers are not finite or the axes are off from orthonormal by more than 1e-2, or mirrored.
    """
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > MAX_COORDINATE:
        raise DataError(f"{where} holds numbers that are not finite or beyond {MAX_COORDINATE:g}: solve it again", file)
    rotation = matrix[:3, :3]
    error = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if error > _ROTATION_TOLERANCE:
        raise DataError(
            f"{where} is no camera pose: its axes are off from unit length and right angles by {error:.2g}, "
            f"at most {_ROTATION_TOLERANCE:g} is allowed: write rotations without scale or shear",
            file,
        )
    if np.linalg.det(rotation) <= 0:
        raise DataError(f"{where} mirrors (its determinant is negative): write a rotation, not a reflection", file)
    left, _, right = np.linalg.svd(rotation)
    out = np.eye(4)
    out[:3, :3] = left @ right
    out[:3, 3] = matrix[:3, 3]
    return out


def checked_camera(camera: Camera, file: Path, where: str) -> Camera:
    """A camera with a possible size, positive finite focal lengths, and finite other numbers; else DataError."""
    for side in (camera.width_px, camera.height_px):
        if not 1 <= side <= MAX_SIDE_PX:
            raise DataError(f"{where}: a picture's side must be 1 to {MAX_SIDE_PX} pixels, found {side}", file)
    for focal in (camera.fx_px, camera.fy_px):
        if not 0 < focal <= MAX_COORDINATE:
            raise DataError(f"{where}: the focal length must be positive and finite, found {focal:g} pixels", file)
    others = (camera.cx_px, camera.cy_px, *camera.distortion)
    bad = next((x for x in others if not math.isfinite(x) or abs(x) > MAX_COORDINATE), None)
    if bad is not None:
        raise DataError(f"{where}: principal point and distortion must be finite, found {bad:g}", file)
    return camera


def check_points(xyz: Float64[np.ndarray, "n 3"], file: Path) -> None:
    """Raise DataError if a point is not finite or too far away to be one."""
    bad = ~(np.abs(xyz) <= MAX_COORDINATE).all(axis=1)
    if bad.any():
        raise DataError(
            f"holds {int(bad.sum())} of {len(xyz)} points that are not finite or beyond {MAX_COORDINATE:g} "
            f"(first: point {int(bad.argmax())}): remove them",
            file,
        )
