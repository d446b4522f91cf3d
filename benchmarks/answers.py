"""Answers of a trained run: agreement of the quick scale search with the whole one, and time for a new phrase.

python benchmarks/answers.py RUN --phrases mug "wooden spoon" … [--views 4] [--width 640]
"""

import argparse
import statistics
import time

import torch

from asking import encoded, view_of
from langfield.query.scale_search import (
    lerf_scales,
    relevancy_at_scales,
    search_scales,
    search_scales_coarse_to_fine,
)
from langfield.query.session import Session


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--phrases", nargs="+", required=True)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--side", type=int, default=4096, help="longest side of the pictures in pixels")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    session = Session.open(arguments.run, device=arguments.device)
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
        f"scale search: {same_scale}/{total} the same scale, {same_pixel}/{total} the same pixel; all phrases at once "
        f"{statistics.median(whole_seconds):.3f} s whole, {statistics.median(quick_seconds):.3f} s quick"
    )
    times_of_phrases(session, arguments.phrases, arguments.side)


def times_of_phrases(session: Session, phrases: list[str], side: int) -> None:
    camera = next(v for v in session.views if v.split == "test").camera.fit_within(side)
    session.ask_view(camera, phrases[:1])
    rows = {"langfield": [], "lerf": []}
    for protocol, seconds in rows.items():
        for number, phrase in enumerate(phrases):
            _, spent = timed(lambda p=phrase, n=number, k=protocol: session.ask_view(camera, [f"{p} {n}"], protocol=k))
            seconds.append(spent)
    another = session.train_views()[0].camera.fit_within(side)
    _, fresh = timed(lambda: session.ask_view(another, [phrases[0]]))
    _, first = timed(lambda: session.query(phrases[:1]))
    _, later = timed(lambda: session.query([phrases[-1]]))
    print(
        f"{camera.width_px}x{camera.height_px}: a new phrase's picture, text encoding included: "
        f"{statistics.median(rows['langfield']):.3f} s (lerf protocol {statistics.median(rows['lerf']):.3f} s); "
        f"with the view rendered anew {fresh:.3f} s; query: first {first:.3f} s, later {later:.3f} s"
    )
    if session.device.type == "cuda":
        print(f"GPU memory to query: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


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
