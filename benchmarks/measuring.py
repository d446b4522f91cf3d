"""What the benchmarks measure with: clocks that know of the device, its copy bandwidth, and what the machine is."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch


def machine(device: torch.device) -> dict[str, str | float]:
    """The device, torch, and bytes a millisecond of a large copy (read plus written)."""
    small = device.type == "cpu"
    name = f"CPU, {torch.get_num_threads()} threads" if small else torch.cuda.get_device_name(device)
    return {"device": name, "torch": torch.__version__, "copy_bytes_per_ms": copy_bytes_per_ms(device)}


def copy_bytes_per_ms(device: torch.device) -> float:
    source = torch.empty(2**22 if device.type == "cpu" else 2**30, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    return 2 * source.numel() / milliseconds(lambda: target.copy_(source), device)


def milliseconds(function: Callable[[], object], device: torch.device, repeats: int = 20, calls: int = 1) -> float:
    """Median over `repeats` of the time that `calls` calls in a row take, over `calls`; three to warm up.

    On a GPU by CUDA events: what the host takes to launch counts where the device waits for it.
    """
    if device.type == "cpu":
        repeats = min(repeats, 3)
    for _ in range(3 if device.type == "cuda" else 1):
        function()
    return statistics.median(_between(function, device, calls) for _ in range(repeats))


def latency_ms(function: Callable[[], object], device: torch.device, repeats: int = 20) -> float:
    """Median time of one call from an idle device until its result is there, by the host's clock."""
    times = []
    for _ in range((repeats if device.type == "cuda" else 2) + 1):
        synchronise(device)
        start = time.perf_counter()
        function()
        synchronise(device)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[1:])


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _between(function: Callable[[], object], device: torch.device, calls: int) -> float:
    if device.type == "cpu":
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return (time.perf_counter() - start) * 1e3 / calls
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(calls):
        function()
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end) / calls


class Marks:
    """Times between named moments of something that is done again and again, without waiting for the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._rounds: list[list[tuple[str, float | torch.cuda.Event]]] = []

    def begin(self) -> None:
        """A new round starts here."""
        self._rounds.append([])
        self.mark("")

    def restart(self) -> None:
        """Forget the rounds so far."""
        self._rounds.clear()

    def mark(self, part: str) -> None:
        """What was done since the last mark is `part`."""
        if self._device.type == "cpu":
            self._rounds[-1].append((part, time.perf_counter() * 1e3))
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._rounds[-1].append((part, event))

    def milliseconds(self) -> dict[str, float]:
        """Median of each part over the rounds, the same part of a round added up; waits for the device."""
        synchronise(self._device)
        parts: dict[str, list[float]] = {}
        for marks in self._rounds:
            spent: dict[str, float] = {}
            for (_, before), (part, after) in pairwise(marks):
                if isinstance(before, torch.cuda.Event):
                    assert isinstance(after, torch.cuda.Event)
                    lasted = before.elapsed_time(after)
                else:
                    assert isinstance(after, float)
                    lasted = after - before
                spent[part] = spent.get(part, 0.0) + lasted
            for part, lasted in spent.items():
                parts.setdefault(part, []).append(lasted)
        return {part: statistics.median(values) for part, values in parts.items()}


def kernels(function: Callable[[], object], file: Path) -> tuple[dict[str, float], int]:
    """What a GPU does in `function`, by torch's profiler: seconds by kernel, the longest first, and how many kernels
    there are. A longer table goes into `file`."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        function()
        torch.cuda.synchronize()
    figures: Any = seen.key_averages()
    file.write_text(figures.table(sort_by="self_device_time_total", row_limit=40, max_name_column_width=90))
    found = [event for event in figures if event.device_type == torch.autograd.DeviceType.CUDA]
    found.sort(key=lambda event: -event.self_device_time_total)
    return {event.key: event.self_device_time_total / 1e6 for event in found}, sum(event.count for event in found)


@contextmanager
def peak_memory(device: torch.device, found: dict[str, float]) -> Iterator[None]:
    """Put the most GB allocated on a GPU within into `found["memory_gb"]`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    yield
    if device.type == "cuda":
        found["memory_gb"] = torch.cuda.max_memory_allocated(device) / 1e9


def table(header: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *([_shown(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell)
