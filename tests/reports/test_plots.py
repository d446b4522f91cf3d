"""Charts: laws of ticks and axes, and where points land, computed by hand."""

import itertools
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from langfield.evaluation.protocols.presence import reliability
from langfield.reports.plots import (
    MAX_SERIES,
    Axis,
    Series,
    axis_of,
    line_chart,
    log_ticks,
    nice_ticks,
    reliability_chart,
    share_bar,
    strip_chart,
    tick_label,
)

NAN = float("nan")
finite = st.floats(-1e6, 1e6)
lengths = st.floats(-6, 6).map(lambda exponent: 10**exponent)


def mantissa(step: float) -> float:
    return step / 10 ** math.floor(math.log10(step) + 1e-9)


@given(finite, lengths, st.integers(6, 12))
def test_ticks_are_round_evenly_spaced_within_and_neither_too_few_nor_too_many(low: float, length: float, most: int):
    high = low + length
    length = high - low  # as far as floats can tell them apart
    if length < 1e-7 * max(abs(low), abs(high)):
        return
    ticks = nice_ticks(low, high, most)
    assert 2 <= len(ticks) <= most
    assert low - 1e-6 * length <= ticks[0] < ticks[-1] <= high + 1e-6 * length
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-3)
    assert min(abs(mantissa(steps[0]) - wanted) for wanted in (1, 2, 5, 10)) < 1e-2 * mantissa(steps[0])
    # None is left out at either end.
    assert ticks[0] - steps[0] < low + 1e-6 * length
    assert ticks[-1] + steps[0] > high - 1e-6 * length


def test_ticks_by_hand():
    assert nice_ticks(0, 700) == (0, 200, 400, 600)
    assert nice_ticks(0, 700, 8) == (0, 100, 200, 300, 400, 500, 600, 700)
    assert nice_ticks(0.0, 1.0) == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert nice_ticks(-0.03, 0.07) == (-0.02, 0.0, 0.02, 0.04, 0.06)
    assert log_ticks(0.004, 1.5) == (0.01, 0.1, 1.0)
    assert log_ticks(1.5, 60) == (2, 5, 10, 20, 50)
    assert log_ticks(5.1, 6.1) == nice_ticks(5.1, 6.1)
    assert log_ticks(1e-12, 1e3) == (1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1000.0)


@given(st.floats(-9, 9), st.floats(0.001, 12))
def test_log_ticks_rise_within_and_are_few(exponent: float, decades: float):
    low, high = 10**exponent, 10 ** (exponent + decades)
    ticks = log_ticks(low, high)
    assert 1 < len(ticks) <= 6
    assert list(ticks) == sorted(set(ticks))
    assert low * (1 - 1e-6) <= ticks[0]
    assert ticks[-1] <= high * (1 + 1e-6)


@given(st.lists(finite, min_size=1, max_size=20))
@example([0.0, 5e-324])
def test_an_axis_holds_its_values_in_order(values: list[float]):
    axis = axis_of(values, margin=0.05)
    assert axis.low < axis.high
    assert axis.share(axis.low) == 0
    assert axis.share(axis.high) == 1
    shares = [axis.share(value) for value in sorted(values)]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_a_logarithmic_axis_has_its_middle_at_the_geometric_mean():
    axis = axis_of([0.01, 100.0], log=True)
    assert axis.share(1.0) == pytest.approx(0.5)
    assert axis_of([3.0], log=True).share(3.0) == pytest.approx(0.5)


@given(finite, lengths)
def test_labels_of_different_ticks_differ(low: float, length: float):
    high = low + length
    if high - low < 1e-4 * max(abs(low), abs(high)):
        return
    ticks = nice_ticks(low, high)
    assert len({tick_label(tick, ticks) for tick in ticks}) == len(ticks)


def test_labels_have_the_digits_that_tell_neighbours_apart():
    assert [tick_label(t, (0.0, 0.2, 0.4)) for t in (0.0, 0.2, 0.4)] == ["0.0", "0.2", "0.4"]
    assert [tick_label(t, (0, 10_000, 20_000)) for t in (0, 10_000)] == ["0", "10,000"]
    assert [tick_label(t, (0.01, 0.1, 1)) for t in (0.01, 0.1, 1)] == ["0.01", "0.1", "1"]


def polylines(chart: str) -> list[list[tuple[float, float]]]:
    lines = [e.get("points", "") for e in ElementTree.fromstring(chart).iter("polyline")]
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in lines]


