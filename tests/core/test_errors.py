"""Errors are one line that can be seen, whatever the names in it are."""

import pytest

from langfield.core.errors import DataError

NAMES = {"a\u202eb": r"a\u202eb", "a\nb": "a b", "a\0b": r"a\x00b", "\ud800": r"\ud800", "é…": "é…"}


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=ascii)
def test_what_cannot_be_seen_is_escaped(name: str, shown: str):
    error = DataError(f"names {name}", f"{name}.png")
    assert error.message == f"names {shown}"
    assert error.file == f"{name}.png"
    assert str(error).endswith(f".png: names {shown}")
    assert str(error).isprintable()
