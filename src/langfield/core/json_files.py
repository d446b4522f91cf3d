"""JSON files, read strictly, for they may come from anywhere.

`parse_json` refuses what JSON's standard leaves open (a key twice in one object, NaN, Infinity). `read_json` reads a
whole file and hands out its values as `Json`, which know where they stand in it, so that an error can say so: also
where a number is none.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from langfield.core.errors import DataError
from langfield.core.transforms import Matrix4

MAX_JSON_BYTES = 64 << 20
MAX_JSON_DEPTH = 32
MAX_SIDE_PX = 65536  # of a picture
MAX_COORDINATE = 1e12  # and the largest number that is accepted where no other limit is given


class StrictJsonError(ValueError):
    """JSON that `json` would read but that is refused.

    Attributes:
        kind: a key that stands twice in one object, NaN or an infinity, or more nesting than Python can follow.
        name: the key or the number; "" for nesting.
    """

    def __init__(self, kind: Literal["repeated key", "no number", "too deep"], name: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.name = name


def parse_json(text: str | bytes, *, not_finite: bool = False) -> Any:
    """The value of a JSON text; bytes are UTF-8, with or without a byte order mark.

    Args:
        not_finite: take NaN, Infinity and -Infinity as Python does, so that their places can be told.

    Raises StrictJsonError, json.JSONDecodeError or UnicodeDecodeError, which all are ValueErrors.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        constant = float if not_finite else _no_constant
        return json.loads(text, object_pairs_hook=_unique_members, parse_constant=constant)
    except RecursionError as error:
        raise StrictJsonError("too deep", "", "it is nested too deep") from error


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise StrictJsonError("repeated key", twice, "a key stands twice in one object")
    return members


def _no_constant(name: str) -> float:
    raise StrictJsonError("no number", name, f"{name} is not allowed")


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
            raise self.error(f"must be an object {{…}}, found {short_text(self.value)}")
        value = self.value.get(key)
        return None if value is None else Json(self.file, f"{self.where}.{key}" if self.where else key, value)

    def need(self, key: str, advice: str = "add it") -> "Json":
        """The member `key`, which must be there."""
        child = self.get(key)
        if child is None:
            raise DataError(f"{self.where + '.' if self.where else ''}{key} is missing: {advice}", self.file)
        return child

    def unusable_number(self) -> "Json | None":
        """The first number in this value, at any depth, that is not finite or beyond `MAX_COORDINATE`; None if all can
        be used. JSON has no NaN, and many programs write null for it: a null in a list counts, too."""
        return _first(self, lambda value: value is None or (_is_number(value) and not abs(value) <= MAX_COORDINATE))

    def items(self) -> Iterator["Json"]:
        """The entries of this list."""
        if not isinstance(self.value, list):
            raise self.error(f"must be a list […], found {short_text(self.value)}")
        return (Json(self.file, f"{self.where}[{i}]", value) for i, value in enumerate(self.value))

    def number(self, low: float = -MAX_COORDINATE, high: float = MAX_COORDINATE) -> float:
        """A finite number within [low, high]."""
        if not _is_number(self.value):
            raise self.error(f"must be a number, found {short_text(self.value)}")
        if not low <= self.value <= high:
            raise self.error(f"must be a number between {low:g} and {high:g}, found {short_text(self.value)}")
        return float(self.value)

    def side_px(self) -> int:
        """A picture's width or height; 1080.0 is accepted for 1080."""
        number = self.number()
        if number != round(number) or not 1 <= number <= MAX_SIDE_PX:
            raise self.error(
                f"must be a whole number of pixels from 1 to {MAX_SIDE_PX}, found {short_text(self.value)}"
            )
        return int(number)

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.error(f'must be text in "…", found {short_text(self.value)}')
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.error(f"must be true or false, found {short_text(self.value)}")
        return self.value

    def matrix(self) -> Matrix4:
        """A 4×4 matrix that ends in the row (0, 0, 0, 1), or a 3×4 one completed by it."""
        out = self.matrix_4x4()
        if not ends_as_pose(out):
            raise self.error(f"must end in the row 0, 0, 0, 1, found {short_text(out[3].tolist())}")
        return out

    def matrix_4x4(self) -> Matrix4:
        """A 4×4 matrix, whatever its last row, or a 3×4 one completed by (0, 0, 0, 1)."""
        rows = [[entry.number() for entry in row.items()] for row in self.items()]
        if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
            raise self.error(f"must be a 4x4 or 3x4 matrix, found rows of {[len(row) for row in rows][:8]} numbers")
        out = np.eye(4)
        out[: len(rows)] = rows
        return out


