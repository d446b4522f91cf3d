"""Filling polygons exactly as OpenCV's `fillPoly` does (connectivity 8), by which LERF-OVS's masks are defined.

A polygon's pixels are its outline and its inside. The outline is closed; each side is drawn by Bresenham's algorithm
from its left end to its right one, of what is left of it when its ends were clipped to the picture and cut to whole
pixels. The inside is where scan lines through the middles of pixel rows have crossed an odd number of sides; a side's
crossings are counted in 1/65536 px, each step from row to row cut to that.
"""

import numpy as np
from jaxtyping import Bool, Int64

_FRACTION_BITS = 16
_ALMOST_ONE = (1 << _FRACTION_BITS) - 1

Pixel = tuple[int, int]  # column, row


def filled_polygon(corners: Int64[np.ndarray, "k 2"], width_px: int, height_px: int) -> Bool[np.ndarray, "h w"]:
    """The pixels of a polygon in a picture.

    Args: corners: column and row of K ≥ 1 pixels, which may lie outside; the last is joined to the first.
    """
    mask = np.zeros((height_px, width_px), dtype=bool)
    crossings = []
    points = [(int(column), int(row)) for column, row in corners]
    for start, end in zip([points[-1], *points[:-1]], points, strict=True):
        clipped_start, clipped_end, visible = _clipped(start, end, width_px, height_px)
        if visible:
            columns, rows = line_pixels(clipped_start, clipped_end)
            mask[rows, columns] = True
        if start[1] == end[1]:
            continue
        drawn = clipped_start, clipped_end
        if clipped_start[1] == clipped_end[1]:  # no slope is left of it: the rows of the whole side
            drawn = (clipped_start[0], start[1]), (clipped_end[0], end[1])
        crossings.append(_crossings((start[1], end[1]), drawn, height_px))
    if crossings:
        _fill_between(mask, np.concatenate(crossings, axis=1))
    return mask


def line_pixels(start: Pixel, end: Pixel) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Columns and rows of the pixels of a line, both ends included (Bresenham 1965): one pixel in each step along the
    longer way, the nearest one across it; of two that are equally near the one nearer to the left end."""
    (x0, y0), (x1, y1) = sorted((start, end), key=lambda pixel: pixel[0])
    across, down = x1 - x0, abs(y1 - y0)
    sign, length = (1 if y1 >= y0 else -1), max(across, down)
    steps = np.arange(length + 1, dtype=np.int64)
    if length == 0:
        return x0 + steps, y0 + steps
    aside = (2 * min(across, down) * steps + length - 1) // (2 * length)  # nearest whole number, halves down
    return (x0 + steps, y0 + sign * aside) if across >= down else (x0 + aside, y0 + sign * steps)


def _clipped(start: Pixel, end: Pixel, width_px: int, height_px: int) -> tuple[Pixel, Pixel, bool]:
    """A line's ends brought into the picture and cut to whole pixels (Cohen and Sutherland: rows first, then columns),
    and whether any of it lies there. What lies outside on one side is left where it is."""
    (x0, y0), (x1, y1) = start, end
    right, bottom = width_px - 1, height_px - 1

    def beyond(value: int, last: int) -> int:
        return -1 if value < 0 else int(value > last)

    def outside_together() -> bool:
        return 0 != beyond(x0, right) == beyond(x1, right) or 0 != beyond(y0, bottom) == beyond(y1, bottom)

    if outside_together():
        return (x0, y0), (x1, y1), False
    if side := beyond(y0, bottom):
        border = 0 if side < 0 else bottom
        x0, y0 = x0 + int((border - y0) * (x1 - x0) / (y1 - y0)), border
    if side := beyond(y1, bottom):
        border = 0 if side < 0 else bottom
        x1, y1 = x1 + int((border - y1) * (x1 - x0) / (y1 - y0)), border
    if outside_together():
        return (x0, y0), (x1, y1), False
    if side := beyond(x0, right):
        border = 0 if side < 0 else right
        x0, y0 = border, y0 + int((border - x0) * (y1 - y0) / (x1 - x0))
    if side := beyond(x1, right):
        border = 0 if side < 0 else right
        x1, y1 = border, y1 + int((border - x1) * (y1 - y0) / (x1 - x0))
    return (x0, y0), (x1, y1), True


def _crossings(rows: tuple[int, int], drawn: tuple[Pixel, Pixel], height_px: int) -> Int64[np.ndarray, "2 n"]:
    """Where a side crosses the picture's rows: row, and column in 1/65536 px.

    Args:
        rows: of the side's ends; the lower one, where the next side begins, is not crossed.
        drawn: two pixels in different rows that say how it runs.
    """
    (x0, y0), (x1, y1) = drawn
    run, rise = (x1 - x0) << _FRACTION_BITS, y1 - y0
    step = abs(run) // abs(rise) * (1 if (run >= 0) == (rise > 0) else -1)
    row = np.arange(max(min(rows), 0), min(max(rows), height_px), dtype=np.int64)
    x, y = (x0, y0) if rows[0] < rows[1] else (x1, y1)
    return np.stack([row, (x << _FRACTION_BITS) + (row - y) * step])


def _fill_between(mask: Bool[np.ndarray, "h w"], crossings: Int64[np.ndarray, "2 n"]) -> None:
    """Make true the pixels between the first and the second crossing of each row, the third and the fourth, …"""
    row, x = crossings[:, np.lexsort(crossings[::-1])]
    width = mask.shape[1]
    first = (x[::2] + _ALMOST_ONE) >> _FRACTION_BITS
    behind = (x[1::2] >> _FRACTION_BITS) + 1
    starts, ends = np.zeros((2, mask.shape[0], width + 1), dtype=np.int64)
    some = behind > first
    np.add.at(starts, (row[::2][some], first[some].clip(0, width)), 1)
    np.add.at(ends, (row[::2][some], behind[some].clip(0, width)), 1)
    mask |= (starts - ends).cumsum(axis=1)[:, :-1] > 0
