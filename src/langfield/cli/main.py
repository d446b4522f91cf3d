"""`langfield`: parse the arguments, call the command, print its result, and exit with a code that says how it went.

Exit codes: 0; 2 for bad input, with one line that names the file and the fix; 130 after Ctrl-C (a training
is saved first); 1 otherwise.
"""

import contextlib
import io
import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args

import tyro

from langfield.cli.bake import BakeCommand
from langfield.cli.compare import CompareCommand
from langfield.cli.console import open_console
from langfield.cli.demo import DemoCommand
from langfield.cli.evaluate import EvalCommand
from langfield.cli.export import ExportCommand
from langfield.cli.lift import LiftCommand
from langfield.cli.methods import MethodsCommand
from langfield.cli.objects import ObjectsCommand
from langfield.cli.query import QueryCommand
from langfield.cli.render import RenderCommand
from langfield.cli.report import ReportCommand
from langfield.cli.reproduce import ReproduceCommand
from langfield.cli.scenes import ScenesCommand
from langfield.cli.segment import SegmentCommand
from langfield.cli.train import TrainCommand
from langfield.cli.view import ViewCommand
from langfield.core.choices import check_choice, hint
from langfield.core.errors import Interrupted, LangfieldError, UsageError
from langfield.core.process import settle_process
from langfield.core.version import package_version

Command = (
    DemoCommand
    | TrainCommand
    | LiftCommand
    | QueryCommand
    | ObjectsCommand
    | SegmentCommand
    | ViewCommand
    | RenderCommand
    | EvalCommand
    | BakeCommand
    | ExportCommand
    | ReportCommand
    | CompareCommand
    | MethodsCommand
    | ScenesCommand
    | ReproduceCommand
)
# An explicit union: tyro reads the commands' names from the annotations.
_COMMANDS = Union[  # noqa: UP007
    Annotated[DemoCommand, tyro.conf.subcommand("demo")],
    Annotated[TrainCommand, tyro.conf.subcommand("train")],
    Annotated[LiftCommand, tyro.conf.subcommand("lift")],
    Annotated[QueryCommand, tyro.conf.subcommand("query")],
    Annotated[ObjectsCommand, tyro.conf.subcommand("objects")],
    Annotated[SegmentCommand, tyro.conf.subcommand("segment")],
    Annotated[ViewCommand, tyro.conf.subcommand("view")],
    Annotated[RenderCommand, tyro.conf.subcommand("render")],
    Annotated[EvalCommand, tyro.conf.subcommand("eval")],
    Annotated[BakeCommand, tyro.conf.subcommand("bake")],
    Annotated[ExportCommand, tyro.conf.subcommand("export")],
    Annotated[ReportCommand, tyro.conf.subcommand("report")],
    Annotated[CompareCommand, tyro.conf.subcommand("compare")],
    Annotated[MethodsCommand, tyro.conf.subcommand("methods")],
    Annotated[ScenesCommand, tyro.conf.subcommand("scenes")],
    Annotated[ReproduceCommand, tyro.conf.subcommand("reproduce")],
]
_COMMAND_NAMES = [command.__metadata__[0].name for command in get_args(_COMMANDS)]
_CONFIG = (tyro.conf.FlagCreatePairsOff,)  # --json, not also --no-json
_DESCRIPTION = (
    "Search a 3D scene with words: train on posed photos, then ask where things are. "
    "langfield --version tells the version."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    settle_process()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(f"langfield {package_version()}")
        return 0
    as_json = "--json" in given
    command: Command | None = None
    try:
        command = parse(given)
        with open_console(show_progress=command.progress, quiet=command.json) as console:
            # What libraries print belongs to the person, not to whoever reads the JSON.
            guard = contextlib.redirect_stdout(sys.stderr) if command.json else contextlib.nullcontext()
            with guard:
                result = command.run(console)
    except SystemExit as leave:  # --help
        return int(leave.code or 0)
    except LangfieldError as error:
        return _failed(error, as_json)
    except KeyboardInterrupt:
        kept = (
            "; the same command goes on from what was kept"
            if isinstance(command, TrainCommand | LiftCommand | DemoCommand | ReproduceCommand)
            else ""
        )
        return _failed(Interrupted(f"interrupted{kept}"), as_json)
    except Exception as error:
        traceback.print_exc()
        if as_json:
            _print_error("internal", None, f"{type(error).__name__}: {error}")
        return 1
    if command.json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
    return 0


def parse(arguments: Sequence[str]) -> Command:
    """The command that the arguments ask for. Raises UsageError in one line; SystemExit(0) after printing help."""
    if arguments and not arguments[0].startswith("-"):
        check_choice("command", arguments[0], _COMMAND_NAMES)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(_COMMANDS, args=list(arguments), prog="langfield", description=_DESCRIPTION, config=_CONFIG)
    except SystemExit as leave:
        if leave.code == 0:
            raise
        raise UsageError(_in_one_line(said.getvalue())) from None


def _in_one_line(box: str) -> str:
    """The first section of tyro's framed explanation without frame, title and help texts, and where help is."""
    lines = [re.sub(r"^│|│\s*$", " ", line).rstrip() for line in box.splitlines()]
    kept = []
    for number, line in enumerate(lines[1:]):  # the first is the title
        if not line.strip() or set(line.strip()) <= set("─-╰╯"):
            if number == 0:  # under the title, where stdout takes no frames
                continue
            break
        if len(line) - len(line.lstrip()) < 8:  # deeper ones are help texts
            kept.append(line.strip())
    near = re.search(r"Perhaps you meant:\s+(\S+)", " ".join(lines))
    advice = f"; did you mean {near[1]}?" if near else ""
    said = " ".join(kept).rstrip(".")
    choice = re.search(r"invalid choice '(.*?)' .*Expected one of \((.*)\)", said)
    if choice and (meant := hint(choice[1], re.findall(r"'(.*?)'", choice[2]))):
        advice = f"; {meant.strip()}"
    help_command = re.findall(r"langfield(?: \w+)* --help", " ".join(lines))
    return f"{said}{advice}; see {help_command[-1] if help_command else 'langfield --help'}"


def _failed(error: LangfieldError, as_json: bool) -> int:
    print(f"langfield: {error}", file=sys.stderr)
    if as_json:
        _print_error(error.kind, error.file, error.message)
    return error.exit_code


def _print_error(kind: str, file: str | None, message: str) -> None:
    document: Mapping[str, Any] = {"error": {"kind": kind, "file": file, "message": message}}
    print(json.dumps(document, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
