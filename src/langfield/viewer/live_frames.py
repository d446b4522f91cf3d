"""Which picture of a training is drawn next, and when there is time for one: plain rules, without pictures."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from langfield.viewer.frames import REST_SECONDS, FrameTask
from langfield.viewer.page_camera import FrameSizes, PageCamera

SHARE = 0.05  # of a training's time that pictures may take
_BURST_SECONDS = 0.2
# What is done with cameras and pictures in other threads keeps a training that is bound by Python waiting, too: a few
# milliseconds for each.
SECONDS_BETWEEN = 1 / 12
_LONGEST_MOVING_PX = 960
# While steps are done a picture may take so long, and the next one waits 20 times as long. However slow a CPU is, there
# is something to see.
_WHILE_TRAINING = FrameSizes(moving_seconds=0.05, resting_seconds=0.3, least_moving_px=64, least_resting_px=128)
_WHILE_PAUSED = FrameSizes()
_REFRESH_SECONDS = 0.5
_SHARPER = 1.3  # a picture is worth drawing for being so much larger
_SHARPEST_PX = 10**6
_QUALITY_SMALL, _QUALITY_SHARP = 75, 90


class FrameBudget:
    """Keeps what pictures take to a share of the time. For one thread.

    Time for them adds up while none is drawn, to a little at most; a picture that takes more than there is leaves a
    debt, and the next one waits until it is paid. So in any span of T seconds pictures take no more than share · T, a
    burst, and one picture.

    Args:
        share: of the time.
        burst_seconds: the most that adds up.
        seconds_between: pictures begin at least so long after the last one, however quick they are.
        clock: seconds; another one in tests.
    """

    def __init__(
        self,
        share: float = SHARE,
        burst_seconds: float = _BURST_SECONDS,
        seconds_between: float = SECONDS_BETWEEN,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._share, self._burst, self._between, self._clock = share, burst_seconds, seconds_between, clock
        self._credit, self._at = burst_seconds, clock()
        self._last = -1e9

    def allows(self) -> bool:
        """Whether there is time for a picture now."""
        now = self._clock()
        self._credit = min(self._burst, self._credit + (now - self._at) * self._share)
        self._at = now
        return self._credit > 0 and now - self._last >= self._between

    def spent(self, seconds: float) -> None:
        """A picture took so long, and is drawn now."""
        self._credit -= seconds
        self._last = self._clock() - seconds


@dataclass(frozen=True)
class _Drawn:
    """What was drawn last: of which version of what is seen, its longest side, at which step, and when."""

    version: int = -1
    longest_px: int = 0
    step: int = -1
    at: float = 0.0


class LivePlan:
    """Which picture one browser gets next: a small one where its camera went, sharper ones where it rests, and then the
    sharpest again as the training goes on. For the training's thread, but for `moved`, which any thread may call.

    Args:
        sizes: how large pictures may be, from which on they follow the measured speed.
        paused_sizes: likewise, while the training waits.
        clock: seconds; another one in tests.
    """

    def __init__(
        self,
        sizes: FrameSizes = _WHILE_TRAINING,
        paused_sizes: FrameSizes = _WHILE_PAUSED,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._sizes, self._paused_sizes = sizes, paused_sizes
        self._clock = clock
        self._seen: tuple[PageCamera | None, int, float] = (None, 0, 0.0)  # one value: readers get all of one move
        self._writing = threading.Lock()
        self._drawn = _Drawn()

    @property
    def camera(self) -> PageCamera | None:
        """Where the browser's camera is; None before it said so."""
        return self._seen[0]

    @property
    def drawn_at(self) -> float:
        """When its last picture was drawn, by the clock; 0 before the first one."""
        return self._drawn.at

    def moved(self, camera: PageCamera) -> None:
        """The camera is somewhere else."""
        with self._writing:
            self._seen = camera, self._seen[1] + 1, self._clock()

    def next(self, step: int, *, paused: bool = False) -> FrameTask | None:
        """The picture that is due; None for none.

        Args:
            step: how many steps the model has learnt.
            paused: whether the training waits, so that there is time.
        """
        sizes = self._paused_sizes if paused else self._sizes
        camera, version, moved_at = self._seen
        if camera is None:
            return None
        size, now, drawn = (camera.width_px, camera.height_px), self._clock(), self._drawn
        if drawn.version != version:
            longest_px = sizes.small(*size) if paused else min(sizes.small(*size), _LONGEST_MOVING_PX)
            return FrameTask(camera, longest_px, version, _QUALITY_SMALL, last=False)
        if now - moved_at < REST_SECONDS:
            return None
        stages = sizes.stages(*size)
        side = next((side for side in stages if side > _SHARPER * drawn.longest_px), None)
        if side is None and step > drawn.step and now - drawn.at >= _REFRESH_SECONDS:
            side = stages[-1]
        return None if side is None else FrameTask(camera, side, version, _QUALITY_SHARP, last=side == stages[-1])

    def drawn(self, task: FrameTask, step: int, pixels: int, seconds: float) -> None:
        """A picture was drawn. Args: pixels: how many it has. seconds: that it took."""
        self._sizes = self._sizes.measured(pixels, seconds)
        self._paused_sizes = self._paused_sizes.measured(pixels, seconds)
        self._drawn = _Drawn(task.version, task.longest_px, step, self._clock())

    def gave_up(self, task: FrameTask, step: int) -> None:
        """A picture could not be drawn: no other one of what is seen, until the training has gone on."""
        self._drawn = _Drawn(task.version, _SHARPEST_PX, step, self._clock())
