"""The parts of pages: the document, embedded pictures, tables, cards of figures, training curves."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from langfield.query.pictures import turbo
from langfield.reports.markup import Markup, joined, tag
from langfield.reports.page_style import SCRIPT, STYLE
from langfield.reports.plots import Series, line_chart

Rgb = UInt8[np.ndarray, "h w 3"]

# So that a page stays below 5 MB: its pictures, their longest side, and the bytes of each (4/3 of that as base64).
MAX_PICTURES = 81
PICTURE_SIDE_PX = 480
_PICTURE_BYTES = 44_000
_QUALITIES = (82, 65, 45, 25, 10, 1)
DASH = "\u2013"  # for what was not measured or does not exist


@dataclass(frozen=True)
class Column:
    """A table's column.

    Attributes:
        numeric: aligned to the right.
        title: shown when the pointer rests on the header.
    """

    name: str
    numeric: bool = False
    title: str | None = None


@dataclass(frozen=True)
class Cell:
    """A table's cell.

    Attributes:
        text: what it shows.
        value: what rows are sorted by; None for the text.
        class_: of the style sheet.
    """

    text: str
    value: float | str | None = None
    class_: str | None = None


def document(title: str, *body: Markup | None) -> str:
    """A whole page. Its content security policy forbids to load anything and to run any script but `SCRIPT`."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    page = tag("html", head, tag("body", *body, tag("script", Markup(SCRIPT))), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def section(title: str, *content: str | None) -> Markup:
    """A part of a page under a heading; its id is the heading in lower case with dashes."""
    return tag("section", tag("h2", title), *content, id=title.lower().replace(" ", "-"))


def webp(picture: Rgb, at_most_bytes: int = _PICTURE_BYTES) -> bytes:
    """A picture as WebP, its longest side at most `PICTURE_SIDE_PX`, of the best quality that fits in `at_most_bytes`
    (the lowest if none does)."""
    image = Image.fromarray(picture)
    image.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX), Image.Resampling.LANCZOS)
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=4)
        data = buffer.getvalue()
        if len(data) <= at_most_bytes:
            break
    return data


def enlarged(values: Float32[np.ndarray, "h w"], width_px: int, height_px: int) -> Float32[np.ndarray, "h2 w2"]:
    """A map resized to another raster of the same picture, bilinear."""
    return np.array(Image.fromarray(values).resize((width_px, height_px), Image.Resampling.BILINEAR))


def embedded(picture: Rgb, alt: str) -> Markup:
    """A picture inside the page."""
    source = "data:image/webp;base64," + base64.b64encode(webp(picture)).decode()
    height, width = picture.shape[:2]
    return tag("img", src=source, alt=alt, width=width, height=height)


def figure(picture: Rgb, alt: str, caption: str, marks: Markup | None = None) -> Markup:
    """A picture with its caption; `marks` is an SVG drawn over it."""
    return tag("figure", tag("span", embedded(picture, alt), marks, class_="picture"), tag("figcaption", caption))


def marked(
    answer_xy: tuple[float, float] | None,
    boxes: Sequence[tuple[float, float, float, float]],
    size_px: tuple[int, int],
) -> Markup | None:
    """Marks over a photo: a ring at the answer and dashed boxes around what is meant. None if there is neither.

    Args:
        answer_xy, boxes: (x, y) and (x from, y from, x to, y to) as shares of width and height.
        size_px: the photo's width and height, or anything of their ratio.
    """
    if answer_xy is None and not boxes:
        return None
    width, height = size_px
    parts = []
    for low_x, low_y, high_x, high_y in boxes:
        box = {"x": low_x * width, "y": low_y * height}
        box |= {"width": (high_x - low_x) * width, "height": (high_y - low_y) * height}
        parts += [tag("rect", **box, class_="truth-under"), tag("rect", **box, class_="truth")]
    if answer_xy is not None:
        ring = {"cx": answer_xy[0] * width, "cy": answer_xy[1] * height, "r": 0.022 * max(width, height)}
        parts += [tag("circle", **ring, class_="under"), tag("circle", **ring, class_="over")]
    return tag("svg", *parts, viewBox=f"0 0 {width} {height}", aria_hidden="true")


