"""Masks as COCO's run-length encoding, plain and compressed (the forms that pycocotools reads and writes).

Pixels are taken column after column. Runs alternate: false pixels first (0 of them if the first pixel is true), then
true ones, and so on. The compressed form writes each count as a number in base 32 with sign, least digits first, as
LEB128 does: 5 bits a character, bit 5 says that more follow, bit 4 of the last is the sign, and 48 is added to make it
printable. From the fourth on, not the count is written but its difference from the one two before.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool

_DIGIT_BITS = 5
_SIGN, _MORE, _FIRST_CHARACTER = 16, 32, 48
_MOST_DIGITS = 12  # 60 bits: no picture has more pixels


def rle(mask: Bool[np.ndarray, "h w"], *, compressed: bool = True) -> dict[str, Any]:
    """A mask as COCO has it: {"size": [height, width], "counts": text, or a list of counts}."""
    counts = run_lengths(mask)
    return {"size": list(mask.shape), "counts": compressed_counts(counts) if compressed else counts}


def mask_of(encoded: dict[str, Any]) -> Bool[np.ndarray, "h w"]:
    """The inverse of `rle`, of either form. Raises ValueError if the counts are torn or not those of the size."""
    height, width = encoded["size"]
    counts = encoded["counts"]
    lengths = plain_counts(counts) if isinstance(counts, str) else counts
    if min(height, width) < 0 or any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise ValueError(f"counts of {sum(lengths)} pixels are not those of a mask of {height} x {width}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


def annotation(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    """What COCO says of one instance's pixels, of which there is at least one: segmentation, area (pixels), bbox (left,
    top, width, height, in pixels), iscrowd."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top, right, bottom = (int(value) for value in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    bbox = [left, top, right - left, bottom - top]
    return {"segmentation": rle(mask), "area": int(mask.sum()), "bbox": bbox, "iscrowd": 0}


def run_lengths(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    """The counts of COCO's plain form."""
    flat = mask.T.reshape(-1)
    if not len(flat):
        return []
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [len(flat)]])
    lengths: list[int] = np.diff(edges).tolist()
    return [0, *lengths] if flat[0] else lengths


def compressed_counts(counts: list[int]) -> str:
    """Counts as COCO's text."""
    characters: list[str] = []
    for index, count in enumerate(counts):
        number = count - counts[index - 2] if index > 2 else count
        while True:
            digit, number = number & (_MORE - 1), number >> _DIGIT_BITS
            ended = number == (-1 if digit & _SIGN else 0)
            characters.append(chr(_FIRST_CHARACTER + (digit if ended else digit | _MORE)))
            if ended:
                break
    return "".join(characters)


def plain_counts(text: str) -> list[int]:
    """The inverse of `compressed_counts`. Raises ValueError for text that it did not write."""
    counts: list[int] = []
    number = digits = 0
    for character in text:
        value = ord(character) - _FIRST_CHARACTER
        if not 0 <= value < 2 * _MORE or digits == _MOST_DIGITS:
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
