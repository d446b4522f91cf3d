"""Runs of one scene side by side: their figures, and which phrases the others answer better or worse than the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langfield.evaluation.phrase_results import PhraseResult
from langfield.reports.run_facts import RunFacts, finite_number, value_at

# mIoUs that differ by less are a tie.
_IOU_TIE = 0.02

Better = Literal["higher", "lower"] | None


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One of the runs.

    Attributes:
        evaluation: as `EvaluationReport.to_json` gives it; empty if nothing could be measured.
        phrases: the same ones, in the same order, for every run.
    """

    facts: RunFacts
    evaluation: Mapping[str, Any]
    phrases: Sequence[PhraseResult]


@dataclass(frozen=True)
class Figure:
    """One figure of every run, None where it was not measured.

    Attributes:
        form: how values are formatted, such as ".2f".
        better: which values are better; None if neither are (training steps, say).
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


def figures(runs: Sequence[ComparedRun]) -> list[Figure]:
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
        ("training, memory in MiB", "memory_bytes", ",.0f", "lower"),
        ("training, steps", "steps", ",.0f", None),
    ]
    made = [
        Figure(name, tuple(finite_number(value_at(run.evaluation, path)) for run in runs), form, better)
        for name, path, form, better in of_evaluation
    ]
    made.insert(3, Figure("localisation", tuple(_localisation(run) for run in runs), ".4f", "higher"))
    seconds = tuple(run.facts.seconds_from_photos() for run in runs)
    made.append(Figure("training, seconds", seconds, ".1f", "lower"))
    for name, path, form, better in of_training:
        values = [finite_number(value_at(run.facts.metrics, path)) for run in runs]
        if path == "memory_bytes":
            values = [None if value is None else value / 2**20 for value in values]
        made.append(Figure(name, tuple(values), form, better))
    on_disk = tuple(run.facts.bytes_on_disk / 2**20 for run in runs)
    made.append(Figure("on disk, MiB", on_disk, ",.1f", "lower"))
    return [figure for figure in made if any(value is not None for value in figure.values)]


def _localisation(run: ComparedRun) -> float | None:
    hits, total = (finite_number(value_at(run.evaluation, f"localisation.headline.{key}")) for key in ("hits", "total"))
    return hits / total if hits is not None and total else None


@dataclass(frozen=True)
class WinsAndLosses:
    """For how many phrases a run's result is better than, as good as, and worse than the first run's."""

    better: int
    same: int
    worse: int


Measure = Literal["presence", "hits", "miou"]
MEASURES: dict[Measure, str] = {
    "presence": "said rightly whether it is there",
    "hits": "answers in a box",
    "miou": f"mIoU (less than {_IOU_TIE} apart is the same)",
}


def value_of(result: PhraseResult, measure: Measure) -> float | None:
    """A phrase's result by one measure, higher is better; None if that was not measured."""
    if measure == "presence":
        return None if result.right is None else float(result.right)
    return result.hit_share if measure == "hits" else result.miou


def wins_and_losses(runs: Sequence[ComparedRun]) -> list[dict[Measure, WinsAndLosses]]:
    """For each run but the first: by each measure, its phrases against the first run's."""
    return [{measure: _wins_and_losses(runs[0], run, measure) for measure in MEASURES} for run in runs[1:]]


def _wins_and_losses(first: ComparedRun, other: ComparedRun, measure: Measure) -> WinsAndLosses:
    slack = _IOU_TIE if measure == "miou" else 0.0
    gains = []
    for before, after in zip(first.phrases, other.phrases, strict=True):
        old, new = value_of(before, measure), value_of(after, measure)
        if old is not None and new is not None:
            gains.append(new - old)
    better, worse = sum(gain > slack for gain in gains), sum(gain < -slack for gain in gains)
    return WinsAndLosses(better, len(gains) - better - worse, worse)


def most_different(runs: Sequence[ComparedRun]) -> list[int]:
    """The indices of all phrases, those first in which the runs differ most.

    By the spread over the runs of: being right about presence, then the share of hits, mIoU, and presence.
    """

    def spread(values: Sequence[float | None]) -> float:
        given = [value for value in values if value is not None]
        return max(given) - min(given) if given else 0.0

    def key(index: int) -> tuple[float, ...]:
        results = [run.phrases[index] for run in runs]
        by_measure = [spread([value_of(result, measure) for result in results]) for measure in MEASURES]
        return (*by_measure, spread([result.answer.presence for result in results]))

    return sorted(range(len(runs[0].phrases)), key=key, reverse=True)
