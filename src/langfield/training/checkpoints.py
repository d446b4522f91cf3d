"""Checkpoints: a training's states, kept in its run directory."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from langfield.core.config import config_to_json
from langfield.core.errors import TrainingError
from langfield.runs.directory import has_run, load_run, lock_run, save_run, settle
from langfield.runs.info import RunInfo
from langfield.runs.migration import TensorFile
from langfield.runs.same_run import check_same_run
from langfield.training.config import TrainingConfig


@dataclass(frozen=True)
class Snapshot:
    """Everything that a training needs to go on from a step as if it had never stopped.

    Attributes:
        step: how many steps are done.
        model: the model's `state_dict`.
        training: optimiser moments and random states.
        document: the training's figures so far, as JSON data.
    """

    step: int
    model: Mapping[str, Tensor]
    training: Mapping[str, Tensor]
    document: Mapping[str, Any]


class Checkpoints:
    """The run directory as the loop sees it. Made by `open_checkpoints`."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self._info = info

    def save(self, snapshot: Snapshot) -> None:
        """Replace the saved state, all or nothing. Raises RunError if it cannot be written, TrainingError if the model
        holds numbers that are not finite."""
        _check_finite(snapshot.model, self.path)
        self._info = replace(self._info, steps_done=snapshot.step)
        tensors: dict[TensorFile, Mapping[str, Tensor]] = {"model": snapshot.model, "training": snapshot.training}
        save_run(self.path, self._info, tensors, snapshot.document)

    def save_made(self, model: Mapping[str, Tensor]) -> None:
        """`save` for a model that was made without steps, and that no training goes on from."""
        _check_finite(model, self.path)
        save_run(self.path, self._info, {"model": model})

    def load(self) -> Snapshot | None:
        """The last good state, on the CPU; None if none was saved yet."""
        if not has_run(self.path):
            return None
        run = load_run(self.path, training=True)
        return Snapshot(run.info.steps_done, run.tensors("model"), run.tensors("training"), run.training_document())


def _check_finite(model: Mapping[str, Tensor], path: Path) -> None:
    """Whatever made the model: steps, what follows them, or language that was lifted."""
    for name, values in model.items():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            raise TrainingError(f"{name} holds numbers that are not finite, so that the model is not saved", path)


@contextmanager
def open_checkpoints(
    path: Path, info: RunInfo, older_fingerprint: Callable[[int], str] | None = None
) -> Iterator[Checkpoints]:
    """Take `path` for one training, to begin it or to go on with it.

    Args:
        info: what is to be trained; what is saved from now on says this.
        older_fingerprint: the scene's fingerprint by an older version of its rule, by which a run there may know it.

    Raises RunError if another process trains there, or if the run there is of another scene, model or config.
    """
    with lock_run(path):
        settle(path)
        if has_run(path):
            saved = load_run(path).info
            known_as, version = info.scene_fingerprint, saved.fingerprint_version
            if older_fingerprint is not None and version != info.fingerprint_version:
                known_as = older_fingerprint(version)
            wanted = replace(info, scene_fingerprint=known_as, fingerprint_version=version)
            check_same_run(saved, wanted, path, config_to_json(TrainingConfig()))
            info = replace(info, created=saved.created, package_version=saved.package_version)
        yield Checkpoints(path, info)
