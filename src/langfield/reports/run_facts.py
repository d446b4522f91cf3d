"""What a run's own files say about it, for a page: read from plain JSON data, whatever is missing in it left out."""

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from langfield.reports.plots import Series

# Figures of a training that are no losses.
_NO_LOSS = frozenset({"psnr", "rays_per_second", "bad_steps"})
# What differs between any two runs, or follows from something that is listed.
_NOT_CONFIG = ("created", "files", "scene")


@dataclass(frozen=True)
class RunFacts:
    """A run as its files describe it.

    Attributes:
        name: what the page calls it.
        document: `run.json`.
        metrics: `metrics.json` of the last training call; empty if there is none.
        curves: of the training, by figure, over its steps.
        bytes_on_disk: of the files that are needed to ask it.
    """

    name: str
    document: Mapping[str, Any]
    metrics: Mapping[str, Any]
    curves: Mapping[str, Series]
    bytes_on_disk: int

    def text(self, path: str) -> str | None:
        """A value of `run.json` as text; None where there is none."""
        value = taken(self.document, path)
        return None if value is None or isinstance(value, dict | list) else str(value)

    @property
    def scene_name(self) -> str:
        return PurePath(self.text("scene.path") or "scene").name

    def losses(self) -> list[Series]:
        """The curves of the whole loss, which comes first, and of its terms."""
        names = [name for name in self.curves if name not in _NO_LOSS and not name.startswith("_")]
        return [self.curves[name] for name in sorted(names, key=lambda name: (name != "loss", name))]

    def stages(self) -> list[tuple[str, float]]:
        """Seconds by stage of the last training call."""
        stages = taken(self.metrics, "stages")
        pairs = stages.items() if isinstance(stages, dict) else ()
        return [(str(name), float(value)) for name, value in pairs if number(value) is not None and value >= 0]


def taken(document: Any, path: str) -> Any:
    """The value at "a.b.c" of nested objects; None where there is none."""
    for key in path.split("."):
        if not isinstance(document, Mapping) or key not in document:
            return None
        document = document[key]
    return document


def number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def training_curves(lines: Iterable[str]) -> dict[str, Series]:
    """The figures of the stage "training" over its steps, from the lines of `events.jsonl`.

    What a resumed training told again replaces what was told before. Torn lines are left out.
    """
    told: dict[int, dict[str, float]] = {}
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        step, metrics = taken(event, "done"), taken(event, "metrics")
        if taken(event, "stage") != "training" or not isinstance(step, int) or not isinstance(metrics, dict):
            continue
        # After going back to an earlier state, what was told of later steps is of another training.
        if told and step < max(told):
            told = {earlier: figures for earlier, figures in told.items() if earlier < step}
        told[step] = {str(name): float("nan") if number(v) is None else float(v) for name, v in metrics.items()}
    names = dict.fromkeys(name for step in sorted(told) for name in told[step])
    curves = {}
    for name in names:
        steps = [step for step in sorted(told) if name in told[step]]
        curves[name] = Series(name, tuple(map(float, steps)), tuple(told[step][name] for step in steps))
    return curves


def without_places(document: Mapping[str, Any]) -> dict[str, Any]:
    """`run.json` for others to read: folders by their names alone, and views counted instead of listed."""
    shown = json.loads(json.dumps(document))
    views = taken(shown, "scene.views")
    if isinstance(views, list):
        splits = [str(taken(view, "split")) for view in views]
        shown["scene"]["views"] = {split: splits.count(split) for split in sorted(set(splits))}
    path = taken(shown, "scene.path")
    if isinstance(path, str):
        shown["scene"]["path"] = PurePath(path).name
    for card in (taken(shown, "encoders") or {}).values():
        spec = taken(card, "spec")
        if isinstance(spec, str):
            card["spec"] = shown_spec(spec)
    return shown


def figures_alone(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation for others to read: without what a page has tables for, and the labels' file by its name alone."""
    shown = {key: value for key, value in evaluation.items() if key not in ("per_view", "questions")}
    if isinstance(shown.get("labels"), str):
        shown["labels"] = PurePath(shown["labels"]).name
    return shown


def shown_spec(spec: str) -> str:
    """An encoder's spec with a folder by its name alone."""
    kind, local, folder = spec.partition("local-dir:")
    return f"{kind}{local}{PurePath(folder).name}" if local else spec


def commands(facts: RunFacts) -> list[str]:
    """What to type to make the same again and to make the page, with folders by their names alone."""
    field = facts.text("training.baked.run")
    name = PurePath(field).name if field else facts.name
    made = _lifting(facts) if facts.text("training.splat_sha256") else _training(facts, name)
    baking = [["langfield", "bake", name, "--out", facts.name]] if field else []
    return [shlex.join(words) for words in (made, *baking, ["langfield", "report", facts.name])]


def _training(facts: RunFacts, name: str) -> list[str]:
    whole_photos = facts.text("model.name") == "splat" and facts.text("training.baked.run") is None
    given = [
        ("--preset", facts.text("training.preset")),
        ("--encoder", shown_spec(facts.text("encoders.image_text.spec") or "") or None),
        ("--dense", shown_spec(facts.text("encoders.dense.spec") or "none")),
        ("--max-steps", facts.text("training.steps")),
        ("--rays", None if whole_photos else facts.text("training.rays")),
        ("--seed", facts.text("seed")),
    ]
    options = [word for option, value in given if value is not None for word in (option, value)]
    return ["langfield", "train", facts.scene_name, "--out", name, *options]


def _lifting(facts: RunFacts) -> list[str]:
    spec = shown_spec(facts.text("encoders.image_text.spec") or "")
    encoder = ["--encoder", spec] if spec else []
    return ["langfield", "lift", facts.scene_name, "--splat", "GAUSSIANS.ply", "--out", facts.name, *encoder]


def differences(documents: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings in which runs differ, by dotted key: each run's value, None where it has no such setting."""
    flat = [dict(_flat({k: v for k, v in d.items() if k not in _NOT_CONFIG}, "")) for d in documents]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    values = {key: [settings.get(key) for settings in flat] for key in keys}
    return {key: row for key, row in values.items() if any(value != row[0] for value in row)}


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        return [(name, value)]
    return [pair for key, item in value.items() for pair in _flat(item, f"{name}.{key}" if name else str(key))]
