"""PLY files, ascii or binary little endian: their vertices as a table, and point clouds with colours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from langfield.core.errors import DataError
from langfield.data.validation import sound_points
from langfield.data.views import Points

MAX_HEADER_BYTES = 1 << 16
_ASCII_CHUNK_LINES = 100_000
_GREY = 127
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2",
    "ushort": "<u2", "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4",
    "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip


@dataclass(frozen=True)
class _Element:
    """One element of the header. `fields` are (name, numpy type) in file order; None if a list is among them."""

    name: str
    count: int
    fields: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True)
class _Header:
    ascii: bool
    elements: tuple[_Element, ...]
    body_offset: int


def read_ply(path: str | Path) -> Points:
    """Read the `vertex` element: x y z, and red green blue if they are there (uint8, or floats in [0, 1]).

    Points without colours are grey, those that are not finite are left out. Other properties, and elements after the
    vertices, are ignored.

    Raises DataError for big-endian files, torn or hostile headers, missing coordinates, and too many points that are
    not finite.
    """
    path = Path(path)
    table = read_vertices(path)
    names = table.dtype.names or ()
    if missing := [axis for axis in "xyz" if axis not in names]:
        raise DataError(f"has vertices without {', '.join(missing)}: x, y and z are needed", path)
    xyz = np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=-1)
    return sound_points(xyz, _colours(table), path)


def read_vertices(path: str | Path) -> np.ndarray:
    """The `vertex` element as a structured array of N rows, a field for each property. It may be read-only.

    Raises DataError for big-endian files, torn or hostile headers, and files shorter than their header promises
    (before any room is made for what it promises).
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the path, or restore the file", path) from error
    header = _read_header(content, path)
    return _ascii_vertices(content, header, path) if header.ascii else _binary_vertices(content, header, path)


def _read_header(content: bytes, path: Path) -> _Header:
    end = content.find(b"end_header", 0, MAX_HEADER_BYTES)
    line_end = content.find(b"\n", end, end + 16) if end >= 0 else -1
    if not content.startswith(b"ply") or line_end < 0:
        raise DataError("is no PLY file: it must begin with `ply` and its header end with `end_header`", path)
    ascii_format: bool | None = None
    elements: list[tuple[str, int, list[tuple[str, str]] | None]] = []
    for line in content[:end].decode("latin-1").splitlines():
        match line.split():
            case ["format", "ascii" | "binary_little_endian" as kind, _]:
                ascii_format = kind == "ascii"
            case ["format", *rest]:
                raise DataError(
                    f"has the format {' '.join(rest)[:40]!a}: ascii and binary_little_endian are read", path
                )
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
    if ascii_format is None:
        raise DataError("does not say its format: ascii and binary_little_endian are read", path)
    done = tuple(_Element(name, count, None if f is None else tuple(f)) for name, count, f in elements)
    return _Header(ascii_format, done, line_end + 1)


def _before_vertices(header: _Header, path: Path) -> tuple[list[_Element], _Element]:
    """The elements that stand before the vertices, and the vertices' own."""
    names = [element.name for element in header.elements]
    if "vertex" not in names:
        raise DataError("has no element `vertex`: a point cloud needs one", path)
    at = names.index("vertex")
    vertex = header.elements[at]
    if not vertex.fields or any(element.fields is None for element in header.elements[: at + 1]):
        raise DataError("has a list in or before its vertices: write the vertices first, with plain numbers", path)
    if len({name for name, _ in vertex.fields}) != len(vertex.fields):
        raise DataError("has a vertex property twice: each may stand once", path)
    return list(header.elements[:at]), vertex


def _binary_vertices(content: bytes, header: _Header, path: Path) -> np.ndarray:
    before, vertex = _before_vertices(header, path)
    assert vertex.fields is not None
    sizes = [sum(np.dtype(kind).itemsize for _, kind in element.fields or ()) for element in before]
    offset = header.body_offset + sum(e.count * size for e, size in zip(before, sizes, strict=True))
    dtype = np.dtype(list(vertex.fields))
    if offset + vertex.count * dtype.itemsize > len(content):
        raise _torn(vertex.count, dtype.itemsize, len(content) - offset, path)
    return np.frombuffer(content, dtype=dtype, count=vertex.count, offset=offset)


def _ascii_vertices(content: bytes, header: _Header, path: Path) -> np.ndarray:
    before, vertex = _before_vertices(header, path)
    assert vertex.fields is not None
    skip = sum(element.count for element in before)
    width = len(vertex.fields)
    left = len(content) - header.body_offset + 1
    if skip + vertex.count * 2 * width > left:  # a digit and a separator for each number
        raise _torn(vertex.count, 2 * width, left, path)
    lines = content[header.body_offset :].splitlines()[skip : skip + vertex.count]
    numbers = np.zeros((vertex.count, width))
    try:
        for start in range(0, vertex.count, _ASCII_CHUNK_LINES):
            rows = [list(map(float, line.split())) for line in lines[start : start + _ASCII_CHUNK_LINES]]
            block = np.array(rows, dtype=np.float64)
            if block.shape != (min(_ASCII_CHUNK_LINES, vertex.count - start), width):
                raise ValueError("ragged or short")
            numbers[start : start + len(block)] = block
    except ValueError as error:
        message = f"must have {vertex.count} vertex lines of {width} numbers each, found others: it may be torn"
        raise DataError(message, path) from error
    table = np.zeros(vertex.count, dtype=[(name, "<f8" if "f" in kind else "<i8") for name, kind in vertex.fields])
    with np.errstate(invalid="ignore"):
        for column, (name, _) in enumerate(vertex.fields):
            table[name] = numbers[:, column]
    return table


def _torn(count: int, item_bytes: int, left: int, path: Path) -> DataError:
    return DataError(
        f"promises {count} vertices of at least {item_bytes} bytes, but {max(left, 0)} bytes are left: it is torn", path
    )


def _colours(table: np.ndarray) -> UInt8[np.ndarray, "n 3"]:
    names = table.dtype.names or ()
    if not all(name in names for name in ("red", "green", "blue")):
        return np.full((len(table), 3), _GREY, dtype=np.uint8)
    rgb = np.stack([table[name].astype(np.float64) for name in ("red", "green", "blue")], -1)
    if table.dtype["red"].kind == "f":
        rgb = rgb * 255.0
    return np.clip(np.nan_to_num(np.round(rgb)), 0, 255).astype(np.uint8)
