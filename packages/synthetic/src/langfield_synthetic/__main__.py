"""Make synthetic scenes: `langfield-synthetic capture OUT` and `langfield-synthetic pictures OUT`.

Mitsuba 3 renders them, on a GPU if there is one.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from langfield.core.errors import LangfieldError, UsageError
from langfield_synthetic.kinds import KINDS
from langfield_synthetic.rendering import Renderer, TruthRenderer, use_mitsuba
from langfield_synthetic.scenes import Wish, compose, random_cameras, ring_cameras
from langfield_synthetic.writing import add_truth, write_capture, write_pictures

_CAPTURE_BOUNCES = 10  # through the walls of a glass and back
_PICTURE_BOUNCES = 5


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except LangfieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def capture(options: argparse.Namespace) -> None:
    """One scene as a capture: photos on rings around the table, poses, truth of the test views, queries.

    With --truth-only, OUT is such a capture already, and gets the truth of every photo; nothing is path-traced.
    """
    mitsuba = use_mitsuba(options.variant)
    nouns = _kinds(options.kinds)
    scene = compose(options.seed, _wishes(options.things), spread=options.spread, nouns=nouns)
    print(f"{options.out.name}: {', '.join(thing.name for thing in scene.things)}", file=sys.stderr)
    cameras = ring_cameras(options.photos, *options.size, distance=options.distance)
    if options.truth_only:
        add_truth(options.out, scene, cameras, TruthRenderer(mitsuba, scene).render(cameras))
        return
    pictures = Renderer(mitsuba, scene, _CAPTURE_BOUNCES).render(cameras, options.samples, seed=options.seed)
    write_capture(options.out, options.out.name, scene, cameras, pictures, nouns=nouns, all_truth=options.all_truth)


def pictures(options: argparse.Namespace) -> None:
    """Many random scenes as pictures with ids, one .npz each; what is there already is kept.

    Several processes share the work with --part 0/4, 1/4, …; --seconds stops them in time.
    """
    mitsuba = use_mitsuba(options.variant)
    options.out.mkdir(parents=True, exist_ok=True)
    nouns = _kinds(options.kinds)
    part, parts = options.part
    start, made = time.monotonic(), 0
    for seed in range(options.first + part, options.first + options.scenes, parts):
        path = options.out / f"{seed:05d}.npz"
        if options.seconds is not None and time.monotonic() - start > options.seconds:
            break
        if path.exists():
            continue
        rng = np.random.default_rng([seed, 1])
        scene = compose(seed, nouns=nouns, alike=options.alike)
        cameras = random_cameras(rng, scene, options.photos, *options.size)
        renderer = Renderer(mitsuba, scene, _PICTURE_BOUNCES)
        white = float(rng.uniform(0.74, 0.95))
        views = list(renderer.render(cameras, options.samples, seed=seed, white=white))
        write_pictures(path, scene, views, with_parts=options.with_parts)
        made += len(views)
        if made // options.photos % 10 == 0:
            print(f"scene {seed}: {made} pictures, {made / (time.monotonic() - start):.1f} a second", file=sys.stderr)


def _wishes(path: Path | None) -> list[Wish] | None:
    """A JSON list of [noun, colour, material]; "" leaves the choice to the seed."""
    if path is None:
        return None
    try:
        listed: Any = json.loads(path.read_text(encoding="utf-8"))
        return [(str(noun), str(colour), str(material)) for noun, colour, material in listed]
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: expected a JSON list of [noun, colour, material] ({error})") from error


def _kinds(path: Path | None) -> list[str]:
    """The nouns that a text file lists, one a line; all of them without a file."""
    if path is None:
        return sorted(KINDS)
    try:
        nouns = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: expected a text file with one kind of thing a line ({error})") from error
    if not nouns:
        raise UsageError(f"{path}: no kind of thing in it; there are {', '.join(sorted(KINDS))}")
    if unknown := sorted(set(nouns) - set(KINDS)):
        raise UsageError(f"{path}: not kinds of things: {', '.join(unknown)}; there are {', '.join(sorted(KINDS))}")
    return nouns


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="langfield-synthetic", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for run, photos, size, samples in ((capture, 40, (400, 300), 512), (pictures, 16, (320, 240), 64)):
        command = commands.add_parser(run.__name__, help=(run.__doc__ or "").splitlines()[0])
        command.set_defaults(run=run)
        command.add_argument("out", type=Path)
        command.add_argument("--photos", type=int, default=photos, help="pictures of a scene")
        command.add_argument("--size", type=_size, default=size, help="WIDTHxHEIGHT in pixels")
        command.add_argument("--samples", type=int, default=samples, help="camera paths a pixel")
        command.add_argument("--variant", help="of Mitsuba; default: cuda_ad_rgb with a GPU, else scalar_rgb")
        command.add_argument(
            "--kinds",
            type=Path,
            help="text file, one kind of thing a line: what random things are, and what is asked for in vain",
        )
        if run is capture:
            command.add_argument("--seed", type=int, default=0)
            command.add_argument("--things", type=Path, help="JSON list of [noun, colour, material] to put there")
            command.add_argument("--spread", type=float, default=0.85, help="share of the table's radius used")
            command.add_argument("--distance", type=float, default=1.05, help="of the cameras, metres")
            truth = command.add_mutually_exclusive_group()
            truth.add_argument(
                "--all-truth", action="store_true", help="ids and depth of every photo, not of test views"
            )
            truth.add_argument(
                "--truth-only",
                action="store_true",
                help="OUT is a capture that was made with the same arguments: add ids and depth of every photo",
            )
        else:
            command.add_argument("--first", type=int, default=0, help="first scene's seed")
            command.add_argument("--scenes", type=int, default=300)
            command.add_argument("--part", type=_part, default=(0, 1), help="I/N: every N-th scene from I")
            command.add_argument("--with-parts", action="store_true", help="also which part of its thing a pixel shows")
            command.add_argument(
                "--alike", type=_share, default=0.0, metavar="SHARE", help="of scenes have sets of equal things: 0 to 1"
            )
            command.add_argument("--seconds", type=float, help="start no scene after so many")
    return parser


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _share(text: str) -> float:
    if not 0 <= (share := float(text)) <= 1:
        raise ValueError
    return share


def _part(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    return int(part), int(parts)


if __name__ == "__main__":
    sys.exit(main())
