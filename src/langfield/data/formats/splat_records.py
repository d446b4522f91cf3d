"""Gaussians from `.splat` files: 32 bytes each, nothing else.

Layout: https://github.com/antimatter15/splat. A place and the three standard deviations in floats, red, green, blue and
opacity in bytes, and a quaternion wxyz whose parts are bytes, 128 for 0.
"""

from pathlib import Path

import numpy as np

from langfield.core.errors import DataError
from langfield.core.splats import Splats
from langfield.data.formats.splat_checks import harmonics_of_colours, logits_of_opacities

_RECORD = np.dtype([("place", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
_LOOKED_AT = 4096
_LENGTH_TOLERANCE = 0.05  # of quaternions of bytes
_MIN_LIKELY_SHARE = 0.9


def is_splat(content: bytes) -> bool:
    """Whether bytes, which no mark tells, are such records: finite places, positive scales, rotations of length 1."""
    if not content or len(content) % _RECORD.itemsize:
        return False
    step = max(1, len(content) // _RECORD.itemsize // _LOOKED_AT)
    records = np.frombuffer(content, _RECORD)[::step]
    finite = np.isfinite(records["place"]).all(axis=1)
    positive = ((records["scale"] >= 0) & np.isfinite(records["scale"])).all(axis=1)
    length = np.linalg.norm((records["rotation"] - 128.0) / 128, axis=1)
    likely = finite & positive & (np.abs(length - 1) <= _LENGTH_TOLERANCE)
    return bool(likely.mean() >= _MIN_LIKELY_SHARE)


def splats_of_records(content: bytes, path: Path) -> Splats:
    """The Gaussians of a `.splat` file, unchecked, in the file's own frame. Raises DataError if one is cut off."""
    if len(content) % _RECORD.itemsize:
        raise DataError(f"has {len(content)} bytes, no whole number of {_RECORD.itemsize}: it is torn", path)
    records = np.frombuffer(content, _RECORD)
    rgba = records["rgba"] / 255
    with np.errstate(divide="ignore", invalid="ignore"):
        log_scales = np.log(records["scale"])
    return Splats(
        means=records["place"].astype(np.float64),
        rotations=((records["rotation"] - 128.0) / 128).astype(np.float32),
        log_scales=log_scales.astype(np.float32),
        opacity_logits=logits_of_opacities(rgba[:, 3]),
        harmonics=harmonics_of_colours(rgba[:, :3])[:, None],
    )
