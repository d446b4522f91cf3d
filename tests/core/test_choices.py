"""A mistyped name is refused with the nearest one and all that are known."""

import pytest

from langfield.core.choices import check_choice, hint
from langfield.core.errors import UsageError


def test_known_names_pass():
    check_choice("preset", "lerf", {"nano": 1, "lerf": 2})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("lrf", "unknown preset 'lrf'; did you mean 'lerf'? known are nano, lerf"),
        ("NANO", "unknown preset 'NANO'; did you mean 'nano'? known are nano, lerf"),
        ("xyz", "unknown preset 'xyz'; known are nano, lerf"),
        ("", "unknown preset ''; known are nano, lerf"),
        (None, "unknown preset None; known are nano, lerf"),
        (["lerf"], "unknown preset ['lerf']; known are nano, lerf"),
    ],
)
def test_other_names_are_refused_in_one_line(name: object, line: str):
    with pytest.raises(UsageError) as error:
        check_choice("preset", name, iter(("nano", "lerf")))
    assert str(error.value) == line


def test_long_names_are_cut():
    with pytest.raises(UsageError) as error:
        check_choice("preset", "x" * 10_000, ["nano"])
    assert len(str(error.value)) < 120


def test_there_is_no_hint_without_a_near_name():
    assert hint("mug", ["vase", "spoon"]) == hint("mug", []) == hint(3, ["3"]) == ""
    assert hint("Spon", ["vase", "Spoon"]) == "did you mean 'Spoon'? "
