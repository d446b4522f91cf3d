"""What a page says about phrases: pictures of some, presence of all, and a table with the worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from langfield.evaluation.phrase_results import PhraseResult, worst_first
from langfield.query.pictures import composited, relevancy_picture
from langfield.reports.markup import Markup, joined, tag
from langfield.reports.page_parts import (
    DASH,
    Cell,
    Column,
    colour_bar,
    enlarged,
    figure,
    lines,
    marked,
    numeric_cell,
    section,
    table,
)
from langfield.reports.plots import reliability_chart, strip_chart
from langfield.reports.run_facts import number, taken

Rgb = UInt8[np.ndarray, "h w 3"]
Xy = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class PhrasePictures:
    """One phrase in one view.

    Attributes:
        relevancy: as answers and figures take it (`ViewAnswers.refined`), on a raster of its own of the photo's shape.
        answer_xy: the point that answers, as shares of width and height; None for what is said not to be there,
            unless labels say where it is.
        boxes: around what the phrase means, as shares (x from, y from, x to, y to); empty if no label says so.
    """

    phrase: str
    view: str
    photo: Rgb
    relevancy: Float32[np.ndarray, "h2 w2"]
    answer_xy: Xy | None
    boxes: tuple[Box, ...] = ()


def pictures_section(shown: Sequence[PhrasePictures], phrases: Sequence[PhraseResult]) -> Markup | None:
    """Photo, relevancy and both together of some phrases; None without any."""
    if not shown:
        return None
    by_text = {result.phrase: result for result in phrases}
    rows = [_phrase_row(pictures, by_text.get(pictures.phrase)) for pictures in shown]
    return section(
        "Phrases",
        lines(
            "The worst first. Each phrase is shown in the test view where it did worst, or, where it was compared in "
            "none, in the photo that shows its answer best. The ring is the answer; dashed boxes are what was meant."
        ),
        colour_bar(),
        *rows,
    )


def _phrase_row(pictures: PhrasePictures, result: PhraseResult | None) -> Markup:
    height, width = pictures.photo.shape[:2]
    relevancy = enlarged(pictures.relevancy, width, height)
    peak = float(relevancy.max())
    marks = marked(pictures.answer_xy, pictures.boxes, (width, height))
    seen = [] if result is None else [v for v in result.views if v.view == pictures.view]
    hit = "" if not seen else "; hit" if seen[0].in_box else "; missed"
    marked_things = [
        name for name, there in (("the answer", marks is not None), ("what is meant", pictures.boxes)) if there
    ]
    said = f"; marked: {', '.join(marked_things)}" if marked_things else ""
    over = composited(pictures.photo, relevancy)
    return tag(
        "article",
        tag("header", tag("h3", pictures.phrase), _verdict(result)),
        tag(
            "div",
            figure(pictures.photo, f"Photo {pictures.view}{said}{hit}", f"photo {pictures.view}{hit}", marks),
            figure(
                relevancy_picture(relevancy),
                f"Relevancy of “{pictures.phrase}” in that view, at most {peak:.2f}",
                f"relevancy, at most {peak:.2f}",
            ),
            figure(
                over, f"The photo, coloured where relevancy of “{pictures.phrase}” passes 0.5", "where it passes 0.5"
            ),
            class_="pictures",
        ),
        class_="row",
    )


def _verdict(result: PhraseResult | None) -> Markup | None:
    """A line about a phrase: right or wrong in words, then figures."""
    if result is None:
        return None
    answer = result.answer
    words = "there" if answer.present else "not there"
    if result.right is None:
        judged = tag("span", f"said {words}")
    elif result.right:
        judged = tag("span", f"✓ rightly said {words}", class_="good")
    else:
        judged = tag("span", f"✗ wrongly said {words}", class_="bad")
    parts = [f"presence {answer.presence:.2f}"]
    if answer.position is not None:
        parts.append(f"score {answer.score:.2f} at ({position_text(answer.position)})")
    if result.views:
        parts.append(f"{result.hits} of {len(result.views)} views hit")
    if result.miou is not None:
        parts.append(f"mIoU {result.miou:.2f}")
    return joined(judged, tag("span", ", ".join(parts), class_="soft"))


def position_text(position: Sequence[float]) -> str:
    """A position in the input files' frame and units."""
    return ", ".join(f"{value:.3g}" for value in position)


