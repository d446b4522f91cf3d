"""What a trained folder says of itself: figures.json, langfield_card.json and CARD.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.masks.model import WEIGHTS

RECORD = "training.json"  # what a model was trained on, and how it went
Figures = Mapping[str, Mapping[str, float | int | None]]

_ROWS = (
    ("click_thing", 'one click in the middle of a thing, candidate "thing": mean IoU'),
    ("click_best_of_3", "the same, the best of the three candidates"),
    ("click_most_sure", "the same, the candidate whose said IoU is highest"),
    ("click_single", "the same, SAM's single mask"),
    ("click_part", 'the same, candidate "part" of things with parts'),
    ("click_equals", 'the same, candidate "equals" of things with equals in the picture'),
    ("box", "a thing's box, SAM's single mask: mean IoU"),
    ("recall_50", "everything: things found with an IoU of .5"),
    ("recall_75", "everything: things found with an IoU of .75"),
    ("masks_a_picture", "everything: masks a picture"),
    ("iou_said_error", "mean error of the IoU that is said of a thing's mask"),
)


def write_card(folder: Path, figures: Figures, record: Mapping[str, Any]) -> None:
    """Write the three files beside the weights. Args: figures: by the name of what was evaluated on, see `evaluate`.
    record: what RECORD holds."""
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (folder / "langfield_card.json").write_text(
        json.dumps({"licence": "Apache-2.0"}, indent=2) + "\n", encoding="utf-8"
    )
    size_mb = (folder / WEIGHTS).stat().st_size / 1e6
    (folder / "CARD.md").write_text(_card(figures, record, size_mb), encoding="utf-8")


def total_steps(record: Mapping[str, Any]) -> int:
    """Steps of a run and of those that it went on from."""
    return record["steps"] + (total_steps(record["before"]) if "before" in record else 0)


def _card(figures: Figures, record: Mapping[str, Any], size_mb: float) -> str:
    names = list(figures)
    head = "| | " + " | ".join(f"{name} ({figures[name]['things']} things)" for name in names) + " |"
    rows = [f"| {label} | " + " | ".join(_said(figures[n].get(key)) for n in names) + " |" for key, label in _ROWS]
    table = "\n".join([head, "|---|" + "---|" * len(names), *rows])
    return f"""# builtin:masks

A small SAM in transformers' format ({size_mb:.1f} MB in float16), trained from scratch by `training/masks/train.py` in
{total_steps(record):,} steps on {record["pictures"]:,} rendered pictures of {record["scenes"]:,} synthetic scenes of
things on a table (`langfield_synthetic`). No photograph and no mask from elsewhere was used.

One click gives three candidates, always in this order: the part, the thing, the set of equal things at that place. A
thing without parts or equals is given by these candidates too. A box, and several clicks, ask for one mask.

## How well

On scenes that it was not trained on, things of 100 pixels or more:

{table}

## What it does not know

- Photographs: it has seen rendered pictures of table tops only.
- Masks as prompts: that part of SAM was never trained.
"""


def _said(value: float | int | None) -> str:
    return "none" if value is None else f"{value:.3f}"
