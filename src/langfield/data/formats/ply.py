"""PLY files, ascii or binary of either byte order: their elements as tables, and point clouds with colours."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from langfield.core.errors import DataError
from langfield.data.formats.colours import rgb_from_numbers
from langfield.data.validation import sound_points
from langfield.data.views import Points

MAX_HEADER_BYTES = 1 << 16
_ASCII_CHUNK_LINES = 100_000
_GREY = 127
_BYTE_ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_COLOUR_NAMES = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))


@dataclass(frozen=True)
class _Element:
    """One element of the header. `fields` are (name, numpy type) in file order; None if a list is among them."""

    name: str
    count: int
    fields: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True)
class Ply:
    """A PLY file's bytes, and what its header says of them."""

    path: Path
    content: bytes
    ascii: bool
    elements: tuple[_Element, ...]
    body_offset: int

    def table(self, name: str) -> np.ndarray:
        """An element as a structured array with a field for each property. It may be read-only.

        Raises DataError if the file is shorter than its header promises (before any room is made for what it promises),
        and if a list stands in or before the element.
        """
        names = [element.name for element in self.elements]
        if name not in names:
            advice = "a point cloud needs one" if name == "vertex" else "export it again"
            raise DataError(f"has no element `{name}`: {advice}", self.path)
        at = names.index(name)
        element = self.elements[at]
        if not element.fields or any(other.fields is None for other in self.elements[: at + 1]):
            which = "vertices" if name == "vertex" else f"element `{name}`"
            raise DataError(
                f"has a list in or before its {which}: write the vertices first, with plain numbers", self.path
            )
        if len({field for field, _ in element.fields}) != len(element.fields):
            raise DataError(f"has a {name} property twice: each may stand once", self.path)
        return _ascii_table(self, at) if self.ascii else _binary_table(self, at)


def read_ply(path: str | Path) -> Points:
    """The points of a PLY file: `read_point_cloud` without its notes."""
    return read_point_cloud(path)[0]


def read_point_cloud(path: str | Path) -> tuple[Points, list[str]]:
    """Read the `vertex` element: x y z, and its colours if they are there; and notes for a person.

    Colours are red green blue, r g b, or diffuse_red diffuse_green diffuse_blue, of any type; whether they are of 0–1,
    0–255 or 0–65535 shows in their values. Points without colours are grey, those that are not finite are left out.
    Other properties and elements are ignored.

    Raises DataError for torn or hostile headers, missing coordinates, and too many points that are not finite.
    """
    path = Path(path)
    table = read_vertices(path)
    names = table.dtype.names or ()
    if missing := [axis for axis in "xyz" if axis not in names]:
        raise DataError(f"has vertices without {', '.join(missing)}: x, y and z are needed", path)
    xyz = _as_doubles(table, "xyz")
    rgb = vertex_colours(table)
    notes = [f"{path.name} has points without colours: they are taken as grey"] if rgb is None and len(xyz) else []
    grey = np.full((len(table), 3), _GREY, dtype=np.uint8)
    return sound_points(xyz, grey if rgb is None else rgb, path), notes


