"""Runs of one scene side by side: their figures, and what was won and lost phrase by phrase."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langfield.evaluation.phrase_results import PhraseResult
from langfield.reports.run_facts import RunFacts, number, taken

# mIoUs that differ by less are a tie.
_IOU_TIE = 0.02

Better = Literal["higher", "lower"] | None


@dataclass(frozen=True, eq=False)
class Entry:
    """One of the runs.

    Attributes:
        evaluation: as `Report.to_json` gives it; empty if nothing could be measured.
        phrases: the same ones, in the same order, for every run.
    """

    facts: RunFacts
    evaluation: Mapping[str, Any]
    phrases: Sequence[PhraseResult]


@dataclass(frozen=True)
class Figure:
    """One figure of every run, None where it was not measured.

    Attributes:
        better: which way is better; None if that is no matter of better or worse.
    """

    name: str
    values: tuple[float | None, ...]
    form: str
    better: Better

    @property
    def best(self) -> float | None:
        """The best of at least two values that differ; None otherwise."""
        given = {value for value in self.values if value is not None}
        if self.better is None or len(given) < 2:
            return None
        return max(given) if self.better == "higher" else min(given)

    def texts(self) -> list[str]:
        return ["-" if value is None else f"{value:{self.form}}" for value in self.values]


def figures(entries: Sequence[Entry]) -> list[Figure]:
    """The figures that at least one run has."""
    of_evaluation: list[tuple[str, str, str, Better]] = [
        ("PSNR, dB", "psnr", ".2f", "higher"),
        ("SSIM", "ssim", ".4f", "higher"),
        ("LPIPS", "lpips", ".4f", "lower"),
        ("mIoU", "miou", ".4f", "higher"),
        ("presence AUROC", "presence.auroc", ".4f", "higher"),
        ("presence accuracy", "presence.accuracy", ".4f", "higher"),
    ]
    of_training: list[tuple[str, str, str, Better]] = [
        ("training, seconds", "seconds", ".1f", "lower"),
        ("training, memory in MiB", "memory_bytes", ",.0f", "lower"),
        ("training, steps", "steps", ",.0f", None),
    ]
    made = [
        Figure(name, tuple(number(taken(entry.evaluation, path)) for entry in entries), form, better)
        for name, path, form, better in of_evaluation
    ]
    made.insert(3, Figure("localisation", tuple(_localisation(entry) for entry in entries), ".4f", "higher"))
    for name, path, form, better in of_training:
        values = [number(taken(entry.facts.metrics, path)) for entry in entries]
        if path == "memory_bytes":
            values = [None if value is None else value / 2**20 for value in values]
        made.append(Figure(name, tuple(values), form, better))
    on_disk = tuple(entry.facts.bytes_on_disk / 2**20 for entry in entries)
    made.append(Figure("on disk, MiB", on_disk, ",.1f", "lower"))
    return [figure for figure in made if any(value is not None for value in figure.values)]


def _localisation(entry: Entry) -> float | None:
    hits, total = (number(taken(entry.evaluation, f"localisation.headline.{key}")) for key in ("hits", "total"))
    return hits / total if hits is not None and total else None


@dataclass(frozen=True)
class Tally:
    """How often a run was better than, as good as, and worse than the first one, phrase by phrase."""

    better: int
    same: int
    worse: int


Measure = Literal["presence", "hits", "miou"]
MEASURES: dict[Measure, str] = {
    "presence": "said rightly whether it is there",
    "hits": "answers in a box",
    "miou": f"mIoU (less than {_IOU_TIE} apart is the same)",
}


def merit(result: PhraseResult, measure: Measure) -> float | None:
    """How good a phrase's result is by one measure, higher is better; None if that was not measured."""
    if measure == "presence":
        return None if result.right is None else float(result.right)
    return result.hit_share if measure == "hits" else result.miou


def tallies(entries: Sequence[Entry]) -> list[dict[Measure, Tally]]:
    """For each run but the first: by each measure, its phrases against the first run's."""
    return [{measure: _tally(entries[0], entry, measure) for measure in MEASURES} for entry in entries[1:]]


def _tally(first: Entry, other: Entry, measure: Measure) -> Tally:
    slack = _IOU_TIE if measure == "miou" else 0.0
    gains = []
    for before, after in zip(first.phrases, other.phrases, strict=True):
        old, new = merit(before, measure), merit(after, measure)
        if old is not None and new is not None:
            gains.append(new - old)
    better, worse = sum(gain > slack for gain in gains), sum(gain < -slack for gain in gains)
    return Tally(better, len(gains) - better - worse, worse)


def most_different(entries: Sequence[Entry]) -> list[int]:
    """The places of all phrases, those first in which the runs differ most.

    By how far apart they are about presence, then in their share of hits, their mIoU, and presence's evidence.
    """

    def spread(values: Sequence[float | None]) -> float:
        given = [value for value in values if value is not None]
        return max(given) - min(given) if given else 0.0

    def key(place: int) -> tuple[float, ...]:
        results = [entry.phrases[place] for entry in entries]
        by_measure = [spread([merit(result, measure) for result in results]) for measure in MEASURES]
        return (*by_measure, spread([result.answer.presence for result in results]))

    return sorted(range(len(entries[0].phrases)), key=key, reverse=True)
