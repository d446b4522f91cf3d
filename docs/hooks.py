"""What `mkdocs build` fills in.

* `command-line.md` has a line `<!-- options: COMMAND -->` for every command: a table of its arguments, as its `--help`
  prints them. A command without one, or a line for a command that is not there, fails the build.
* `python.md` has a line `<!-- public API -->`: an entry for each name of `langfield.__all__`, made by mkdocstrings. A
  name that is not defined fails the build.
"""

import contextlib
import html
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

from mkdocs.exceptions import PluginError

_MARK = re.compile(r"<!-- options: (\w+) -->")
_PUBLIC = "<!-- public API -->"
_WIDE = "4000"  # columns: so that the help wraps no line
_OUTPUT = ("--help", "--json", "--no-progress")  # every command has these; the page says so once


@dataclass
class Argument:
    """An argument as the help prints it: `--out PATH`, and lines of explanation."""

    name: str
    lines: list[str]


def on_page_markdown(markdown: str, *, page, config, files) -> str:
    """MkDocs calls this for every page before it is rendered."""
    if page.file.src_uri == "command-line.md":
        return with_options(markdown)
    if page.file.src_uri == "python.md":
        return with_public_names(markdown)
    return markdown


def with_options(markdown: str) -> str:
    """The page of the command line with tables instead of marks."""
    commands = re.search(r"\{([\w,]+)\}", printed_help())[1].split(",")
    marked = _MARK.findall(markdown)
    if sorted(marked) != sorted(commands):
        raise PluginError(f"docs/command-line.md must have one options mark for each of {commands}, has {marked}")
    return _MARK.sub(lambda mark: options_table(mark[1]), markdown)


def with_public_names(markdown: str) -> str:
    """The page of the Python API with an entry for each public name: functions first, each group by name."""
    import langfield

    if markdown.count(_PUBLIC) != 1:
        raise PluginError(f"docs/python.md must have the line {_PUBLIC} once")
    names = sorted(langfield.__all__, key=lambda name: (name[0].isupper(), name))
    return markdown.replace(_PUBLIC, "\n\n".join(f"::: langfield.{name}" for name in names))


def options_table(command: str) -> str:
    """A Markdown table of a command's arguments."""
    rows = [
        f"| `{argument.name}` | {_in_a_cell(argument.lines)} |"
        for argument in arguments(printed_help(command))
        if not any(name in argument.name for name in _OUTPUT)
    ]
    if not rows:
        return "It takes no arguments of its own."
    return "\n".join(["| argument | what it does |", "|---|---|", *rows])


def _in_a_cell(lines: list[str]) -> str:
    """Lines as one table cell; one that ends a sentence ends a line there, too."""
    text = re.sub(r"([.:])\n", r"\1<br>", "\n".join(html.escape(line, quote=False) for line in lines))
    return text.replace("\n", " ").replace("|", "\\|")


def arguments(text: str) -> Iterator[Argument]:
    """The arguments in the frames of a help text (lines of minus signs where the terminal is not one for UTF-8)."""
    found: list[Argument] = []
    for line in text.splitlines():
        inside = re.fullmatch(r"[│ ] (\s*\S.*?)\s*│?", line)
        if not inside or re.search(r"[─╭╰]|---", line):
            continue
        if inside[1].startswith(" "):
            found[-1].lines.append(inside[1].strip())
        else:
            name, _, explanation = inside[1].partition("  ")
            found.append(Argument(name, [explanation.strip()] if explanation.strip() else []))
    if not found:
        raise PluginError(f"no arguments were found in this help:\n{text[:500]}")
    yield from found


def printed_help(*command: str) -> str:
    """What `langfield COMMAND --help` prints, in one line for each argument."""
    from langfield.cli.main import main

    said = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": _WIDE, "NO_COLOR": "1"}), contextlib.redirect_stdout(said):
        main([*command, "--help"])
    return re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue())
