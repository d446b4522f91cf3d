"""The page about one run: what it is, how good it is, pictures, every phrase with the worst first, its training.

Pure functions: figures, arrays and JSON documents in, HTML out. What a document does not hold is left out of the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from langfield.evaluation.phrase_results import PhraseResult
from langfield.query.pictures import depth_picture
from langfield.reports.markup import Markup, joined, tag
from langfield.reports.page_parts import (
    Cell,
    Column,
    bytes_text,
    cards,
    curves,
    document,
    facts_list,
    figure,
    folded,
    footer,
    lines,
    numeric_cell,
    seconds_text,
    section,
    table,
)
from langfield.reports.phrase_sections import PhrasePictures, pictures_section, presence_section, table_section
from langfield.reports.plots import legend, share_bar
from langfield.reports.run_facts import (
    RunFacts,
    commands,
    finite_number,
    spec_without_folder,
    value_at,
    without_folders,
    without_listings,
)

Rgb = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, eq=False)
class ViewPictures:
    """One test view: the photo, the rendered picture, and the rendered z-depth, all of one shape."""

    view: str
    photo: Rgb
    render: Rgb
    depth_world: Float32[np.ndarray, "h2 w2"]


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that a page about one run shows.

    Attributes:
        evaluation: as `EvaluationReport.to_json` gives it; empty if nothing could be measured.
        package_version: of the langfield that made the page.
        made: when it was made.
        notes: lines about what could not be shown, and why.
    """

    facts: RunFacts
    evaluation: Mapping[str, Any]
    phrases: Sequence[PhraseResult]
    view_pictures: Sequence[ViewPictures]
    phrase_pictures: Sequence[PhrasePictures]
    package_version: str
    made: str
    notes: Sequence[str] = field(default=())


def report_page(content: ReportContent) -> str:
    """The page as text."""
    facts = content.facts
    title = f"{facts.scene_name}, {facts.text('model.name') or 'run'}"
    return document(
        f"{title}: langfield report",
        tag("header", tag("h1", title), _header(facts), lines(*content.notes)),
        tag("main", *_sections(content)),
        footer(content.package_version, content.made),
    )


def _sections(content: ReportContent) -> list[Markup | None]:
    facts, measured = content.facts, content.evaluation
    return [
        cards(headline(facts, measured)),
        pictures_section(content.phrase_pictures, content.phrases),
        presence_section(content.phrases, measured),
        table_section(content.phrases, measured),
        _view_section(content),
        _training_section(facts),
        section(
            "Make it again",
            tag("pre", tag("code", "\n".join(commands(facts))), class_="wrap"),
            lines("The scene and the run stand there by the names of their folders."),
            folded("Exact configuration (run.json)", without_folders(facts.document)),
            folded("All figures of the evaluation", without_listings(measured)) if measured else None,
        ),
    ]


