"""How long masks, groups, the inventory and clicks take, whole and by part.

    python benchmarks/group_speed.py RUN SCENE [--masks builtin:masks] [--photos 130] [--clicks 50] [--masks-only]
        [--profile FOLDER]

RUN was trained on SCENE; it needs no groups, and gets none. Prints, by the host's clock and waiting for the device:
the public calls `build_masks` (with an embedding of each mask, into an empty cache) and `find_scene_groups` with what
passes between their reports of progress, first as they are in a new process and then once more; the parts of one
photo's masks, each waited for; and what a session takes for `objects` and for clicks. With --masks-only nothing
after `build_masks` (random weights find nothing to group), with --profile also the kernels of both calls, into a file
each.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from asking import scene_from_world
from langfield.core.devices import resolve_device
from langfield.core.progress import ProgressEvent
from langfield.core.sampling import subsample_evenly
from langfield.data.images import decode_image
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.encoders.base import ImageTextEncoder
from langfield.encoders.masks.base import MaskProposer
from langfield.encoders.masks.sam import SamProposer
from langfield.encoders.registry import load_masks
from langfield.features.mask_bank import MaskBank, build_masks
from langfield.features.mask_crops import encode_masks
from langfield.features.run_lengths import encode_runs
from langfield.groups.scene_groups import SceneGroups
from langfield.pipelines.grouping import find_scene_groups, grouped_photos
from langfield.query.session import Session
from measuring import kernels, synchronise, table

T = TypeVar("T")
_PHOTOS_IN_PARTS = 20


class Parts:
    """Seconds between reports of progress, by the stage that they are of; the device is waited for where one ends."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def progress(self, event: ProgressEvent) -> None:
        """Take a report."""
        if event.done == event.total:
            synchronise(self._device)
        now = time.perf_counter()
        self.seconds[event.stage] = self.seconds.get(event.stage, 0.0) + now - self._last
        self._last = now

    def whole(self, call: Callable[[], T]) -> tuple[T, float]:
        """What a call gives, and its seconds; what it does after its last report is "rest"."""
        synchronise(self._device)
        start = self._last = time.perf_counter()
        found = call()
        synchronise(self._device)
        end = time.perf_counter()
        self.seconds["rest"] = end - self._last
        return found, end - start


