"""A training as pages see it: its figures, pictures between its steps, and what people ask of it.

The training's own thread draws, between two steps, when somebody looks and something changed, within a share of the
time (`live_frames`). Nothing else reads the model, so that no lock is ever held over a step, and a GPU that is
recording a graph is left alone by all other threads.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from langfield.core.progress import ProgressEvent
from langfield.query.session import Session
from langfield.viewer.frames import FrameTask
from langfield.viewer.live_frames import FrameBudget, LivePlan
from langfield.viewer.live_scene import LiveScene

TRAINING = "training"  # the stage whose steps are looked at
_MOST_POINTS = 400
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A picture of the model between two steps.

    Attributes:
        rgb: its colours.
        depth_world: z-depth in world units; infinite where nothing is.
        task: what it is of.
        step: how many steps the model had learnt.
    """

    rgb: UInt8[np.ndarray, "h w 3"]
    depth_world: Float32[np.ndarray, "h w"]
    task: FrameTask
    step: int


@dataclass(frozen=True)
class LiveFigures:
    """What pages tell of a training.

    Attributes:
        event: the last progress of any stage; None before the first one.
        paused: whether it waits.
        ended: whether somebody ended it early.
        over: whether it has returned.
        curve: of the loss and the PSNR: (step, loss, PSNR) of each point, NaN for what there is not.
        problem: why there is no picture; "" if there is one.
    """

    event: ProgressEvent | None = None
    paused: bool = False
    ended: bool = False
    over: bool = False
    curve: Sequence[tuple[float, float, float]] = ()
    problem: str = ""

    @property
    def trains(self) -> bool:
        """Whether steps are done now, so that there is something to pause."""
        event = self.event
        return event is not None and event.stage == TRAINING and event.done < event.total and not self.ended


class Curve:
    """The figures of a training over its steps, in a bounded number of points: when there are too many, neighbours
    become their mean. For one thread. Args: most: points."""

    def __init__(self, most: int = _MOST_POINTS) -> None:
        self._most = most
        self._each = 1  # events in a point
        self._open: list[tuple[float, float, float]] = []
        self._points: list[tuple[float, float, float]] = []

    def add(self, step: float, loss: float, psnr: float) -> None:
        """One more event."""
        self._open.append((step, loss, psnr))
        if len(self._open) == self._each:
            self._points.append(_mean(self._open))
            self._open = []
        if len(self._points) == self._most:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points, self._each = [_mean(pair) for pair in pairs], 2 * self._each

    def points(self) -> tuple[tuple[float, float, float], ...]:
        """All points, the newest events as one that is not full yet."""
        return (*self._points, *([_mean(self._open)] if self._open else []))


