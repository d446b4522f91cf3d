"""Small charts as SVG: curves with axes, a bar of shares, dots on a line. Pure functions of numbers.

Colours, fonts and dashes come from the page's style sheet (`page_parts`) by class, so that they follow light and dark.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langfield.core.sampling import every_nth_to_fit
from langfield.reports.markup import Markup, joined, tag

MAX_SERIES = 6  # as many as the style sheet has colours and dashes for
_MAX_POINTS = 500
_WIDTH, _HEIGHT = 640.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 16.0, 12.0, 44.0
_STRIP_HEIGHT, _DOT = 54.0, 4.0


@dataclass(frozen=True)
class Series:
    """A curve of as many x as y; values that are not finite leave a gap."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


_MIN_SPREAD = 1e-290  # below that, steps between ticks are no numbers of full precision


@dataclass(frozen=True)
class Axis:
    """How values lie along an axis.

    Attributes:
        low: the value at its beginning, positive if `log`.
        high: the value at its end, above `low`.
        ticks: rising, within [low, high].
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies: 0 at `low`, 1 at `high`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def nice_ticks(low: float, high: float, at_most: int = 6) -> tuple[float, ...]:
    """2 to `at_most` multiples of 1, 2 or 5 times a power of ten within [low, high], as many as fit (`at_most` ≥ 6)."""
    exponent = math.floor(math.log10((high - low) / at_most)) - 1
    while True:
        for mantissa in (1, 2, 5):
            step = mantissa * 10.0**exponent
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first + 1 <= at_most:
                digits = max(0, -exponent)
                return tuple(round(i * step, digits) for i in range(first, last + 1))
        exponent += 1


def log_ticks(low: float, high: float, at_most: int = 6) -> tuple[float, ...]:
    """Powers of ten within [low, high] (positive), each or every few; between them 2 and 5 times as well if that fits.

    Where fewer than two of all those lie there, `nice_ticks`.
    """
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)

    def within(mantissas: Sequence[int]) -> list[float]:
        values = [float(f"{m}e{e}") for e in exponents for m in mantissas]
        return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]

    fine, powers = within((1, 2, 5)), within((1,))
    if 2 <= len(fine) <= at_most:
        return tuple(fine)
    if len(fine) < 2:
        return nice_ticks(low, high, at_most)
    return tuple(every_nth_to_fit(powers if len(powers) >= 2 else fine, at_most))


def axis_of(values: Sequence[float], *, log: bool = False, margin: float = 0.0, at_most: int = 6) -> Axis:
    """An axis that holds all (finite, if `log` positive) values, of which there is at least one.

    Args:
        margin: so much of the axis' length is left empty at each end.
        at_most: so many ticks.
    """
    low, high = min(values), max(values)
    if high - low <= max(1e-9 * max(abs(low), abs(high)), _MIN_SPREAD):  # one value: an axis around it
        low, high = (low / 2, high * 2) if log else (low - max(1.0, abs(low)) / 2, high + max(1.0, abs(high)) / 2)
    if log:
        grow = (high / low) ** margin
        low, high = low / grow, high * grow
        return Axis(low, high, log_ticks(low, high, at_most), log=True)
    low, high = low - margin * (high - low), high + margin * (high - low)
    return Axis(low, high, nice_ticks(low, high, at_most))


def tick_label(value: float, ticks: Sequence[float]) -> str:
    """A tick's value with as many digits as its neighbours need to differ."""
    steps = [abs(b - a) for a, b in itertools.pairwise(ticks)]
    step = min(steps, default=abs(value)) or 1.0
    largest = max((abs(tick) for tick in ticks), default=0.0)
    if largest >= 1e6 or step < 1e-4:
        digits = math.ceil(math.log10(largest / step) + 1e-9) + 1 if largest > 0 else 3
        return f"{value:.{max(3, digits)}g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}" if steps and max(steps) <= 1.01 * step else f"{value:,g}"


