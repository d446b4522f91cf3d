"""`RunInfo`: what a run is, as plain data, and its JSON form in `run.json`."""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from langfield.core.cameras import Camera
from langfield.core.errors import RunError
from langfield.core.transforms import Matrix4

SCHEMA_VERSION = 1
# What a person may change between two trainings of one run: it changes how long, not what.
FREE_TRAINING_KEYS = frozenset({"steps", "save_every", "report_every"})

Document = dict[str, Any]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunView:
    """A photo that the run was trained or is tested on.

    Attributes:
        name: what the scene's files call it.
        split: what it is for.
        camera: in the input's (world) frame.
    """

    name: str
    split: Literal["train", "test"]
    camera: Camera

    def document(self) -> Document:
        return {"name": self.name, "split": self.split, "camera": self.camera.to_json()}

    @classmethod
    def from_document(cls, document: Any, file: Path) -> "RunView":
        try:
            if document["split"] not in ("train", "test"):
                raise ValueError(document["split"])
            return cls(str(document["name"]), document["split"], Camera.from_json(document["camera"]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RunError(f"scene.views holds something that is no view with a camera ({error})", file) from None


@dataclass(frozen=True)
class RunInfo:
    """What a run is: enough to build its method again, and to know whether a training may go on with it.

    Attributes:
        seed: the one seed of the run.
        method, method_config, method_context: the method's registered name, its config and its `MethodContext`, as
            JSON data: what it is built again from.
        training_config: the training's config as JSON data.
        encoders: card of each encoder that made the features, by role ("image_text", "dense", …).
        scene_path: where the scene was when the run was last trained; absolute.
        scene_fingerprint: digest of what the scene's files say.
        scene_from_world: the similarity from the input's frame to the one trained in.
        views: the photos' names, splits and cameras in the input's frame, so that answers need no photos.
        steps_done: training steps behind the saved state.
        created: when the run began (ISO 8601, UTC).
        package_version: the langfield that began it.
    """

    seed: int
    method: str
    method_config: Mapping[str, Any]
    method_context: Mapping[str, Any]
    training_config: Mapping[str, Any]
    encoders: Mapping[str, Mapping[str, Any]]
    scene_path: str
    scene_fingerprint: str
    scene_from_world: Matrix4
    views: Sequence[RunView] = ()
    steps_done: int = 0
    created: str = field(default_factory=_now)
    package_version: str = field(default_factory=lambda: importlib.metadata.version("langfield"))

    def document(self) -> Document:
        """As JSON data (tuples become lists)."""
        return plain(
            {
                "schema_version": SCHEMA_VERSION,
                "package_version": self.package_version,
                "created": self.created,
                "seed": self.seed,
                "steps_done": self.steps_done,
                "method": {
                    "name": self.method,
                    "config": dict(self.method_config),
                    "context": dict(self.method_context),
                },
                "training": dict(self.training_config),
                "encoders": {role: dict(card) for role, card in self.encoders.items()},
                "scene": {
                    "path": self.scene_path,
                    "fingerprint": self.scene_fingerprint,
                    "scene_from_world": self.scene_from_world.tolist(),
                    "views": [view.document() for view in self.views],
                },
            }
        )

    @classmethod
    def from_document(cls, document: Document, file: Path) -> "RunInfo":
        """The inverse of `document`. Raises RunError naming `file` and the key that is wrong or missing."""
        version = _take(document, "schema_version", int, file)
        if version > SCHEMA_VERSION:
            raise RunError(
                f"schema version {version} is newer than this langfield reads (up to {SCHEMA_VERSION}); "
                "update langfield",
                file,
            )
        if version < 1:
            raise RunError(f"schema_version is {version}; 1 to {SCHEMA_VERSION} are known", file)
        steps_done = _take(document, "steps_done", int, file)
        if steps_done < 0:
            raise RunError(f"steps_done is {steps_done}; it counts from 0", file)
        return cls(
            seed=_take(document, "seed", int, file),
            method=_take(document, "method.name", str, file),
            method_config=_take(document, "method.config", dict, file),
            method_context=_take(document, "method.context", dict, file),
            training_config=_take(document, "training", dict, file),
            encoders=_take(document, "encoders", dict, file),
            scene_path=_take(document, "scene.path", str, file),
            scene_fingerprint=_take(document, "scene.fingerprint", str, file),
            views=tuple(RunView.from_document(v, file) for v in _take(document, "scene.views", list, file)),
            scene_from_world=_matrix(_take(document, "scene.scene_from_world", list, file), file),
            steps_done=steps_done,
            created=_take(document, "created", str, file),
            package_version=_take(document, "package_version", str, file),
        )


def plain(document: Mapping[str, Any]) -> Document:
    """As it will be after a trip through JSON, so that it can be compared with what was read. ValueError on NaN."""
    return json.loads(json.dumps(document, allow_nan=False))


def check_same_run(saved: RunInfo, wanted: RunInfo, path: Path) -> None:
    """Raise RunError naming the first key in which a training to go on differs from the one saved in `path`.

    The scene's and the encoders' places, the number of steps, and how often to save and report may differ.
    """
    old, new = _identity(saved), _identity(wanted)
    if old["scene.fingerprint"] != new["scene.fingerprint"]:
        raise RunError(
            f"holds a run of another scene, or of {saved.scene_path!r} before its photos or poses changed "
            f"(fingerprint {saved.scene_fingerprint[:12]}, now {wanted.scene_fingerprint[:12]}); choose another folder",
            path,
        )
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise RunError(
                f"holds a run with {key} = {old.get(key)!r}, but {new.get(key)!r} is asked for; "
                "ask for the same, or choose another folder",
                path,
            )


def _identity(info: RunInfo) -> dict[str, Any]:
    """Every key that must agree, flat: "method.config.levels" → value."""
    document = info.document()
    for key in ("schema_version", "package_version", "created", "steps_done"):
        del document[key]
    for key in FREE_TRAINING_KEYS:
        document["training"].pop(key, None)
    for key in ("path", "views"):  # the fingerprint stands for the views
        del document["scene"][key]
    for card in document["encoders"].values():  # digests stand for where an encoder was found
        card.pop("spec", None)
    return dict(_flat(document, ""))


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(name, value)]
    return [pair for key, item in value.items() for pair in _flat(item, f"{name}.{key}" if name else key)]


def _take(document: Document, name: str, kind: type, file: Path) -> Any:
    value: Any = document
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise RunError(f"has no key {name!r}; it is not a whole run.json", file)
        value = value[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RunError(f"{name} is {str(value)[:80]!r}; {kind.__name__} is needed", file)
    return value


def _matrix(rows: list[Any], file: Path) -> Matrix4:
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (ValueError, TypeError):
        matrix = np.empty(0)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise RunError("scene.scene_from_world is no 4 by 4 matrix of finite numbers", file)
    return matrix
