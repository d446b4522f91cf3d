"""The training loop: steps, reports, saves, and recovery from bad steps."""

import logging
import math
import resource
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from langfield.core.errors import Interrupted, LangfieldError, RunError, TrainingError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.randomness import stream_seed
from langfield.core.threads import RAYS_PER_THREAD_TRAINED, torch_threads
from langfield.models.base import Model
from langfield.models.batches import PhotoBatch, RayBatch
from langfield.training.checkpoints import Checkpoints, Snapshot
from langfield.training.config import TrainingConfig
from langfield.training.graphs import StepGraphs
from langfield.training.guard import Meter, NanGuard
from langfield.training.observer import Observer
from langfield.training.optimiser import Optimiser
from langfield.training.signals import interruptible

MAX_BAD_STEPS = 50  # in a row; then the training rolls back to the last saved state
_MAX_REPORT_INTERVAL_S = 1.0
_PAUSE_INTERVAL_S = 0.02  # between looks at whether to go on

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a training led to.

    Attributes:
        steps: steps done in all.
        seconds: time that they took, over all calls of `train` for this run, without pauses.
        metrics: figures of the last report ("loss", "psnr", each loss term, "rays_per_second", "bad_steps").
        memory_bytes: this process's peak: allocated on the GPU, or resident on a CPU.
        finish_seconds: time that `finish` took in this call.
        paused_seconds: time that an observer let this call wait.
    """

    steps: int
    seconds: float
    metrics: Mapping[str, float]
    memory_bytes: int
    finish_seconds: float = 0.0
    paused_seconds: float = 0.0


@runtime_checkable
class Batches(Protocol):
    """A source of batches.

    Attributes:
        generator: of its random numbers, on the training's device.
    """

    generator: torch.Generator

    @property
    def recordable(self) -> bool:
        """Whether every batch is made from the same tensors by the same operations, so that steps can be recorded as
        CUDA graphs (`langfield.training.graphs`)."""
        ...

    def batch(self, step: int) -> RayBatch | PhotoBatch:
        """The batch of a step. Raises DataError for a photo that cannot be decoded."""
        ...


def train(
    model: Model,
    batches: Batches,
    config: TrainingConfig,
    checkpoints: Checkpoints | None = None,
    *,
    progress: Progress = silent,
    should_stop: Callable[[], bool] = lambda: False,
    finish: Callable[[], None] | None = None,
    observer: Observer | None = None,
) -> TrainingResult:
    """Train a model up to `config.steps`, from the state in `checkpoints` if there is one.

    A bad step, whose loss or gradients are not finite, changes nothing. After `MAX_BAD_STEPS` of them in a row the
    training rolls back, once, to the last saved state and continues with other random numbers.

    Args:
        model: on the device of the batches.
        batches: where each step's batch comes from.
        checkpoints: where states are saved; None to save none.
        progress: gets the stage "training".
        should_stop: asked after each step, as for an interruption.
        finish: called once, after the last step and before the last save: the model's closed form.
        observer: looks at the model between steps, and may let it wait, or end it before its last step: the run is
            finished and saved then as after that one, and another call for as many steps goes on from it.

    Raises:
        Interrupted: on SIGINT, SIGTERM or `should_stop()`, after saving at the end of the step.
        TrainingError: losses stay not finite.
        RunError: a state cannot be saved, or the saved one does not fit the model.
    """
    threads = torch_threads(config.rays // RAYS_PER_THREAD_TRAINED, batches.generator.device)
    with interruptible() as interrupted, threads:
        session = _Session(model, batches, config, checkpoints, progress, observer)
        ended = False
        while session.step < config.steps and not ended:
            try:
                session.train_step()
            except LangfieldError:
                session.save()
                raise
            ended = session.observed(lambda: interrupted() or should_stop())
            stopped = interrupted() or should_stop()
            if stopped or ended or session.report_due():
                session.report()
            if stopped:
                session.stop()
        session.finish(finish)
        if interrupted():
            session.stop()
        return session.result()


class _Session:
    """One call of `train`: the state between its steps."""

    def __init__(
        self,
        model: Model,
        batches: Batches,
        config: TrainingConfig,
        checkpoints: Checkpoints | None,
        progress: Progress,
        observer: Observer | None,
    ) -> None:
        self.step = 0
        self._observer, self._paused_seconds = observer, 0.0
        self._model, self._batches, self._config = model, batches, config
        self._checkpoints, self._progress = checkpoints, progress
        self._device = batches.generator.device
        self._bf16 = self._device.type == "cuda" if config.bf16 is None else config.bf16
        self._optimiser = Optimiser(model.param_groups())
        self._guard, self._meter = NanGuard(self._device), Meter()
        self._rays, self._rays_before, self._saved_step = 0, 0, -1
        self._metrics: dict[str, float] = {}
        self._bad_before, self._seconds_before, self._rolled_back = 0, 0.0, False
        self._finished, self._finish_seconds = False, 0.0
        self._started = self._saved = self._reported = time.perf_counter()
        graphed = self._device.type == "cuda" and config.cuda_graphs and batches.recordable
        self._graphs = StepGraphs(batches.generator) if graphed else None
        self._warm_phases: set[Hashable] = set()
        batches.generator.manual_seed(stream_seed(config.seed, "batches"))
        snapshot = checkpoints.load() if checkpoints else None
        if snapshot is None:
            self.save()  # finds a full disk now, and is what a rollback needs
        else:
            self._seconds_before = float(snapshot.document["seconds"])
            self._bad_before = int(snapshot.document["bad_steps"])
            self._restore(snapshot)
        self._emit_progress()

    def train_step(self) -> None:
        """Do one step. Waits for the device only to record a graph."""
        self._optimiser.set_rates(self.step)
        phase = self._model.phase(self.step)
        if self._graphs is not None and phase is not None and phase in self._warm_phases:
            results = self._graphs.run(phase, self._compute)
        else:
            results = self._compute()
            self._warm_phases.add(phase)
        figures = dict(results)
        bad = figures.pop("bad")
        self._meter.add(figures, bad)
        self._model.after_step(self.step, self._optimiser, bad, self._batches.generator)
        self._rays += self._config.rays
        self.step += 1

    def _compute(self) -> dict[str, Tensor]:
        """Batch, loss, gradients and optimiser step. Returns figures by name, and as "bad" whether the step was bad."""
        batch = self._batches.batch(self.step)
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            terms = self._model.loss(batch, self.step)
        loss = torch.stack([value.float() for name, value in terms.items() if not name.startswith("_")]).sum()
        loss.backward()
        bad = self._guard.check(loss, self._optimiser.gradients())
        self._optimiser.step(bad.float())
        return {"loss": loss.detach(), **{name: value.detach() for name, value in terms.items()}, "bad": bad}

    def observed(self, stopped: Callable[[], bool]) -> bool:
        """Let the observer look, and wait while it pauses. Returns whether it ends the training.

        Args:
            stopped: whether the training is interrupted, which ends a pause.
        """
        observer = self._observer
        if observer is None:
            return False
        try:
            observer.between_steps(self.step)
            if observer.paused:
                self._pause(observer, stopped)
            return observer.ended
        except Exception:
            _log.exception("what looked at the training failed; the training goes on without it")
            self._observer = None
            return False

    def _pause(self, observer: Observer, stopped: Callable[[], bool]) -> None:
        began = time.perf_counter()
        try:
            while observer.paused and not observer.ended and not stopped():
                observer.between_steps(self.step)
                time.sleep(_PAUSE_INTERVAL_S)
        finally:
            waited = time.perf_counter() - began
            self._paused_seconds += waited
            self._started += waited
            self._reported += waited

    def report_due(self) -> bool:
        """Whether it is time for a report."""
        since_report = time.perf_counter() - self._reported
        return (
            self.step % self._config.report_every == 0
            or self.step == self._config.steps
            or since_report > _MAX_REPORT_INTERVAL_S
        )

    def report(self) -> None:
        """Wait for the device, emit progress, save if it is time, and roll back after too many bad steps."""
        bad_in_a_row = int(self._guard.in_a_row)
        now = time.perf_counter()
        rate = (self._rays - self._rays_before) / max(now - self._reported, 1e-9)
        self._metrics = self._meter.read() | {"rays_per_second": rate, "bad_steps": float(self._bad_steps())}
        self._reported, self._rays_before = now, self._rays
        self._emit_progress()
        if bad_in_a_row >= MAX_BAD_STEPS:
            self._roll_back(bad_in_a_row)
        elif bad_in_a_row == 0 and now - self._saved > self._config.save_every:
            self.save()

    def save(self) -> None:
        """Save the state, if there are checkpoints. Raises TrainingError, and keeps the state saved before, if it has
        numbers that are not finite."""
        if self._checkpoints is None or self._saved_step == self.step:
            return
        self._check_finite(self._checkpoints.path)
        state = self._optimiser.state() | {"random/batches": self._batches.generator.get_state()}
        document = {
            "device": self._device.type,
            "seconds": self._seconds(),
            "bad_steps": self._bad_steps(),
            "finished": self._finished,
            "metrics": {name: value for name, value in self._metrics.items() if math.isfinite(value)},
        }
        self._checkpoints.save(Snapshot(self.step, self._model.state_dict(), state, document))
        self._saved, self._saved_step = time.perf_counter(), self.step

    def _check_finite(self, path: Path) -> None:
        """Raise TrainingError for parameters that are not finite, as `Model.after_step` might leave them."""
        for group in self._optimiser.groups:
            if not all(bool(parameter.isfinite().all()) for parameter in group.params):
                raise TrainingError(
                    f"{group.name} holds numbers that are not finite after step {self.step}, so that is not saved; "
                    "check poses and learning rates",
                    path,
                )

    def finish(self, finish_model: Callable[[], None] | None) -> None:
        """Finish the model, if it is not yet, and save it."""
        if not self._finished:
            if finish_model is not None:
                self.save()  # so that the steps are not lost if this fails
                start = time.perf_counter()
                finish_model()
                if self._device.type == "cuda":
                    torch.cuda.synchronize(self._device)
                self._finish_seconds = time.perf_counter() - start
            self._finished, self._saved_step = True, -1
        self.save()

    def stop(self) -> None:
        """Save and raise Interrupted."""
        self.save()
        if self._checkpoints is None:
            raise Interrupted(f"stopped after step {self.step} of {self._config.steps}; nothing was to be saved")
        raise Interrupted(
            f"stopped after step {self.step} of {self._config.steps} and saved; the same command goes on from here",
            self._checkpoints.path,
        )

    def result(self) -> TrainingResult:
        """What the training led to so far."""
        memory_bytes = peak_memory_bytes(self._device)
        return TrainingResult(
            self.step, self._seconds(), self._metrics, memory_bytes, self._finish_seconds, self._paused_seconds
        )

    def _roll_back(self, bad_in_a_row: int) -> None:
        snapshot = self._checkpoints.load() if self._checkpoints else None
        cause = f"loss or gradients were not finite for the last {bad_in_a_row} steps up to step {self.step}"
        if self._checkpoints is None or snapshot is None:
            raise TrainingError(f"{cause}, and there is no saved state to go back to; check poses and learning rates")
        path = self._checkpoints.path
        if self._rolled_back:
            raise TrainingError(
                f"{cause}, again after going back; the state of step {snapshot.step} is kept; check poses and "
                "learning rates",
                path,
            )
        _log.warning("%s: %s; going back to step %d, on with other batches", path, cause, snapshot.step)
        self._bad_before = self._bad_steps()
        self._guard, self._rolled_back = NanGuard(self._device), True
        self._restore(snapshot)
        self._batches.generator.manual_seed(stream_seed(self._config.seed, "batches after going back", self.step))

    def _restore(self, snapshot: Snapshot) -> None:
        try:
            self._model.load_state_dict(snapshot.model)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise RunError(f"the saved model does not fit this one: {reason}; train into a new folder") from error
        training: dict[str, Tensor] = dict(snapshot.training)
        random = training.pop("random/batches")
        self._optimiser.load_state(training)
        if self._graphs is not None:
            self._graphs.clear()
            self._warm_phases.clear()  # what a first step makes (Adam's state) must not be recorded
        self.step = self._saved_step = snapshot.step
        self._finished = snapshot.step >= self._config.steps and bool(snapshot.document.get("finished"))
        self._metrics = dict(snapshot.document["metrics"])
        if snapshot.document["device"] == self._device.type:
            self._batches.generator.set_state(random)
        else:  # the state of another device's generator cannot be used
            self._batches.generator.manual_seed(stream_seed(self._config.seed, "batches", self.step))

    def _emit_progress(self) -> None:
        total = self._config.steps
        self._progress(ProgressEvent("training", self.step, total, "steps", self._seconds(), self._metrics))

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._started

    def _bad_steps(self) -> int:
        return self._bad_before + int(self._guard.total)


def peak_memory_bytes(device: torch.device) -> int:
    """The process's peak so far: allocated by torch on a GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
