"""The pictures of docs/concepts.md, drawn from what `make demo` left.

    .venv/bin/python docs/make_pictures.py langfield-demo docs/pictures

Everything on them is what the demo's encoder and run say; nothing is drawn by hand. Takes half a minute on a CPU.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import langfield

_PHOTO = "frame_00013.jpg"
_MUG_XY_PX = (222, 185)  # the grey mug's middle in that photo
_INK, _PALE, _PAPER = "#1f2430", "#6b7280", "#ffffff"
_COLOURS = ("#d1495b", "#1b6ca8", "#2e8540")
_SIGMA, _MINUS = "\u03c3", "\u2212"
_GAP = 16
_BOLD, _PLAIN = "DejaVuSans-Bold.ttf", "DejaVuSans.ttf"
# Colours of 0, 1/6, 2/6 … 1: dark to light to red, with green in the middle.
_HEAT = np.array(
    [(38, 22, 66), (66, 84, 190), (40, 160, 210), (90, 200, 110), (215, 215, 60), (245, 140, 40), (180, 30, 30)]
)


@dataclass(frozen=True)
class Crops:
    """Square crops of one photo, as the run's encoder sees them."""

    photo: Image.Image
    encoder: object

    def cut(self, x_px: float, y_px: float, fraction: float, side_px: int = 0) -> Image.Image:
        """The crop about a point whose side is a fraction of the photo's height; black outside the photo.

        It is resized to `side_px`, or to what the encoder takes.
        """
        edge, side = self.photo.height, side_px or self.encoder.card.input_size_px
        padded = Image.new("RGB", (self.photo.width + 2 * edge, self.photo.height + 2 * edge))
        padded.paste(self.photo, (edge, edge))
        box = around(x_px + edge, y_px + edge, fraction * self.photo.height / 2)
        return padded.resize((side, side), Image.Resampling.BICUBIC, box=box)

    def cosines(self, crops: Sequence[Image.Image], texts: Sequence[str]) -> np.ndarray:
        """(crops, texts): how alike each crop and text are."""
        words = self.encoder.encode_texts(texts)
        out = []
        for first in range(0, len(crops), 128):
            part = np.stack([np.asarray(crop) for crop in crops[first:][:128]])
            pixels = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
            out.append((self.encoder.encode_images(pixels) @ words.T).cpu().numpy())
        return np.concatenate(out)

    def relevancy(self, crops: Sequence[Image.Image], phrases: Sequence[str]) -> np.ndarray:
        """(crops, phrases): LERF's relevancy against the encoder's own negatives."""
        card = self.encoder.card
        negatives = self.cosines(crops, card.negatives).max(axis=1, keepdims=True)
        return 1 / (1 + np.exp(-card.temperature * (self.cosines(crops, phrases) - negatives)))


def main(demo: Path, out: Path) -> None:
    session = langfield.open(demo / "run", device="cpu")
    folder = Path(session.info.scene_path)
    photo = Image.open(next(folder.rglob(_PHOTO))).convert("RGB")
    crops = Crops(photo, session.encoder)
    save(pyramid_picture(crops, "mug", (0.14, 0.28, 0.5)), out / "concepts_pyramid.jpg")
    save(scale_picture(crops, ("mug", "table", "red mug")), out / "concepts_scale.jpg")
    (out / "concepts_relevancy.svg").write_text(relevancy_chart(crops, ("mug", "banana")))
    save(answer_picture(session, photo, "mug"), out / "concepts_answer.jpg")
    answers = json.loads((demo / "demo.json").read_text())["answers"]
    (out / "concepts_presence.svg").write_text(presence_chart(answers))


# -- the pyramid --------------------------------------------------------------------------------------------------


