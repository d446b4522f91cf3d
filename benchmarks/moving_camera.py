"""Public calls under a moving camera, each frame a new one: how long each takes, and what bounds it.

    python benchmarks/moving_camera.py RUN [--size 1440x1080] [--frames 50] [--phrase mug] [--profile]
    python benchmarks/moving_camera.py --synthetic 500000

A frame's time is the host's clock from an idle device until the call's result is there: what a program that shows it
waits for. Cameras are made before the clock starts; they swing about what a photo shows.
`--profile` then tells, of each call, the kernels, torch's operations and Python's functions that took longest, and how
often the host waited for the device. `--synthetic N` makes a run of N Gaussians with language that nobody trained.
"""

import argparse
import cProfile
import io
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asking import opened_anew
from langfield.core.cameras import Camera
from langfield.query.answers import ViewAnswers
from langfield.query.session import Session
from measuring import synchronise, table
from public_calls import made_run
from splat_scenes import orbit

_PROFILED = 5  # frames
_ROWS = 14
_SYNTHETIC_PHOTO = {"cuda": (640, 480), "cpu": (64, 48)}
_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        session, cameras = _opened(options, Path(folder))
        width, height = cameras[0].width_px, cameras[0].height_px
        elements = session.model.elements()
        gaussians = "no" if elements is None else f"{len(elements.positions_scene):,}"
        print(f"{_machine(session.device)}; {width}x{height}, {gaussians} Gaussians, {options.frames} frames")
        started = time.perf_counter()
        (answer,) = session.query([options.phrase])
        first = time.perf_counter() - started
        print(f"the first query, which makes the index: {first:.2f} s; {options.phrase!r}: "
              f"presence {answer.presence:.3f}, {len(answer.hits)} hits\n")  # fmt: skip
        calls = _calls(session, options)
        rows = [_timed(name, call, cameras, session.device, options.frames) for name, call in calls.items()]
        print(table(["public call", "median ms", "90 %", "slowest", "a second"], rows))
        if session.device.type == "cuda":
            print(f"\nGPU memory: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")
        if options.profile:
            for name, call in calls.items():
                _profile(name, call, cameras, session.device)


def _calls(session: Session, options: argparse.Namespace) -> dict[str, Callable[[Camera], object]]:
    numbers = count()
    phrase, least = options.phrase, options.min_presence

    def new() -> str:
        return f"{phrase} number {next(numbers)}"

    calls: dict[str, Callable[[Camera], object]] = {
        "quick_relevancy": lambda camera: session.quick_relevancy(camera, [phrase]),
        "picture": session.picture,
        "ask_view": lambda camera: session.ask_view(camera, [phrase], min_presence=least),
        "picture_jpeg": lambda camera: session.picture_jpeg(camera),
        "picture_jpeg, quick": lambda camera: session.picture_jpeg(camera, quick=True),
        "picture_jpeg, quick, composited": lambda camera: session.picture_jpeg(
            camera, layer="composited", phrase=phrase, quick=True
        ),
        "picture_jpeg, composited": lambda camera: session.picture_jpeg(camera, layer="composited", phrase=phrase),
        "query, a new phrase": lambda _: session.query([new()], min_presence=least),
        "query, a known phrase": lambda _: session.query([phrase], min_presence=least),
        "ask_view, its masks and refined relevancy read": lambda camera: _read(
            session.ask_view(camera, [phrase], min_presence=least)
        ),
        "ask_view, a new phrase": lambda camera: session.ask_view(camera, [new()], min_presence=least),
    }
    # A commit before some of them is measured with this file, too.
    there = {name: call for name, call in calls.items() if hasattr(session, name.split(",")[0])}
    return {name: call for name, call in there.items() if not options.calls or name in options.calls}


def _read(answers: ViewAnswers) -> tuple[np.ndarray, np.ndarray]:
    return answers.masks, answers.refined


def _opened(options: argparse.Namespace, folder: Path) -> tuple[Session, list[Camera]]:
    """The run, and as many cameras of the size asked for as the longest part needs; no two are alike."""
    number = options.frames + 2
    if options.synthetic:
        device = torch.device(options.device)
        session = made_run(folder / "run", options.synthetic, options.encoder, device, _SYNTHETIC_PHOTO[device.type])
        return session, orbit(number, *options.size)
    session = opened_anew(options.run, options.device)
    return session, _orbit_of(session, number, *options.size)


def _orbit_of(session: Session, number: int, width_px: int, height_px: int) -> list[Camera]:
    """Cameras that swing by 30° about the middle of what the first photo shows, with its lens."""
    photo = next(view.camera for view in session.train_views())
    small, up = photo.fit_within(64), session.up_world
    eye, forward = photo.world_from_camera[:3, 3], photo.world_from_camera[:3, 2]
    shown = session.point_at(small, (small.width_px / 2, small.height_px / 2))
    middle = eye + forward if shown is None else shown
    focal_px = photo.fy_px * height_px / photo.height_px
    return [
        Camera.looking_at(
            middle + _turned(eye - middle, up, float(angle)),
            middle,
            up,
            width_px=width_px,
            height_px=height_px,
            focal_px=focal_px,
        )
        for angle in np.radians(np.linspace(-15, 15, number))
    ]


