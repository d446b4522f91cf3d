"""Arrays in few bytes: numbers of 8 or 16 bits between two ends, one array after the other, compressed.

A reader finds in the list that goes with them of each array its name, type, shape, the byte where it begins, and the
ends that its smallest and largest number stand for.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["u1", "u2", "f4"]
_ALIGNMENT = 4  # bytes


@dataclass(frozen=True, eq=False)
class Packed:
    """An array as it is written: little endian.

    Attributes:
        numbers: uint8, uint16 or float32.
        low: what 0 stands for.
        high: what the largest number of the type stands for; None with low 0 for numbers that stand for themselves.
    """

    numbers: np.ndarray
    low: float = 0.0
    high: float | None = None

    @property
    def kind(self) -> Kind:
        kinds: dict[np.dtype, Kind] = {np.dtype("u1"): "u1", np.dtype("<u2"): "u2", np.dtype("<f4"): "f4"}
        return kinds[self.numbers.dtype]


def quantised(values: np.ndarray, bits: Literal[8, 16], low: float, high: float) -> Packed:
    """Values in [low, high] (clipped) to the nearest of 2^bits that are evenly spaced from end to end."""
    most = 2**bits - 1
    share = (np.clip(values, low, high) - low) / max(high - low, 1e-12)
    numbers = np.round(most * share).astype(np.uint8 if bits == 8 else "<u2")
    return Packed(numbers, float(low), float(high))


def spanned(values: np.ndarray, bits: Literal[8, 16]) -> Packed:
    """`quantised` from the smallest value to the largest."""
    if not values.size:
        return quantised(values, bits, 0.0, 1.0)
    return quantised(values, bits, float(values.min()), float(values.max()))


def symmetric(values: np.ndarray) -> Packed:
    """8 bits, between ends so that 0 is exactly 128."""
    most = max(float(np.abs(values).max(initial=0)), 1e-6)
    return quantised(values, 8, -most * 128 / 127, most)


def packed(arrays: Mapping[str, Packed]) -> tuple[list[dict[str, Any]], bytes]:
    """The list of arrays, and their bytes, compressed with gzip. The same arrays give the same bytes."""
    entries, parts, offset = [], [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array.numbers).tobytes()
        entry = {"name": name, "type": array.kind, "shape": list(array.numbers.shape), "offset": offset}
        entries.append(entry | ({} if array.high is None else {"low": array.low, "high": array.high}))
        padding = b"\0" * (-len(data) % _ALIGNMENT)
        parts += [data, padding]
        offset += len(data) + len(padding)
    return entries, gzip.compress(b"".join(parts), compresslevel=6, mtime=0)