class PartTimes:
    """Milliseconds of parts that are done again and again, each waited for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.milliseconds: dict[str, list[float]] = {}

    def __call__(self, part: str, call: Callable[[], T]) -> T:
        found, seconds = Parts(self._device).whole(call)
        self.milliseconds.setdefault(part, []).append(1e3 * seconds)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--masks", default="builtin:masks")
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--photos", type=int, default=None, help="so many photos at most")
    parser.add_argument("--clicks", type=int, default=50)
    parser.add_argument("--masks-only", action="store_true")
    parser.add_argument("--profile", type=Path, default=None, help="a folder for tables of kernels")
    options = parser.parse_args()
    device = resolve_device(options.device)
    session = Session.open(options.run, device=options.device, encoder=options.encoder)
    scene = open_scene(options.scene)
    photos = grouped_photos(scene)
    photos = subsample_evenly(photos, options.photos or len(photos))
    rows: list[list[object]] = []

    def timed(name: str, call: Callable[[], T]) -> T:
        found, seconds = Parts(device).whole(call)
        rows.append([name, "", seconds])
        return found

    encoder = timed("encoder of language", lambda: session.encoder) if session.has_language else None
    proposer = timed(f"load_masks {options.masks}", lambda: load_masks(options.masks, device))
    bank, groups = None, None
    for turn in ("", ", again"):
        bank = mask_rows(rows, f"build_masks{turn}", scene, photos, proposer, encoder)
        if options.masks_only:
            continue
        parts = Parts(device)
        groups, seconds = parts.whole(
            lambda bank=bank, parts=parts: find_scene_groups(session.model, scene, bank, progress=parts.progress)
        )
        add(rows, f"find_scene_groups{turn}", seconds, parts)
    assert bank is not None
    if groups is None:
        print(f"{sum(len(masks) for masks in bank):,} masks of {len(bank)} photos, on {device}\n")
        print(table(["call", "part", "seconds"], rows))
        return
    print(
        f"{sum(len(masks) for masks in bank):,} masks of {len(bank)} photos, {len(groups.surface):,} voxels of surface,"
    )
    print(f"{len(groups)} groups, on {device}\n")
    print(table(["call", "part", "seconds"], rows))
    print("\n" + table(["part of a photo's masks", "ms, median"], photo_parts(scene, photos, proposer, encoder)))
    asked = Session(session.info, session.model, session.device, options.encoder, groups)
    print(
        "\n"
        + table(["call", "first, ms", "median after, ms", "slowest after, ms"], asking(asked, groups, options.clicks))
    )
    if options.profile is not None:
        options.profile.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as cache:
            profiled(
                "build_masks",
                lambda: build_masks(scene, photos, proposer, encoder, cache_dir=Path(cache)),
                options.profile,
            )
        profiled("find_scene_groups", lambda: find_scene_groups(session.model, scene, bank), options.profile)


def mask_rows(
    rows: list[list[object]],
    name: str,
    scene: Scene,
    photos: list[int],
    proposer: MaskProposer,
    encoder: ImageTextEncoder | None,
) -> MaskBank:
    """Make the masks into an empty cache, and add what it took."""
    with tempfile.TemporaryDirectory() as cache:
        parts = Parts(proposer.device)
        bank, seconds = parts.whole(
            lambda: build_masks(scene, photos, proposer, encoder, cache_dir=Path(cache), progress=parts.progress)
        )
    add(rows, name, seconds, parts)
    return bank


def add(rows: list[list[object]], name: str, seconds: float, parts: Parts) -> None:
    rows.append([name, "", seconds])
    rows.extend(["", part, spent] for part, spent in parts.seconds.items())


def photo_parts(
    scene: Scene, photos: list[int], proposer: MaskProposer, encoder: ImageTextEncoder | None
) -> list[list[object]]:
    """Median milliseconds of the parts of a photo's masks, each waited for."""
    timed = PartTimes(proposer.device)
    for index in subsample_evenly(photos, _PHOTOS_IN_PARTS):
        view = scene.views[index]
        decoded = timed("decode_image", lambda view=view: decode_image(view.image_path, view.size_px, view.white_level))
        image = timed("to the device", lambda decoded=decoded: torch.from_numpy(decoded).to(proposer.device))
        proposed = timed("propose", lambda image=image: proposer.propose(image))
        if isinstance(proposer, SamProposer):
            sam_parts(timed, proposer, image)
        runs = timed("encode_runs", lambda proposed=proposed: encode_runs(proposed.masks))
        runs = runs.taken(np.flatnonzero(runs.areas_px))
        if encoder is not None:
            timed("encode_masks", lambda image=image, runs=runs: encode_masks(image, runs, encoder))
    return [[part, statistics.median(values)] for part, values in timed.milliseconds.items()]


def sam_parts(timed: PartTimes, proposer: SamProposer, image: torch.Tensor) -> None:
    """The parts of `SamProposer.propose`."""
    choose = timed("  embed and decode", lambda: proposer.begin(image))
    timed("  choose", choose)


def asking(session: Session, groups: SceneGroups, clicks: int) -> list[list[object]]:
    """What a session takes for its objects, and for clicks: the first one, and others at other places."""
    world_from_scene = scene_from_world(session).inverse()
    members = groups.groups.solid().indices if len(groups) else np.arange(len(groups.surface))
    chosen = members[subsample_evenly(range(len(members)), clicks + 1)]
    points = world_from_scene.points(groups.surface.centres_scene.cpu().double().numpy()[chosen])
    camera = session.views[0].camera
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0.2, 0.8, (clicks + 1, 2)) * (camera.width_px, camera.height_px)

    def at_pixel(xy: np.ndarray) -> None:
        point = session.point_at(camera, (float(xy[0]), float(xy[1])))
        if point is not None:
            session.segment(point)

    return [
        times("segment at a point", session, [lambda point=point: session.segment(point) for point in points]),
        times("point_at and segment", session, [lambda xy=xy: at_pixel(xy) for xy in pixels]),
        times("objects", session, [session.objects] * 3),
    ]


def times(name: str, session: Session, calls: list[Callable[[], object]]) -> list[object]:
    found = [1e3 * Parts(session.device).whole(call)[1] for call in calls]
    return [name, found[0], statistics.median(found[1:]), max(found[1:])]


def profiled(name: str, call: Callable[[], object], folder: Path) -> None:
    if not torch.cuda.is_available():
        return
    seconds, count = kernels(call, folder / f"{name}.txt")
    longest = ", ".join(f"{key[:50]} {spent:.3f}" for key, spent in list(seconds.items())[:5])
    print(f"\n{name}: {count:,} kernels, {sum(seconds.values()):.2f} s of them: {longest}")


if __name__ == "__main__":
    main()