def pyramid_picture(crops: Crops, phrase: str, fractions: Sequence[float]) -> Image.Image:
    """A column for each size of crop: where crops are cut, and what each says of a phrase."""
    height = crops.photo.height
    columns = []
    for fraction, colour in zip(fractions, _COLOURS, strict=True):
        side = round(fraction * height)
        tiles, centres = tiling(crops.photo.size, side, side // 2)
        cut = [crops.cut(x, y, fraction) for x, y in centres]
        said = crops.relevancy(cut, [phrase])[:, 0].reshape(tiles)
        nearest = int(np.hypot(*(np.array(centres) - _MUG_XY_PX).T).argmin())
        title = f"crops of {fraction:g} of the height: {len(cut)}"
        columns.append(
            column(title, [with_tiles(crops.photo, centres, side, nearest, colour), over(crops.photo, said)], 560)
        )
    foot = f"below: how much more each crop looks like “{phrase}” than like anything else (blue 0, green 0.5, red 1)"
    return stacked([beside(columns), caption(foot, beside(columns).width)])


def tiling(size: tuple[int, int], side: int, stride: int) -> tuple[tuple[int, int], list[tuple[float, float]]]:
    """Rows and columns of crops, and their centres; the first one's centre is the photo's corner."""
    xs, ys = (np.arange(0, length + 1, stride) for length in size)
    return (len(ys), len(xs)), [(float(x), float(y)) for y in ys for x in xs]


def with_tiles(
    photo: Image.Image, centres: Sequence[tuple[float, float]], side: int, shown: int, colour: str
) -> Image.Image:
    """The photo with every crop's centre, and one of the crops."""
    scale = 3
    picture = dimmed(photo, 0.75).resize((photo.width * scale, photo.height * scale), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for x, y in centres:
        pen.ellipse(around(x * scale, y * scale, 5), fill="white")
    x, y = centres[shown]
    box = around(x * scale, y * scale, side * scale / 2)
    picture.paste(
        photo.crop(around(x, y, side / 2)).resize((round(box[2] - box[0]), round(box[3] - box[1]))),
        (round(box[0]), round(box[1])),
    )
    pen.rectangle(box, outline=colour, width=10)
    return picture


def over(photo: Image.Image, said: np.ndarray) -> Image.Image:
    """Relevancies of a grid of crops in colours over the grey photo, smooth between the centres."""
    colours = Image.fromarray(said.astype(np.float32)).resize((photo.width * 2, photo.height * 2), Image.BILINEAR)
    grey = photo.convert("L").convert("RGB").resize(colours.size)
    return Image.blend(grey, Image.fromarray(heat(np.asarray(colours))), 0.72)


# -- scale --------------------------------------------------------------------------------------------------------


def scale_picture(crops: Crops, phrases: Sequence[str]) -> Image.Image:
    """Crops of all sizes about one place, and what each says of some phrases."""
    shown = (0.08, 0.14, 0.28, 0.5, 1.0)
    x, y = _MUG_XY_PX
    columns = []
    for fraction in shown:
        said = crops.relevancy([crops.cut(x, y, fraction)], phrases)[0]
        picture = column(f"{fraction:g} of the height", [crops.cut(x, y, fraction, 336)], 336)
        lines = [caption(f"{phrase}: {value:.2f}", 336, colour) for phrase, value, colour in
                 zip(phrases, said, _COLOURS, strict=True)]  # fmt: skip
        columns.append(stacked([picture, *lines]))
    row = beside(columns)
    fractions = np.geomspace(0.06, 1.0, 60)
    curves = crops.relevancy([crops.cut(x, y, f) for f in fractions], phrases).T
    return stacked([row, curve_chart(fractions, curves, phrases, row.width)])


def curve_chart(x: np.ndarray, curves: np.ndarray, names: Sequence[str], width: int) -> Image.Image:
    """Relevancy against the size of the crop."""
    scale, height, left, bottom, right = 2, 420, 90, 70, 200
    picture = Image.new("RGB", (width * scale, height * scale), _PAPER)
    pen = ImageDraw.Draw(picture)

    def place(fraction: float, value: float) -> tuple[float, float]:
        along = np.log(fraction / x[0]) / np.log(x[-1] / x[0])
        return (scale * (left + along * (width - left - right)), scale * (20 + (1 - value) * (height - 20 - bottom)))

    for value in (0, 0.5, 1):
        pen.line([place(x[0], value), place(x[-1], value)], fill="#d5d8de" if value != 0.5 else _PALE, width=2)
        at = place(x[0], value)
        pen.text((at[0] - 12 * scale, at[1]), f"{value:g}", fill=_INK, font=font(20 * scale), anchor="rm")
    for fraction in (0.08, 0.14, 0.28, 0.5, 1.0):
        at = place(fraction, 0)
        pen.text((at[0], at[1] + 10 * scale), f"{fraction:g}", fill=_INK, font=font(20 * scale), anchor="ma")
    middle = place(float(np.sqrt(x[0] * x[-1])), 0)
    text = "height of the crop, as a share of the photo's (relevancy upwards)"
    pen.text((middle[0], middle[1] + 38 * scale), text, fill=_PALE, font=font(20 * scale), anchor="ma")
    ends = spread([place(x[-1], curve[-1])[1] for curve in curves], 26 * scale)
    for curve, name, colour, end in zip(curves, names, _COLOURS, ends, strict=True):
        pen.line([place(f, v) for f, v in zip(x, curve, strict=True)], fill=colour, width=4 * scale, joint="curve")
        pen.text((place(x[-1], 0)[0] + 12 * scale, end), name, fill=colour, font=font(22 * scale, _BOLD), anchor="lm")
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def spread(heights: Sequence[float], least: float) -> list[float]:
    """The same heights, moved down where they would be closer than `least`."""
    out = list(heights)
    order = np.argsort(heights)
    for above, below in pairwise(order):
        out[below] = max(out[below], out[above] + least)
    return out


# -- relevancy ----------------------------------------------------------------------------------------------------


def relevancy_chart(crops: Crops, phrases: Sequence[str]) -> str:
    """Cosines of one crop (the mug, 0.2 of the height) with phrases and negatives, and what becomes of them."""
    negatives = list(crops.encoder.card.negatives)
    texts = [*phrases, *negatives]
    crop = crops.cut(*_MUG_XY_PX, 0.2)
    cosine = crops.cosines([crop], texts)[0]
    best = len(phrases) + int(cosine[len(phrases) :].argmax())
    middle, unit, row = 430, 480, 36
    parts = [
        text(20, 30, "cosines of the grey mug's crop with…", bold=True),
        f'<line x1="{middle}" y1="46" x2="{middle}" y2="{62 + row * len(texts)}" stroke="#9aa1ad"/>',
    ]
    for number, (name, value) in enumerate(zip(texts, cosine, strict=True)):
        y = 60 + row * number
        colour = _COLOURS[number] if number < len(phrases) else "#8a93a3"
        start = middle + min(value, 0) * unit
        kind = "phrase" if number < len(phrases) else "negative"
        parts.append(text(20, y + 18, f"{kind} “{name}”"))
        parts.append(
            f'<rect x="{start:.0f}" y="{y}" width="{abs(value) * unit:.0f}" height="24" rx="3" fill="{colour}"/>'
        )
        side, anchor = (value, "start") if value >= 0 else (0, "start")
        parts.append(text(middle + side * unit + 8, y + 18, signed(value), anchor=anchor))
    height = 60 + row * len(texts)
    parts.append(
        text(
            20,
            height + 34,
            f"relevancy = {_SIGMA}(10 · (cosine with the phrase {_MINUS} cosine with its best negative))",
        )
    )
    for number, name in enumerate(phrases):
        gap = cosine[number] - cosine[best]
        value = 1 / (1 + np.exp(-crops.encoder.card.temperature * gap))
        said = f"“{name}”: {_SIGMA}(10 · ({signed(cosine[number])} {_MINUS} {cosine[best]:.2f})) = {value:.2f}"
        parts.append(text(20, height + 66 + 28 * number, said, _COLOURS[number], bold=True))
    return svg(780, height + 120, parts)


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", _MINUS)


def answer_picture(session: object, photo: Image.Image, phrase: str) -> Image.Image:
    """One view: the photo, relevancy as rendered, relevancy brought into line with the surface, and the mask."""
    view = next(view for view in session.views if view.name.endswith(_PHOTO))
    seen = session.ask_view(view.camera, [phrase])
    rgb = np.asarray(photo)
    marked = np.where(seen.masks[0][..., None], 0.55 * rgb + 0.45 * np.array([255, 90, 110]), 0.5 * rgb)
    pictures = {
        "a photo": rgb,
        f"relevancy of “{phrase}”, raw": heat(seen.relevancy[0]),
        "refined along the surface": heat(seen.refined[0]),
        "the answer's mask": marked.round().astype(np.uint8),
    }
    return beside([column(title, [Image.fromarray(picture)], 440) for title, picture in pictures.items()])


# -- presence -----------------------------------------------------------------------------------------------------


def presence_chart(answers: Sequence[dict]) -> str:
    """A dot for each of the demo's phrases, by how present the run says it is."""
    left, unit, named = 40, 820, {"mug", "potted plant", "wooden spoon", "plastic toy car", "cooking pot", "strawberry"}
    parts = []
    for row, (kind, title) in enumerate((("present", "things that are there"), ("absent", "things that are not"))):
        y = 90 + 130 * row
        count = sum(answer["expected"] == kind for answer in answers)
        parts.append(text(left, y - 48, f"{count} phrases for {title}", _COLOURS[row], bold=True))
        parts.append(f'<line x1="{left}" y1="{y}" x2="{left + unit}" y2="{y}" stroke="#d5d8de"/>')
        for number, answer in enumerate(a for a in answers if a["expected"] == kind):
            x, lift = left + answer["presence"] * unit, (number * 7) % 5 * 6 - 12
            dot = f'<circle cx="{x:.1f}" cy="{y + lift}" r="5" fill="{_COLOURS[row]}" fill-opacity="0.65"/>'
            parts.append(dot)
            if answer["phrase"] in named:
                parts.append(text(x, y + 36, answer["phrase"], _PALE, anchor="middle", size=14))
                parts.append(f'<line x1="{x:.1f}" y1="{y + lift + 6}" x2="{x:.1f}" y2="{y + 22}" stroke="#9aa1ad"/>')
    parts.append(f'<line x1="{left + unit / 2}" y1="30" x2="{left + unit / 2}" y2="272" stroke="#1f2430" '
                 'stroke-dasharray="5 4"/>')  # fmt: skip
    for value in (0, 0.25, 0.5, 0.75, 1):
        parts.append(text(left + value * unit, 294, f"{value:g}", _PALE, anchor="middle", size=15))
    parts.append(text(left + unit / 2 - 8, 318, "presence; right of 0.5 the answer is “there”", _INK, anchor="middle"))
    return svg(left * 2 + unit, 334, parts)


# -- parts --------------------------------------------------------------------------------------------------------


def heat(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1] as colours."""
    stops = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(values, stops, channel) for channel in _HEAT.T], axis=-1).round().astype(np.uint8)


def dimmed(picture: Image.Image, share: float) -> Image.Image:
    return picture.point(lambda value: round(value * share))


def around(x: float, y: float, half: float) -> tuple[float, float, float, float]:
    return x - half, y - half, x + half, y + half


def column(title: str, pictures: Sequence[Image.Image], width: int) -> Image.Image:
    """Pictures below each other and below a title, all of one width."""
    sized = [p.resize((width, round(p.height * width / p.width)), Image.Resampling.LANCZOS) for p in pictures]
    return stacked([caption(title, width, bold=True), *sized])


def caption(words: str, width: int, colour: str = _INK, *, bold: bool = False) -> Image.Image:
    picture = Image.new("RGB", (width, 32), _PAPER)
    ImageDraw.Draw(picture).text((0, 16), words, fill=colour, font=font(20, _BOLD if bold else _PLAIN), anchor="lm")
    return picture


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    return _joined(pictures, lambda at: (0, at), lambda p: p.height, (0, 1), gap=8)


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    return _joined(pictures, lambda at: (at, 0), lambda p: p.width, (1, 0), gap=_GAP)


def _joined(
    pictures: Sequence[Image.Image],
    where: Callable[[int], tuple[int, int]],
    length: Callable[[Image.Image], int],
    axis: tuple[int, int],
    gap: int,
) -> Image.Image:
    total = sum(length(p) for p in pictures) + gap * (len(pictures) - 1)
    size = (total, max(p.height for p in pictures)) if axis[0] else (max(p.width for p in pictures), total)
    out, at = Image.new("RGB", size, _PAPER), 0
    for picture in pictures:
        out.paste(picture, where(at))
        at += length(picture) + gap
    return out


def font(size: int, name: str = _PLAIN) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return ImageFont.load_default(size)


def text(x: float, y: float, words: str, colour: str = _INK, *, anchor: str = "start", bold: bool = False,
         size: int = 17) -> str:  # fmt: skip
    weight = ' font-weight="600"' if bold else ""
    style = f'fill="{colour}" font-size="{size}" text-anchor="{anchor}"{weight}'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{words}</text>'


def svg(width: float, height: float, parts: Sequence[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#ffffff"/>\n{inside}\n</svg>\n'
    )


def save(picture: Image.Image, file: Path) -> None:
    padded = Image.new("RGB", (picture.width + 2 * _GAP, picture.height + 2 * _GAP), _PAPER)
    padded.paste(picture, (_GAP, _GAP))
    padded.save(file, quality=88, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
