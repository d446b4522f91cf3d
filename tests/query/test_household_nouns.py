"""The bundled vocabulary that things are named by."""

from importlib.resources import files

from langfield.query.objects import household_nouns


def test_the_vocabulary_is_some_hundred_nouns_one_a_line_none_twice():
    text = files("langfield.query").joinpath("household_nouns.txt").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert text.endswith("\n")
    assert 400 <= len(lines) <= 700
    assert all(line == line.strip().lower() and line for line in lines)
    assert len({" ".join(line.split()) for line in lines}) == len(lines)
    assert all(character.isalpha() or character in " -'" for line in lines for character in line)
    assert household_nouns() == tuple(lines)
