"""The training loop: steps, reports, saves, and what happens when something goes wrong."""

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
from langfield.training.optimiser import Optimiser
from langfield.training.signals import interruptible

MOST_BAD_STEPS = 50  # so many in a row, and the training goes back to the last saved state
_LONGEST_SILENCE_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        steps: done in all.
        seconds: spent on them, over all sessions of this run.
        metrics: the last report's means ("loss", "psnr", each loss term, "rays_per_second", "bad_steps").
        memory_bytes: this process's peak: allocated on the GPU, or resident on a CPU.
        last_work_seconds: spent in this session on what follows the last step (`finish` of `train`).
    """

    steps: int
    seconds: float
    metrics: Mapping[str, float]
    memory_bytes: int
    last_work_seconds: float = 0.0


@runtime_checkable
class Batches(Protocol):
    """Where batches come from. What is random in them comes from `generator`, which is on the training's device."""

    generator: torch.Generator

    @property
    def steady(self) -> bool:
        """Whether every batch is made from the same tensors in the same way, so that a step can be recorded."""
        ...

    def batch(self, step: int) -> RayBatch | PhotoBatch: ...


def train(
    model: Model,
    batches: Batches,
    config: TrainingConfig,
    checkpoints: Checkpoints | None = None,
    *,
    progress: Progress = silent,
    should_stop: Callable[[], bool] = lambda: False,
    finish: Callable[[], None] | None = None,
) -> TrainingResult:
    """Train `model` (on its device already) up to `config.steps`, going on from `checkpoints`' state if it has one.

    `finish` is called after the last step, before the last save: for what the model does in closed form.

    A step whose loss or gradients are not finite changes nothing. After `MOST_BAD_STEPS` of them in a row the
    training goes back, once, to the last saved state and on with other random numbers.

    Raises:
        Interrupted: on SIGINT, SIGTERM or `should_stop()`, after saving at the end of the step.
        TrainingError: if losses stay not finite.
        RunError: if a state cannot be saved, or the one saved does not fit the model.
    """
    threads = torch_threads(config.rays // RAYS_PER_THREAD_TRAINED, batches.generator.device)
    with interruptible() as interrupted, threads:
        session = _Session(model, batches, config, checkpoints, progress)
        while session.step < config.steps:
            try:
                session.train_step()
            except LangfieldError:
                session.save()
                raise
            stopped = interrupted() or should_stop()
            if stopped or session.report_due():
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
    ) -> None:
        self.step = 0
        self._model, self._batches, self._config = model, batches, config
        self._checkpoints, self._progress = checkpoints, progress
        self._device = batches.generator.device
        self._bf16 = self._device.type == "cuda" if config.bf16 is None else config.bf16
        self._optimiser = Optimiser(model.param_groups())
        self._guard, self._meter = NanGuard(self._device), Meter()
        self._rays, self._rays_before, self._saved_step = 0, 0, -1
        self._metrics: dict[str, float] = {}
        self._bad_before, self._seconds_before, self._went_back = 0, 0.0, False
        self._finished, self._last_work_seconds = False, 0.0
        self._started = self._saved = self._reported = time.perf_counter()
        graphed = self._device.type == "cuda" and config.cuda_graphs and batches.steady
        self._graphs = StepGraphs(batches.generator) if graphed else None
        self._warm_phases: set[Hashable] = set()
        batches.generator.manual_seed(stream_seed(config.seed, "batches"))
        snapshot = checkpoints.load() if checkpoints else None
        if snapshot is None:
            self.save()  # a full disk should be known now, and going back needs somewhere to go
        else:
            self._seconds_before = float(snapshot.document["seconds"])
            self._bad_before = int(snapshot.document["bad_steps"])
            self._restore(snapshot)
        self._tell()

    def train_step(self) -> None:
        """One step; nothing in here waits for the device (except to record a graph)."""
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
        """Batch, loss, gradients and optimiser step: figures by name, and whether the step was "bad"."""
        batch = self._batches.batch(self.step)
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            terms = self._model.loss(batch, self.step)
        loss = torch.stack([value.float() for name, value in terms.items() if not name.startswith("_")]).sum()
        loss.backward()
        bad = self._guard.check(loss, self._optimiser.gradients())
        self._optimiser.step(bad.float())
        return {"loss": loss.detach(), **{name: value.detach() for name, value in terms.items()}, "bad": bad}

    def report_due(self) -> bool:
        silence = time.perf_counter() - self._reported
        return (
            self.step % self._config.report_every == 0
            or self.step == self._config.steps
            or silence > _LONGEST_SILENCE_S
        )

    def report(self) -> None:
        """Wait for the device, tell where the training stands, save if it is time, go back if it went astray."""
        bad_in_a_row = int(self._guard.in_a_row)
        now = time.perf_counter()
        rate = (self._rays - self._rays_before) / max(now - self._reported, 1e-9)
        self._metrics = self._meter.read() | {"rays_per_second": rate, "bad_steps": float(self._bad_steps())}
        self._reported, self._rays_before = now, self._rays
        self._tell()
        if bad_in_a_row >= MOST_BAD_STEPS:
            self._go_back(bad_in_a_row)
        elif bad_in_a_row == 0 and now - self._saved > self._config.save_every:
            self.save()

    def save(self) -> None:
        """Save the state, if there is a place for it. Raises TrainingError, and keeps the state saved before, if it
        holds numbers that are not finite."""
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
        """Bad steps change nothing, but what follows a step might."""
        for group in self._optimiser.groups:
            if not all(bool(parameter.isfinite().all()) for parameter in group.params):
                raise TrainingError(
                    f"{group.name} holds numbers that are not finite after step {self.step}, so that is not saved; "
                    "check poses and learning rates",
                    path,
                )

    def finish(self, work: Callable[[], None] | None) -> None:
        """Do the last work on the model, once, and save it with that."""
        if not self._finished:
            if work is not None:
                self.save()  # so that the steps are not lost with this work
                start = time.perf_counter()
                work()
                if self._device.type == "cuda":
                    torch.cuda.synchronize(self._device)
                self._last_work_seconds = time.perf_counter() - start
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
        return TrainingResult(
            self.step, self._seconds(), self._metrics, peak_memory_bytes(self._device), self._last_work_seconds
        )

    def _go_back(self, bad_in_a_row: int) -> None:
        snapshot = self._checkpoints.load() if self._checkpoints else None
        cause = f"loss or gradients were not finite for the last {bad_in_a_row} steps up to step {self.step}"
        if self._checkpoints is None or snapshot is None:
            raise TrainingError(f"{cause}, and there is no saved state to go back to; check poses and learning rates")
        path = self._checkpoints.path
        if self._went_back:
            raise TrainingError(
                f"{cause}, again after going back; the state of step {snapshot.step} is kept; check poses and "
                "learning rates",
                path,
            )
        _log.warning("%s: %s; going back to step %d, on with other batches", path, cause, snapshot.step)
        self._bad_before = self._bad_steps()
        self._guard, self._went_back = NanGuard(self._device), True
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
        else:  # another kind of generator: its state means nothing here
            self._batches.generator.manual_seed(stream_seed(self._config.seed, "batches", self.step))

    def _tell(self) -> None:
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
