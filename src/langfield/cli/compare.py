"""`langfield compare`: runs of one scene side by side."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from langfield.cli.console import Console
from langfield.cli.options import Device, Flag, OptionalInt, OptionalPath, OutputOptions, Texts, flat
from langfield.core import version
from langfield.core.errors import DataError, UsageError
from langfield.runs.existence import check_has_run

if TYPE_CHECKING:
    from langfield.data.views import Scene
    from langfield.evaluation.labels.base import Labels
    from langfield.evaluation.phrase_results import PhraseEvaluation, PhraseResult
    from langfield.pipelines.opening import OpenedToMeasure
    from langfield.reports.comparison import ComparedRun

_MAX_RUNS = 6  # as many curves as a chart has colours and dashes for
_MAX_PHRASES_SHOWN = 12
_VIEWS_SHOWN = 2

Runs = tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN…", help_behavior_hint="")]]


@dataclass(frozen=True, kw_only=True)
class CompareCommand(OutputOptions):
    """Set runs of one scene side by side: figures, settings that differ, what was won and lost phrase by phrase."""

    runs: Runs
    """Two to six run directories. The others are compared with the first."""

    out: OptionalPath = None
    """Also write an HTML page with pictures here."""

    phrase: Texts = ()
    """Phrases to show pictures of, each in quotes.
    Those in which the runs differ most, if not given.
    Takes all words up to the next option or --, and may be given again."""

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
        from langfield.cli.pages import read_run_facts, write_page
        from langfield.reports.comparison import ComparedRun
        from langfield.reports.run_facts import differences

        facts = [read_run_facts(path, name) for path, name in zip(self.runs, names_of(self.runs), strict=True)]
        self._check_scenes([fact.document["scene"] for fact in facts])
        if self.scene is None:
            self._check_folders([fact.document["scene"] for fact in facts])
        if self.out is not None:
            make_folder(self.out.parent)
        compared, labels, scenes = [], [], []
        for path, fact in zip(self.runs, facts, strict=True):
            console.say(f"measuring {fact.name}")
            opened = self._opened(path, console)
            scenes.append(fact.document["scene"] | _known_now(opened.scene))
            self._check_scenes(scenes)
            measured = self._measured(opened, console)
            del opened  # never more than one run in memory
            compared.append(ComparedRun(fact, measured.evaluation, measured.phrases))
            labels.append(measured.labels)
        for line in dict.fromkeys(line for fact in facts for line in fact.warnings):
            console.say(line)
        _print(compared, console)
        documents = [fact.document for fact in facts]
        result = _as_json(self.runs, compared) | {"differences": differences(documents), "page": None}
        if self.out is not None:
            result |= write_page(self.out, self._page(compared, labels, console))
            console.say(f"{self.out}: {result['bytes'] / 2**20:.1f} MB; open it in a browser")
        return result

    def _check(self) -> None:
        """Raise UsageError for options that do not fit together, RunError for a folder without a run."""
        if not 2 <= len(self.runs) <= _MAX_RUNS:
            raise UsageError(f"2 to {_MAX_RUNS} runs can be compared, got {len(self.runs)}: langfield compare RUN RUN")
        places = [path.resolve() for path in self.runs]
        twice = next((path for path, place in zip(self.runs, places, strict=True) if places.count(place) > 1), None)
        if twice is not None:
            raise UsageError(f"{twice} is given twice: give each run once")
        if any(not phrase.strip() for phrase in flat(self.phrase)):
            raise UsageError("a phrase is empty")
        for path in self.runs:
            check_has_run(path)
        if self.out is not None:
            from langfield.cli.pages import check_page_name

            check_page_name(self.out)

    def _check_scenes(self, scenes: Sequence[Mapping[str, Any]]) -> None:
        """Raise UsageError if runs are of different scenes, as far as the first runs' `scene` of `run.json` tell.

        Fingerprints made by different versions of their rule do not compare.
        """
        first = scenes[0]
        for path, scene in zip(self.runs, scenes, strict=False):
            same_rule = scene["fingerprint_version"] == first["fingerprint_version"]
            if same_rule and scene["fingerprint"] != first["fingerprint"]:
                raise UsageError(
                    f"runs of different scenes cannot be compared: {self.runs[0]} is of {first['path']} "
                    f"({first['fingerprint'][:12]}), {path} of {scene['path']} ({scene['fingerprint'][:12]}); "
                    "give runs of one scene, its photos, poses and points unchanged, and the same ones kept for testing"
                )

    def _check_folders(self, scenes: Sequence[Mapping[str, Any]]) -> None:
        """Raise DataError if a run's scene is not where it was, before any run is measured."""
        for path, scene in zip(self.runs, scenes, strict=True):
            if not Path(scene["path"]).exists():
                raise DataError(f"is not there any more, and {path} was trained on it: give --scene", scene["path"])

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

    def _measured(self, opened: "OpenedToMeasure", console: Console) -> "PhraseEvaluation":
        from langfield.evaluation.phrase_results import evaluate_phrases

        return evaluate_phrases(
            opened.session,
            opened.scene,
            queries=opened.queries,
            more_phrases=flat(self.phrase),
            max_side_px=opened.max_side_px,
            device=opened.session.device,
            progress=console.progress,
        )

    def _page(
        self, compared: "Sequence[ComparedRun]", labels_by_run: "Sequence[Labels | None]", console: Console
    ) -> str:
        """The page. Each run is opened once more, so that never more than one is in memory."""
        from langfield.cli import pages
        from langfield.reports.compare_page import CompareContent, compare_page
        from langfield.reports.page_pictures import phrase_pictures, view_pictures, views_to_show

        phrases_by_run, views_by_run, names = [], [], []
        places = self._shown(compared)
        for path, run, labels in zip(self.runs, compared, labels_by_run, strict=True):
            opened = self._opened(path, console)
            session, photos = opened.session, pages.photo_views(opened.scene, labels)
            if not phrases_by_run:  # the first run says in which views all are shown
                names = views_to_show(session, [_worst(compared, place) for place in places])
            wanted = [(run.phrases[place], photos[name]) for place, name in zip(places, names, strict=True)]
            phrases_by_run.append(phrase_pictures(session, wanted, console.progress))
            test_views = pages.some_test_views(opened.scene, photos, _VIEWS_SHOWN)
            views_by_run.append(view_pictures(session, test_views, console.progress))
        return compare_page(
            CompareContent(
                runs=compared,
                phrase_pictures=list(zip(*phrases_by_run, strict=True)),
                view_pictures=list(zip(*views_by_run, strict=True)),
                package_version=version.package_version(),
                made=pages.now(),
            )
        )

    def _shown(self, compared: "Sequence[ComparedRun]") -> list[int]:
        """The indices of the phrases to show, no more than a page holds."""
        from langfield.reports.comparison import most_different
        from langfield.reports.page_parts import MAX_PICTURES

        places = most_different(compared)
        asked = flat(self.phrase)
        if asked:
            places = [place for place in places if compared[0].phrases[place].phrase in asked]
        columns = 1 + len(compared)
        return places[: min(_MAX_PHRASES_SHOWN, MAX_PICTURES // columns - _VIEWS_SHOWN)]


def names_of(runs: Sequence[Path]) -> list[str]:
    """What to call runs: their folders' names, with as many folders above as it takes to tell them apart."""
    parts = [path.resolve().parts for path in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = [os.path.join(*place[-depth:]) for place in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in runs]


def _known_now(scene: "Scene") -> dict[str, Any]:
    """A scene's fingerprint by the present rule, as `run.json` has it."""
    from langfield.data.views import FINGERPRINT_VERSION

    return {"fingerprint": scene.fingerprint(), "fingerprint_version": FINGERPRINT_VERSION}


def _worst(compared: "Sequence[ComparedRun]", place: int) -> "PhraseResult":
    """Of all runs' results for a phrase the one that did worst in any view; the first run's if none was compared with
    labels."""
    results = [run.phrases[place] for run in compared]
    worst = [(worst.in_box, worst.iou, number) for number, r in enumerate(results) if (worst := r.worst) is not None]
    return results[min(worst)[2]] if worst else results[0]


def _print(compared: "Sequence[ComparedRun]", console: Console) -> None:
    from langfield.reports.comparison import MEASURES, figures, wins_and_losses

    names = [run.facts.name for run in compared]
    console.table(("figure", *names), [(found.name, *found.texts()) for found in figures(compared)])
    rows = []
    for name, by_measure in zip(names[1:], wins_and_losses(compared), strict=True):
        for measure, counts in by_measure.items():
            rows.append((name, MEASURES[measure], str(counts.better), str(counts.same), str(counts.worse)))
    console.table((f"phrases against {names[0]}", "by", "better", "same", "worse"), rows)


def _as_json(paths: Sequence[Path], compared: "Sequence[ComparedRun]") -> dict[str, Any]:
    from langfield.reports.comparison import wins_and_losses

    against = [
        {"run": str(path), **{measure: asdict(counts) for measure, counts in by_measure.items()}}
        for path, by_measure in zip(paths[1:], wins_and_losses(compared), strict=True)
    ]
    measured = [
        {
            "run": str(path),
            "name": run.facts.name,
            "evaluation": run.evaluation or None,
            "training": dict(run.facts.metrics) or None,
            "phrases": [result.to_json() for result in run.phrases],
        }
        for path, run in zip(paths, compared, strict=True)
    ]
    return {"runs": measured, "against_first": against}
