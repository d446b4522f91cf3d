"""The sections of a page about phrases: pictures of some, presence of all, and a table of all, the worst first."""

import itertools
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
from langfield.reports.run_facts import finite_number, value_at

Rgb = UInt8[np.ndarray, "h w 3"]
RelativeXy = tuple[float, float]  # (x, y) as shares of a picture's width and height
RelativeBox = tuple[float, float, float, float]  # (x from, y from, x to, y to), likewise


@dataclass(frozen=True, eq=False)
class PhrasePictures:
    """One phrase in one view.

    Attributes:
        relevancy: `ViewAnswers.refined`; shows the same picture as the photo, mostly at a smaller size.
        answer_xy: the point that answers; None if the answer is that nothing is there and no label contradicts it.
        boxes: the labels' boxes of the things that the phrase means; empty without labels.
    """

    phrase: str
    view: str
    photo: Rgb
    relevancy: Float32[np.ndarray, "h2 w2"]
    answer_xy: RelativeXy | None
    boxes: tuple[RelativeBox, ...] = ()


def phrases_to_show(results: Sequence[PhraseResult], count: int) -> list[PhraseResult]:
    """At most `count` phrases for pictures, worst first: half of them the worst, the others from every kind in turn.

    Of phrases that mean the same things only the worst is shown: their pictures hardly differ.
    """
    ordered, known = [], set()
    for result in worst_first(results):
        if not result.truth_key or result.truth_key not in known:
            ordered.append(result)
        known.add(result.truth_key)
    half = -(-count // 2)
    worst, rest = ordered[:half], ordered[half:]
    of_kinds = [[result for result in rest if result.kind == kind] for kind in sorted({r.kind for r in rest})]
    # Each kind from its middle on: neither its next worst nor its best.
    in_turn = itertools.zip_longest(*(of_kind[len(of_kind) // 2 :] for of_kind in of_kinds))
    others = [result for group in in_turn for result in group if result is not None]
    shown = {result.phrase for result in [*worst, *others][:count]}
    return [result for result in ordered if result.phrase in shown]


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
    """Whether the answer about a phrase is right, in words, and its figures; None without a result."""
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
        parts.append(f"score {answer.score:.2f} at ({answer.position_text})")
    if result.views:
        parts.append(f"{result.hits} of {len(result.views)} views hit")
    if result.miou is not None:
        parts.append(f"mIoU {result.miou:.2f}")
    return joined(judged, tag("span", ", ".join(parts), class_="soft"))


def presence_section(phrases: Sequence[PhraseResult], measured: Mapping[str, Any]) -> Markup | None:
    """Dots of the presence of all phrases whose truth is known, and the reliability curve.

    None unless some are present and some absent.
    """
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
    bins, error = (
        value_at(measured, "presence.reliability"),
        finite_number(value_at(measured, "presence.calibration_error")),
    )
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
    """A table of localisation by kind of phrase and one of every phrase, the worst first; None without phrases."""
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
    boxes, pixels = value_at(measured, "localisation"), value_at(measured, "localisation_in_mask")
    rows = []
    for kind in boxes if isinstance(boxes, Mapping) else ():
        total = finite_number(value_at(boxes, f"{kind}.total"))
        if not total:
            continue
        hits = [finite_number(value_at(where, f"{kind}.hits")) for where in (boxes, pixels)]
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
        Cell(answer.position_text),
    ]
