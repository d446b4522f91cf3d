"""What people see while they wait: lines, numbers, tables, errors in one line."""

import io
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.cli.console import LinePrinter, duration, open_console, progress_line, short_number
from langfield.cli.main import parse
from langfield.core.errors import UsageError
from langfield.core.progress import ProgressEvent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59.4, "59s"), (60.0, "1:00"), (185.0, "3:05"), (3723.0, "1:02:03")],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (28.512, "28.51"), (0.01234, "0.0123"), (7.0, "7"), (float("nan"), "nan")]
)
def test_numbers_are_short(value: float, text: str):
    assert short_number(value) == text


def test_a_line_says_how_far_how_fast_how_long_and_how_good():
    metrics = {"loss": 0.0213, "psnr": 24.1234, "distortion": 0.1}
    event = ProgressEvent("training", 1500, 30000, "steps", 30.0, metrics)
    assert progress_line(event) == "training: 1,500/30,000 steps, 50 steps/s, 9:30 to go, loss 0.0213, PSNR 24.12"
    assert progress_line(ProgressEvent("features", 0, 9, "crops", 0.0)) == "features: 0/9 crops"
    assert progress_line(ProgressEvent("features", 9, 9, "crops", 3.0)) == "features: 9/9 crops, 3 crops/s"


def test_short_stages_are_not_worth_a_line_and_long_ones_are_told_now_and_then():
    file = io.StringIO()
    printer = LinePrinter(file, seconds_between=0.0)
    printer(ProgressEvent("training", 1, 3, "steps", 2.0))
    printer(ProgressEvent("training", 3, 3, "steps", 6.0))
    printer(ProgressEvent("training", 3, 3, "steps", 6.1))  # said again: no other line
    quiet = LinePrinter(file, seconds_between=60.0)
    quiet(ProgressEvent("fingerprint", 1, 2, "files", 0.1))
    quiet(ProgressEvent("fingerprint", 2, 2, "files", 0.2))
    quiet(ProgressEvent("features", 2, 2, "crops", 4.0))
    assert [line.split(":")[0] for line in file.getvalue().splitlines()] == ["training", "training", "features"]


def test_bars_are_drawn_on_a_terminal_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for kind, drawn in ((Terminal, True), (io.StringIO, False)):
        monkeypatch.setattr(sys, "stderr", kind())
        with open_console(show_progress=True, quiet=False) as console:
            console.progress(ProgressEvent("training", 1, 2, "steps", 1.0))
            console.say("a [bold]note[/bold]")
        text = sys.stderr.getvalue()  # type: ignore[attr-defined]
        assert ("\x1b[" in text) == drawn
        assert "a [bold]note[/bold]" in text


def test_a_bar_becomes_a_line_when_its_stage_ends(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with open_console(show_progress=True, quiet=False) as console:
        console.progress(ProgressEvent("fingerprint", 1, 2, "files", 0.1))
        console.progress(ProgressEvent("fingerprint", 2, 2, "files", 0.2))
        console.progress(ProgressEvent("features", 3, 4, "crops", 2.0))
        console.progress(ProgressEvent("features", 4, 4, "crops", 2.0))
        console.progress(ProgressEvent("features", 4, 4, "crops", 2.1))  # said again: no other line
        console.say("ready")
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sys.stderr.getvalue())  # type: ignore[attr-defined]
    lines = [line.strip() for line in re.split(r"[\r\n]", written) if line.strip()]
    assert lines[-2:] == ["features: 4/4 crops, 2 crops/s", "ready"]
    assert not any(line.startswith("fingerprint: ") for line in lines)  # a stage of .2 s leaves no line
    assert sum(line.startswith("features: ") for line in lines) == 1


def test_a_narrow_terminal_shows_stage_and_counts_whole(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", Terminal())
    metrics = {"loss": 0.0213, "psnr": 24.1234, "rays_per_second": 16021}
    with open_console(show_progress=True, quiet=False) as console:
        console.progress(ProgressEvent("features", 4000, 9792, "crops", 20.0))
        console.progress(ProgressEvent("rendering for the index", 4, 16, "views", 2.0))
        console.progress(ProgressEvent("training", 350, 700, "steps", 30.0, metrics))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sys.stderr.getvalue()).splitlines()  # type: ignore[attr-defined]
    features, index, training = lines[-3:]
    assert re.match(r"features +\S+ 4,000/9,792 crops +200 crops/s", features)
    assert re.match(r"rendering for the index \S+ 4/16 views +2 views/s", index)
    assert re.match(r"training +\S+ 350/700 steps +11.67 steps/s.*…", training)
    assert max(len(line) for line in lines) <= 80


