"""Polygons are filled as OpenCV fills them (its pictures are stored, see `make_fill_poly`), and by laws."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.evaluation.labels.polygon_filling import filled_polygon, line_pixels

FUZZ = settings(deadline=None, max_examples=100)
PIXELS = st.tuples(st.integers(0, 30), st.integers(0, 20))
WIDTH, HEIGHT = 31, 21


def test_pixels_are_those_of_opencv():
    with np.load(Path(__file__).with_name("fill_poly.npz"), allow_pickle=False) as stored:
        sizes, counts, corners = (stored[name].astype(np.int64) for name in ("sizes", "counts", "corners"))
        bits = np.unpackbits(stored["filled"]).astype(bool)
    polygons = np.split(corners, counts.cumsum()[:-1])
    filled = np.split(bits, (sizes.prod(axis=1)).cumsum())
    assert len(polygons) == len(sizes) > 200
    for (width, height), polygon, expected in zip(sizes, polygons, filled[:-1], strict=True):
        np.testing.assert_array_equal(
            filled_polygon(polygon, int(width), int(height)), expected.reshape(height, width), err_msg=f"{polygon}"
        )


@FUZZ
@given(PIXELS, PIXELS)
def test_a_line_goes_from_end_to_end_by_the_nearest_pixels(start: tuple[int, int], end: tuple[int, int]):
    columns, rows = line_pixels(start, end)
    assert {(columns[0], rows[0]), (columns[-1], rows[-1])} == {start, end}
    longest = max(abs(start[0] - end[0]), abs(start[1] - end[1]))
    assert len(columns) == longest + 1
    if longest:
        steps = np.maximum(np.abs(np.diff(columns)), np.abs(np.diff(rows)))
        assert (steps == 1).all()  # without gaps, and never twice
        along = ((columns - start[0]) * (end[0] - start[0]) + (rows - start[1]) * (end[1] - start[1])) / (
            (end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2
        )
        off_x, off_y = (columns - start[0] - along * (end[0] - start[0])), rows - start[1] - along * (end[1] - start[1])
        assert np.hypot(off_x, off_y).max() <= 0.5 + 1e-9
    assert set(zip(*line_pixels(end, start), strict=True)) == set(zip(columns, rows, strict=True))


@FUZZ
@given(st.lists(PIXELS, min_size=1, max_size=8), st.integers(0, 7), st.booleans())
def test_it_matters_not_where_corners_begin_nor_which_way_they_go(corners: list[tuple[int, int]], by: int, back: bool):
    polygon = np.array(corners, dtype=np.int64)
    other = np.roll(polygon[::-1] if back else polygon, by, axis=0)
    np.testing.assert_array_equal(filled_polygon(polygon, WIDTH, HEIGHT), filled_polygon(other, WIDTH, HEIGHT))


@FUZZ
@given(st.lists(PIXELS, min_size=3, max_size=8))
def test_pixels_off_the_outline_are_inside_by_even_and_odd(corners: list[tuple[int, int]]):
    """Counted anew, pixel by pixel: the sides that a ray to the left crosses."""
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    outline = np.zeros((HEIGHT, WIDTH), bool)
    for side in sides:
        columns, rows = line_pixels(*side)
        outline[rows, columns] = True
    filled = filled_polygon(np.array(corners, dtype=np.int64), WIDTH, HEIGHT)
    assert filled[outline].all()
    for row, column in np.argwhere(~outline):
        crossed = 0
        for (x0, y0), (x1, y1) in sides:
            if (y0 > row) != (y1 > row):
                crossed += x0 + (row - y0) * (x1 - x0) / (y1 - y0) < column
        assert filled[row, column] == crossed % 2


@pytest.mark.parametrize("corners", [[[-9, -9], [-2, -9], [-2, -1]], [[40, 3], [50, 3], [50, 9]], [[5, 30], [9, 40]]])
def test_what_lies_outside_fills_nothing(corners: list[list[int]]):
    assert not filled_polygon(np.array(corners), WIDTH, HEIGHT).any()


def test_a_picture_within_a_polygon_is_filled():
    assert filled_polygon(np.array([[-70, -70], [99, -60], [90, 95], [-80, 80]]), WIDTH, HEIGHT).all()
