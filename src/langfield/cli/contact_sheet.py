"""One picture that shows what was asked and what was found: a row for each phrase."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from langfield.query.pictures import turbo

Rgb = UInt8[np.ndarray, "h w 3"]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_CELL_WIDTH_PX = 360
_GAP_PX = 8
_FONT_PX = 18
_ROW_LABEL_PX = 30
_HEADER_PX = 34
_LEGEND_PX = 56
_COLUMNS = ("photo's view", "relevancy", "answer")
_INK, _PAPER = (20, 20, 20), (255, 255, 255)


@dataclass(frozen=True)
class SheetRow:
    """One phrase: its label, and three pictures of one size."""

    label: str
    pictures: tuple[Rgb, Rgb, Rgb]


def contact_sheet(rows: Sequence[SheetRow]) -> Rgb:
    """Rows of rgb | relevancy | answer with labels above each row, column names, and a legend of the colours."""
    font = ImageFont.load_default(size=_FONT_PX)
    heights = [round(_CELL_WIDTH_PX * row.pictures[0].shape[0] / row.pictures[0].shape[1]) for row in rows]
    width = len(_COLUMNS) * (_CELL_WIDTH_PX + _GAP_PX) + _GAP_PX
    height = _HEADER_PX + sum(h + _ROW_LABEL_PX + _GAP_PX for h in heights) + _LEGEND_PX
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    lefts = [_GAP_PX + i * (_CELL_WIDTH_PX + _GAP_PX) for i in range(len(_COLUMNS))]
    for left, name in zip(lefts, _COLUMNS, strict=True):
        pen.text((left, 8), name, fill=_INK, font=font)
    top = _HEADER_PX
    for row, cell_height in zip(rows, heights, strict=True):
        pen.text((_GAP_PX, top + 4), _shortened(row.label, font, width - 2 * _GAP_PX), fill=_INK, font=font)
        top += _ROW_LABEL_PX
        for left, picture in zip(lefts, row.pictures, strict=True):
            cell = Image.fromarray(picture).resize((_CELL_WIDTH_PX, cell_height), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left, top))
        top += cell_height + _GAP_PX
    _draw_legend(sheet, pen, font, top)
    return np.array(sheet)


def _draw_legend(sheet: Image.Image, pen: ImageDraw.ImageDraw, font: Font, top: int) -> None:
    """A bar of the colours from 0 to 1, in the middle what 0.5 means."""
    left, width, height = _GAP_PX, 2 * _CELL_WIDTH_PX, 14
    bar = turbo(np.tile(np.linspace(0, 1, width), (height, 1)))
    sheet.paste(Image.fromarray(bar), (left, top))
    for value, text in ((0.0, "0"), (0.5, "0.5: no negative phrase wins"), (1.0, "1")):
        length = pen.textlength(text, font=font)
        x = left + value * width - (0 if value == 0 else length if value == 1 else length / 2)
        pen.text((x, top + height + 4), text, fill=_INK, font=font)


def _shortened(text: str, font: Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