def read_vertices(path: str | Path) -> np.ndarray:
    """The `vertex` element as a structured array of N rows, a field for each property. It may be read-only.

    Raises DataError for torn or hostile headers, and files shorter than their header promises (before any room is made
    for what it promises).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the path, or restore the file", path) from error
    return parse_ply(content, path).table("vertex")


def vertex_colours(table: np.ndarray) -> UInt8[np.ndarray, "n 3"] | None:
    """The colours of vertices; None if they have none by a name that is known."""
    there = table.dtype.names or ()
    names = next((names for names in _COLOUR_NAMES if all(name in there for name in names)), None)
    if names is None:
        return None
    whole = all(table.dtype[name].kind != "f" for name in names)
    return rgb_from_numbers(_as_doubles(table, names), whole=whole)


def _as_doubles(table: np.ndarray, names: Sequence[str]) -> Float64[np.ndarray, "n c"]:
    with np.errstate(invalid="ignore"):  # some NaN make numpy warn
        return np.stack([table[name].astype(np.float64) for name in names], axis=-1)


def parse_ply(content: bytes, path: Path) -> Ply:
    """Read the header of a PLY file. Raises DataError if it is none, or is hostile."""
    end = re.compile(rb"\nend_header[ \t]*\r?\n").search(content, 0, MAX_HEADER_BYTES)
    if not content.startswith(b"ply") or end is None:
        raise DataError("is no PLY file: it must begin with `ply` and its header end with `end_header`", path)
    known = f"{', '.join(list(_BYTE_ORDERS)[:-1])} and {list(_BYTE_ORDERS)[-1]} are read"
    form: str | None = None
    elements: list[tuple[str, int, list[tuple[str, str]] | None]] = []
    for line in content[: end.start()].decode("latin-1").splitlines():
        match line.split():
            case ["format", "ascii" | "binary_little_endian" | "binary_big_endian" as kind, _]:
                form = kind
            case ["format", *rest]:
                raise DataError(f"has the format {' '.join(rest)[:40]!a}: {known}", path)
            case ["element", name, count]:
                if not (count.isascii() and count.isdigit() and len(count) <= 18):
                    raise DataError(f"has an element with the count {count[:40]!a}: a whole number is needed", path)
                elements.append((name, int(count), []))
            case ["property", "list", _, _, _] if elements:
                elements[-1] = (*elements[-1][:2], None)
            case ["property", kind, name] if elements and kind in _TYPES:
                if (fields := elements[-1][2]) is not None:
                    fields.append((name, _TYPES[kind]))
            case ["property", *rest]:
                raise DataError(f"has a property that cannot be read: {' '.join(rest)[:60]!a}", path)
            case _:
                continue  # "ply", comments, obj_info
    if form is None:
        raise DataError(f"does not say its format: {known}", path)
    order = _BYTE_ORDERS[form]
    done = (
        _Element(name, count, None if fields is None else tuple((field, order + kind) for field, kind in fields))
        for name, count, fields in elements
    )
    return Ply(path, content, form == "ascii", tuple(done), end.end())


def _binary_table(ply: Ply, at: int) -> np.ndarray:
    element = ply.elements[at]
    sizes = [sum(np.dtype(kind).itemsize for _, kind in other.fields or ()) for other in ply.elements[:at]]
    offset = ply.body_offset + sum(other.count * size for other, size in zip(ply.elements, sizes, strict=False))
    dtype = np.dtype(list(element.fields or ()))
    if offset + element.count * dtype.itemsize > len(ply.content):
        raise _torn(element, dtype.itemsize, len(ply.content) - offset, ply.path)
    return np.frombuffer(ply.content, dtype=dtype, count=element.count, offset=offset)


def _ascii_table(ply: Ply, at: int) -> np.ndarray:
    element = ply.elements[at]
    assert element.fields is not None
    skip = sum(other.count for other in ply.elements[:at])
    width = len(element.fields)
    left = len(ply.content) - ply.body_offset + 1
    if skip + element.count * 2 * width > left:  # a digit and a separator for each number
        raise _torn(element, 2 * width, left, ply.path)
    lines = ply.content[ply.body_offset :].splitlines()[skip : skip + element.count]
    numbers = np.zeros((element.count, width))
    try:
        for start in range(0, element.count, _ASCII_CHUNK_LINES):
            rows = [list(map(float, line.split())) for line in lines[start : start + _ASCII_CHUNK_LINES]]
            block = np.array(rows, dtype=np.float64)
            if block.shape != (min(_ASCII_CHUNK_LINES, element.count - start), width):
                raise ValueError("ragged or short")
            numbers[start : start + len(block)] = block
    except ValueError as error:
        message = (
            f"must have {element.count} {element.name} lines of {width} numbers each, found others: it may be torn"
        )
        raise DataError(message, ply.path) from error
    table = np.zeros(element.count, dtype=[(name, "<f8" if "f" in kind else "<i8") for name, kind in element.fields])
    with np.errstate(invalid="ignore"):
        for column, (name, _) in enumerate(element.fields):
            table[name] = numbers[:, column]
    return table


def _torn(element: _Element, item_bytes: int, left: int, path: Path) -> DataError:
    what = "vertices" if element.name == "vertex" else f"`{element.name[:40]}`"
    promise = f"promises {element.count} {what} of at least {item_bytes} bytes"
    return DataError(f"{promise}, but {max(left, 0)} bytes are left: it is torn", path)
