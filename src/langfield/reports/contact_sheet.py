"""A contact sheet: one picture with a row for each phrase of photo, relevancy map and answer."""

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
_BLOCK_GAP_PX = 24
_FONT_PX = 24
_ROW_LABEL_PX = 36
_HEADER_PX = 42
_TITLE_PX = 44
_LEGEND_PX = 64
_COLUMNS = ("photo's view", "relevancy", "answer")
_INK, _PAPER = (20, 20, 20), (255, 255, 255)


@dataclass(frozen=True)
class SheetRow:
    """One phrase: its label, and three pictures of one size."""

    label: str
    pictures: tuple[Rgb, Rgb, Rgb]


def contact_sheet(rows: Sequence[SheetRow], blocks: int = 1, title: str | None = None) -> Rgb:
    """Rows of photo | relevancy | answer with a label above each, column names, and a legend of the colours.

    Args:
        blocks: how many blocks of rows stand side by side, so that many rows do not make a very high picture.
        title: a line above everything.
    """
    font = ImageFont.load_default(size=_FONT_PX)
    share = -(-len(rows) // blocks)
    parts = [rows[start : start + share] for start in range(0, len(rows), share)]
    block_width = len(_COLUMNS) * (_CELL_WIDTH_PX + _GAP_PX) + _GAP_PX
    block_height = max(sum(_cell_height(row) + _ROW_LABEL_PX + _GAP_PX for row in part) for part in parts)
    first_top = 0 if title is None else _TITLE_PX
    height = first_top + _HEADER_PX + block_height + _LEGEND_PX
    sheet = Image.new("RGB", (block_width * len(parts) + _BLOCK_GAP_PX * (len(parts) - 1), height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    if title is not None:
        pen.text((_GAP_PX, 8), _shortened(title, font, sheet.width - 2 * _GAP_PX), fill=_INK, font=font)
    for number, part in enumerate(parts):
        _draw_block(sheet, pen, font, part, (number * (block_width + _BLOCK_GAP_PX), first_top))
    _draw_legend(sheet, pen, font, first_top + _HEADER_PX + block_height)
    return np.array(sheet)


def _cell_height(row: SheetRow) -> int:
    return round(_CELL_WIDTH_PX * row.pictures[0].shape[0] / row.pictures[0].shape[1])


def _draw_block(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, font: Font, rows: Sequence[SheetRow], corner: tuple[int, int]
) -> None:
    first_left, first_top = corner
    width = len(_COLUMNS) * (_CELL_WIDTH_PX + _GAP_PX)
    lefts = [first_left + _GAP_PX + i * (_CELL_WIDTH_PX + _GAP_PX) for i in range(len(_COLUMNS))]
    for left, name in zip(lefts, _COLUMNS, strict=True):
        pen.text((left, first_top + 8), name, fill=_INK, font=font)
    top = first_top + _HEADER_PX
    for row in rows:
        pen.text((lefts[0], top + 4), _shortened(row.label, font, width - _GAP_PX), fill=_INK, font=font)
        top += _ROW_LABEL_PX
        for left, picture in zip(lefts, row.pictures, strict=True):
            cell = Image.fromarray(picture).resize((_CELL_WIDTH_PX, _cell_height(row)), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left, top))
        top += _cell_height(row) + _GAP_PX


def _draw_legend(sheet: Image.Image, pen: ImageDraw.ImageDraw, font: Font, top: int) -> None:
    """A bar of the colours from 0 to 1."""
    left, width, height = _GAP_PX, 2 * _CELL_WIDTH_PX, 14
    bar = turbo(np.tile(np.linspace(0, 1, width), (height, 1)))
    sheet.paste(Image.fromarray(bar), (left, top))
    for value, text in ((0.0, "0"), (0.5, "relevancy: green at 0.5, red at 1"), (1.0, "1")):
        length = pen.textlength(text, font=font)
        x = left + value * width - (0 if value == 0 else length if value == 1 else length / 2)
        pen.text((x, top + height + 4), text, fill=_INK, font=font)


def _shortened(text: str, font: Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
