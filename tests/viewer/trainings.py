"""Trainings for tests of the viewer: a toy model learns in a thread, and what is seen is the wall of `tests.query`."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.training.toy_model import ToyBatches, ToyModel

from langfield.query.session import Session
from langfield.training.config import TrainingConfig
from langfield.training.loop import TrainingResult, train
from langfield.viewer.live_training import LiveTraining


@dataclass
class RunningTraining:
    """A training under way.

    Attributes:
        live: what pages see of it.
        result: what came of it; None while it goes on.
    """

    live: LiveTraining
    thread: threading.Thread
    result: TrainingResult | None = None

    def join(self) -> TrainingResult:
        self.thread.join(60)
        assert self.result is not None
        return self.result


@contextmanager
def training(
    session_now: Callable[[], Session], live: LiveTraining, steps: int = 10**7, step_seconds: float = 0.002
) -> Iterator[RunningTraining]:
    """A training that goes on until it is ended, or this context is."""

    class SlowBatches(ToyBatches):
        def batch(self, step: int):
            time.sleep(step_seconds)
            return super().batch(step)

    def work() -> None:
        live.begins(session_now)
        config = TrainingConfig(steps=steps, rays=32, report_every=10)
        running.result = train(ToyModel(), SlowBatches(), config, progress=live.progress, observer=live)
        live.over()

    running = RunningTraining(live, threading.Thread(target=work, daemon=True))
    running.thread.start()
    try:
        yield running
    finally:
        live.end()
        running.thread.join(60)
