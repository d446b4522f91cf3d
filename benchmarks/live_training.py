"""What watching a training costs: `langfield train` without --view, with --view and nobody there, and with a client.

    python benchmarks/live_training.py SCENE [--preset splat] [--encoder builtin:mini] [--max-steps 2000] [--repeats 3]
        [--device auto] [--width 1280 --height 720] [--modes plain nobody resting moving] [--window 20]

    python benchmarks/live_training.py SCENE --modes alternating …

Each training is a process of its own, in a folder of its own. The client speaks viser's protocol
(`tests/viewer/clients.py`), without a browser; "moving" tells another camera 20 times a second, "resting" one and then
none. All ways take turns, after one training that is not counted, which fills the cache of features and compiles what
is compiled. The speed is that of the last nine tenths of the steps, by the run's `events.jsonl`; CPU time is all that
the process took for them, the page's threads included, and says more than the clock where other programs run. Prints a
table of medians, and all figures as JSON.

"alternating" is one training that a client comes to and leaves every `--window` seconds. Prints a table of the watched
windows, each against the mean of those before and after it.
"""

import argparse
import asyncio
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.viewer.clients import Page

from langfield.viewer.access import Access

MODES = ("plain", "nobody", "resting", "moving", "alternating")
_ARRIVING_SECONDS = 3.0  # of a window, which are not counted: the page is built
_SKIPPED_SHARE = 0.1
_CAMERAS_PER_SECOND = 20
_TURN = 0.1  # of the page's frame, in which a scene is a few units large


@dataclass
class Reached:
    """Where a viewer is."""

    access: Access


@dataclass(frozen=True)
class Measured:
    """One training.

    Attributes:
        mode: how it was watched.
        steps_per_second: of its last nine tenths.
        cpu_ms: milliseconds of CPU time for each of these steps.
        pictures: that the client got while it trained.
        longest_px: the longest side of the largest of them.
        model: digest of the model that it led to.
    """

    mode: str
    steps_per_second: float
    cpu_ms: float
    pictures: int
    longest_px: int
    model: str


def training_events(run: Path) -> list[dict[str, Any]]:
    """What a run's `events.jsonl` says of its steps so far."""
    try:
        lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in events if event["stage"] == "training"]


def is_counted(event: dict[str, Any]) -> bool:
    """Whether an event comes after the first steps, which are not counted."""
    return event["done"] >= _SKIPPED_SHARE * event["total"]


def steps_per_second(events: list[dict[str, Any]]) -> float:
    """The speed of a training, without its first steps."""
    first = next(event for event in events if is_counted(event))
    return (events[-1]["done"] - first["done"]) / (events[-1]["seconds"] - first["seconds"])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class CpuClock(threading.Thread):
    """Reads the CPU time of a training when its counted steps begin, and when they end."""

    def __init__(self, pid: int, run: Path) -> None:
        super().__init__(daemon=True)
        self._pid, self._run = pid, run
        self._marks: list[tuple[int, float]] = []

    def run(self) -> None:
        """Look every 50 ms."""
        try:
            while len(self._marks) < 2:
                time.sleep(0.05)
                events = training_events(self._run)
                wanted = is_counted if not self._marks else lambda event: event["done"] >= event["total"]
                if events and wanted(events[-1]):
                    self._marks.append((events[-1]["done"], cpu_seconds(self._pid)))
        except FileNotFoundError:  # it has ended
            return

    @property
    def ms_a_step(self) -> float:
        """Milliseconds; NaN if the process ended before they could be read."""
        if len(self._marks) < 2:
            return math.nan
        (first, before), (last, after) = self._marks
        return 1000 * (after - before) / (last - first) if last > first else math.nan


async def watch(reached: Reached, size: tuple[int, int], *, moves: bool, until: Callable[[], bool]) -> tuple[int, int]:
    """Look at a training for a while. Returns how many pictures there were, and the longest side of any.

    Args:
        moves: whether the camera moves.
        until: whether that is enough.
    """
    page = Page(reached)
    page.size_px = size
    async with page:
        first: list[float] | None = None  # where it looks first
        while not until():
            await asyncio.sleep(1 / _CAMERAS_PER_SECOND if moves else 0.25)
            if moves and any(picture is not None for picture in page.pictures):
                first = first or page.look_at
                now = time.perf_counter()
                page.look_at = [first[0] + _TURN * math.sin(now), first[1], first[2] + _TURN * math.cos(now)]
                await page.move()
        pictures = [picture for picture in page.pictures if picture is not None]
        return len(pictures), max((max(picture.shape[:2]) for picture in pictures), default=0)


# -- one training, watched now and then -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """A moment of a training: steps done, their seconds, and the CPU time of the process."""

    done: int
    seconds: float
    cpu: float


async def next_mark(pid: int, run: Path) -> Mark | None:
    """The next moment at which the training says how far it is; None if it is over."""
    before = len(training_events(run))
    while len(events := training_events(run)) == before:
        if (run / "metrics.json").exists():
            return None
        await asyncio.sleep(0.02)
    return Mark(events[-1]["done"], events[-1]["seconds"], cpu_seconds(pid))


