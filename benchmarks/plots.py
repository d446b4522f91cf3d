"""Plots of what `splats.py` measured, as PNG files.

    python benchmarks/plots.py relevancy.json lifting.json training.json --out docs/plots

Time against size on logarithmic axes, with the floor dashed; PSNR against seconds on plain ones.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_SIZE = 1120, 620
_MARGIN = 80, 60, 280, 80  # left, top, right, bottom; the legend is at the right
_COLOURS = ("#1b6ca8", "#d1495b", "#2e8540", "#b06d00", "#6b4c9a", "#3b8686")


@dataclass
class Line:
    """Attributes: name: in the legend; points: (x, y); dashed: a floor or a limit rather than a measurement."""

    name: str
    points: list[tuple[float, float]]
    dashed: bool = False


@dataclass
class Plot:
    """One picture of lines. Attributes: logarithmic: both axes; marks: heights that a thin line shows, by name."""

    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    logarithmic: bool = True
    marks: dict[str, float] = field(default_factory=dict)


def drawn(plot: Plot) -> Image.Image:
    """The plot as a picture. Raises ValueError if there is nothing to draw."""
    points = [point for line in plot.lines for point in line.points if all(map(math.isfinite, point))]
    if plot.logarithmic:
        points = [point for point in points if min(point) > 0]
    if not points:
        raise ValueError(f"nothing to draw in {plot.title!r}")
    heights = [y for _, y in points] + list(plot.marks.values())
    across = _Axis([x for x, _ in points], _MARGIN[0], _SIZE[0] - _MARGIN[2], plot.logarithmic)
    up = _Axis(heights, _SIZE[1] - _MARGIN[3], _MARGIN[1], plot.logarithmic)
    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)
    _frame(pen, plot, across, up)
    for name, height in plot.marks.items():
        y = up.place(height)
        _dashes(pen, (_MARGIN[0], y), (_SIZE[0] - _MARGIN[2], y), "#999999", 1)
        beside_legend = y < _legend_y(len(plot.lines))
        at, anchor = ((_MARGIN[0] + 6, y - 4), "ls") if beside_legend else ((_SIZE[0] - _MARGIN[2] + 8, y), "lm")
        pen.text(at, name, "#666666", _font(14), anchor=anchor)
    for number, line in enumerate(plot.lines):
        colour = "#777777" if line.dashed else _COLOURS[number % len(_COLOURS)]
        seen = [p for p in sorted(line.points) if all(map(math.isfinite, p)) and (not plot.logarithmic or min(p) > 0)]
        at = [(across.place(x), up.place(y)) for x, y in seen]
        for start, end in pairwise(at):
            if line.dashed:
                _dashes(pen, start, end, colour, 2)
            else:
                pen.line([start, end], colour, 3)
        if not line.dashed:
            for x, y in at:
                pen.ellipse((x - 5, y - 5, x + 5, y + 5), colour)
        _legend(pen, number, line, colour)
    return picture


class _Axis:
    """Values to pixels, and where to put ticks."""

    def __init__(self, values: Sequence[float], start_px: float, end_px: float, logarithmic: bool) -> None:
        self._logarithmic, self._start, self._end = logarithmic, start_px, end_px
        low, high = (self._warped(value) for value in (min(values), max(values)))
        room = 0.06 * (high - low) or (0.3 if logarithmic else max(abs(low), 1) * 0.1)
        self._low, self._high = low - room, high + room

    def _warped(self, value: float) -> float:
        return math.log10(value) if self._logarithmic else value

    def place(self, value: float) -> float:
        share = (self._warped(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        """1, 2 and 5 times powers of ten on logarithmic axes; about six round steps on plain ones, and where not even
        half a decade is shown."""
        reach = self._high - self._low
        if not self._logarithmic:
            return _round_steps(self._low, self._high)
        if reach < 0.5:
            return _round_steps(10**self._low, 10**self._high)
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        steps = (1,) if reach >= 4 else (1, 2, 5)
        values = [step * 10.0**power for power in powers for step in steps]
        return [value for value in values if self._low <= math.log10(value) <= self._high]


def _round_steps(low: float, high: float) -> list[float]:
    raw = (high - low) / 6
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _frame(pen: ImageDraw.ImageDraw, plot: Plot, across: _Axis, up: _Axis) -> None:
    left, top, right, bottom = _MARGIN[0], _MARGIN[1], _SIZE[0] - _MARGIN[2], _SIZE[1] - _MARGIN[3]
    for value in across.ticks():
        x = across.place(value)
        pen.line((x, top, x, bottom), "#e6e6e6")
        pen.text((x, bottom + 8), _said(value), "black", _font(15), anchor="ma")
    for value in up.ticks():
        y = up.place(value)
        pen.line((left, y, right, y), "#e6e6e6")
        pen.text((left - 8, y), _said(value), "black", _font(15), anchor="rm")
    pen.rectangle((left, top, right, bottom), outline="black")
    pen.text(((left + right) / 2, 14), plot.title, "black", _font(20), anchor="ma")
    pen.text(((left + right) / 2, _SIZE[1] - 14), plot.x_label, "black", _font(17), anchor="ms")
    pen.text((left, top - 8), plot.y_label, "black", _font(17), anchor="ms")


def _legend_y(number: int) -> int:
    return _MARGIN[1] + 20 + 24 * number


def _legend(pen: ImageDraw.ImageDraw, number: int, line: Line, colour: str) -> None:
    x, y = _SIZE[0] - _MARGIN[2] + 16, _legend_y(number)
    if line.dashed:
        _dashes(pen, (x, y), (x + 34, y), colour, 2)
    else:
        pen.line((x, y, x + 34, y), colour, 3)
    pen.text((x + 42, y), line.name, "black", _font(15), anchor="lm")


def _dashes(
    pen: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], colour: str, width: int
) -> None:
    length = math.dist(start, end)
    for number in range(0, int(length / 8) + 1, 2):
        a, b = (min((number + more) * 8 / max(length, 1e-9), 1.0) for more in (0, 1))
        ends = [tuple(s + share * (e - s) for s, e in zip(start, end, strict=True)) for share in (a, b)]
        pen.line([ends[0], ends[1]], colour, width)  # pyright: ignore[reportArgumentType]


def _said(value: float) -> str:
    for limit, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:.6g}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


# What is drawn of which measurement


def plots(found: dict) -> dict[str, Plot]:
    """Plots by file name, of the JSON that `splats.py` wrote."""
    of_kind = {"relevancy": _of_relevancy, "lifting": _of_lifting, "training": _of_training, "growth": _of_growth}
    return of_kind[found["what"]](found)


def _of_relevancy(found: dict) -> dict[str, Plot]:
    rows, (width, height) = found["known"], found["size"]
    phrases, counts = (sorted({row[key] for row in rows}) for key in ("phrases", "gaussians"))
    where = f"{width}x{height}, {found['machine']['device']}"
    named = [f"{p} phrase{'s' if p > 1 else ''} at once" for p in phrases]

    def against(key: str, value: int, x: str, y: str) -> list[tuple[float, float]]:
        return [(row[x], row[y]) for row in rows if row[key] == value and row.get(y)]

    by_count = [Line(n, against("phrases", p, "gaussians", "fixed_ms")) for n, p in zip(named, phrases, strict=True)]
    by_count.append(
        Line("1, another camera, relevancy known", against("phrases", phrases[0], "gaussians", "changing_ms"))
    )
    by_count.append(Line("bytes that must move", against("phrases", phrases[0], "gaussians", "floor_ms"), dashed=True))
    by_phrase = [Line(f"{_said(n)} Gaussians", against("gaussians", n, "phrases", "fixed_ms")) for n in counts]
    by_phrase.append(
        Line("bytes, most Gaussians", against("gaussians", counts[-1], "phrases", "floor_ms"), dashed=True)
    )
    return {
        "relevancy_gaussians": Plot(
            f"Relevancy, kernels, {where}", "Gaussians", "ms", by_count, marks={"1000 a second": 1.0}
        ),
        "relevancy_phrases": Plot(f"Relevancy, kernels, {where}", "phrases at once", "ms", by_phrase),
    }


def _of_lifting(found: dict) -> dict[str, Plot]:
    rows, device = found["lifting"], found["machine"]["device"]
    counts = sorted({row["gaussians"] for row in rows})
    usual = {"gaussians": counts[len(counts) // 2], "photos": min(row["photos"] for row in rows)}
    usual["levels"] = max(row["levels"] for row in rows)

    def against(name: str) -> Plot:
        chosen = [row for row in rows if all(row[key] == usual[key] for key in usual if key != name)]
        others = ", ".join(f"{_said(usual[key])} {key}" for key in usual if key != name)
        x = "Gaussians" if name == "gaussians" else name
        measured = Line("measured", [(row[name], row["seconds"]) for row in chosen])
        floor = Line("bytes that must move", [(row[name], row["floor_s"]) for row in chosen], dashed=True)
        return Plot(f"Lifting, {others.replace('gaussians', 'Gaussians')}, {device}", x, "s", [measured, floor])

    return {f"lifting_{name}": against(name) for name in usual}


def _of_growth(found: dict) -> dict[str, Plot]:
    device, photos = found["machine"]["device"], found["photos"]
    named = {name: f"{name}_s" for name in ("features", "training", "lifting", "all")}
    stages = [Line(name, [(row["photos"], row[key]) for row in photos]) for name, key in named.items()]
    floor = [(row["photos"], row["features_floor_s"]) for row in photos if "features_floor_s" in row]
    if floor:
        stages.append(Line("features: arithmetic", floor, dashed=True))
    trained = [
        Line("training", [(row["gaussians"], row["training_s"]) for row in found["gaussians"]]),
        Line("Adam's own bytes", [(row["gaussians"], row["adam_s"]) for row in found["gaussians"]], dashed=True),
    ]
    many = f"{found['steps']:,} steps, {photos[0]['photos']} photos"
    return {
        "growth_photos": Plot(f"Making a run, {found['encoder']}, {device}", "photos", "s", stages),
        "growth_gaussians": Plot(f"Training, {many}, {device}", "Gaussians", "s", trained),
    }


def _of_training(found: dict) -> dict[str, Plot]:
    lines = [
        Line(name, [(seconds, psnr) for _, seconds, psnr, _ in preset["curve"]])
        for name, preset in found["presets"].items()
    ]
    targets = sorted({float(k.split()[2]) for row in found["rows"] for k in row if k.startswith("s to ")})
    title = f"{found['scene']}, {found['test_views']} test views, {found['machine']['device']}"
    marks = {f"{target} dB": target for target in targets}
    return {"training": Plot(title, "seconds of training", "PSNR, dB", lines, logarithmic=False, marks=marks)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", nargs="+", help="JSON files of splats.py")
    parser.add_argument("--out", default=".", help="a folder")
    options = parser.parse_args()
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    for path in options.measured:
        for name, plot in plots(json.loads(Path(path).read_text())).items():
            drawn(plot).save(folder / f"{name}.png")
            print(folder / f"{name}.png")


if __name__ == "__main__":
    main()
