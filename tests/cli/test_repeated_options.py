"""Options of several values take them in one go or again and again, and the help says where they end."""

import re
import typing
from collections.abc import Iterator, Sequence

import pytest
from tests.cli.conftest import Trained, failure

from langfield.cli.main import Command, main, parse
from langfield.cli.options import Texts, flat
from langfield.cli.render import Outputs
from langfield.cli.segment import Pixels, Places
from langfield.query.session import Session

# What each command with such options needs besides.
NEEDED = {
    "query": ["RUN", "mug"],
    "segment": ["RUN"],
    "render": ["RUN", "--out", "pictures"],
    "bake": ["RUN", "--out", "baked"],
    "export": ["RUN", "--format", "json", "--out", "answers.json"],
    "report": ["RUN"],
    "compare": ["RUN", "OTHER"],
}


def options_of_several() -> Iterator[tuple[str, str, object]]:
    """Every command's options that hold more than one value, and their types."""
    for command in typing.get_args(Command):
        plain = typing.get_type_hints(command)
        annotated = typing.get_type_hints(command, include_extras=True)
        for name, kind in plain.items():
            if (typing.get_origin(kind) or kind) in (tuple, list, set, dict, Sequence):
                yield command.__name__.removesuffix("Command").lower(), name, annotated[name]


BY_PLACE = {("query", "phrases"), ("compare", "runs"), ("view", "paths")}
OPTIONS = [
    (command, name, ["rgb", "mask", "depth"] if hint == Outputs else ["a", "b c", "d"])
    for command, name, hint in options_of_several()
    if (command, name) not in BY_PLACE
]


def said(name: str) -> str:
    """An option as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def test_these_are_all_there_are():
    assert {f"{command} {said(name)}" for command, name, _ in OPTIONS} == {
        "query --negative", "segment --at", "segment --pixel", "segment --not-at", "segment --not-pixel",
        "render --outputs", "render --phrase", "render --negative", "render --views",
        "bake --phrase", "export --phrase", "export --negative", "export --views", "report --phrase",
        "compare --phrase",
    }  # fmt: skip
    assert all(
        hint in (Texts, Outputs, Places, Pixels)
        for *option, hint in options_of_several()
        if tuple(option) not in BY_PLACE
    )


@pytest.mark.parametrize(("command", "name", "values"), OPTIONS)
def test_all_values_arrive_in_one_go_and_again_and_again(command: str, name: str, values: list[str]):
    option, (first, second, third) = said(name), values
    for given in (
        [option, first, second, third],
        [option, first, option, second, option, third],
        [option, first, second, option, third],
        [f"{option}={first}", f"{option}={second}", option, third],
    ):
        for words in ([command, *NEEDED[command], *given], [command, *given, "--no-progress", *NEEDED[command]]):
            parsed = parse(words)
            assert flat(getattr(parsed, name)) == (first, second, third), words
            assert getattr(parse([command, *NEEDED[command]]), name) == ()


@pytest.mark.parametrize(("command", "name", "values"), OPTIONS)
def test_two_dashes_end_an_option(command: str, name: str, values: list[str]):
    needed = NEEDED[command]
    places = [word for word in needed if not word.startswith("--") and f"--{word}" not in needed]
    places = places[: 2 if command in ("query", "compare") else 1]
    parsed = parse([command, *needed[len(places) :], said(name), *values, "--", *places])
    assert flat(getattr(parsed, name)) == tuple(values)
    stands = {"query": ("path", "phrases"), "compare": ("runs",)}.get(command, ("path",))
    assert str(getattr(parsed, stands[0])).count("RUN") == 1


@pytest.mark.parametrize("command", NEEDED)
def test_the_help_says_where_an_option_of_several_ends(command: str, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main([command, "--help"]) == 0
    of_options = re.split(r"\n[│ ] (?=--)", capsys.readouterr().out)
    of_options = [" ".join(text.replace("│", " ").split()) for text in of_options]
    for _, name, _ in (option for option in OPTIONS if option[0] == command):
        (own,) = (text for text in of_options if text.startswith(f"{said(name)} "))
        assert "Takes all words up to the next option or --, and may be given again." in own, (command, name)


def test_who_asks_for_nothing_but_negatives_is_told_where_the_phrase_went(trained: Trained, capsys):
    assert failure(capsys, ["query", str(trained.run), "--negative", "red", "mug"]) == (
        "nothing to look for: add phrases, such as: langfield query RUN 'wooden spoon' mug; "
        "--negative takes all words up to the next option or --"
    )


def test_every_negative_counts_and_is_shown(trained: Trained, capsys, monkeypatch):
    asked = []
    query = Session.query

    def watched(self, phrases, **options):
        asked.append((tuple(phrases), options["negatives"]))
        return query(self, phrases, **options)

    monkeypatch.setattr(Session, "query", watched)
    assert main(["query", str(trained.run), "mug", "--negative", "red", "--negative", "blue", "dish"]) == 0
    assert asked == [(("mug",), ("red", "blue", "dish"))]
    assert "against red, blue, dish\n" in capsys.readouterr().err