def colour_bar() -> Markup:
    """A legend of the colours of relevancy maps."""
    bar = embedded(turbo(np.tile(np.linspace(0, 1, 256), (4, 1))), "dark blue over green to dark red")
    return tag(
        "div", tag("span", "relevancy 0"), bar, tag("span", "1 (above 0.5, green and warmer: there)"), class_="scale"
    )


def cards(items: Sequence[tuple[str, str, str]]) -> Markup:
    """Headline figures: name, value, and a note that may be empty."""
    made = [
        tag("div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", note, class_="note") if note else None,
            class_="card")
        for name, value, note in items
    ]  # fmt: skip
    return tag("dl", *made, class_="cards")


def facts_list(items: Sequence[tuple[str, str | None]]) -> Markup:
    """A list of names and values; those without a value are left out."""
    made = [tag("div", tag("dt", name), tag("dd", value)) for name, value in items if value]
    return tag("dl", *made, class_="facts")


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[str | None, Sequence[Cell]]],
    *,
    sortable: bool = False,
) -> Markup:
    """A table whose first column names the rows.

    Args:
        rows: each with its class (or None) and its cells.
    """
    head = [tag("th", c.name, scope="col", title=c.title, class_="n" if c.numeric else None) for c in columns]
    body = [tag("tr", *_cells(cells, columns), class_=class_) for class_, cells in rows]
    made = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *head)),
        tag("tbody", *body),
        class_="sortable" if sortable else None,
    )
    return tag("div", made, class_="table")


def _cells(cells: Sequence[Cell], columns: Sequence[Column]) -> list[Markup]:
    made = []
    for cell, column in zip(cells, columns, strict=True):
        classes = " ".join(filter(None, ("n" if column.numeric else None, cell.class_))) or None
        names_row = {} if made else {"scope": "row"}
        made.append(tag("td" if made else "th", cell.text, data_value=cell.value, class_=classes, **names_row))
    return made


def numeric_cell(value: float | None, form: str, class_: str | None = None) -> Cell:
    """A number in a table; None is a dash, which is sorted last."""
    return Cell(DASH, "", class_) if value is None else Cell(f"{value:{form}}", float(value), class_)


def folded(title: str, content: Any, *, wrap: bool = False) -> Markup:
    """Text, or data as JSON, under a title that unfolds it."""
    text = content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False)
    return tag("details", tag("summary", title), tag("pre", tag("code", text), class_="wrap" if wrap else None))


def seconds_text(seconds: float) -> str:
    """Seconds as 4.2 s, 42 s, 3:05 min or 1:02:03 h."""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"


def bytes_text(size: float) -> str:
    """A size in binary units."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def curves(charts: Sequence[tuple[str, Sequence[Series], str, bool]]) -> Markup | None:
    """Charts over training steps side by side; None if there is nothing to draw.

    Args: charts: each with its title, series, y label, and whether its y axis is logarithmic.
    """
    drawn = []
    for title, series, y_label, log_y in charts:
        said = f"{title}: " + "; ".join(_described(one) for one in series if one.y)
        chart = line_chart(series, title=said, x_label="training steps", y_label=y_label, log_y=log_y)
        if chart is not None:
            drawn.append(tag("figure", chart, tag("figcaption", title)))
    return tag("div", *drawn, class_="charts") if drawn else None


def _described(series: Series) -> str:
    return (
        f"{series.name} from {series.y[0]:.4g} at step {series.x[0]:,.0f} to {series.y[-1]:.4g} at {series.x[-1]:,.0f}"
    )


def footer(package_version: str, made: str) -> Markup:
    """Who made the page and when."""
    return tag("footer", f"Made by langfield {package_version} on {made}. One file: it loads nothing from elsewhere.")


def lines(*texts: str | None) -> Markup:
    """Paragraphs; None is left out."""
    return joined(*(tag("p", text) for text in texts if text is not None))
