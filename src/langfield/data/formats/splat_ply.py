"""Gaussians from PLY files, as 3D Gaussian splatting (Kerbl et al. 2023) and what came after it write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from langfield.core.errors import DataError
from langfield.core.json_files import MAX_COORDINATE
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
from langfield.data.formats.ply import read_vertices
from langfield.data.formats.ply_offset import stated_offset

_NEEDED = (*MEAN_NAMES, *DC_NAMES, OPACITY_NAME, *SCALE_NAMES, *ROTATION_NAMES)
_PACKED = "packed_position"  # of SuperSplat's compressed form
_MAX_LOGIT = 20.0  # float32's logistic function of it is 1
_MAX_LOG_SCALE = 80.0  # e to this is still a float32
_MIN_QUATERNION = 1e-6
_MAX_UNUSABLE_SHARE = 0.5
_ROWS_AT_ONCE = 2**13  # of 248 bytes: they stay in a cache while their columns are taken


def read_splat_ply(path: str | Path) -> tuple[Splats, int]:
    """The Gaussians of a PLY file, in the file's own frame, and how many others were left out.

    An offset that the header states is added to their positions (`ply_offset`).

    Left out are Gaussians with numbers that are not finite, not possible (a rotation of length 0), or beyond all
    measure. Opacities that are 0 or 1 exactly, whose logits are infinite, are kept. Other properties (normals, say) and
    elements are ignored.

    Raises DataError for what `read_vertices` refuses, for missing properties, a number of `f_rest_…` that belongs to no
    degree of spherical harmonics up to 3, no Gaussians, or when more than half of them would be left out.
    """
    path = Path(path)
    table = read_vertices(path)
    names = table.dtype.names or ()
    _check_names(names, path)
    rest = _rest(names, path)
    if not len(table):
        raise DataError("holds no Gaussian: export the scene again", path)
    means = np.stack([table[name].astype(np.float64) for name in MEAN_NAMES], axis=1) + stated_offset(path)
    logits = np.nan_to_num(_columns(table, [OPACITY_NAME])[:, 0], nan=np.nan, posinf=_MAX_LOGIT, neginf=-_MAX_LOGIT)
    dc = _columns(table, DC_NAMES)
    higher = _columns(table, rest_names(rest)).reshape(len(table), 3, rest // 3).transpose(0, 2, 1)
    splats = Splats(
        means=means,
        rotations=_columns(table, ROTATION_NAMES),
        log_scales=_columns(table, SCALE_NAMES),
        opacity_logits=logits,
        harmonics=np.concatenate([dc[:, None], higher], axis=1),
    )
    usable = _usable(splats)
    left_out = int((~usable).sum())
    if left_out > _MAX_UNUSABLE_SHARE * len(table):
        raise DataError(
            f"holds {left_out} of {len(table)} Gaussians with numbers that are not finite or not possible "
            f"(first: number {int((~usable).argmax())}): it is damaged; export the scene again",
            path,
        )
    return (splats.chosen(usable) if left_out else splats), left_out


def _check_names(names: Sequence[str], path: Path) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if not missing:
        return
    if _PACKED in names:
        raise DataError("holds Gaussians in compressed form: export the scene as an uncompressed PLY", path)
    if missing == [name for name in _NEEDED if name not in MEAN_NAMES]:
        raise DataError(
            f"is a point cloud, not Gaussians: its vertices have no {', '.join(missing)}; "
            "export the scene as Gaussians (a 3DGS or splat PLY)",
            path,
        )
    raise DataError(f"has vertices without {', '.join(missing)}: Gaussians need them; export the scene again", path)


def _rest(names: Sequence[str], path: Path) -> int:
    """How many coefficients there are of degree 1 and higher."""
    found = [name for name in names if name.startswith("f_rest_")]
    if len(found) not in REST_COUNTS or set(found) != set(rest_names(len(found))):
        raise DataError(
            f"has {len(found)} properties f_rest_…: spherical harmonics of degree 0, 1, 2 or 3 have "
            f"{', '.join(map(str, REST_COUNTS[:-1]))} or {REST_COUNTS[-1]}, numbered from 0; export the scene again",
            path,
        )
    return len(found)


def _columns(table: np.ndarray, names: Sequence[str]) -> Float32[np.ndarray, "n c"]:
    out = np.empty((len(table), len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is left out
        for start in range(0, len(table), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            for column, name in enumerate(names):
                out[rows, column] = table[name][rows]
    return out


def _usable(splats: Splats) -> Bool[np.ndarray, " n"]:
    near = (np.abs(splats.means) <= MAX_COORDINATE).all(axis=1)  # false for NaN
    possible = np.isfinite(splats.log_scales).all(axis=1) & (splats.log_scales <= _MAX_LOG_SCALE).all(axis=1)
    length = np.linalg.norm(splats.rotations.astype(np.float64), axis=1)
    turned = (length > _MIN_QUATERNION) & np.isfinite(length)
    coloured = np.isfinite(splats.harmonics).all(axis=(1, 2))
    return near & possible & turned & coloured & np.isfinite(splats.opacity_logits)
