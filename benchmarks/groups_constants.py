"""What the constants of groups are worth on a development scene, one at a time.

    python benchmarks/groups_constants.py RUN SCENE [--encoder SPEC] [--masks builtin:masks] [--side 160]

RUN was trained on SCENE, which has queries.json with exact boxes and gt/. Prints one row for each value of `DOUBT` (the
groups are found anew, from cached masks), `_MIN_FIT`, `GROUP_ENDS` and `SIGHTINGS_POWER`, with the others as they are.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import langfield.groups.consensus
import langfield.query.group_answers
import langfield.query.index.grouped_surface
from groups import HEADER, figures
from langfield.core.devices import resolve_device
from langfield.data.scene import open_scene
from langfield.encoders.registry import load_masks
from langfield.features.mask_bank import build_masks
from langfield.pipelines.grouping import find_scene_groups, grouped_photos
from langfield.query.session import Session
from measuring import table

CONSTANTS: dict[str, tuple[list[ModuleType], list[float]]] = {
    "DOUBT": ([langfield.groups.consensus], [0.25, 0.5, 1.0]),
    "_MIN_FIT": ([langfield.query.index.grouped_surface], [0.1, 0.3]),
    "GROUP_ENDS": ([langfield.query.group_answers], [0.5, 1.0, 2.0]),
    "SIGHTINGS_POWER": ([langfield.query.group_answers], [0, 1, 3]),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--masks", default="builtin:masks")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=int, default=None, help="phrases are asked on pictures no longer than this")
    options = parser.parse_args()
    scene, device = open_scene(options.scene), resolve_device(options.device)
    session = Session.open(options.run, device=options.device, encoder=options.encoder)
    encoder = session.encoder if session.has_language else None
    masks = build_masks(scene, grouped_photos(scene), load_masks(options.masks, device), encoder)
    rows: list[list[Any]] = []
    groups = None
    for name, (modules, values) in CONSTANTS.items():
        for value in values:
            started = time.perf_counter()
            with constant(modules, name, value):
                if groups is None or name == "DOUBT":
                    found = find_scene_groups(session.model, scene, masks)
                    groups = found if groups is None or value == 0.5 else groups
                else:
                    found = groups
                asked = Session(session.info, session.model, device, options.encoder, found)
                row = figures(asked, scene, options.side)
            rows.append([f"{name} {value:g}", *(row[key] for key in HEADER[1:])])
            print(rows[-1], f"{time.perf_counter() - started:.0f} s", flush=True)
    print(table(["constant", *HEADER[1:]], rows))


@contextlib.contextmanager
def constant(modules: list[ModuleType], name: str, value: float) -> Iterator[None]:
    """Give a constant another value in the modules that read it, for a while."""
    before = getattr(modules[0], name)
    for module in modules:
        setattr(module, name, value)
    yield
    for module in modules:
        setattr(module, name, before)


if __name__ == "__main__":
    main()
