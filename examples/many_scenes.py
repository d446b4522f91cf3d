"""Train and ask every scene of a folder. Usage: python examples/many_scenes.py SCENES RUNS PHRASE..."""

import sys
from pathlib import Path

import langfield

ENCODER = "builtin:mini"  # knows things on tables; for your own photos None, which downloads the preset's


def presences(scene: Path, run: Path, phrases: list[str]) -> list[str]:
    langfield.train(scene, run, preset="lift", encoder=ENCODER)  # a trained run is not trained again
    return [f"{answer.presence:.2f}" for answer in langfield.open(run).query(phrases)]


scenes, runs, *phrases = sys.argv[1:]
table = [["scene", *phrases]]
for scene in sorted(path for path in Path(scenes).iterdir() if path.is_dir()):
    try:
        table.append([scene.name, *presences(scene, Path(runs) / scene.name, phrases)])
    except langfield.LangfieldError as error:
        print(f"left out: {error}", file=sys.stderr)

widths = [max(map(len, column)) for column in zip(*table, strict=True)]
for row in table:
    print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
