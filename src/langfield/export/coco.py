"""Masks as COCO's run-length encoding, plain and compressed (the forms that pycocotools reads and writes).

Pixels are taken column by column. The counts are the lengths of alternating runs, of false pixels first (0 of them if
the first pixel is true). The compressed form writes each count as a signed number in base 32, least digits first, as
LEB128 does: 5 bits a character, bit 5 says that more follow, bit 4 of the last is the sign, and 48 is added to make it
printable. From the fourth count on it is the difference from the count two before that is written.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool

_DIGIT_BITS = 5
_SIGN, _MORE, _FIRST_CHARACTER = 16, 32, 48


def rle(mask: Bool[np.ndarray, "h w"], *, compressed: bool = True) -> dict[str, Any]:
    """A mask as COCO has it: {"size": [height, width], "counts": text, or a list of counts}."""
    counts = run_lengths(mask)
    return {"size": list(mask.shape), "counts": compressed_counts(counts) if compressed else counts}


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