def presence_section(phrases: Sequence[PhraseResult], measured: Mapping[str, Any]) -> Markup | None:
    """Dots of the presence of all judged phrases, and the reliability curve; None without phrases of both sorts."""
    rows = [
        (name, [(r.phrase, r.answer.presence) for r in phrases if r.expected == expected])
        for name, expected in (("there", "present"), ("not there", "absent"))
    ]
    if not all(values for _, values in rows):
        return None
    wrong = sum(result.right is False for result in phrases)
    judged = sum(result.right is not None for result in phrases)
    title = f"Presence of {judged} phrases, decided at 0.5: {judged - wrong} rightly, {wrong} wrongly"
    note = "Every kind of phrase is drawn; the figures above count objects, attributes and synonyms."
    strip = strip_chart(rows, title=title)
    return section("Presence", lines(f"{title}. {note}"), strip, *_reliability_parts(measured))


def _reliability_parts(measured: Mapping[str, Any]) -> list[Markup]:
    bins, error = taken(measured, "presence.reliability"), number(taken(measured, "presence.calibration_error"))
    if not isinstance(bins, list) or error is None:
        return []
    title = f"Reliability: the share that is there of phrases of like presence; mean distance {error:.3f}"
    note = "Dots on the broken line are calibrated; bars are standard errors, numbers count phrases."
    return [lines(f"{title}. {note}"), reliability_chart(bins, title=title)]


_PHRASE_COLUMNS = (
    Column("phrase"),
    Column("kind"),
    Column("is there", title="what the labels say"),
    Column("said"),
    Column("presence", numeric=True, title="evidence in [0, 1]; above 0.5 is there"),
    Column("hits", numeric=True, title="test views in which the answer lies in a box of what is meant"),
    Column("mIoU", numeric=True, title="mean over those views, by LERF-OVS's rule"),
    Column("score", numeric=True, title="relevancy of the best place"),
    Column("position", title="in the frame and units of the input files"),
)


def table_section(phrases: Sequence[PhraseResult], measured: Mapping[str, Any]) -> Markup | None:
    """Answers by kind of phrase, then every phrase, the worst first; None without phrases."""
    if not phrases:
        return None
    caption = (
        "Worst first: wrong about presence, then the smallest share of hits, the lowest mIoU, and the presence nearest "
        "to the wrong side. With scripts on, a press on a header sorts by it."
    )
    rows = [("wrong" if result.right is False else None, _phrase_cells(result)) for result in worst_first(phrases)]
    return section("Every phrase", _kind_table(measured), table(caption, _PHRASE_COLUMNS, rows, sortable=True))


def _kind_table(measured: Mapping[str, Any]) -> Markup | None:
    """Answers that hit, by kind of phrase."""
    boxes, pixels = taken(measured, "localisation"), taken(measured, "localisation_in_mask")
    rows = []
    for kind in boxes if isinstance(boxes, Mapping) else ():
        total = number(taken(boxes, f"{kind}.total"))
        if not total:
            continue
        hits = [number(taken(where, f"{kind}.hits")) for where in (boxes, pixels)]
        shares = [None if hit is None else hit / total for hit in hits]
        rows.append((None, [Cell(str(kind)), numeric_cell(total, ",.0f"), *(numeric_cell(s, ".1%") for s in shares)]))
    if not rows:
        return None
    columns = [Column("kind"), *(Column(name, numeric=True) for name in ("asked", "in a box", "on the thing"))]
    caption = "Answers in test views by kind of phrase; headline is objects, attributes and synonyms."
    return table(caption, columns, rows)


def _phrase_cells(result: PhraseResult) -> list[Cell]:
    answer = result.answer
    there = {"present": "yes", "absent": "no", None: DASH}[result.expected]
    mark = {True: "", False: " ✗ wrong", None: ""}[result.right]
    hits = f"{result.hits}/{len(result.views)}" if result.views else DASH
    return [
        Cell(result.phrase, class_="phrase"),
        Cell(result.kind or "asked for"),
        Cell(there),
        Cell(("there" if answer.present else "not there") + mark, class_="bad" if mark else None),
        numeric_cell(answer.presence, ".2f"),
        Cell(hits, "" if result.hit_share is None else result.hit_share),
        numeric_cell(result.miou, ".2f"),
        numeric_cell(answer.score if answer.hits else None, ".2f"),
        Cell("" if answer.position is None else position_text(answer.position)),
    ]
