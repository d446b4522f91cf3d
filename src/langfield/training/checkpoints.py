"""Checkpoints: the states of a training, saved in its run directory."""

from collections.abc import Iterator, Mapping
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
    """All that a training needs to continue from a step as if it had not been interrupted.

    Attributes:
        step: number of steps done.
        model: the model's `state_dict`.
        training: optimiser moments and random states.
        document: figures of the training so far, as JSON data.
    """

    step: int
    model: Mapping[str, Tensor]
    training: Mapping[str, Tensor]
    document: Mapping[str, Any]


class Checkpoints:
    """Saves and loads the states of one training in its run directory. Made by `open_checkpoints`."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self._info = info

    def save(self, snapshot: Snapshot) -> None:
        """Replace the saved state, all or nothing.

        Raises:
            RunError: it cannot be written.
            TrainingError: the model has numbers that are not finite.
        """
        _check_finite(snapshot.model, self.path)
        self._info = replace(self._info, steps_done=snapshot.step)
        tensors: dict[TensorFile, Mapping[str, Tensor]] = {"model": snapshot.model, "training": snapshot.training}
        save_run(self.path, self._info, tensors, snapshot.document)

    def save_untrained(self, model: Mapping[str, Tensor]) -> None:
        """`save` for a model that was made without training, from which no training can continue."""
        _check_finite(model, self.path)
        save_run(self.path, self._info, {"model": model})

    def load(self) -> Snapshot | None:
        """The last saved state, on the CPU; None if there is none."""
        if not has_run(self.path):
            return None
        run = load_run(self.path, training=True)
        return Snapshot(run.info.steps_done, run.tensors("model"), run.tensors("training"), run.training_document())


def _check_finite(model: Mapping[str, Tensor], path: Path) -> None:
    for name, values in model.items():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            raise TrainingError(f"{name} holds numbers that are not finite, so that the model is not saved", path)


@contextmanager
def open_checkpoints(path: Path, info: RunInfo) -> Iterator[Checkpoints]:
    """Lock `path` for one training, which begins or continues there.

    Raises:
        RunError: another process trains there, or the run there is of another scene, model or config.
    """
    with lock_run(path):
        settle(path)
        if has_run(path):
            saved = load_run(path).info
            check_same_run(saved, info, path, config_to_json(TrainingConfig()))
            info = replace(info, created=saved.created, package_version=saved.package_version)
        yield Checkpoints(path, info)