async def alternate(reached: Reached, options: argparse.Namespace, pid: int, run: Path) -> list[dict[str, Any]]:
    """Come and go until a training is over. Returns of each window whether it was watched, and its figures."""
    windows, watched = [], False
    size = options.width, options.height
    while not any(map(is_counted, training_events(run))):
        await asyncio.sleep(0.25)
    while True:
        over = asyncio.Event()
        client = asyncio.create_task(watch(reached, size, moves=True, until=over.is_set)) if watched else None
        await asyncio.sleep(_ARRIVING_SECONDS)
        first = await next_mark(pid, run)
        await asyncio.sleep(options.window)
        last = await next_mark(pid, run)
        over.set()
        pictures, side = (0, 0) if client is None else await client
        if first is None or last is None:
            return windows
        steps = last.done - first.done
        figures = {"steps_per_second": steps / (last.seconds - first.seconds), "pictures": pictures, "longest_px": side}
        windows.append({"watched": watched, **figures, "cpu_ms": 1000 * (last.cpu - first.cpu) / steps})
        print(windows[-1], file=sys.stderr, flush=True)
        watched = not watched


def told_of_windows(windows: list[dict[str, Any]]) -> str:
    """A table of watched windows, each against the mean of those before and after it."""
    lines = ["| | watched | not watched | ratio: median (all) |", "|---|---|---|---|"]
    for name in ("steps_per_second", "cpu_ms"):
        values = [window[name] for window in windows]
        pairs = [(values[i], (values[i - 1] + values[i + 1]) / 2) for i in range(1, len(values) - 1, 2)]
        ratios = sorted(mine / other for mine, other in pairs)
        mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
        every = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        lines.append(f"| {name} | {mine:.2f} | {other:.2f} | {statistics.median(ratios):.3f} ({every}) |")
    return "\n".join(lines)


# -- trainings that are watched all the time, or not at all ------------------------------------------------------------


def measure(options: argparse.Namespace, mode: str, run: Path) -> Measured:
    """Train once."""
    command = [sys.executable, "-m", "langfield", "train", str(options.scene), "--out", str(run), "--no-progress"]
    command += ["--device", options.device]
    for name in ("preset", "encoder", "max_steps"):
        if (value := getattr(options, name)) is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    if mode != "plain":
        command += ["--view", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    clock = CpuClock(process.pid, run)
    clock.start()
    try:
        seen = (0, 0) if mode == "plain" else _watched(process, options, mode, run)
        _, said = process.communicate(timeout=None if mode == "plain" else 120)
    finally:
        process.kill()
    if process.returncode:
        raise SystemExit(said)
    model = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    return Measured(mode, steps_per_second(training_events(run)), clock.ms_a_step, *seen, model)


def _watched(process: subprocess.Popen[str], options: argparse.Namespace, mode: str, run: Path) -> tuple[int, int]:
    """Watch a training until it is done, and end the viewer of its run. Returns as `watch`."""
    assert process.stderr is not None
    line = process.stderr.readline()
    if not line.startswith("open "):
        raise SystemExit(line + process.stderr.read())
    seen, done = (0, 0), run / "metrics.json"
    if mode == "nobody":
        while not done.exists() and process.poll() is None:
            time.sleep(0.25)
    else:
        parts = urlsplit(line.removeprefix("open ").strip())
        reached = Reached(Access(parts.query.removeprefix("token="), "127.0.0.1", parts.port or 0))
        size = options.width, options.height
        if mode == "alternating":
            windows = asyncio.run(alternate(reached, options, process.pid, run))
            print(told_of_windows(windows))
        else:
            seen = asyncio.run(watch(reached, size, moves=mode == "moving", until=done.exists))
    for said in process.stderr:
        if said.startswith("the page goes on"):
            break
    process.terminate()
    return seen


def told(measured: list[Measured]) -> str:
    """A table of medians."""
    lines = [
        "| training | steps a second (median; all) | slower by | CPU time a step | pictures | longest side |",
        "|---|---|---|---|---|---|",
    ]
    plain = statistics.median(one.steps_per_second for one in measured if one.mode == "plain")
    for mode in dict.fromkeys(one.mode for one in measured):
        mine = [one for one in measured if one.mode == mode]
        speeds = [one.steps_per_second for one in mine]
        middle = statistics.median(speeds)
        every = ", ".join(f"{speed:.2f}" for speed in sorted(speeds))
        cpu = statistics.median(one.cpu_ms for one in mine)
        pictures, side = statistics.median(one.pictures for one in mine), max(one.longest_px for one in mine)
        lines.append(
            f"| {mode} | {middle:.2f} ({every}) | {100 * (plain / middle - 1):.1f} % | {cpu:.1f} ms | {pictures:g} "
            f"| {side} px |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--preset")
    parser.add_argument("--encoder")
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES[:-1])
    parser.add_argument("--window", type=float, default=20)
    options = parser.parse_args()
    if "alternating" in options.modes and len(options.modes) > 1:
        parser.error("alternating is a mode of its own")
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        if options.modes == ["alternating"]:
            measure(options, "alternating", Path(folder) / "run")
            return
        measure(options, "plain", Path(folder) / "first")
        for repeat in range(options.repeats):
            for mode in dict.fromkeys(("plain", *options.modes)):
                measured.append(measure(options, mode, Path(folder) / f"{mode}-{repeat}"))
                print(asdict(measured[-1]), file=sys.stderr, flush=True)
    print(told(measured))
    same = len({one.model for one in measured}) == 1
    print(json.dumps({"same_model": same, "trainings": [asdict(one) for one in measured]}))


if __name__ == "__main__":
    main()
