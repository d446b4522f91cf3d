"""`langfield compare`: runs of one scene side by side."""

import importlib.metadata
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from langfield.cli.console import Console
from langfield.cli.options import Device, Flag, OptionalInt, OptionalPath, OutputOptions, Texts, flat
from langfield.cli.report import check_page_name, write_page
from langfield.core.errors import UsageError

if TYPE_CHECKING:
    from langfield.evaluation.phrase_results import PhraseResult
    from langfield.pipelines.opening import OpenedToMeasure
    from langfield.reports.comparison import Entry

_MOST_RUNS = 6  # as many curves as a chart has colours and dashes for
_MOST_PHRASES_SHOWN = 12
_VIEWS_SHOWN = 2

Runs = tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN…", help_behavior_hint="")]]


@dataclass(frozen=True, kw_only=True)
class Compare(OutputOptions):
    """Set runs of one scene side by side: figures, settings that differ, what was won and lost phrase by phrase."""

    runs: Runs
    """Two to six run directories. The others are compared with the first."""

    out: OptionalPath = None
    """Also write an HTML page with pictures here."""

    phrase: Texts = ()
    """Phrases to show pictures of, each in quotes. Those in which the runs differ most, if not given. Takes all words
    up to the next option or --, and may be given again."""

    scene: OptionalPath = None
    """The scene they were trained on. Where it was when trained, if not given."""

    allow_outside: Flag = False
    """Also read photos that lie outside the scene's folder."""

    queries: OptionalPath = None
    """Labels, as for `langfield eval`. The scene's queries.json, if not given and there."""

    max_side: OptionalInt = None
    """Ask phrases on a picture no longer than this. 160 on a CPU and the photos' size on a GPU, if not given."""

    device: Device = "auto"
    """auto, cpu, cuda or cuda:N."""

    def run(self, console: Console) -> dict[str, Any]:
        """Measure each run, compare; returns what `--json` prints."""
        self._check()
        from langfield.cli.files import make_folder
        from langfield.reports.comparison import Entry
        from langfield.reports.page_pictures import measure, run_facts
        from langfield.reports.run_facts import differences

        facts = [run_facts(path, name) for path, name in zip(self.runs, names_of(self.runs), strict=True)]
        self._check_scenes([fact.document for fact in facts])
        if self.out is not None:
            make_folder(self.out.parent)
        entries = []
        for path, fact in zip(self.runs, facts, strict=True):
            console.say(f"measuring {fact.name}")
            measured = measure(self._opened(path, console), flat(self.phrase), console.progress)
            entries.append(Entry(fact, measured.evaluation, measured.phrases))
        _print(entries, console)
        documents = [fact.document for fact in facts]
        result = _as_json(self.runs, entries) | {"differences": differences(documents), "page": None}
        if self.out is not None:
            result |= write_page(self.out, self._page(entries, console))
            console.say(f"{self.out}: {result['bytes'] / 2**20:.1f} MB; open it in a browser")
        return result

    def _check(self) -> None:
        """Raise UsageError for options that do not fit together."""
        if not 2 <= len(self.runs) <= _MOST_RUNS:
            raise UsageError(f"2 to {_MOST_RUNS} runs can be compared, got {len(self.runs)}: langfield compare RUN RUN")
        places = [path.resolve() for path in self.runs]
        twice = next((path for path, place in zip(self.runs, places, strict=True) if places.count(place) > 1), None)
        if twice is not None:
            raise UsageError(f"{twice} is given twice: give each run once")
        if any(not phrase.strip() for phrase in flat(self.phrase)):
            raise UsageError("a phrase is empty")
        if self.out is not None:
            check_page_name(self.out)

    def _check_scenes(self, documents: Sequence[Any]) -> None:
        """Raise UsageError unless all runs are of one scene."""
        first = documents[0]["scene"]
        for path, document in zip(self.runs, documents, strict=True):
            scene = document["scene"]
            if scene["fingerprint"] != first["fingerprint"]:
                raise UsageError(
                    f"runs of different scenes cannot be compared: {self.runs[0]} is of {first['path']} "
                    f"({first['fingerprint'][:12]}), {path} of {scene['path']} ({scene['fingerprint'][:12]}); "
                    "give runs of one scene, its photos and poses unchanged"
                )

    def _opened(self, path: Path, console: Console) -> "OpenedToMeasure":
        from langfield.pipelines.opening import open_to_measure

        return open_to_measure(
            path,
            scene=self.scene,
            allow_outside=self.allow_outside,
            queries=self.queries,
            max_side_px=self.max_side,
            device=self.device,
            progress=console.progress,
        )

    def _page(self, entries: "Sequence[Entry]", console: Console) -> str:
        """The page. Each run is opened once more, so that never more than one is in memory."""
        from langfield.core.sampling import subsample_evenly
        from langfield.reports.compare_page import CompareContent, compare_page
        from langfield.reports.page_pictures import (
            MeasuredRun,
            labels_of,
            now,
            phrase_pictures,
            telling_views,
            test_views,
            view_pictures,
        )

        by_run, views_by_run, names = [], [], []
        places = self._shown(entries)
        for path, entry in zip(self.runs, entries, strict=True):
            opened = self._opened(path, console)
            measured = MeasuredRun(opened, dict(entry.evaluation), list(entry.phrases), labels_of(opened))
            if not by_run:  # the first run says in which views all are shown
                names = telling_views(measured, [_worst(entries, place) for place in places])
            wanted = [(entry.phrases[place], name) for place, name in zip(places, names, strict=True)]
            by_run.append(phrase_pictures(measured, wanted, console.progress))
            views_by_run.append(
                view_pictures(measured, subsample_evenly(test_views(opened), _VIEWS_SHOWN), console.progress)
            )
        return compare_page(
            CompareContent(
                entries=entries,
                phrase_pictures=list(zip(*by_run, strict=True)),
                view_pictures=list(zip(*views_by_run, strict=True)),
                package_version=importlib.metadata.version("langfield"),
                made=now(),
            )
        )

    def _shown(self, entries: "Sequence[Entry]") -> list[int]:
        """The places of the phrases to show, no more than a page holds."""
        from langfield.reports.comparison import most_different
        from langfield.reports.page_parts import MOST_PICTURES

        places = most_different(entries)
        asked = flat(self.phrase)
        if asked:
            places = [place for place in places if entries[0].phrases[place].phrase in asked]
        columns = 1 + len(entries)
        return places[: min(_MOST_PHRASES_SHOWN, MOST_PICTURES // columns - _VIEWS_SHOWN)]


def names_of(runs: Sequence[Path]) -> list[str]:
    """What to call runs: their folders' names, with as many folders above as it takes to tell them apart."""
    parts = [path.resolve().parts for path in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = [os.path.join(*place[-depth:]) for place in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in runs]


def _worst(entries: "Sequence[Entry]", place: int) -> "PhraseResult":
    """The run's result for a phrase that did worst in any view; the first run's where none was compared."""
    results = [entry.phrases[place] for entry in entries]
    compared = [(worst.in_box, worst.iou, place) for place, r in enumerate(results) if (worst := r.worst) is not None]
    return results[min(compared)[2]] if compared else results[0]


def _print(entries: "Sequence[Entry]", console: Console) -> None:
    from langfield.reports.comparison import MEASURES, figures, tallies

    names = [entry.facts.name for entry in entries]
    console.table(("figure", *names), [(found.name, *found.texts()) for found in figures(entries)])
    rows = []
    for name, by_measure in zip(names[1:], tallies(entries), strict=True):
        for measure, tally in by_measure.items():
            rows.append((name, MEASURES[measure], str(tally.better), str(tally.same), str(tally.worse)))
    console.table((f"phrases against {names[0]}", "by", "better", "same", "worse"), rows)


def _as_json(runs: Sequence[Path], entries: "Sequence[Entry]") -> dict[str, Any]:
    from langfield.reports.comparison import tallies

    against = [
        {"run": str(path), **{measure: asdict(tally) for measure, tally in by_measure.items()}}
        for path, by_measure in zip(runs[1:], tallies(entries), strict=True)
    ]
    measured = [
        {
            "run": str(path),
            "name": entry.facts.name,
            "evaluation": entry.evaluation or None,
            "training": dict(entry.facts.metrics) or None,
            "phrases": [result.to_json() for result in entry.phrases],
        }
        for path, entry in zip(runs, entries, strict=True)
    ]
    return {"runs": measured, "against_first": against}
