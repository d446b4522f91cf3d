"""What questions came to, and what they say together: hits, means, and how sure they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from langfield.evaluation.labels.base import BACKGROUND
from langfield.evaluation.protocols.names import HEADLINE_KINDS

RESAMPLES = 1000


@dataclass(frozen=True)
class Question:
    """One phrase asked once.

    Attributes:
        view: in which view; None where the whole scene was asked.
        values: figures by name (a hit is 1.0, a miss 0.0); None for what this question cannot tell.
        notes: what is told of it but never averaged.
    """

    phrase: str
    kind: str
    view: str | None
    values: Mapping[str, float | None]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """One entry of `questions`."""
        return {"view": self.view, "phrase": self.phrase, "kind": self.kind, **self.values, **self.notes}


@dataclass
class Tally:
    """Hits among questions, by kind of phrase."""

    hits: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_questions(cls, questions: Iterable[Question], name: str) -> "Tally":
        """Of the questions that tell `name`: those where it is not 0 are hits."""
        tally = cls()
        for question in questions:
            value = question.values.get(name)
            if value is not None:
                tally.add(question.kind, value > 0)
        return tally

    def add(self, kind: str, hit: bool) -> None:
        self.hits[kind] = self.hits.get(kind, 0) + int(hit)
        self.total[kind] = self.total.get(kind, 0) + 1

    def of(self, kinds: Sequence[str]) -> dict[str, int]:
        """The sums over some kinds."""
        return {
            "hits": sum(self.hits.get(kind, 0) for kind in kinds),
            "total": sum(self.total.get(kind, 0) for kind in kinds),
        }

    def to_json(self) -> dict[str, dict[str, int]]:
        """Each kind, "all" (what has no edges to hit, the background, is left out of it), and the "headline" kinds."""
        kinds = sorted(self.total)
        each = {kind: self.of([kind]) for kind in kinds}
        things = [kind for kind in kinds if kind != BACKGROUND]
        return {**each, "all": self.of(things), "headline": self.of(HEADLINE_KINDS)}


def figures(
    questions: Sequence[Question], seed: int, kinds: Sequence[str] = HEADLINE_KINDS
) -> dict[str, dict[str, Any]]:
    """`summary` of each named value over the questions of some kinds."""
    counted = [question for question in questions if question.kind in kinds]
    names = dict.fromkeys(name for question in counted for name in question.values)
    return {name: summary(counted, name, seed) for name in names}


def summary(questions: Sequence[Question], name: str, seed: int) -> dict[str, Any]:
    """Means of one value, and the standard error of the first of them.

    Returns:
        "micro": the mean over questions. "macro_phrase", "macro_view", "macro_kind": the mean over phrases (views,
        kinds) of their own means. "count", "phrases", "views": over how many. "standard_error" of "micro": by a
        bootstrap over views (`bootstrap_error`) where there are several, for phrases of one view share what is wrong
        with it; else over questions (`standard_error`). What cannot be told is None.
    """
    told = [(question, value) for question in questions if (value := question.values.get(name)) is not None]
    values = [value for _, value in told]
    by_phrase = _grouped((question.phrase, value) for question, value in told)
    by_kind = _grouped((question.kind, value) for question, value in told)
    by_view = _grouped((question.view, value) for question, value in told if question.view is not None)
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
    """Standard error of Σ sums / Σ counts by drawing the V ≥ 2 views anew with replacement (Efron 1979).

    Args:
        sums, counts: of each view, of at least one question.
        seed: the run's; equal seeds draw equal views.
    """
    drawn = np.random.default_rng(seed).integers(0, len(sums), (resamples, len(sums)))
    return float((sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)).std(ddof=1))


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean of independent values: √(variance / n); of a share p that is √(p (1 − p) / n). None below two."""
    return float(np.std(values) / np.sqrt(len(values))) if len(values) > 1 else None


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of what was measured; None if nothing was, or if it is not finite (no JSON)."""
    measured = [value for value in values if value is not None]
    return finite(sum(measured) / len(measured)) if measured else None


def finite(value: float | None) -> float | None:
    """The value, None where it is not finite."""
    return float(value) if value is not None and np.isfinite(value) else None


def _grouped(pairs: Iterable[tuple[str | None, float]]) -> dict[str | None, list[float]]:
    groups: dict[str | None, list[float]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _mean_of_means(groups: Mapping[str | None, Sequence[float]]) -> float | None:
    return mean([sum(group) / len(group) for group in groups.values()])
