"""What a run's JSON files say about it, as pages show it. What a file does not say is left out of the page."""

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from langfield.reports.plots import Series

# What `events.jsonl` reports of a training beside the loss and its terms.
_NOT_LOSSES = frozenset({"psnr", "rays_per_second", "bad_steps"})
# Members of `run.json` that are no settings.
_NOT_SETTINGS = ("created", "files", "scene")


@dataclass(frozen=True)
class RunFacts:
    """A run as its files describe it.

    Attributes:
        name: what the page calls it.
        document: `run.json`.
        metrics: `metrics.json`; empty if there is none.
        curves: what was reported during the training (`training_curves`), over its steps.
        bytes_on_disk: size of the files that are needed to ask the run.
    """

    name: str
    document: Mapping[str, Any]
    metrics: Mapping[str, Any]
    curves: Mapping[str, Series]
    bytes_on_disk: int

    def text(self, path: str) -> str | None:
        """The value of `run.json` at a path such as "model.name", as text; None where there is none."""
        value = value_at(self.document, path)
        return None if value is None or isinstance(value, dict | list) else str(value)

    @property
    def warnings(self) -> list[str]:
        """Why positions and sizes in its scene are not known, or only guesses."""
        found = value_at(self.document, "scene.warnings")
        return [str(line) for line in found] if isinstance(found, list) else []

    @property
    def scene_name(self) -> str:
        return PurePath(self.text("scene.path") or "scene").name

    def losses(self) -> list[Series]:
        """The curve of the loss, then those of its terms by name."""
        names = [name for name in self.curves if name not in _NOT_LOSSES and not name.startswith("_")]
        return [self.curves[name] for name in sorted(names, key=lambda name: (name != "loss", name))]

    def stages(self) -> list[tuple[str, float]]:
        """Seconds by stage, over all calls that made the run; of a baked run those of the baking."""
        stages = value_at(self.metrics, "stages")
        pairs = stages.items() if isinstance(stages, dict) else ()
        return [(str(name), float(value)) for name, value in pairs if finite_number(value) is not None and value >= 0]

    def seconds_from_photos(self) -> float | None:
        """What making the run took, over all calls; of a baked run with what its field took."""
        seconds = finite_number(value_at(self.metrics, "seconds"))
        if value_at(self.document, "training.baked") is None or seconds is None:
            return seconds
        of_field = finite_number(value_at(self.metrics, "field_seconds"))
        return None if of_field is None else of_field + seconds


def value_at(document: Any, path: str) -> Any:
    """The value at "a.b.c" of nested objects; None where there is none."""
    for key in path.split("."):
        if not isinstance(document, Mapping) or key not in document:
            return None
        document = document[key]
    return document


def finite_number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def training_curves(lines: Iterable[str]) -> dict[str, Series]:
    """The metrics of the stage "training" over its steps, from the lines of `events.jsonl`; by metric.

    Where a resumed training went back to an earlier step, the later steps before that are dropped. Lines that are no
    JSON (torn by a crash) are skipped.
    """
    by_step: dict[int, dict[str, float]] = {}
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        step, metrics = value_at(event, "done"), value_at(event, "metrics")
        if value_at(event, "stage") != "training" or not isinstance(step, int) or not isinstance(metrics, dict):
            continue
        if by_step and step < max(by_step):
            by_step = {earlier: values for earlier, values in by_step.items() if earlier < step}
        by_step[step] = {
            str(name): float("nan") if finite_number(value) is None else float(value) for name, value in metrics.items()
        }
    steps = sorted(by_step)
    curves = {}
    for name in dict.fromkeys(name for step in steps for name in by_step[step]):
        having = [step for step in steps if name in by_step[step]]
        curves[name] = Series(name, tuple(map(float, having)), tuple(by_step[step][name] for step in having))
    return curves


def without_folders(document: Mapping[str, Any]) -> dict[str, Any]:
    """`run.json` as it may be shown to others: folders without the path to them, and views counted, not listed."""
    shown = json.loads(json.dumps(document))
    views = value_at(shown, "scene.views")
    if isinstance(views, list):
        splits = [str(value_at(view, "split")) for view in views]
        shown["scene"]["views"] = {split: splits.count(split) for split in sorted(set(splits))}
    path = value_at(shown, "scene.path")
    if isinstance(path, str):
        shown["scene"]["path"] = PurePath(path).name
    for card in (value_at(shown, "encoders") or {}).values():
        spec = value_at(card, "spec")
        if isinstance(spec, str):
            card["spec"] = spec_without_folder(spec)
    return shown


def without_listings(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation as it may be shown to others.

    Without the path to the labels' file, and without the lists of views and questions, of which pages have tables.
    """
    shown = {key: value for key, value in evaluation.items() if key not in ("per_view", "questions")}
    if isinstance(shown.get("labels"), str):
        shown["labels"] = PurePath(shown["labels"]).name
    return shown


def spec_without_folder(spec: str) -> str:
    """An encoder's spec; of `local-dir:PATH` only the last part of the path."""
    kind, local, folder = spec.partition("local-dir:")
    return f"{kind}{local}{PurePath(folder).name}" if local else spec


def commands(facts: RunFacts) -> list[str]:
    """The commands that make the same run again and the page; folders without the paths to them."""
    field = facts.text("training.baked.run")
    name = PurePath(field).name if field else facts.name
    made = _lifting(facts) if facts.text("training.splat_sha256") else _training(facts, name)
    baking = [["langfield", "bake", name, "--out", facts.name]] if field else []
    return [shlex.join(words) for words in (made, *baking, ["langfield", "report", facts.name])]


def _training(facts: RunFacts, name: str) -> list[str]:
    # A baked run was trained on rays, whatever its Gaussians' config says.
    whole_photos = facts.text("model.config.photos_per_step") is not None and facts.text("training.baked.run") is None
    given = [
        ("--preset", facts.text("training.preset")),
        ("--encoder", spec_without_folder(facts.text("encoders.image_text.spec") or "") or None),
        ("--dense", spec_without_folder(facts.text("encoders.dense.spec") or "none")),
        ("--test-every", facts.text("scene.test_every")),
        ("--max-steps", facts.text("training.steps")),
        ("--rays", None if whole_photos else facts.text("training.rays")),
        ("--seed", facts.text("seed")),
    ]
    options = [word for option, value in given if value is not None for word in (option, value)]
    return ["langfield", "train", facts.scene_name, "--out", name, *options]


def _lifting(facts: RunFacts) -> list[str]:
    spec = spec_without_folder(facts.text("encoders.image_text.spec") or "")
    given = [("--encoder", spec or None), ("--test-every", facts.text("scene.test_every"))]
    options = [word for option, value in given if value is not None for word in (option, value)]
    return ["langfield", "lift", facts.scene_name, "--splat", "GAUSSIANS.ply", "--out", facts.name, *options]


def differences(documents: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings in which runs differ, by dotted key: each run's value, None where it has no such setting."""
    flat = [dict(_flat({k: v for k, v in d.items() if k not in _NOT_SETTINGS}, "")) for d in documents]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    values = {key: [settings.get(key) for settings in flat] for key in keys}
    return {key: row for key, row in values.items() if any(value != row[0] for value in row)}


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        return [(name, value)]
    return [pair for key, item in value.items() for pair in _flat(item, f"{name}.{key}" if name else str(key))]
