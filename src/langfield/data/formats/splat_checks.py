"""Gaussians of any file, checked before they are believed."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64

from langfield.core.errors import DataError
from langfield.core.json_files import MAX_COORDINATE
from langfield.core.splats import SH_C0, Splats

_MAX_LOGIT = 20.0  # float32's logistic function of it is 1
_MAX_LOG_SCALE = 80.0  # e to this is still a float32
_MIN_QUATERNION = 1e-6
_MAX_UNUSABLE_SHARE = 0.5


def usable_splats(splats: Splats, path: Path) -> tuple[Splats, int]:
    """Those Gaussians whose numbers can be, and how many others were left out.

    Left out are Gaussians with numbers that are not finite, not possible (a rotation of length 0), or beyond all
    measure. Opacities that are 0 or 1 exactly, whose logits are infinite, are kept.

    Raises DataError if there is no Gaussian, or when more than half of them would be left out.
    """
    if not len(splats):
        raise DataError("holds no Gaussian: export the scene again", path)
    logits = np.nan_to_num(splats.opacity_logits, nan=np.nan, posinf=_MAX_LOGIT, neginf=-_MAX_LOGIT)
    splats = Splats(splats.means, splats.rotations, splats.log_scales, logits, splats.harmonics)
    usable = _usable(splats)
    left_out = int((~usable).sum())
    if left_out > _MAX_UNUSABLE_SHARE * len(splats):
        raise DataError(
            f"holds {left_out} of {len(splats)} Gaussians with numbers that are not finite or not possible "
            f"(first: number {int((~usable).argmax())}): it is damaged; export the scene again",
            path,
        )
    return (splats.chosen(usable) if left_out else splats), left_out


def harmonics_of_colours(colours: Float64[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    """Coefficients of degree 0 that say these colours in [0, 1]."""
    return ((colours - 0.5) / SH_C0).astype(np.float32)


def logits_of_opacities(opacities: Float64[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """Opacities in [0, 1] before the logistic function; infinite for 0 and 1."""
    with np.errstate(divide="ignore"):
        return (np.log(opacities) - np.log1p(-opacities)).astype(np.float32)


def _usable(splats: Splats) -> Bool[np.ndarray, " n"]:
    near = (np.abs(splats.means) <= MAX_COORDINATE).all(axis=1)  # false for NaN
    possible = np.isfinite(splats.log_scales).all(axis=1) & (splats.log_scales <= _MAX_LOG_SCALE).all(axis=1)
    length = np.linalg.norm(splats.rotations.astype(np.float64), axis=1)
    turned = (length > _MIN_QUATERNION) & np.isfinite(length)
    coloured = np.isfinite(splats.harmonics).all(axis=(1, 2))
    return near & possible & turned & coloured & np.isfinite(splats.opacity_logits)
