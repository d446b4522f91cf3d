"""PLY files: Gaussians for viewers and editors of splats, and coloured points for everything else."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from langfield.core.splats import (
    DC_NAMES,
    MEAN_NAMES,
    NORMAL_NAMES,
    OFFSET_COMMENT,
    OPACITY_NAME,
    ROTATION_NAMES,
    SCALE_NAMES,
    Splats,
    rest_names,
)
from langfield.runs.atomic import write_bytes

_ROWS_AT_ONCE = 2**13  # of 248 bytes: they stay in a cache while their columns are put in
_TYPE_NAMES = {"<f4": "float", "<f8": "double", "|u1": "uchar"}
_MAX_ROUNDING = 1e-5  # by which float32 may move a point, of the extent of what is written: a hundredth of its spacing


def write_splat_ply(path: str | Path, splats: Splats, selection: Bool[np.ndarray, " n"] | None = None) -> int:
    """Write Gaussians in the form that 3D Gaussian splatting made common: binary little endian, all floats.

    `langfield.data.formats.splat_files.read_splats` reads it again. Normals are written as 0, for there are readers
    that count columns instead of reading their names, and positions as floats: far from the origin (`float32_offset`)
    they are written relative to an offset, which the header states as `comment offset x y z`. `read_splats` adds it.

    Args:
        path: the file to make or replace, all or nothing.
        splats: in the frame that the file is to be in: the world frame, for people.
        selection: which Gaussians to write; None for all.

    Returns how many were written. Raises RunError if the file cannot be written.
    """
    chosen = splats if selection is None else splats.chosen(selection)
    rest = rest_names(3 * (chosen.harmonics.shape[1] - 1))
    names = (*MEAN_NAMES, *NORMAL_NAMES, *DC_NAMES, *rest, OPACITY_NAME, *SCALE_NAMES, *ROTATION_NAMES)
    offset = float32_offset(splats.means)  # of all of them, so that parts of a scene fit together
    comments = [] if offset is None else [OFFSET_COMMENT + " ".join(f"{value!r}" for value in offset)]
    content, table = _room([(name, "<f4") for name in names], len(chosen), comments)
    _fill(table, MEAN_NAMES, chosen.means if offset is None else chosen.means - offset)
    _fill(table, NORMAL_NAMES, np.zeros((len(chosen), 3)))
    _fill(table, DC_NAMES, chosen.harmonics[:, 0])
    _fill(table, rest, chosen.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(chosen), len(rest)))
    _fill(table, [OPACITY_NAME], chosen.opacity_logits[:, None])
    _fill(table, SCALE_NAMES, chosen.log_scales)
    _fill(table, ROTATION_NAMES, chosen.rotations)
    write_bytes(Path(path), content.data)
    return len(chosen)


def write_points_ply(path: str | Path, xyz: Float64[np.ndarray, "n 3"], rgb: UInt8[np.ndarray, "n 3"]) -> None:
    """Write coloured points (binary little endian), all or nothing; `read_ply` reads them again.

    Positions are floats; doubles where floats would lose digits, far from the origin (`float32_offset`).

    Raises RunError if the file cannot be written.
    """
    colours = ("red", "green", "blue")
    kind = "<f4" if float32_offset(xyz) is None else "<f8"
    fields = [*((name, kind) for name in MEAN_NAMES), *((name, "|u1") for name in colours)]
    content, table = _room(fields, len(xyz))
    _fill(table, MEAN_NAMES, xyz)
    _fill(table, colours, rgb)
    write_bytes(Path(path), content.data)


def float32_offset(xyz: Float64[np.ndarray, "n 3"]) -> tuple[float, float, float] | None:
    """A round position near the middle of points that are so far from the origin that float32 would lose their digits;
    None for others.

    The outermost points do not count: a few that are far away have digits enough.
    """
    if len(xyz) < 2:
        return None
    middle = np.median(xyz, axis=0)
    low, high = np.percentile(xyz, (2, 98), axis=0)
    extent = float((high - low).max())
    if not extent > 0 or float(np.abs(middle).max()) * 2.0**-24 <= _MAX_ROUNDING * extent:
        return None
    digits = -math.floor(math.log10(extent))
    x, y, z = (round(float(value), digits) for value in middle)
    return x, y, z


def _room(
    fields: Sequence[tuple[str, str]], count: int, comments: Sequence[str] = ()
) -> tuple[UInt8[np.ndarray, " b"], np.ndarray]:
    """The bytes of a whole file with its header written, and the table of its vertices within them."""
    lines = ["ply", "format binary_little_endian 1.0", *comments, f"element vertex {count}"]
    lines += [f"property {_TYPE_NAMES[kind]} {name}" for name, kind in fields]
    header = ("\n".join([*lines, "end_header"]) + "\n").encode()
    dtype = np.dtype(list(fields))
    content = np.empty(len(header) + count * dtype.itemsize, dtype=np.uint8)
    content[: len(header)] = np.frombuffer(header, dtype=np.uint8)
    return content, content[len(header) :].view(dtype)


def _fill(table: np.ndarray, names: Sequence[str], columns: np.ndarray) -> None:
    for start in range(0, len(table), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        for index, name in enumerate(names):
            table[name][rows] = columns[rows, index]
