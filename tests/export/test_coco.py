"""COCO's run lengths: cases worked out by hand, a twin that walks pixel by pixel, round trips, and torn text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.coco_decoder import mask_of, plain_counts

from langfield.export.coco import annotation, compressed_counts, rle, run_lengths

# Row by row: .##. / .#.. / #... — column by column: ..# ##. #.. ...
MASK = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]], dtype=bool)


def test_a_mask_by_hand():
    """Columns: 2 false, 3 true (one of the first column, two of the second), 1 false, 1 true, 5 false. As text 2, 3 and
    1 are themselves (characters 48 + n), then 1 − 3 = −2 (30 in five bits: 'N') and 5 − 1 = 4."""
    assert rle(MASK, compressed=False) == {"size": [3, 4], "counts": [2, 3, 1, 1, 5]}
    assert rle(MASK) == {"size": [3, 4], "counts": "231N4"}


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([], ""),
        ([0, 4], "04"),
        ([15], "?"),  # 15 still has no sign bit
        ([16], "`0"),  # 16 would look negative: 16 with more to come (48 + 48), then 0
        ([31], "o0"),  # 31 | 32, + 48 = 111
        ([32], "P1"),  # 0 with more to come is 32 + 48 = 80; then 1
        ([1000], "Xo0"),  # 1000 = 8 + 31·32: 8 | 32, then 31 | 32 for its sign bit is set, then 0
        ([5, 5, 5, 5, 5], "55500"),  # from the fourth on differences from two before
        ([100, 40, 30, 7, 2], "T3X1n0oNTO"),  # 7 − 40 = −33 is 31 | 32, −2; 2 − 30 = −28 is 4 | 32, −1
    ],
)
def test_counts_by_hand(counts: list[int], text: str):
    assert compressed_counts(counts) == text
    assert plain_counts(text) == counts


def test_an_annotation_by_hand():
    assert annotation(MASK) == {
        "segmentation": {"size": [3, 4], "counts": "231N4"},
        "area": 4,
        "bbox": [0, 0, 3, 3],
        "iscrowd": 0,
    }
    one = np.zeros((5, 7), bool)
    one[3, 6] = True
    assert annotation(one)["bbox"] == [6, 3, 1, 1]


def walked(mask: np.ndarray) -> list[int]:
    """The definition, pixel by pixel."""
    counts, value = [0], False
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if mask[y, x] != value:
                counts.append(0)
                value = not value
            counts[-1] += 1
    return counts


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 10_000))
def test_masks_come_back(height: int, width: int, share: float, seed: int):
    mask = np.random.default_rng(seed).random((height, width)) < share
    assert run_lengths(mask) == walked(mask)
    for compressed in (False, True):
        encoded = rle(mask, compressed=compressed)
        assert encoded["size"] == [height, width]
        np.testing.assert_array_equal(mask_of(encoded), mask)


@given(st.lists(st.integers(0, 2**40), max_size=12))
def test_any_counts_come_back(counts: list[int]):
    text = compressed_counts(counts)
    assert plain_counts(text) == counts
    assert all(48 <= ord(character) < 112 for character in text)


def test_all_or_nothing():
    for height, width in ((0, 5), (3, 0)):
        assert rle(np.zeros((height, width), bool), compressed=False)["counts"] == []
        assert mask_of(rle(np.zeros((height, width), bool))).shape == (height, width)
    assert rle(np.ones((2, 3), bool), compressed=False)["counts"] == [0, 6]
    assert rle(np.zeros((2, 3), bool), compressed=False)["counts"] == [6]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([2, 3], "counts of 5 pixels are not those of a mask of 3 x 4"),
        ([20, -8], "counts of 12 pixels are not those"),
        ("231N5", "counts of 13 pixels are not those"),
        ("231N", "counts of 7 pixels are not those"),
        ("23P", "ends within a count"),
        ("23 4", "' ' at count 2 is no part of run-length text"),
        ("o" * 13, "at count 0 is no part"),
    ],
)
def test_torn_encodings_are_refused(counts, message: str):
    with pytest.raises(ValueError, match=message):
        mask_of({"size": [3, 4], "counts": counts})
