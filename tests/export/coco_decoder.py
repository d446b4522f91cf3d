"""Masks read back from COCO's run-length encoding: what `langfield.export.coco` writes, undone."""

from typing import Any

import numpy as np
from jaxtyping import Bool

_DIGIT_BITS = 5
_SIGN, _MORE, _FIRST_CHARACTER = 16, 32, 48
_MAX_DIGITS = 12  # 60 bits: no picture has more pixels


def mask_of(encoded: dict[str, Any]) -> Bool[np.ndarray, "h w"]:
    """The inverse of `coco.rle`, of either form. Raises ValueError if the counts are torn or not those of the size."""
    height, width = encoded["size"]
    counts = encoded["counts"]
    lengths = plain_counts(counts) if isinstance(counts, str) else counts
    if min(height, width) < 0 or any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise ValueError(f"counts of {sum(lengths)} pixels are not those of a mask of {height} x {width}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


def plain_counts(text: str) -> list[int]:
    """The inverse of `coco.compressed_counts`. Raises ValueError for text that it did not write."""
    counts: list[int] = []
    number = digits = 0
    for character in text:
        value = ord(character) - _FIRST_CHARACTER
        if not 0 <= value < 2 * _MORE or digits == _MAX_DIGITS:
            raise ValueError(f"{character!a} at count {len(counts)} is no part of run-length text")
        number |= (value & (_MORE - 1)) << (_DIGIT_BITS * digits)
        digits += 1
        if value & _MORE:
            continue
        if value & _SIGN:
            number -= 1 << (_DIGIT_BITS * digits)
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number = digits = 0
    if digits:
        raise ValueError("run-length text ends within a count")
    return counts
