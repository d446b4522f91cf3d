"""PLY files: Gaussians for viewers and editors of splats, and coloured points for everything else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from langfield.core.splats import (
    DC_NAMES,
    MEAN_NAMES,
    NORMAL_NAMES,
    OPACITY_NAME,
    ROTATION_NAMES,
    SCALE_NAMES,
    Splats,
    rest_names,
)
from langfield.runs.atomic import write_bytes

_ROWS_AT_ONCE = 2**13  # of 248 bytes: they stay in a cache while their columns are put in
_TYPE_NAMES = {"<f4": "float", "|u1": "uchar"}


def write_splat_ply(path: str | Path, splats: Splats, selection: Bool[np.ndarray, " n"] | None = None) -> int:
    """Write Gaussians in the form that 3D Gaussian splatting made common: binary little endian, all floats.

    `langfield.data.formats.splat_files.read_splats` reads it again. Normals are written as 0, for there are readers
    that count columns instead of reading their names.

    Args:
        path: the file to make or replace, all or nothing.
        splats: in the frame that the file is to be in: the world frame, for people.
        selection: which Gaussians to write; None for all.

    Returns how many were written. Raises RunError if the file cannot be written.
    """
    chosen = splats if selection is None else splats.chosen(selection)
    rest = rest_names(3 * (chosen.harmonics.shape[1] - 1))
    names = (*MEAN_NAMES, *NORMAL_NAMES, *DC_NAMES, *rest, OPACITY_NAME, *SCALE_NAMES, *ROTATION_NAMES)
    content, table = _room([(name, "<f4") for name in names], len(chosen))
    _fill(table, MEAN_NAMES, chosen.means)
    _fill(table, NORMAL_NAMES, np.zeros((len(chosen), 3)))
    _fill(table, DC_NAMES, chosen.harmonics[:, 0])
    _fill(table, rest, chosen.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(chosen), len(rest)))
    _fill(table, [OPACITY_NAME], chosen.opacity_logits[:, None])
    _fill(table, SCALE_NAMES, chosen.log_scales)
    _fill(table, ROTATION_NAMES, chosen.rotations)
    write_bytes(Path(path), content.data)
    return len(chosen)


def write_points_ply(path: str | Path, xyz: Float64[np.ndarray, "n 3"], rgb: UInt8[np.ndarray, "n 3"]) -> None:
    """Write coloured points (binary little endian, positions as floats), all or nothing; `read_ply` reads them again.

    Raises RunError if the file cannot be written.
    """
    colours = ("red", "green", "blue")
    fields = [*((name, "<f4") for name in MEAN_NAMES), *((name, "|u1") for name in colours)]
    content, table = _room(fields, len(xyz))
    _fill(table, MEAN_NAMES, xyz)
    _fill(table, colours, rgb)
    write_bytes(Path(path), content.data)


def _room(fields: Sequence[tuple[str, str]], count: int) -> tuple[UInt8[np.ndarray, " b"], np.ndarray]:
    """The bytes of a whole file with its header written, and the table of its vertices within them."""
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
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
