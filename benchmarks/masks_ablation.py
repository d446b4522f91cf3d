"""What masks are worth to a field's language: alone, with groups of masks, the affinity head, and its coupling.

    python benchmarks/masks_ablation.py SCENE --out FOLDER [--encoder SPEC] [--masks builtin:masks] [--steps 4000]
        [--kinds coupled]

SCENE has queries.json with exact boxes and gt/. Trains the preset three times, on the same features and masks: with the
language head alone, with the affinity head (GARField's) beside it, and with both and `AffinityLanguageConfig` between
them. Each is asked as it is, and with the groups that masks make of its surface. --out keeps the runs; a run that is
there already is only asked.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import langfield
from groups import HEADER, figures
from langfield.data.scene import open_scene
from langfield.models.nerf.affinity import AffinityConfig, AffinityLanguageConfig
from langfield.models.nerf.lerf import LerfConfig
from langfield.models.presets import TrainingRecipe
from langfield.query.session import Session
from measuring import table

KINDS = ("language", "affinity", "coupled")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scene", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--masks", default="builtin:masks")
    parser.add_argument("--preset", default="lerf")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of trainings, all unless given")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=int, default=None, help="phrases are asked on pictures no longer than this")
    options = parser.parse_args()
    scene = open_scene(options.scene)
    rows: list[list[Any]] = []
    for kind in options.kinds:
        out = options.out / kind
        started = time.perf_counter()
        langfield.train(
            options.scene,
            out,
            preset=recipe_of(kind, options.preset),
            encoder=options.encoder,
            dense="none",
            masks=options.masks,
            max_steps=options.steps,
            device=options.device,
        )
        seconds = time.perf_counter() - started
        session = Session.open(out, device=options.device, encoder=options.encoder)
        bare = Session(session.info, session.model, session.device, options.encoder)
        for asked, name in ((bare, kind), (session, f"{kind}, groups")):
            row = figures(asked, scene, options.side)
            rows.append([name, *(row[key] for key in HEADER[1:]), f"{seconds:.0f} s"])
            print(json.dumps(rows[-1]), flush=True)
    print(table(["trained with", *HEADER[1:], "train"], rows))


def recipe_of(kind: str, preset: str) -> TrainingRecipe:
    """The preset with the heads and couplings of a kind."""
    recipe = langfield.preset(preset)
    assert isinstance(recipe.config, LerfConfig), f"{preset} is no radiance field"
    if kind == "language":
        return recipe
    heads, couplings = (*recipe.config.heads, AffinityConfig()), recipe.config.couplings
    if kind == "coupled":
        couplings = (*couplings, AffinityLanguageConfig())
    return replace(recipe, config=replace(recipe.config, heads=heads, couplings=couplings))


if __name__ == "__main__":
    main()