def line_chart(
    series: Sequence[Series], *, title: str, x_label: str, y_label: str, log_y: bool = False
) -> Markup | None:
    """Curves over common axes, x from 0 on, with a legend if there are several. None if there is nothing to draw.

    Args:
        title: what is drawn, in words for screen readers.
        log_y: whether the y axis is logarithmic; values that are not positive leave a gap.
    """
    drawn = [(index, _pieces(one, log_y)) for index, one in enumerate(series[:MAX_SERIES])]
    points = [point for _, pieces in drawn for piece in pieces for point in piece]
    if not points:
        return None
    x_axis = axis_of([0.0, *(x for x, _ in points)], at_most=8)
    y_axis = axis_of([y for _, y in points], log=log_y, margin=0.04)
    lines = [_piece(piece, x_axis, y_axis, index) for index, pieces in drawn for piece in pieces]
    svg = tag(
        "svg",
        tag("title", title),
        _axes(x_axis, y_axis, x_label, y_label),
        *lines,
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        aria_label=title,
    )
    names = [series[index].name for index, pieces in drawn if pieces]
    indices = [index for index, pieces in drawn if pieces]
    return tag("div", svg, legend(names, indices) if len(names) > 1 else None, class_="chart")


def legend(names: Sequence[str], indices: Sequence[int] | None = None) -> Markup:
    """A list of names with the colour that each has in a chart; `indices` are their places in it."""
    places = range(len(names)) if indices is None else indices
    items = [tag("li", name, class_=f"s{place % MAX_SERIES}") for name, place in zip(names, places, strict=True)]
    return tag("ul", *items, class_="legend")


def share_bar(parts: Sequence[tuple[str, float]], *, title: str, full: float | None = None) -> Markup | None:
    """A bar cut into parts in proportion to their (not negative) amounts. None if all are 0.

    Args:
        full: the amount that fills the whole width; None is the sum of the parts.
    """
    total = sum(amount for _, amount in parts)
    whole = total if full is None else full
    if not 0 < total <= whole * (1 + 1e-9):
        return None
    bars, left = [], 0.0
    for index, (name, amount) in enumerate(parts):
        width = _WIDTH * amount / whole
        said = tag("title", f"{name}: {amount:.3g}")
        bars.append(tag("rect", said, x=left, y=0, width=width, height=24, class_=f"f{index % MAX_SERIES}"))
        left += width
    return tag(
        "svg",
        tag("title", title),
        *bars,
        viewBox=f"0 0 {_WIDTH:g} 24",
        role="img",
        aria_label=title,
        class_="bar",
        preserveAspectRatio="none",
    )


def strip_chart(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], *, title: str, split: float = 0.5) -> Markup:
    """Named values in [0, 1] as dots, a row for each group, with a line at `split`."""
    height = _STRIP_HEIGHT * len(rows) + 26
    axis = Axis(0.0, 1.0, nice_ticks(0.0, 1.0))
    left, width = 92.0, _WIDTH - 92.0 - _RIGHT
    bottom = _STRIP_HEIGHT * len(rows)
    parts = []
    for tick in axis.ticks:
        x = left + width * axis.share(tick)
        parts.append(tag("line", x1=x, x2=x, y1=0, y2=bottom, class_="grid"))
        parts.append(tag("text", tick_label(tick, axis.ticks), x=x, y=bottom + 18, text_anchor="middle"))
    x = left + width * axis.share(split)
    parts.append(tag("line", x1=x, x2=x, y1=0, y2=bottom, class_="split"))
    for number, (name, values) in enumerate(rows):
        middle = _STRIP_HEIGHT * (number + 0.5)
        parts.append(tag("text", name, x=left - 12, y=middle + 4, text_anchor="end"))
        for place, (what, value) in enumerate(values):
            # Spread over the row's height by the golden ratio: neighbours in the list never lie on each other.
            y = middle + (_STRIP_HEIGHT - 4 * _DOT) * ((place * 0.6180339887) % 1 - 0.5)
            said = tag("title", f"{what}: {value:.2f}")
            parts.append(tag("circle", said, cx=left + width * value, cy=y, r=_DOT, class_=f"f{number}"))
    svg = tag("svg", tag("title", title), *parts, viewBox=f"0 0 {_WIDTH:g} {height:g}", role="img", aria_label=title)
    return tag("div", svg, class_="chart")


