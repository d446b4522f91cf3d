"""`RunInfo`: what a run is, as plain data, and its JSON form in `run.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from langfield.core import version
from langfield.core.cameras import Camera
from langfield.core.errors import RunError
from langfield.core.transforms import Matrix4
from langfield.runs.migration import SCHEMA_VERSION, Document, upgrade_document


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunView:
    """A photo that the run is trained or tested on.

    Attributes:
        name: of the photo, as in the scene's files.
        split: whether it is trained or tested on.
        camera: in the input's (world) frame.
    """

    name: str
    split: Literal["train", "test"]
    camera: Camera

    def document(self) -> Document:
        """As JSON data."""
        return {"name": self.name, "split": self.split, "camera": self.camera.to_json()}

    @classmethod
    def from_document(cls, document: Any, file: Path) -> "RunView":
        """The inverse of `document`. Raises RunError naming `file`."""
        try:
            if document["split"] not in ("train", "test"):
                raise ValueError(document["split"])
            return cls(str(document["name"]), document["split"], Camera.from_json(document["camera"]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RunError(f"scene.views holds something that is no view with a camera ({error})", file) from None


@dataclass(frozen=True)
class RunInfo:
    """What a run is: enough to build its model again, and to know whether a training may go on with it.

    Attributes:
        seed: the one seed of the run.
        model: name of the model in the registry.
        model_config: the model's config, as JSON data.
        model_context: the model's `ModelContext`, as JSON data.
        training_config: the training's config, as JSON data.
        encoders: card of each encoder that made the features, by role ("image_text", "dense", …).
        scene_path: where the scene was when the run was last trained; absolute.
        scene_fingerprint: digest of the scene.
        fingerprint_version: by which rule it was made; 1 if the run does not say, as those of langfield 0.1.0.
        scene_from_world: the similarity from the input's frame to the one trained in.
        views: the photos' names, splits and cameras in the input's frame, so that answers need no photos.
        warnings: why positions and sizes in this scene are not known, or only guesses: lines that belong to every
            answer.
        test_every: every how many-th photo by name is tested on; 0 for none, None for the split that the scene's files
            have, or for every eighth in runs that do not say.
        steps_done: training steps behind the saved state.
        created: when the run began (ISO 8601, UTC).
        package_version: the langfield that began it.
        groups: how the groups of its surface were made, as JSON data (`langfield.pipelines.grouping`); None without.
    """

    seed: int
    model: str
    model_config: Mapping[str, Any]
    model_context: Mapping[str, Any]
    training_config: Mapping[str, Any]
    encoders: Mapping[str, Mapping[str, Any]]
    scene_path: str
    scene_fingerprint: str
    scene_from_world: Matrix4
    views: Sequence[RunView] = ()
    steps_done: int = 0
    created: str = field(default_factory=_now)
    package_version: str = field(default_factory=version.package_version)
    fingerprint_version: int = 1
    warnings: Sequence[str] = ()
    test_every: int | None = None
    groups: Mapping[str, Any] | None = None

    def document(self) -> Document:
        """As JSON data (tuples become lists)."""
        return as_read(
            {
                "schema_version": SCHEMA_VERSION,
                "package_version": self.package_version,
                "created": self.created,
                "seed": self.seed,
                "steps_done": self.steps_done,
                "model": {
                    "name": self.model,
                    "config": dict(self.model_config),
                    "context": dict(self.model_context),
                },
                "training": dict(self.training_config),
                "encoders": {role: dict(card) for role, card in self.encoders.items()},
                "scene": {
                    "path": self.scene_path,
                    "fingerprint": self.scene_fingerprint,
                    "fingerprint_version": self.fingerprint_version,
                    "scene_from_world": self.scene_from_world.tolist(),
                    "warnings": list(self.warnings),
                    **({} if self.test_every is None else {"test_every": self.test_every}),
                    "views": [view.document() for view in self.views],
                },
                **({} if self.groups is None else {"groups": dict(self.groups)}),
            }
        )

    @classmethod
    def from_document(cls, document: Document, file: Path) -> "RunInfo":
        """The inverse of `document`, which may be of an older schema (`langfield.runs.migration`).

        Raises RunError naming `file` and the key that is wrong or missing, by its present name.
        """
        version = _take(document, "schema_version", int, file)
        if version > SCHEMA_VERSION:
            raise RunError(
                f"schema version {version} is newer than this langfield reads (up to {SCHEMA_VERSION}); "
                "update langfield",
                file,
            )
        if version < 1:
            raise RunError(f"schema_version is {version}; 1 to {SCHEMA_VERSION} are known", file)
        document = upgrade_document(document)
        steps_done = _take(document, "steps_done", int, file)
        if steps_done < 0:
            raise RunError(f"steps_done is {steps_done}; it counts from 0", file)
        return cls(
            seed=_take(document, "seed", int, file),
            model=_take(document, "model.name", str, file),
            model_config=_take(document, "model.config", dict, file),
            model_context=_take(document, "model.context", dict, file),
            training_config=_take(document, "training", dict, file),
            encoders=_take(document, "encoders", dict, file),
            scene_path=_take(document, "scene.path", str, file),
            scene_fingerprint=_take(document, "scene.fingerprint", str, file),
            views=tuple(RunView.from_document(v, file) for v in _take(document, "scene.views", list, file)),
            scene_from_world=_matrix(_take(document, "scene.scene_from_world", list, file), file),
            steps_done=steps_done,
            created=_take(document, "created", str, file),
            package_version=_take(document, "package_version", str, file),
            fingerprint_version=_take(document, "scene.fingerprint_version", int, file, missing=1),
            warnings=tuple(str(line) for line in _take(document, "scene.warnings", list, file, missing=[])),
            test_every=_test_every(document, file),
            groups=_take(document, "groups", dict, file) if "groups" in document else None,
        )


def as_read(document: Mapping[str, Any]) -> Document:
    """The document as it is after being written as JSON and read again (tuples become lists). ValueError for NaN."""
    return json.loads(json.dumps(document, allow_nan=False))


def _take(document: Document, name: str, kind: type, file: Path, missing: Any = None) -> Any:
    """The value at a path like "scene.path"; `missing`, unless None, where there is none."""
    value: Any = document
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            if missing is not None:
                return missing
            raise RunError(f"has no key {name!r}; it is not a whole run.json", file)
        value = value[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RunError(f"{name} is {str(value)[:80]!r}; {kind.__name__} is needed", file)
    return value


def _test_every(document: Document, file: Path) -> int | None:
    """What the run says of it, if anything."""
    if document["scene"].get("test_every") is None:
        return None
    every = _take(document, "scene.test_every", int, file)
    if every < 0 or every == 1:
        raise RunError(f"scene.test_every is {every}; it is 0 or at least 2", file)
    return every


def _matrix(rows: list[Any], file: Path) -> Matrix4:
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (ValueError, TypeError):
        matrix = np.empty(0)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise RunError("scene.scene_from_world is no 4 by 4 matrix of finite numbers", file)
    return matrix