def headline(facts: RunFacts, measured: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and note of each figure that has a card; those that were not measured are left out."""
    hits, total = (finite_number(value_at(measured, f"localisation.headline.{key}")) for key in ("hits", "total"))
    views = finite_number(value_at(measured, "views"))
    found = [
        ("PSNR", finite_number(value_at(measured, "psnr")), "{:.2f} dB", f"{views:.0f} test views" if views else ""),
        ("SSIM", finite_number(value_at(measured, "ssim")), "{:.3f}", "test views"),
        ("LPIPS", finite_number(value_at(measured, "lpips")), "{:.3f}", "lower is better"),
        ("Localisation", hits / total if hits is not None and total else None, "{:.1%}",
         f"{hits:.0f} of {total:.0f} answers in a box" if hits is not None and total else ""),
        ("mIoU", finite_number(value_at(measured, "miou")), "{:.3f}", "LERF-OVS's rule"),
        ("Presence AUROC", finite_number(value_at(measured, "presence.auroc")), "{:.3f}", "there against not there"),
        ("Presence accuracy", finite_number(value_at(measured, "presence.accuracy")), "{:.1%}", _right_note(measured)),
    ]  # fmt: skip
    made = [(name, form.format(value), note) for name, value, form, note in found if value is not None]
    seconds, memory = facts.seconds_from_photos(), finite_number(value_at(facts.metrics, "memory_bytes"))
    device = str(value_at(facts.metrics, "device") or "")
    if seconds is not None:
        made.append(("Training", seconds_text(seconds), f"photos to run, {device}" if device else "photos to run"))
    if memory is not None:
        made.append(("Memory", bytes_text(memory), "peak of the training"))
    return [*made, ("On disk", bytes_text(facts.bytes_on_disk), "what is needed to ask")]


def _right_note(measured: Mapping[str, Any]) -> str:
    right = [finite_number(value_at(measured, f"presence.{sort}.right")) for sort in ("present", "absent")]
    total = [finite_number(value_at(measured, f"presence.{sort}.total")) for sort in ("present", "absent")]
    if None in right or None in total:
        return "at 0.5"
    return f"there {right[0]:.0f}/{total[0]:.0f}, not there {right[1]:.0f}/{total[1]:.0f}"


def _header(facts: RunFacts) -> Markup:
    views = value_at(facts.document, "scene.views")
    splits = [value_at(view, "split") for view in views] if isinstance(views, list) else []
    steps = finite_number(value_at(facts.document, "steps_done"))
    spec = facts.text("encoders.image_text.spec")
    dense = facts.text("encoders.dense.spec")
    return facts_list(
        [
            ("scene", facts.scene_name),
            ("photos", f"{splits.count('train')} to train, {splits.count('test')} to test" if splits else None),
            ("method", facts.text("model.name")),
            ("preset", facts.text("training.preset")),
            ("encoder", None if spec is None else spec_without_folder(spec)),
            ("dense encoder", None if dense is None else spec_without_folder(dense)),
            ("steps", None if steps is None else f"{steps:,.0f}"),
            ("seed", facts.text("seed")),
            ("begun", _moment(facts.text("created"))),
            ("langfield", facts.text("package_version")),
        ]
    )


def _moment(iso: str | None) -> str | None:
    """A date and time of `run.json` for people; as it is if it is none."""
    try:
        return None if iso is None else datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return iso


def _view_section(content: ReportContent) -> Markup | None:
    rows = [_view_row(pictures) for pictures in content.view_pictures]
    measured = _view_table(content.evaluation)
    if not rows and measured is None:
        return None
    said = "Depth: near is red, far is blue." if rows else None
    return section("Test views", lines(said), *rows, measured)


def _view_row(pictures: ViewPictures) -> Markup:
    name = pictures.view
    return tag(
        "article",
        tag(
            "div",
            figure(pictures.photo, f"Photo {name}", f"photo {name}"),
            figure(pictures.render, f"What the run shows from the camera of {name}", "render"),
            figure(depth_picture(pictures.depth_world), f"Depth from the camera of {name}, near is red", "depth"),
            class_="pictures",
        ),
        class_="row",
    )


def _view_table(measured: Mapping[str, Any]) -> Markup | None:
    """Figures view by view, the lowest PSNR first; columns that hold nothing are left out."""
    given = measured.get("per_view")
    views = [view for view in given if isinstance(view, Mapping)] if isinstance(given, list) else []
    if not views:
        return None
    forms = {"psnr": ("PSNR, dB", ".2f"), "ssim": ("SSIM", ".3f"), "lpips": ("LPIPS", ".3f"), "miou": ("mIoU", ".3f"),
             "hits": ("hits", ".0f"), "total": ("of", ".0f")}  # fmt: skip
    kept = [key for key in forms if any(finite_number(view.get(key)) is not None for view in views)]
    ordered = sorted(views, key=lambda view: finite_number(view.get("psnr")) or 0.0)
    rows = [
        (
            None,
            [
                Cell(str(view.get("view", ""))),
                *(numeric_cell(finite_number(view.get(key)), forms[key][1]) for key in kept),
            ],
        )
        for view in ordered
    ]
    columns = [Column("view"), *(Column(forms[key][0], numeric=True) for key in kept)]
    return table("Figures view by view, the lowest PSNR first.", columns, rows, sortable=True)


def _training_section(facts: RunFacts) -> Markup | None:
    psnr = [facts.curves["psnr"]] if "psnr" in facts.curves else []
    charts = curves(
        [("Loss and its terms", facts.losses(), "loss", True), ("PSNR of training rays", psnr, "dB", False)]
    )
    stages = facts.stages()
    timings = None
    if stages:
        total = sum(seconds for _, seconds in stages)
        title = f"Seconds by stage, {seconds_text(total)} in all"
        shares = [seconds / total if total else None for _, seconds in stages]
        rows = [
            (None, [Cell(name), numeric_cell(seconds, ".1f"), numeric_cell(share, ".0%")])
            for (name, seconds), share in zip(stages, shares, strict=True)
        ]
        columns = [Column("stage"), Column("seconds", numeric=True), Column("share", numeric=True)]
        bar = share_bar(stages, title=title)
        timings = joined(bar, legend([name for name, _ in stages]) if bar else None, table(title + ".", columns, rows))
    crops = finite_number(value_at(facts.metrics, "crops_per_second"))
    encoding = f"The encoder saw {crops:,.0f} crops a second." if crops else None
    if charts is None and timings is None:
        return None
    return section("Training", charts, timings, lines(encoding))
