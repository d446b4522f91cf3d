"""Means over questions, and their standard errors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.evaluation.questions import Question

RESAMPLES = 1000


def figures(
    questions: Sequence[Question], seed: int, kinds: Sequence[str] = HEADLINE_KINDS
) -> dict[str, dict[str, Any]]:
    """`summary` of every value that the questions of some kinds have, by its name."""
    chosen = [question for question in questions if question.kind in kinds]
    names = dict.fromkeys(name for question in chosen for name in question.values)
    return {name: summary(chosen, name, seed) for name in names}


def summary(questions: Sequence[Question], name: str, seed: int) -> dict[str, Any]:
    """Means of one value over the questions that have it, and how sure the first of them is.

    Returns:
        "micro": the mean over questions. "macro_phrase", "macro_view", "macro_kind": the mean over phrases (views,
        kinds) of their own means. "count", "phrases", "views": over how many. "standard_error" of "micro": by a
        bootstrap over views (`bootstrap_error`) where there are several, because questions of one view share its
        errors; else over questions (`standard_error`). None for what there are too few questions for.
    """
    measured = [(question, value) for question in questions if (value := question.values.get(name)) is not None]
    values = [value for _, value in measured]
    by_phrase = _grouped((question.phrase, value) for question, value in measured)
    by_kind = _grouped((question.kind, value) for question, value in measured)
    by_view = _grouped((question.view, value) for question, value in measured if question.view is not None)
    if len(by_view) > 1:
        sums = np.array([sum(group) for group in by_view.values()], dtype=np.float64)
        error = bootstrap_error(sums, np.array([len(group) for group in by_view.values()], dtype=np.int64), seed)
    else:
        error = standard_error(values)
    return {
        "micro": mean(values),
        "macro_phrase": _mean_of_means(by_phrase),
        "macro_view": _mean_of_means(by_view),
        "macro_kind": _mean_of_means(by_kind),
        "standard_error": error,
        "count": len(values),
        "phrases": len(by_phrase),
        "views": len(by_view),
    }


def bootstrap_error(
    sums: Float64[np.ndarray, " v"], counts: Int64[np.ndarray, " v"], seed: int, resamples: int = RESAMPLES
) -> float:
    """Standard error of Σ sums / Σ counts, by drawing the V ≥ 2 views again with replacement (Efron 1979).

    Args:
        sums, counts: sum of the values and number of the questions of each view; counts are at least 1.
        seed: the run's; equal seeds draw equal views.
    """
    drawn = np.random.default_rng(seed).integers(0, len(sums), (resamples, len(sums)))
    return float((sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)).std(ddof=1))


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean of n independent values: √(variance / n); of a share p that is √(p (1 − p) / n). None if n < 2."""
    return float(np.std(values) / np.sqrt(len(values))) if len(values) > 1 else None


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what was measured; None if nothing was, or if it is not finite (no JSON)."""
    measured = [value for value in values if value is not None]
    return finite(sum(measured) / len(measured)) if measured else None


def finite(value: float | None) -> float | None:
    """The value; None where it is not finite."""
    return float(value) if value is not None and np.isfinite(value) else None


def _grouped(pairs: Iterable[tuple[str | None, float]]) -> dict[str | None, list[float]]:
    groups: dict[str | None, list[float]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _mean_of_means(groups: Mapping[str | None, Sequence[float]]) -> float | None:
    return mean([sum(group) / len(group) for group in groups.values()])
