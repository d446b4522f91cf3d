"""Gaussians from PLY files, as 3D Gaussian splatting (Kerbl et al. 2023) and what came after it write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from langfield.core.errors import DataError
from langfield.core.splats import (
    DC_NAMES,
    MEAN_NAMES,
    OPACITY_NAME,
    REST_COUNTS,
    ROTATION_NAMES,
    SCALE_NAMES,
    Splats,
    rest_names,
)
from langfield.data.formats.ply import Ply, vertex_colours
from langfield.data.formats.ply_offset import stated_offset
from langfield.data.formats.splat_checks import harmonics_of_colours

_NEEDED = (*MEAN_NAMES, OPACITY_NAME, *SCALE_NAMES[:2], *ROTATION_NAMES)
# Of 2D Gaussians, which are flat: thin enough to be seen as a sheet, and far from where float32 loses the thin axis
# of a covariance, whose eigenvalues are its square.
FLAT_THICKNESS = 0.01
_ROWS_AT_ONCE = 2**13  # of 248 bytes: they stay in a cache while their columns are taken


def splats_of_ply(ply: Ply) -> tuple[Splats, list[str]]:
    """The Gaussians of a PLY file, unchecked, in the file's own frame, and notes for a person.

    An offset that the header states is added to their positions (`ply_offset`).

    Properties may stand in any order and be of any type; others (normals, say) and other elements are ignored. Where
    there is no third scale, as in 2D Gaussian splatting, the third axis is `FLAT_THICKNESS` of the smaller of the
    others. Where there are no harmonics (`f_dc_…`), red, green and blue are the colours.

    Raises DataError for what `Ply.table` refuses, for missing properties, and for properties `f_rest_…` that are not
    numbered from 0 or are no whole number for each colour.
    """
    table, path = ply.table("vertex"), ply.path
    names = table.dtype.names or ()
    dc = _columns(table, DC_NAMES) if all(name in names for name in DC_NAMES) else None
    colours = vertex_colours(table) if dc is None else None
    _check_names(names, dc is not None or colours is not None, path)
    if dc is None:
        assert colours is not None
        dc = harmonics_of_colours(colours / 255.0)
    scales, notes = _log_scales(table)
    rest, rest_notes = _rest(table, path)
    splats = Splats(
        means=np.stack([table[name].astype(np.float64) for name in MEAN_NAMES], axis=1) + stated_offset(path),
        rotations=_columns(table, ROTATION_NAMES),
        log_scales=scales,
        opacity_logits=_columns(table, [OPACITY_NAME])[:, 0],
        harmonics=np.concatenate([dc[:, None], rest], axis=1),
    )
    return splats, notes + rest_notes


def _check_names(names: Sequence[str], coloured: bool, path: Path) -> None:
    needed = [*MEAN_NAMES, *(() if coloured else DC_NAMES), *_NEEDED[3:]]
    missing = [name for name in needed if name not in names]
    if not missing:
        return
    if not any(name in names for name in (*DC_NAMES, *_NEEDED[3:])) and all(name in names for name in MEAN_NAMES):
        absent = ", ".join([*DC_NAMES, OPACITY_NAME, *SCALE_NAMES, *ROTATION_NAMES])
        raise DataError(
            f"is a point cloud, not Gaussians: its vertices have no {absent}; "
            "export the scene as Gaussians (a 3DGS or splat PLY)",
            path,
        )
    raise DataError(f"has vertices without {', '.join(missing)}: Gaussians need them; export the scene again", path)


def _log_scales(table: np.ndarray) -> tuple[Float32[np.ndarray, "n 3"], list[str]]:
    if SCALE_NAMES[2] in (table.dtype.names or ()):
        return _columns(table, SCALE_NAMES), []
    flat = _columns(table, SCALE_NAMES[:2])
    thin = flat.min(axis=1, keepdims=True) + np.float32(np.log(FLAT_THICKNESS))
    note = f"flat Gaussians of two axes (2DGS): the third axis is made {FLAT_THICKNESS:g} of the smaller of the two"
    return np.concatenate([flat, thin], axis=1), [note]


def _rest(table: np.ndarray, path: Path) -> tuple[Float32[np.ndarray, "n k 3"], list[str]]:
    """The coefficients of degree 1 and higher: those of whole degrees, up to the highest that is read."""
    found = {name for name in table.dtype.names or () if name.startswith("f_rest_")}
    each = len(found) // 3
    if found != set(rest_names(len(found))) or len(found) % 3:
        raise DataError(
            f"has {len(found)} properties f_rest_…: spherical harmonics of degree 0, 1, 2 or 3 have "
            f"{', '.join(map(str, REST_COUNTS[:-1]))} or {REST_COUNTS[-1]}, numbered from 0; export the scene again",
            path,
        )
    kept = max(count for count in REST_COUNTS if count <= len(found)) // 3
    names = [f"f_rest_{channel * each + k}" for channel in range(3) for k in range(kept)]
    rest = _columns(table, names).reshape(len(table), 3, kept).transpose(0, 2, 1)
    if kept == each:
        return rest, []
    degree = REST_COUNTS.index(3 * kept)
    return rest, [f"its {len(found)} coefficients f_rest_… are used up to degree {degree}: {3 * kept} of them"]


def _columns(table: np.ndarray, names: Sequence[str]) -> Float32[np.ndarray, "n c"]:
    out = np.empty((len(table), len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is left out
        for start in range(0, len(table), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            for column, name in enumerate(names):
                out[rows, column] = table[name][rows]
    return out