def _mean(points: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    steps, losses, psnrs = zip(*points, strict=True)
    return sum(steps) / len(steps), sum(losses) / len(losses), sum(psnrs) / len(psnrs)


@dataclass(eq=False)
class Watching:
    """One browser that looks at the training.

    Attributes:
        deliver: gets its pictures, from the training's thread: it must only put them somewhere.
        plan: which pictures these are.
    """

    deliver: Callable[[LiveFrame], None]
    plan: LivePlan = field(default_factory=LivePlan)


class LiveTraining:
    """Between a training and the pages that show it. To the training it is an observer
    (`langfield.pipelines.observing.TrainObserver`) and, with `progress`, a listener.

    Args:
        say: gets lines for the terminal.
        budget: of the time for pictures.
    """

    def __init__(self, say: Callable[[str], None], budget: FrameBudget | None = None) -> None:
        self._say = say
        self._budget = budget or FrameBudget()
        self._session_now: Callable[[], Session] | None = None
        self._scene: LiveScene | None = None
        self._lock = threading.Lock()  # of what pages and the training both write
        self._watching: tuple[Watching, ...] = ()
        self._figures = LiveFigures()
        self._curve = Curve()

    # -- for the training ----------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """See `Observer.paused`."""
        return self._figures.paused

    @property
    def ended(self) -> bool:
        """See `Observer.ended`."""
        return self._figures.ended

    def begins(self, session_now: Callable[[], Session]) -> None:
        """See `TrainObserver.begins`."""
        try:
            self._scene, self._session_now = LiveScene(session_now()), session_now
        except Exception:
            _log.exception("this training cannot be shown")
            self._change(problem="This training cannot be shown: see the terminal.")

    def progress(self, event: ProgressEvent) -> None:
        """Listen to the training."""
        with self._lock:
            changes: dict[str, Any] = {"event": event}
            if event.stage != TRAINING:
                changes["paused"] = False
            elif "loss" in event.metrics:
                self._curve.add(event.done, event.metrics["loss"], event.metrics.get("psnr", float("nan")))
                if self._watching:
                    changes["curve"] = self._curve.points()
            self._figures = replace(self._figures, **changes)

    def between_steps(self, step: int) -> None:
        """See `Observer.between_steps`: draw one picture, if one is due and there is time."""
        paused = self.paused
        if not self._watching or self._session_now is None or not (self._budget.allows() or paused):
            return
        due = [(one, task) for one in self._watching if (task := one.plan.next(step, paused=paused)) is not None]
        if due:
            self._draw(*min(due, key=lambda pair: pair[0].plan.drawn_at), step)

    def _draw(self, watching: Watching, task: FrameTask, step: int) -> None:
        assert self._session_now is not None
        assert self._scene is not None
        began = time.perf_counter()
        try:
            camera = task.camera.camera(self._scene.page_from_world, task.longest_px)
            session = self._session_now()
            if session.device.type == "cuda":
                torch.cuda.synchronize(session.device)
                began = time.perf_counter()  # steps that were under way took their own time
            rgb, depth = session.picture(camera)
            # Copies: page-locked memory goes back to torch in this thread, never while it records a graph.
            watching.deliver(LiveFrame(rgb.copy(), depth.copy(), task, step))
        except Exception:
            watching.plan.gave_up(task, step)
            if not self._figures.problem:
                _log.exception("a picture of the training could not be drawn")
            self._change(problem="Pictures cannot be drawn: see the terminal. The training goes on.")
        else:
            watching.plan.drawn(task, step, camera.width_px * camera.height_px, time.perf_counter() - began)
            if self._figures.problem:
                self._change(problem="")
        if not self.paused:  # then it takes nothing from the training
            self._budget.spent(time.perf_counter() - began)

    # -- for pages, from any thread ------------------------------------------------------------------------------

    @property
    def scene(self) -> LiveScene | None:
        """Where its photos are; None before the model is made, and when the training is over."""
        return self._scene

    @property
    def figures(self) -> LiveFigures:
        """How far it is."""
        return self._figures

    def watch(self, watching: Watching) -> None:
        """Draw for one more browser."""
        with self._lock:
            self._watching = (*self._watching, watching)
            self._figures = replace(self._figures, curve=self._curve.points())

    def leave(self, watching: Watching) -> None:
        """Draw no more for a browser."""
        with self._lock:
            self._watching = tuple(one for one in self._watching if one is not watching)

    def pause(self, paused: bool) -> None:
        """Let the training wait after its step, or go on."""
        before = self._figures
        if before.trains and before.paused != paused:
            self._change(paused=paused)
            self._say("the training is paused; Resume in the browser goes on" if paused else "the training goes on")

    def end(self) -> None:
        """Let the training's next step be its last."""
        if self._figures.trains:
            self._change(ended=True, paused=False)
            self._say("the training ends here, as asked in the browser; it is saved, and the same command trains it on")

    def over(self) -> None:
        """The training has returned: let go of its model."""
        self._session_now = self._scene = None
        self._change(paused=False, over=True)

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._figures = replace(self._figures, **changes)
