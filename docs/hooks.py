"""What `mkdocs build` fills in: each command's options on the page `command-line.md`, as its `--help` prints them.

The page has a line `<!-- options: COMMAND -->` for every command. A command without one, or a line for a command that
is not there, fails the build.
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

_PAGE = "command-line.md"
_MARK = re.compile(r"<!-- options: (\w+) -->")
_WIDE = "4000"  # columns: so that the help wraps no line
_OUTPUT = ("--help", "--json", "--no-progress")  # every command has these; the page says so once


@dataclass
class Argument:
    """An argument as the help prints it: `--out PATH`, and lines of explanation."""

    name: str
    lines: list[str]


def on_page_markdown(markdown: str, *, page, config, files) -> str:
    """MkDocs calls this for every page before it is rendered."""
    if page.file.src_uri != _PAGE:
        return markdown
    commands = re.search(r"\{([\w,]+)\}", printed_help())[1].split(",")
    marked = _MARK.findall(markdown)
    if sorted(marked) != sorted(commands):
        raise PluginError(f"docs/{_PAGE} must have one options mark for each of {commands}, has {marked}")
    return _MARK.sub(lambda mark: options_table(mark[1]), markdown)


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
