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
