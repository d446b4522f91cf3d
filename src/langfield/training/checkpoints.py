"""Checkpoints: the states of a training, saved in its run directory."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from langfield.core.config import config_to_json
from langfield.core.errors import RunError, TrainingError
from langfield.runs.cost import RunCost
from langfield.runs.directory import Run, load_run, lock_run, save_run, save_training_document, settle
from langfield.runs.existence import has_run
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
    """Saves and loads the states of one training in its run directory. Made by `open_checkpoints`.

    Attributes:
        path: the run directory.
        saved: whether this call saved anything: a finished run is left as it is.
    """

    def __init__(self, path: Path, info: RunInfo, cost_before: RunCost) -> None:
        self.path = path
        self.saved = False
        self._info = info
        self._cost_before = cost_before
        self._cost_of_call: Callable[[], RunCost] = RunCost
        self._document: Mapping[str, Any] | None = None

    def count_cost(self, of_call: Callable[[], RunCost]) -> None:
        """Save what the run has cost with every state from now on.

        Args:
            of_call: gives what this call has cost so far.
        """
        self._cost_of_call = of_call

    def cost(self) -> RunCost:
        """What the run has cost so far, over all calls but those that found it finished."""
        return self._cost_before.plus(self._cost_of_call()) if self.saved else self._cost_before

    def save(self, snapshot: Snapshot) -> None:
        """Replace the saved state, all or nothing.

        Raises:
            RunError: it cannot be written.
            TrainingError: the model has numbers that are not finite.
        """
        _check_finite(snapshot.model, self.path)
        self._info = replace(self._info, steps_done=snapshot.step)
        tensors: dict[TensorFile, Mapping[str, Tensor]] = {"model": snapshot.model, "training": snapshot.training}
        self.saved, self._document = True, snapshot.document
        save_run(self.path, self._info, tensors, self._with_cost(snapshot.document))

    def save_untrained(self, model: Mapping[str, Tensor]) -> None:
        """`save` for a model that was made without training, from which no training can continue."""
        _check_finite(model, self.path)
        self.saved, self._document, self._cost_before = True, None, RunCost()
        save_run(self.path, self._info, {"model": model})

    def save_cost(self) -> None:
        """Update the cost in the state that this call saved last, if it saved one."""
        if self._document is not None:
            save_training_document(self.path, self._with_cost(self._document))

    def _with_cost(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**document, "cost": self.cost().to_json()}

    def load(self) -> Snapshot | None:
        """The last saved state, on the CPU; None if there is none."""
        if not has_run(self.path):
            return None
        run = load_run(self.path, training=True)
        return Snapshot(run.info.steps_done, run.tensors("model"), run.tensors("training"), run.training_document())


def _saved_cost(run: Run) -> RunCost:
    """What a saved run has cost; nothing if that cannot be read, which is an error only where the state is used."""
    try:
        return RunCost.of_training(run.training_document())
    except (OSError, RunError):
        return RunCost()


def _check_finite(model: Mapping[str, Tensor], path: Path) -> None:
    for name, values in model.items():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            raise TrainingError(f"{name} holds numbers that are not finite, so that the model is not saved", path)


@contextmanager
def open_checkpoints(
    path: Path, info: RunInfo, older_fingerprint: Callable[[int], str] | None = None
) -> Iterator[Checkpoints]:
    """Lock `path` for one training, which begins or continues there.

    Args:
        info: of the run that is to be trained, and that is saved.
        older_fingerprint: a function that gives the scene's fingerprint by an older version of its rule, by which the
            run there may have been saved.

    Raises:
        RunError: another process trains there, or the run there is of another scene, model or config.
    """
    with lock_run(path):
        settle(path)
        cost = RunCost()
        if has_run(path):
            run = load_run(path)
            known_as, version = info.scene_fingerprint, run.info.fingerprint_version
            if older_fingerprint is not None and version != info.fingerprint_version:
                known_as = older_fingerprint(version)
            wanted = replace(info, scene_fingerprint=known_as, fingerprint_version=version)
            check_same_run(run.info, wanted, path, config_to_json(TrainingConfig()))
            info = replace(info, created=run.info.created, package_version=run.info.package_version)
            cost = _saved_cost(run)
        yield Checkpoints(path, info, cost)