def reliability_chart(bins: Sequence[Mapping[str, Any]], *, title: str) -> Markup:
    """The share that is there against presence, a dot with its standard error for each bin that is not empty (see
    `langfield.evaluation.protocols.presence.reliability`) and how many phrases it holds; dots on the broken line are
    calibrated.
    """
    axis = Axis(0.0, 1.0, nice_ticks(0.0, 1.0))
    ends = {"x1": _across(axis, 0), "x2": _across(axis, 1), "y1": _down(axis, 0), "y2": _down(axis, 1)}
    parts = [tag("line", **ends, class_="split")]
    for entry in bins:
        if not entry["count"]:
            continue
        share, error = entry["share_present"], entry["standard_error"] or 0.0
        x, y = _across(axis, entry["presence"]), _down(axis, share)
        high, low = _down(axis, min(share + error, 1.0)), _down(axis, max(share - error, 0.0))
        said = tag("title", f"presence {entry['presence']:.2f}: {share:.0%} of {entry['count']} are there")
        parts.append(tag("line", x1=x, x2=x, y1=high, y2=low, class_="axis"))
        parts.append(tag("circle", said, cx=x, cy=y, r=_DOT, class_="f0"))
        parts.append(tag("text", f"{entry['count']}", x=x + 2 * _DOT, y=y + (-8 if share < 0.5 else 16)))
    axes = _axes(axis, axis, "presence", "share that is there")
    box = f"0 0 {_WIDTH:g} {_HEIGHT:g}"
    svg = tag("svg", tag("title", title), axes, *parts, viewBox=box, role="img", aria_label=title)
    return tag("div", svg, class_="chart half")


def _pieces(series: Series, log_y: bool) -> list[list[tuple[float, float]]]:
    """The curve as lists of points, divided where a value cannot be drawn; of long ones some 500 points."""
    step = -(-len(series.x) // _MAX_POINTS)
    last = len(series.x) - 1
    pieces: list[list[tuple[float, float]]] = [[]]
    for index, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
        if index % max(1, step) and index != last:
            continue
        if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log_y):
            pieces[-1].append((x, y))
        else:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _piece(points: Sequence[tuple[float, float]], x_axis: Axis, y_axis: Axis, index: int) -> Markup:
    places = [(_across(x_axis, x), _down(y_axis, y)) for x, y in points]
    if len(places) == 1:
        return tag("circle", cx=places[0][0], cy=places[0][1], r=3, class_=f"f{index}")
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_=f"line s{index}")


def _across(axis: Axis, value: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * axis.share(value)


def _down(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * axis.share(value)


def _axes(x_axis: Axis, y_axis: Axis, x_label: str, y_label: str) -> Markup:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for tick in y_axis.ticks:
        y = _down(y_axis, tick)
        parts.append(tag("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", tick_label(tick, y_axis.ticks), x=_LEFT - 8, y=y + 4, text_anchor="end"))
    for tick in x_axis.ticks:
        x = _across(x_axis, tick)
        parts.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, class_="axis"))
        parts.append(tag("text", tick_label(tick, x_axis.ticks), x=x, y=bottom + 19, text_anchor="middle"))
    middle = (_TOP + bottom) / 2
    turned = f"rotate(-90 14 {middle:g})"
    return joined(
        *parts,
        tag("line", x1=_LEFT, x2=right, y1=bottom, y2=bottom, class_="axis"),
        tag("line", x1=_LEFT, x2=_LEFT, y1=_TOP, y2=bottom, class_="axis"),
        tag("text", x_label, x=(_LEFT + right) / 2, y=_HEIGHT - 6, text_anchor="middle", class_="label"),
        tag("text", y_label, x=14, y=middle, text_anchor="middle", class_="label", transform=turned),
    )
