"""What a trained folder says of itself: figures.json, langfield_card.json and CARD.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.masks.model import WEIGHTS

RECORD = "training.json"  # what a model was trained on, and how it went
# Everything mode: what figures are measured with, and what the folder asks langfield to use (`EverythingSettings`).
EVERYTHING: dict[str, Any] = {
    "points_per_side": 24,
    "min_predicted_iou": 0.4,
    "min_stability": 0.5,
    "stability_offset": 1.0,
    "max_overlap_iou": 0.8,
    "crop_layers": 1,
    "crop_points_per_side": 24,
}
PROMPT_ZOOM = 3.0  # `langfield.encoders.masks.zoom`: crops by what was found
Figures = Mapping[str, Mapping[str, float | int | None]]

_ROWS = (
    ("click_thing", 'one click in the middle of a thing, candidate "thing": mean IoU'),
    ("click_zoomed", "the same, asked again in a crop about what was found, as langfield does: the middle candidate"),
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

_GOALS = (
    ("click_zoomed", 0.85, "One click, asked again in a crop"),
    ("recall_75", 0.80, "Things that everything mode finds with an IoU of .75"),
)


def write_card(folder: Path, figures: Figures, record: Mapping[str, Any]) -> None:
    """Write the three files beside the weights. Args: figures: by the name of what was evaluated on, see `evaluate`.
    record: what RECORD holds."""
    (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    card = {"licence": "Apache-2.0", "everything": EVERYTHING, "prompt_zoom": PROMPT_ZOOM}
    (folder / "langfield_card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    size_mb = (folder / WEIGHTS).stat().st_size / 1e6
    (folder / "CARD.md").write_text(_card(figures, record, size_mb), encoding="utf-8")


def runs_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A run's record after those of the runs that it went on from."""
    return [*(runs_of(record["before"]) if "before" in record else []), record]


def total_steps(record: Mapping[str, Any]) -> int:
    """Steps of a run and of those that it went on from."""
    return sum(run["steps"] for run in runs_of(record))


def _trained_on(record: Mapping[str, Any]) -> str:
    """The pictures of each run, for they need not be the same."""
    each = [f"{run['pictures']:,} rendered pictures of {run['scenes']:,} synthetic scenes" for run in runs_of(record)]
    return ", then ".join(each)


def _card(figures: Figures, record: Mapping[str, Any], size_mb: float) -> str:
    names = list(figures)
    head = "| | " + " | ".join(f"{name} ({figures[name]['things']} things)" for name in names) + " |"
    known = [(key, label) for key, label in _ROWS if any(key in figures[name] for name in names)]
    rows = [f"| {label} | " + " | ".join(_said(figures[n].get(key)) for n in names) + " |" for key, label in known]
    table = "\n".join([head, "|---|" + "---|" * len(names), *rows])
    missing = [label for row, label in _ROWS if all(row not in figures[name] for name in names)]
    not_measured = f"\nNot measured: {'; '.join(missing)}.\n" if missing else ""
    return f"""# builtin:masks

A small SAM in transformers' format ({size_mb:.1f} MB in float16), trained from scratch by `training/masks/train.py` in
{total_steps(record):,} steps on {_trained_on(record)}.
They show things on a table (`langfield_synthetic`). No photograph and no mask from elsewhere was used.

One click gives three candidates, always in this order: the part, the thing, the set of equal things at that place. A
thing without parts or equals is given by these candidates too. A box, and several clicks, ask for one mask.

## How well

On scenes that it was not trained on, things of 100 pixels or more:

{table}
{not_measured}{_goals(figures)}
Everything mode searches the picture and four crops of it; langfield leaves the crops out on a CPU.

## What it does not know

- Photographs: it has seen rendered pictures of table tops only.
- Masks as prompts: that part of SAM was never trained.
"""


def _goals(figures: Figures) -> str:
    """Which goals the figures reach, in all that was evaluated on."""
    lines = []
    for key, goal, label in _GOALS:
        values = [of_name.get(key) for of_name in figures.values()]
        if any(value is None for value in values):
            lines.append(f"- {label}: the goal is {goal:.2f}; not measured, so not shown to be reached.")
        else:
            least = min(float(value) for value in values if value is not None)
            lines.append(f"- {label}: the goal is {goal:.2f}; {'reached' if least >= goal else 'not reached'}.")
    return "\n" + "\n".join(lines) + "\n"


def _said(value: float | int | None) -> str:
    return "none" if value is None else f"{value:.3f}"
