"""Presence by hand: right at one half, reliability, calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.evaluation.labels.base import Phrase
from langfield.evaluation.protocols.presence import calibration_error, presence_figures, presence_question, reliability


def questions(present: list[float], absent: list[float]):
    told = [presence_question(Phrase(f"p{i}", "object"), value) for i, value in enumerate(present)]
    return told + [presence_question(Phrase(f"a{i}", "absent"), value) for i, value in enumerate(absent)]


def test_presence_is_decided_at_one_half():
    figures = presence_figures(questions([0.9, 0.5], [0.5, 0.6]))
    assert figures["present"] == {
        "right": 1, "total": 2, "accuracy": 0.5, "standard_error": pytest.approx((0.25 / 2) ** 0.5)
    }  # fmt: skip
    assert (figures["absent"]["right"], figures["absent"]["total"]) == (1, 2)
    assert figures["accuracy"] == figures["balanced_accuracy"] == 0.5
    assert figures["auroc"] == (1 + 1 + 0.5 + 0) / 4
    assert figures["auroc_standard_error"] is not None


def test_absent_phrases_weigh_as_much_as_present_ones_in_the_balanced_accuracy():
    figures = presence_figures(questions([0.9] * 9, [0.9]))
    assert figures["accuracy"] == 0.9
    assert figures["balanced_accuracy"] == 0.5


def test_without_questions_there_is_nothing_to_tell():
    figures = presence_figures([])
    unknown = ("auroc", "auroc_standard_error", "accuracy", "balanced_accuracy", "calibration_error")
    assert all(figures[name] is None for name in unknown)
    assert figures["present"] == {"right": 0, "total": 0, "accuracy": None, "standard_error": None}


def test_a_reliability_curve_by_hand():
    evidence = np.array([0.0, 0.05, 0.1, 0.95, 1.0])
    truth = np.array([False, True, True, True, True])
    bins = reliability(evidence, truth)
    assert [entry["count"] for entry in bins] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert bins[0]["presence"] == pytest.approx(0.025)
    assert bins[0]["share_present"] == 0.5
    assert bins[0]["standard_error"] == pytest.approx((0.25 / 2) ** 0.5)
    assert bins[1]["standard_error"] is None
    assert bins[2]["presence"] is bins[2]["share_present"] is None
    assert bins[9]["presence"] == pytest.approx(0.975)
    assert calibration_error(bins) == pytest.approx((2 * 0.475 + 1 * 0.9 + 2 * 0.025) / 5)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20))
def test_every_question_is_in_the_one_bin_that_holds_it(pairs: list[tuple[float, bool]]):
    evidence, truth = np.array([value for value, _ in pairs]), np.array([there for _, there in pairs])
    bins = reliability(evidence, truth)
    for entry in bins:
        inside = [
            there for value, there in pairs if entry["low"] <= value < entry["high"] or value == entry["high"] == 1
        ]
        assert entry["count"] == len(inside)
        assert entry["share_present"] == (pytest.approx(sum(inside) / len(inside)) if inside else None)
    error = calibration_error(bins)
    assert error is not None
    assert 0 <= error <= 1
