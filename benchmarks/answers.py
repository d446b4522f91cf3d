"""Answers of a trained run: agreement of the quick scale search with the whole one, and how long public calls take.

python benchmarks/answers.py RUN --phrases mug "wooden spoon" … [--views 4] [--side 640] [--size 1440 1080]
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import torch

from asking import encoded, opened_anew, view_of
from langfield.core.cameras import Camera
from langfield.query.scale_search import (
    lerf_scales,
    relevancy_at_scales,
    search_scales,
    search_scales_coarse_to_fine,
)
from langfield.query.session import Session
from measuring import latency_ms, table
from public_calls import HEADER, call_times, told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--phrases", nargs="+", required=True)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--side", type=int, default=4096, help="longest side of the pictures in pixels")
    parser.add_argument("--size", type=int, nargs=2, default=(1440, 1080), help="of pictures whose calls are timed")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    session = opened_anew(arguments.run, arguments.device)
    asked = session.model.prepare_phrases(encoded(session, arguments.phrases))
    scales = lerf_scales().to(session.device)
    same_scale = same_pixel = total = 0
    whole_seconds, quick_seconds = [], []
    for view in [v for v in session.views if v.split == "test"][: arguments.views]:
        made = view_of(session, view.camera.fit_within(arguments.side))
        whole, seconds = timed(lambda made=made: search_scales(made, asked, scales))
        whole_seconds.append(seconds)
        quick, seconds = timed(lambda made=made: search_scales_coarse_to_fine(made, asked, scales))
        quick_seconds.append(seconds)
        pixels = [
            relevancy_at_scales(made, asked, scales[found.scale_index]).reshape(len(asked), -1).argmax(dim=1)
            for found in (whole, quick)
        ]
        same_scale += int((whole.scale_index == quick.scale_index).sum())
        same_pixel += int((pixels[0] == pixels[1]).sum())
        total += len(asked)
    print(
        f"scale search (what the protocol lerf does in a rendered view, no public call): {same_scale}/{total} the same "
        f"scale, {same_pixel}/{total} the same pixel; all phrases at once "
        f"{statistics.median(whole_seconds):.3f} s whole, {statistics.median(quick_seconds):.3f} s quick"
    )
    times_of_calls(session, arguments.phrases[0], *arguments.size)


def times_of_calls(session: Session, phrase: str, width_px: int, height_px: int) -> None:
    """Public calls, and the question of LERF's protocol."""
    _, first = timed(lambda: session.query([phrase]))
    cameras = moving_cameras(session, width_px, height_px)
    found = call_times(session, cameras, phrase)
    numbers, standing = count(), next(cameras)
    found["new_phrase"]["ask_view, lerf's protocol"] = latency_ms(
        lambda: session.ask_view(standing, [f"{phrase} once more {next(numbers)}"], protocol="lerf"), session.device
    )
    print(f"\nPublic calls at {width_px}x{height_px}; the first query, which makes the index, {first:.2f} s\n")
    print(table(HEADER, told(found)))
    if session.device.type == "cuda":
        print(f"GPU memory to query: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


def moving_cameras(session: Session, width_px: int, height_px: int) -> Iterator[Camera]:
    """The photos' cameras at this size, each time round a little to the side: no two are alike."""
    for number in count():
        camera = session.views[number % len(session.views)].camera.resized(width_px, height_px)
        pose = camera.world_from_camera.copy()
        pose[:3, 3] += pose[:3, 0] * 1e-3 * (number // len(session.views))
        yield replace(camera, world_from_camera=pose)


def timed(function):
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
