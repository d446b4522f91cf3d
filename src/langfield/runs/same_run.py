"""Whether a training may continue a saved run: what must be the same, and what may differ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langfield.core.config import config_from_json, config_to_json
from langfield.core.errors import RunError
from langfield.models.config import ModelContext
from langfield.models.registry import MODELS
from langfield.runs.info import RunInfo
from langfield.runs.migration import Document

# Settings that may change between two trainings of one run: they change how long it is trained, not what is.
FREE_TRAINING_KEYS = frozenset({"steps", "save_every", "report_every"})


def check_same_run(saved: RunInfo, wanted: RunInfo, path: Path, training_defaults: Mapping[str, Any]) -> None:
    """Raise RunError naming the first key in which a run that is asked for differs from the one saved in `path`.

    Paths of the scene and the encoders, the number of steps, and how often to save and report may differ. A setting
    that one of the two does not have takes its default, so that runs saved before it existed can be continued.

    Args:
        saved: the run in `path`.
        wanted: the run that is asked for.
        training_defaults: default settings of a training, as JSON data.
    """
    if saved.scene_fingerprint != wanted.scene_fingerprint:
        _check_split(saved, wanted, path)
        raise RunError(
            f"holds a run of another scene, or of {saved.scene_path!r} before its photos, poses or points "
            f"changed (fingerprint {saved.scene_fingerprint[:12]}, now {wanted.scene_fingerprint[:12]}); "
            "choose another folder",
            path,
        )
    of_saved, of_wanted = (_identity(info, path, training_defaults) for info in (saved, wanted))
    _drop_new_card_keys(of_saved["encoders"], of_wanted["encoders"])
    old, new = dict(_flat(of_saved, "")), dict(_flat(of_wanted, ""))
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise RunError(
                f"holds a run with {key} = {old.get(key)!r}, but {new.get(key)!r} is asked for; "
                "ask for the same, or choose another folder",
                path,
            )


def _check_split(saved: RunInfo, wanted: RunInfo, path: Path) -> None:
    """Raise RunError if the photos are those of the saved run, but other ones of them are kept for testing."""
    names, other_names = ({view.name for view in info.views} for info in (saved, wanted))
    kept, asked = ({view.name for view in info.views if view.split == "test"} for info in (saved, wanted))
    if names != other_names or kept == asked:
        return
    same = "leave --test-every out" if saved.test_every is None else f"give --test-every {saved.test_every}"
    raise RunError(
        f"holds a run with {len(kept)} of {len(names)} photos kept for testing, but {len(asked)} are "
        f"asked for; {same}, or choose another folder",
        path,
    )


def _identity(info: RunInfo, path: Path, training_defaults: Mapping[str, Any]) -> Document:
    """All that must be equal, with defaults filled in."""
    document = info.document()
    for key in ("schema_version", "package_version", "created", "steps_done"):
        del document[key]
    document["model"] |= _with_defaults(document["model"], path)
    document["training"] = dict(training_defaults) | document["training"]
    for key in FREE_TRAINING_KEYS:
        document["training"].pop(key, None)
    document.pop("groups", None)  # made after the training, from its result
    # The fingerprint stands for the views, how they are split, and what follows from them.
    for key in ("path", "views", "warnings", "test_every"):
        document["scene"].pop(key, None)
    for card in document["encoders"].values():  # the weights' digest stands for the path
        card.pop("spec", None)
    return document


def _with_defaults(model: Document, path: Path) -> Document:
    """Config and context of a model with their defaults; {} for a model that is not registered."""
    if model["name"] not in MODELS:
        return {}
    kinds = {"config": MODELS[model["name"]][1], "context": ModelContext}
    try:
        return {key: config_to_json(config_from_json(kind, model[key], f"model.{key}")) for key, kind in kinds.items()}
    except ValueError as error:
        raise RunError(f"holds a run that cannot go on: {error}; choose another folder", path) from None


def _drop_new_card_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Drop keys that the saved cards did not have yet: they follow from the encoder, which the digest identifies."""
    for role in old.keys() & new.keys():
        for key in new[role].keys() - old[role].keys():
            del new[role][key]


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    """Every value by its path: "model.config.levels"."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [pair for key, item in value.items() for pair in _flat(item, f"{name}.{key}" if name else key)]