def ends_as_pose(matrix: Matrix4) -> bool:
    """Whether a matrix's last row is (0, 0, 0, 1)."""
    return bool(np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6))


def read_json(path: Path, *, faults_kept_in: str = "") -> Json:
    """Read a JSON object strictly.

    Args:
        faults_kept_in: a member in which NaN and Infinity are left to whoever reads its parts (`unusable_number`).

    Raises DataError for more than 64 MiB, nesting deeper than 32, duplicate keys, NaN or Infinity, and no object.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_JSON_BYTES:
            raise DataError(f"has {size_bytes} bytes, at most {MAX_JSON_BYTES} are read: split the scene", path)
        content = path.read_bytes()
        value = parse_json(content, not_finite=True)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the path", path) from error
    except ValueError as error:
        raise DataError(_why_refused(error), path) from error
    if not isinstance(value, dict):
        raise DataError(f"must hold one JSON object {{…}}, found {short_text(value)}", path)
    if _depth(value) > MAX_JSON_DEPTH:
        raise DataError(_TOO_DEEP, path)
    if b"NaN" in content or b"Infinity" in content:
        _check_finite(value, faults_kept_in, path)
    return Json(path, "", value)


def _check_finite(document: dict[str, Any], left_out: str, path: Path) -> None:
    """Raise DataError for the first NaN or infinite number outside of the member `left_out`."""
    checked = Json(path, "", {key: value for key, value in document.items() if key != left_out})
    bad = _first(checked, lambda value: isinstance(value, float) and not math.isfinite(value))
    if bad is not None:
        raise bad.error(f"is {short_text(bad.value)}, which is no number that can be used: correct it")


def _first(node: Json, is_wanted: Callable[[Any], bool]) -> Json | None:
    """The first value in a node, at any depth, that is neither list nor object and is wanted."""
    if isinstance(node.value, dict):
        children = (child for key in node.value if (child := node.get(key)) is not None)
    elif isinstance(node.value, list):
        children = node.items()
    else:
        return node if is_wanted(node.value) else None
    return next((found for child in children if (found := _first(child, is_wanted)) is not None), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TOO_DEEP = f"is nested deeper than {MAX_JSON_DEPTH} levels: it is no scene description"


def _why_refused(error: ValueError) -> str:
    match error:
        case UnicodeDecodeError():
            return f"is no UTF-8 text (byte {error.start}): save it as UTF-8"
        case json.JSONDecodeError():
            return f"is no valid JSON: line {error.lineno}, column {error.colno}: {error.msg}: correct it there"
        case StrictJsonError(kind="too deep"):
            return _TOO_DEEP
        case StrictJsonError(kind="repeated key"):
            return f"is no valid JSON: the key {short_text(error.name)} stands twice in one object: correct it"
    return f"is no valid JSON: {error}: correct it"


def _depth(value: Any) -> int:
    """Levels of nesting, level by level (no recursion of ours)."""
    level, depth = [value], 0
    while level:
        depth += 1
        children = (v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list))
        level = [child for group in children for child in group]
    return depth


def short_text(value: Any) -> str:
    """A value as an error message shows it: short, on one line, without control characters."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"
