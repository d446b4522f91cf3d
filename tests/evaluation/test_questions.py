"""Means and standard errors by hand."""

import math

import numpy as np
import pytest

from langfield.evaluation.questions import HitCounts, Question
from langfield.evaluation.statistics import bootstrap_error, figures, finite, mean, standard_error, summary


def asked(phrase: str, kind: str, view: str | None, **values: float | None) -> Question:
    return Question(phrase, kind, view, values)


QUESTIONS = [
    asked("mug", "object", "a", hit=1.0, iou=0.5),
    asked("mug", "object", "b", hit=0.0, iou=0.1),
    asked("red", "attribute", "a", hit=1.0, iou=None),
    asked("food", "abstract", "a", hit=0.0, iou=0.9),
]


def test_counts_leave_the_background_out_of_all():
    counts = HitCounts()
    for kind, hit in (("object", True), ("object", False), ("background", True), ("abstract", True)):
        counts.add(kind, hit)
    assert counts.to_json() == {
        "abstract": {"hits": 1, "total": 1},
        "background": {"hits": 1, "total": 1},
        "object": {"hits": 1, "total": 2},
        "all": {"hits": 2, "total": 3},
        "headline": {"hits": 1, "total": 2},
    }


def test_questions_that_do_not_tell_are_not_counted():
    counts = HitCounts.of_questions(QUESTIONS, "iou")
    assert counts.total == {"object": 2, "abstract": 1}
    assert HitCounts.of_questions(QUESTIONS, "hit").of(["object", "attribute"]) == {"hits": 2, "total": 3}


def test_means_by_hand():
    found = figures(QUESTIONS, seed=0)
    assert set(found) == {"hit", "iou"}
    hit = found["hit"]
    assert hit["micro"] == pytest.approx(2 / 3)
    assert hit["macro_phrase"] == pytest.approx((1 / 2 + 1) / 2)
    assert hit["macro_view"] == pytest.approx((2 / 2 + 0) / 2)
    assert hit["macro_kind"] == pytest.approx((1 / 2 + 1) / 2)
    assert (hit["count"], hit["phrases"], hit["views"]) == (3, 2, 2)
    assert found["iou"]["micro"] == pytest.approx(0.3)
    assert found["iou"]["count"] == 2


def test_the_error_of_questions_without_views_is_that_of_a_share():
    questions = [asked(f"p{i}", "object", None, right=float(i < 3)) for i in range(10)]
    assert summary(questions, "right", seed=0)["standard_error"] == pytest.approx(math.sqrt(0.3 * 0.7 / 10))
    assert summary(questions[:1], "right", seed=0)["standard_error"] is None
    assert standard_error([2.0, 4.0]) == pytest.approx(1 / math.sqrt(2))


def test_the_error_of_views_is_that_of_drawing_them_anew():
    sums, counts = np.array([3.0, 1.0, 0.0, 6.0]), np.array([4, 2, 3, 6])
    rng, drawn = np.random.default_rng(5), []
    for chosen in rng.integers(0, 4, (1000, 4)):
        drawn.append(sum(sums[i] for i in chosen) / sum(counts[i] for i in chosen))
    assert bootstrap_error(sums, counts, seed=5) == pytest.approx(np.std(drawn, ddof=1))
    assert bootstrap_error(sums, counts, seed=5) != bootstrap_error(sums, counts, seed=6)
    views = [asked("p", "object", view, hit=value) for view in "ab" for value in (0.0, 1.0)]
    assert summary(views, "hit", seed=5)["standard_error"] == 0  # the views are alike, though their questions are not


def test_what_was_not_measured_has_no_mean():
    assert mean([]) is mean([None]) is mean([math.inf, 1.0]) is finite(math.nan) is None
    assert mean([1.0, None, 2.0]) == 1.5
    empty = summary([], "hit", seed=0)
    assert empty["micro"] is empty["standard_error"] is empty["macro_view"] is None
    assert empty["count"] == 0
