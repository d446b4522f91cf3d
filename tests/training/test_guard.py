"""Counting on the device: bad steps in all and in a row, and means of the good ones."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.training.guard import Meter, NanGuard

NUMBERS = st.sampled_from([1.0, -3.5, float("nan"), float("inf"), -float("inf")])


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20))
def test_bad_steps_are_those_with_anything_not_finite(steps):
    guard = NanGuard(torch.device("cpu"))
    total = in_a_row = 0
    for loss, gradient in steps:
        bad = not (math.isfinite(loss) and math.isfinite(gradient))
        total, in_a_row = total + bad, (in_a_row + 1) * bad
        found = guard.check(torch.tensor(loss), [torch.ones(3), torch.tensor([0.0, gradient])])
        assert bool(found) == bad
    assert (int(guard.total), int(guard.in_a_row)) == (total, in_a_row)


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9) | st.none(), st.booleans()), max_size=20))
def test_means_are_of_the_good_steps_that_had_the_figure(steps):
    meter = Meter()
    for a, b, bad in steps:
        figures = {"a": torch.tensor(float("nan") if bad else a)} | ({} if b is None else {"b": torch.tensor(b)})
        meter.add(figures, torch.tensor(bad))
    good = [(a, b) for a, b, bad in steps if not bad]
    columns = {"a": [a for a, _ in good], "b": [b for _, b in good if b is not None]}
    expected = {name: sum(column) / len(column) for name, column in columns.items() if column}
    assert meter.read() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert meter.read() == {}


def test_a_squared_error_becomes_psnr():
    meter = Meter()
    meter.add({"rgb": torch.tensor(1.0), "_mse": torch.tensor(0.001)}, torch.tensor(False))
    assert meter.read() == pytest.approx({"rgb": 1.0, "psnr": 30.0})
    meter.add({"_mse": torch.tensor(0.001), "_psnr": torch.tensor(29.0)}, torch.tensor(False))
    assert meter.read() == pytest.approx({"mse": 0.001, "psnr": 29.0})