def test_tables_break_no_number_on_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    row = ("a yellow rubber duck", "yes", "0.0779 x 0.0692 x 0.0665", "-0.3615, -0.1135, 0.0509", "frame_00022")
    with open_console(show_progress=False, quiet=False) as console:
        console.table(("phrase", "there", "size", "position", "photo"), [row])
        console.table(("phrase", "there"), [])
    words = capsys.readouterr().out.split()
    assert set(" ".join(row).split()) <= set(words)


def test_tables_that_are_too_wide_still_show_all_columns(capsys):
    names = [f"kitchen-with-a-long-name-{number}" for number in range(7)]
    with open_console(show_progress=False, quiet=False) as console:
        console.table(("figure", *names), [("PSNR", *(f"{20 + number}.5" for number in range(7)))])
    assert [f"{20 + number}.5" for number in range(7)] == capsys.readouterr().out.splitlines()[-1].split()[1:]


def test_tables_keep_brackets_and_are_left_out_beside_json(capsys):
    for quiet in (False, True):
        with open_console(show_progress=False, quiet=quiet) as console:
            console.table(("phrase", "there"), [("[red]mug[/red]", "yes")])
        assert ("[red]mug[/red]" in capsys.readouterr().out) is not quiet


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("train", "Missing from langfield train: PATH --out PATH; see langfield train --help"),
        ("query run --nope", "Unrecognized options: --nope; see langfield --help"),
        ("train a --out b --sed", "Unrecognized options: --sed; did you mean --seed?; see langfield --help"),
        (
            "eval run --protocol x",
            "invalid choice 'x' for argument '--protocol'. Expected one of ('langfield', 'lerf', 'lerf-ovs', "
            "'lerf-ovs-held-out', 'lerf-mask', '3d-ovs', '3d-ovs-held-out', '3d', 'presence'); "
            "see langfield eval --help",
        ),
        (
            "eval run --protocol lerfovs",
            "invalid choice 'lerfovs' for argument '--protocol'. Expected one of ('langfield', 'lerf', 'lerf-ovs', "
            "'lerf-ovs-held-out', 'lerf-mask', '3d-ovs', '3d-ovs-held-out', '3d', 'presence'); "
            "did you mean 'lerf-ovs'?; see langfield eval --help",
        ),
        (
            "export run --out a --format point",
            "invalid choice 'point' for argument '--format'. Expected one of ('splat', 'points', 'masks', "
            "'relevancy', 'object', 'hide', 'json', 'html'); did you mean 'points'?; see langfield export --help",
        ),
        (
            "render run --out a --outputs relevency",
            "invalid choice 'relevency' for argument '--outputs'. Expected one of ('rgb', 'depth', 'relevancy', "
            "'refined', 'composited', 'mask'); did you mean 'relevancy'?; see langfield render --help",
        ),
        (
            "trian scene --out a",
            "unknown command 'trian'; did you mean 'train'? known are demo, train, lift, query, objects, segment, "
            "view, render, eval, bake, export, report, compare, methods, scenes, reproduce",
        ),
        (
            "",
            "Expected one of {demo, train, lift, query, objects, segment, view, render, eval, bake, export, report, "
            "compare, methods, scenes, reproduce}; see langfield --help",
        ),
    ],
)  # fmt: skip
def test_wrong_arguments_are_explained_in_one_line(arguments: str, line: str):
    with pytest.raises(UsageError) as error:
        parse(arguments.split())
    assert str(error.value) == line


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(["train", "query", "--out", "--json", "x", "--phrase", "--nope", "", "--seed", "é[b]"]))
)
def test_any_arguments_are_a_command_or_one_line(arguments: list[str]):
    said = None
    try:
        parse(arguments)
    except UsageError as error:
        said = str(error)
    assert said is None or ("\n" not in said and said.strip())
