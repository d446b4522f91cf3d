"""The page that compares runs of one scene. Pure functions: figures, arrays and JSON documents in, HTML out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langfield.evaluation.phrase_results import PhraseResult
from langfield.query.pictures import relevancy_picture
from langfield.reports.comparison import MEASURES, ComparedRun, figures, most_different, wins_and_losses
from langfield.reports.markup import Markup, joined, tag
from langfield.reports.page_parts import (
    DASH,
    Cell,
    Column,
    colour_bar,
    curves,
    document,
    enlarged,
    figure,
    footer,
    lines,
    marked,
    numeric_cell,
    seconds_text,
    section,
    table,
)
from langfield.reports.phrase_sections import PhrasePictures
from langfield.reports.plots import Series, legend, share_bar
from langfield.reports.report_page import ViewPictures
from langfield.reports.run_facts import differences, without_folders

_MAX_VALUE_CHARS = 80


@dataclass(frozen=True, eq=False)
class CompareContent:
    """Everything that a page about several runs shows.

    Attributes:
        phrase_pictures: of each shown phrase one for each run, in the order of `runs`.
        view_pictures: of each shown view one for each run, in the same order.
        package_version: of the langfield that made the page.
        made: when it was made.
    """

    runs: Sequence[ComparedRun]
    phrase_pictures: Sequence[Sequence[PhrasePictures]]
    view_pictures: Sequence[Sequence[ViewPictures]]
    package_version: str
    made: str


def compare_page(content: CompareContent) -> str:
    """The page as text."""
    runs = content.runs
    names = [run.facts.name for run in runs]
    title = f"{runs[0].facts.scene_name}: {len(names)} runs"
    warnings = dict.fromkeys(line for run in runs for line in run.facts.warnings)
    return document(
        f"{title}: langfield compare",
        tag("header", tag("h1", title), lines(f"{', '.join(names[1:])} against {names[0]}", *warnings)),
        tag(
            "main",
            section("Figures", _figure_table(runs)),
            section("Phrase by phrase", _wins_table(runs), *_phrase_rows(content)),
            section("Every phrase", _phrase_table(runs)) if runs[0].phrases else None,
            _view_section(content),
            section("Where their settings differ", _difference_table(runs)),
            _training_section(runs),
        ),
        footer(content.package_version, content.made),
    )


def _figure_table(runs: Sequence[ComparedRun]) -> Markup:
    rows = []
    for found in figures(runs):
        cells = [
            numeric_cell(value, found.form, "best" if value is not None and value == found.best else None)
            for value in found.values
        ]
        rows.append((None, [Cell(found.name), *cells]))
    columns = [Column("figure"), *(Column(run.facts.name, numeric=True) for run in runs)]
    return table("The best of each row is bold.", columns, rows)


def _wins_table(runs: Sequence[ComparedRun]) -> Markup:
    rows = []
    for run, by_measure in zip(runs[1:], wins_and_losses(runs), strict=True):
        for measure, counts in by_measure.items():
            cells = [Cell(str(count), count) for count in (counts.better, counts.same, counts.worse)]
            rows.append((None, [Cell(run.facts.name), Cell(MEASURES[measure]), *cells]))
    columns = [Column("run"), Column("by"), *(Column(name, numeric=True) for name in ("better", "same", "worse"))]
    return table(f"Phrases against {runs[0].facts.name}.", columns, rows)


def _phrase_rows(content: CompareContent) -> list[Markup]:
    if not content.phrase_pictures:
        return []
    said = "The phrases in which the runs differ most: relevancy of each run in the same view, its answer ringed."
    return [lines(said), colour_bar(), *(_phrase_row(content.runs, row) for row in content.phrase_pictures)]


def _phrase_row(runs: Sequence[ComparedRun], row: Sequence[PhrasePictures]) -> Markup:
    first = row[0]
    size = first.photo.shape[1], first.photo.shape[0]
    what = "; what is meant is marked" if first.boxes else ""
    boxes = marked(None, first.boxes, size)
    shown = [figure(first.photo, f"Photo {first.view}{what}", f"photo {first.view}", boxes)]
    for run, pictures in zip(runs, row, strict=True):
        name = run.facts.name
        relevancy = enlarged(pictures.relevancy, *size)
        result = next(result for result in run.phrases if result.phrase == pictures.phrase)
        alt = f"Relevancy of “{pictures.phrase}” by {name}, at most {float(relevancy.max()):.2f}; its answer is marked"
        marks = marked(pictures.answer_xy, pictures.boxes, size)
        shown.append(figure(relevancy_picture(relevancy), alt, f"{name}: {_in_short(result)}", marks))
    return tag("article", tag("header", tag("h3", first.phrase)), tag("div", *shown, class_="pictures"), class_="row")


def _in_short(result: PhraseResult) -> str:
    right = {True: "✓ ", False: "✗ ", None: ""}[result.right]
    parts = [f"{right}{'there' if result.answer.present else 'not there'} ({result.answer.presence:.2f})"]
    if result.views:
        parts.append(f"{result.hits}/{len(result.views)} hit")
    if result.miou is not None:
        parts.append(f"mIoU {result.miou:.2f}")
    return ", ".join(parts)


def _phrase_table(runs: Sequence[ComparedRun]) -> Markup:
    columns = [Column("phrase"), Column("kind")]
    for run in runs:
        columns += [Column(f"{run.facts.name}: {what}", numeric=True) for what in ("presence", "hits", "mIoU")]
    rows = []
    for index in most_different(runs):
        results = [run.phrases[index] for run in runs]
        cells = [Cell(results[0].phrase, class_="phrase"), Cell(results[0].kind or "asked for")]
        for result in results:
            wrong = "bad" if result.right is False else None
            mark = " ✗" if wrong else ""
            hits = f"{result.hits}/{len(result.views)}" if result.views else DASH
            cells += [
                Cell(f"{result.answer.presence:.2f}{mark}", result.answer.presence, wrong),
                Cell(hits, "" if result.hit_share is None else result.hit_share),
                numeric_cell(result.miou, ".2f"),
            ]
        rows.append((None, cells))
    caption = "Those first in which the runs differ most; ✗ is wrong about whether it is there."
    return table(caption, columns, rows, sortable=True)


def _view_section(content: CompareContent) -> Markup | None:
    if not content.view_pictures:
        return None
    rows = []
    for row in content.view_pictures:
        photo = figure(row[0].photo, f"Photo {row[0].view}", f"photo {row[0].view}")
        renders = [
            figure(pictures.render, f"What {run.facts.name} shows from there", run.facts.name)
            for run, pictures in zip(content.runs, row, strict=True)
        ]
        rows.append(tag("article", tag("div", photo, *renders, class_="pictures"), class_="row"))
    return section("Test views", *rows)


def _difference_table(runs: Sequence[ComparedRun]) -> Markup:
    found = differences([without_folders(run.facts.document) for run in runs])
    if not found:
        return lines("Nowhere: the runs were made with the same settings.")
    rows = [(None, [Cell(key, class_="phrase"), *(Cell(_shown(value)) for value in row)]) for key, row in found.items()]
    columns = [Column("setting"), *(Column(run.facts.name) for run in runs)]
    return table(
        f"All other settings are the same; {DASH} is a setting that a run's method does not have.", columns, rows
    )


def _shown(value: Any) -> str:
    text = DASH if value is None else str(value)
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 1] + "…"


def _training_section(runs: Sequence[ComparedRun]) -> Markup | None:
    def named(figure_name: str) -> list[Series]:
        found = [(run.facts.name, run.facts.curves.get(figure_name)) for run in runs]
        empty = Series("", (), ())
        return [Series(name, (curve or empty).x, (curve or empty).y) for name, curve in found]

    drawn = curves([("Loss", named("loss"), "loss", True), ("PSNR of training rays", named("psnr"), "dB", False)])
    timings = _timings(runs)
    return section("Training", drawn, timings) if drawn is not None or timings is not None else None


def _timings(runs: Sequence[ComparedRun]) -> Markup | None:
    """A bar of stages for each run, all to the same scale."""
    by_run = [(run.facts.name, run.facts.stages()) for run in runs]
    stages = list(dict.fromkeys(name for _, parts in by_run for name, _ in parts))
    longest = max((sum(seconds for _, seconds in parts) for _, parts in by_run), default=0.0)
    if not longest:
        return None
    bars = []
    for name, parts in by_run:
        seconds = dict(parts)
        title = f"{name}: {seconds_text(sum(seconds.values()))}"
        bar = share_bar([(stage, seconds.get(stage, 0.0)) for stage in stages], title=title, full=longest)
        bars += [tag("p", title, class_="soft"), bar]
    rows = [
        (None, [Cell(stage), *(numeric_cell(dict(parts).get(stage), ".1f") for _, parts in by_run)]) for stage in stages
    ]
    columns = [Column("stage"), *(Column(name, numeric=True) for name, _ in by_run)]
    return joined(*bars, legend(stages), table("Seconds by stage, over all calls that made a run.", columns, rows))
