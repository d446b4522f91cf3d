"""Fewer of many: as many as allowed, in order, spread."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from langfield.core.sampling import every_nth_to_fit, subsample_evenly

lengths = st.integers(0, 400)
limits = st.integers(1, 50)


@given(lengths, limits)
def test_even_samples_are_as_many_as_allowed_with_both_ends_and_steps_alike(length, at_most):
    chosen = subsample_evenly(range(length), at_most)
    assert len(chosen) == min(length, at_most)
    assert all(0 <= item < length for item in chosen)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, length - 1)
        steps = np.diff(chosen)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1


@given(lengths)
def test_no_limit_takes_all(length):
    assert subsample_evenly(range(length), None) == list(range(length))
    assert subsample_evenly(range(length), length) == list(range(length))


def test_even_samples_are_items_not_places():
    assert subsample_evenly("abcdefg", 3) == ["a", "d", "g"]
    assert subsample_evenly("abcdefg", 4) == ["a", "c", "e", "g"]
    assert subsample_evenly("abc", 1) == ["a"]


@given(lengths, limits)
def test_every_nth_is_the_smallest_step_that_fits(length, at_most):
    chosen = every_nth_to_fit(range(length), at_most)
    assert len(chosen) <= at_most
    fitting = [step for step in range(1, length + 1) if len(range(0, length, step)) <= at_most]
    assert chosen == list(range(0, length, fitting[0] if fitting else 1))


def test_every_nth_says_what_its_page_says():
    assert every_nth_to_fit(range(10), 4) == [0, 3, 6, 9]
    assert every_nth_to_fit(range(9), 8) == [0, 2, 4, 6, 8]
    assert every_nth_to_fit([], 3) == []