def _turned(vector: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """A vector turned about a unit axis (Rodrigues)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return vector * cos + np.cross(axis, vector) * sin + axis * (axis @ vector) * (1 - cos)


def _timed(
    name: str, call: Callable[[Camera], object], cameras: Sequence[Camera], device: torch.device, frames: int
) -> list[object]:
    """A row: the call, median, 90 % and slowest in milliseconds, calls a second. Two calls to warm up."""
    times = []
    for camera in cameras:
        synchronise(device)
        start = time.perf_counter()
        call(camera)
        synchronise(device)
        times.append((time.perf_counter() - start) * 1e3)
    taken = sorted(times[-frames:])
    median = statistics.median(taken)
    return [name, median, taken[int(0.9 * (len(taken) - 1))], taken[-1], 1e3 / median]


def _profile(name: str, call: Callable[[Camera], object], cameras: Sequence[Camera], device: torch.device) -> None:
    """Print what a call does, a frame: kernels, torch's operations by the host's time, functions of Python."""
    from torch.profiler import ProfilerActivity, profile

    # Poses that no call saw: a view that is kept would be read.
    poses = [replace(c, world_from_camera=_nudged(c.world_from_camera)) for c in cameras[: 2 * _PROFILED]]
    frames = len(poses) // 2
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=activities) as seen:
        for camera in poses[:frames]:
            call(camera)
            synchronise(device)
    python = cProfile.Profile()
    python.enable()
    for camera in poses[frames:]:
        call(camera)
        synchronise(device)
    python.disable()
    figures: Any = seen.key_averages()
    kernels = [e for e in figures if str(e.device_type).endswith("CUDA")]
    operations = [e for e in figures if str(e.device_type).endswith("CPU")]
    print(f"\n## {name}, a frame\n")
    if kernels:
        total, number = sum(e.self_device_time_total for e in kernels), sum(e.count for e in kernels)
        waits = {e.key: e.count / frames for e in operations if e.key.startswith(_WAITS)}
        allocated = sum(e.count for e in operations if e.key in ("cudaMalloc", "cudaHostAlloc", "cudaFree")) / frames
        print(f"{number / frames:.0f} kernels and copies, {total / frames / 1e3:.2f} ms of the device; waits "
              f"(with the benchmark's own): {waits}; cudaMalloc and the like: {allocated:.1f}\n")  # fmt: skip
        rows = [[e.key[:88], e.self_device_time_total / frames / 1e3, e.count / frames] for e in _longest(
            kernels, "self_device_time_total")]  # fmt: skip
        print(table(["kernel", "ms", "calls"], rows) + "\n")
    rows = [[e.key[:88], e.self_cpu_time_total / frames / 1e3, e.count / frames] for e in _longest(
        operations, "self_cpu_time_total")]  # fmt: skip
    print(table(["torch's operation, time of the host", "ms", "calls"], rows) + "\n")
    text = io.StringIO()
    pstats.Stats(python, stream=text).strip_dirs().sort_stats("cumulative").print_stats(2 * _ROWS)
    print(f"Python, {frames} frames, under cProfile:", text.getvalue().rstrip(), sep="\n")


def _nudged(pose: np.ndarray) -> np.ndarray:
    moved = pose.copy()
    moved[:3, 3] += 1e-4 * pose[:3, 0]
    return moved


def _longest(events: list[Any], time_of: str) -> list[Any]:
    return sorted(events, key=lambda event: -getattr(event, time_of))[:_ROWS]


def _machine(device: torch.device) -> str:
    name = f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else torch.cuda.get_device_name(device)
    return f"{name}, torch {torch.__version__}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="a run directory")
    parser.add_argument("--synthetic", type=int, metavar="N", help="make a run of N Gaussians instead")
    parser.add_argument("--size", type=_size, default=(1440, 1080), help="of the pictures, such as 1440x1080")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--phrase", default="wooden spoon")
    parser.add_argument(
        "--min-presence",
        type=float,
        default=0.5,
        help="0 gives hits of every phrase, as those of things that are there",
    )
    parser.add_argument("--calls", nargs="+", default=[], help="only these, such as picture or 'query, a new phrase'")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--encoder", help="of a synthetic run; openclip:ViT-B-16/random on a GPU, else builtin:mini")
    options = parser.parse_args()
    if (options.run is None) == (options.synthetic is None):
        parser.error("give a run, or --synthetic N")
    if options.encoder is None:
        options.encoder = "builtin:mini" if options.device == "cpu" else "openclip:ViT-B-16/random"
    return options


def _size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.lower().split("x"))
    return width, height


if __name__ == "__main__":
    main()
