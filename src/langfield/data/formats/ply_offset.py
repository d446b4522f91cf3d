"""What a PLY file says is to be added to its positions, which are floats and so must be near 0."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from langfield.core.errors import DataError
from langfield.core.json_files import MAX_COORDINATE
from langfield.core.splats import OFFSET_COMMENT
from langfield.data.formats.ply import MAX_HEADER_BYTES


def stated_offset(path: Path) -> Float64[np.ndarray, "3"]:
    """The offset in a header's line `comment offset x y z`; 0 where there is none.

    Raises DataError for one that is no three finite numbers, or a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(MAX_HEADER_BYTES).split(b"end_header", 1)[0]
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the path, or restore the file", path) from error
    lines = header.decode("latin-1").splitlines()
    words = next((line[len(OFFSET_COMMENT) :].split() for line in lines if line.startswith(OFFSET_COMMENT)), None)
    if words is None:
        return np.zeros(3)
    try:
        offset = [float(word) for word in words]
    except ValueError:
        offset = []
    if len(offset) != 3 or not all(math.isfinite(value) and abs(value) <= MAX_COORDINATE for value in offset):
        raise DataError(f"has the offset {' '.join(words)[:60]!a}: three numbers x y z are needed", path)
    return np.array(offset)
