"""Names and pictures that commands write."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from langfield.cli.files import make_folder, numbered_slugs, slug, write_picture
from langfield.core.errors import DataError
from langfield.reports.contact_sheet import SheetRow, contact_sheet


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_any_phrase_becomes_a_safe_name(text: str):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(text))
    assert len(slug(text)) <= 60
    assert slug(slug(text)) == slug(text)


def test_slugs_of_known_phrases():
    assert slug("Wooden  spoon!") == "wooden-spoon"
    assert slug("../../etc/passwd") == "etc-passwd"
    assert slug("café crème") == "cafe-creme"
    assert slug("咖啡") == "phrase"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=5), min_size=1, max_size=20))
def test_numbered_names_differ(texts: list[str]):
    assert len(set(numbered_slugs(texts))) == len(texts)


def test_masks_are_white_where_they_are_true(tmp_path: Path):
    mask = np.zeros((4, 6), bool)
    mask[1, 2] = True
    with Image.open(write_picture(tmp_path / "m.png", mask)) as image:
        assert (np.asarray(image) == mask * 255).all()


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as error:
        make_folder(tmp_path / "file" / "out")
    assert str(error.value) == (
        f"{tmp_path / 'file' / 'out'}: cannot be made (Not a directory): choose another folder for --out"
    )


def test_the_contact_sheet_has_every_picture_in_its_cell():
    colours = [[(200, 0, 0), (0, 200, 0), (0, 0, 200)], [(9, 99, 9), (99, 9, 9), (9, 9, 99)]]
    rows = []
    for row in colours:
        red, green, blue = (np.full((48, 64, 3), colour, np.uint8) for colour in row)
        rows.append(SheetRow("a very long label " * 20, (red, green, blue)))
    sheet = contact_sheet(rows)
    height = 270  # 360 wide, 4 : 3
    for index, row in enumerate(colours):
        top = 42 + index * (height + 44) + 36
        for column, colour in enumerate(row):
            left = 8 + column * 368
            cell = sheet[top : top + height, left : left + 360]
            assert np.abs(cell.astype(int) - colour).max() <= 1
            assert (sheet[top + 10, left + 360 : left + 368] == 255).all()
    assert sheet.shape == (42 + 2 * (height + 44) + 64, 3 * 368 + 8, 3)
    assert len(np.unique(sheet[-64:-50, 8:728].reshape(-1, 3), axis=0)) > 100  # the legend's colours