def test_points_land_where_the_axes_say():
    chart = line_chart([Series("a", (0.0, 50.0, 100.0), (0.0, 1.0, 2.0))], title="t", x_label="x", y_label="y")
    assert chart is not None
    (line,) = polylines(chart)
    # x from 62 to 624; y from 216 up to 12, with 4 % of the range, 0.08, left empty above and below.
    assert line == [(62.0, 208.4), (343.0, 114.0), (624.0, 19.6)]


def test_what_is_not_finite_or_has_no_logarithm_leaves_a_gap():
    series = Series("a", tuple(map(float, range(7))), (1.0, 2.0, NAN, 3.0, -1.0, 4.0, 5.0))
    plain = line_chart([series], title="t", x_label="x", y_label="y")
    logarithmic = line_chart([series], title="t", x_label="x", y_label="y", log_y=True)
    assert plain is not None
    assert logarithmic is not None
    assert [len(line) for line in polylines(plain)] == [2, 4]
    assert [len(line) for line in polylines(logarithmic)] == [2, 2]
    assert "<circle" in logarithmic  # the lonely point
    assert line_chart([Series("a", (1.0,), (NAN,))], title="t", x_label="x", y_label="y") is None
    assert line_chart([], title="t", x_label="x", y_label="y") is None


def test_long_curves_keep_their_ends_and_are_thinned():
    x = tuple(map(float, range(100_000)))
    chart = line_chart([Series("a", x, x)], title="t", x_label="x", y_label="y")
    assert chart is not None
    (line,) = polylines(chart)
    assert len(line) <= 501
    assert (line[0][0], line[-1][0]) == (62.0, 624.0)
    assert len(chart) < 20_000


def test_several_curves_have_a_legend_and_names_are_escaped():
    many = [Series(f"<b>{i}", (0.0, 1.0), (float(i), 1.0)) for i in range(MAX_SERIES + 1)]
    chart = line_chart(many, title='"><script>', x_label="x", y_label="y")
    assert chart is not None
    root = ElementTree.fromstring(chart)
    items = list(root.iter("li"))
    assert [(item.text, item.get("class")) for item in items] == [(f"<b>{i}", f"s{i}") for i in range(MAX_SERIES)]
    svg = root.find("svg")
    assert svg is not None
    assert svg.get("aria-label") == svg.findtext("title") == '"><script>'
    assert svg.get("role") == "img"


def test_a_bar_is_cut_in_proportion():
    bar = share_bar([("a", 1.0), ("b", 0.0), ("c", 3.0)], title="t")
    assert bar is not None
    rects = list(ElementTree.fromstring(bar).iter("rect"))
    assert [(float(r.get("x", "")), float(r.get("width", ""))) for r in rects] == [(0, 160), (160, 0), (160, 480)]
    half = share_bar([("a", 1.0)], title="t", full=2.0)
    assert half is not None
    assert 'width="320"' in half
    assert share_bar([("a", 0.0)], title="t") is None
    assert share_bar([], title="t") is None


def test_dots_lie_at_their_values_in_their_row():
    chart = strip_chart([("there", [("mug", 1.0), ("cup", 0.0)]), ("not there", [("<x>", 0.5)])], title="t")
    dots = list(ElementTree.fromstring(chart).iter("circle"))
    assert [float(dot.get("cx", "")) for dot in dots] == [624, 92, 358]
    assert [dot.findtext("title") for dot in dots] == ["mug: 1.00", "cup: 0.00", "<x>: 0.50"]
    rows = [float(dot.get("cy", "")) // 54 for dot in dots]
    assert rows == [0, 0, 1]


def test_reliability_has_a_dot_for_each_bin_that_is_not_empty_at_its_presence_and_share():
    bins = reliability(np.array([0.05, 0.15, 0.15, 0.95]), np.array([False, False, True, True]))
    chart = ElementTree.fromstring(reliability_chart(bins, title="t"))
    dots = [[float(dot.get(name, "")) for name in ("cx", "cy")] for dot in chart.iter("circle")]
    left, width, top, height = 62, 562, 12, 204
    expected = [(0.05, 0.0), (0.15, 0.5), (0.95, 1.0)]
    np.testing.assert_allclose(dots, [(left + width * x, top + height * (1 - y)) for x, y in expected])
    said = [dot.findtext("title") for dot in chart.iter("circle")]
    assert said[1] == "presence 0.15: 50% of 2 are there"
    bars = {float(line.get("x1", "")): line for line in chart.iter("line") if line.get("class") == "axis"}
    middle = bars[dots[1][0]]
    assert float(middle.get("y1", "")) < dots[1][1] < float(middle.get("y2", ""))


def test_an_axis_is_what_it_says():
    assert Axis(2.0, 4.0, (2.0, 3.0, 4.0)).share(3.0) == 0.5
