"""What commands print: progress and notes on stderr, results on stdout."""

import io
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.progress import BarColumn, Task, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column, Table
from rich.text import Text

from langfield.core.progress import Progress, ProgressEvent, silent

_SECONDS_BETWEEN_LINES = 5.0
_MIN_STAGE_SECONDS = 1.0
_WIDE = 110  # columns of a terminal, from which on a bar is long
# Of an event's metrics, what is worth a place in a line; the rest goes to events.jsonl.
_FIGURES = {"loss": "loss", "psnr": "PSNR", "rays_per_second": "rays/s", "localisation": "localisation"}


@dataclass(frozen=True)
class Console:
    """What a command prints with.

    Attributes:
        progress: listener for long work.
        say: prints a line for the person (stderr).
        quiet: whether results are printed as JSON by `main`, so that tables are not.
    """

    progress: Progress
    say: Callable[[str], None]
    quiet: bool

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table on stdout, unless the result is printed as JSON."""
        if self.quiet:
            return
        table = Table(box=None, pad_edge=False)
        rich = RichConsole(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False)
        for name, width in zip(columns, _whole_numbers(columns, rows, rich.width), strict=True):
            table.add_column(name, min_width=width)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))  # no markup: a phrase may hold [brackets]
        rich.print(table)


def _whole_numbers(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int | None]:
    """Least widths of a table's columns at which cells wrap between words only; None for each if it would be too wide
    with them."""
    words = [[word for row in rows for word in row[number].split()] for number in range(len(columns))]
    least = [
        max(map(cell_len, (*name.split(), *of_column)), default=0)
        for name, of_column in zip(columns, words, strict=True)
    ]
    fits = sum(least) + 2 * (len(least) - 1) <= width
    return [wanted if fits else None for wanted in least]


@contextmanager
def open_console(*, show_progress: bool, quiet: bool) -> Iterator[Console]:
    """A console whose progress is bars on a terminal, else a line every few seconds."""
    stderr = sys.stderr
    if show_progress and stderr.isatty():
        rich = RichConsole(file=stderr)
        with _bars(rich) as bars:
            yield Console(_bar_listener(bars), lambda line: rich.print(Text(line)), quiet)
        return
    listener = LinePrinter(stderr) if show_progress else silent
    yield Console(listener, lambda line: print(line, file=stderr, flush=True), quiet)


class LinePrinter:
    """A listener that prints a line every few seconds, and one at the end of each stage that took a second."""

    def __init__(self, file: TextIO | io.TextIOBase, seconds_between: float = _SECONDS_BETWEEN_LINES) -> None:
        self._file = file
        self._seconds_between = seconds_between
        self._stage = ""
        self._printed = time.monotonic()
        self._ends = _Ends()

    def __call__(self, event: ProgressEvent) -> None:
        now = time.monotonic()
        if event.stage != self._stage:
            self._stage, self._printed = event.stage, now
        ended = self._ends.first(event) and event.seconds >= _MIN_STAGE_SECONDS
        if ended or (event.done < event.total and now - self._printed >= self._seconds_between):
            self._printed = now
            print(progress_line(event), file=self._file, flush=True)


class _Ends:
    """Tells the end of each stage once: some report it several times."""

    def __init__(self) -> None:
        self._ended: set[str] = set()

    def first(self, event: ProgressEvent) -> bool:
        """Whether this event ends its stage, and the last one of this stage did not."""
        known, ends = event.stage in self._ended, event.done >= event.total
        (self._ended.add if ends else self._ended.discard)(event.stage)
        return ends and not known


def progress_line(event: ProgressEvent) -> str:
    """One event as text: stage, how far, and `progress_figures`."""
    figures = progress_figures(event)
    return f"{event.stage}: {event.done:,}/{event.total:,} {event.unit}" + (f", {figures}" if figures else "")


def progress_figures(event: ProgressEvent) -> str:
    """How fast, time to go, and the figures that say how good it is."""
    parts = [f"{short_number(event.rate)} {event.unit}/s"] if event.rate > 0 else []
    if event.eta_seconds is not None and event.done < event.total:
        parts.append(f"{duration(event.eta_seconds)} to go")
    shown = ((name, event.metrics[name]) for name in _FIGURES if name in event.metrics)
    return ", ".join([*parts, *(f"{_FIGURES[name]} {short_number(value)}" for name, value in shown)])


def short_number(value: float) -> str:
    """A number in at most a few characters: 12,345 or 28.51 or 0.0123."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds as 42s, 3:05 or 1:02:03."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest}s"


class _Figures(TextColumn):
    """The figures at the end of a bar, which are cut first where a terminal is narrow."""

    def __init__(self) -> None:
        # Rich narrows the columns that may wrap before it narrows the others.
        super().__init__("[dim]{task.fields[figures]}", table_column=Column(no_wrap=False))

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def _bars(rich: RichConsole) -> RichProgress:
    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24 if rich.width >= _WIDE else 8),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
        _Figures(),
        console=rich,
    )


def _bar_listener(bars: RichProgress) -> Progress:
    """Bars of what goes on, each of which becomes a line when its stage ends, if that took a second."""
    tasks: dict[str, TaskID] = {}
    ends = _Ends()

    def listen(event: ProgressEvent) -> None:
        ended = ends.first(event)
        if event.done < event.total:
            figures = progress_figures(event)
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.stage, total=event.total, unit=event.unit, figures=figures)
            bars.update(tasks[event.stage], completed=event.done, total=event.total, unit=event.unit, figures=figures)
        elif event.stage in tasks:
            bars.remove_task(tasks.pop(event.stage))
            bars.refresh()
        if ended and event.seconds >= _MIN_STAGE_SECONDS:
            bars.console.print(progress_line(event), markup=False, highlight=False)

    return listen
