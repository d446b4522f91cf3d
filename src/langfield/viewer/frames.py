"""Which picture of the server a browser gets next: small ones while its camera moves, then ever sharper ones."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from langfield.viewer.page_camera import FrameSizes, PageCamera

REST_SECONDS = 0.18  # without a message of its camera, it rests
_EVERY_STAGE = 10**6  # none is left, however the sizes change
_QUALITY_MOVING, _QUALITY_RESTING = 70, 90


@dataclass(frozen=True)
class FrameTask:
    """A picture to draw.

    Attributes:
        camera: that it is for.
        longest_px: its longest side.
        version: of camera and look; a picture of an older one is of no use to a browser that draws something itself.
        quality: of its JPEG.
        last: whether no sharper one follows.
        first: whether nothing was drawn yet for this camera: such a picture is shown even if the camera moves on
            meanwhile, or a camera that never rests would see none.
    """

    camera: PageCamera
    longest_px: int
    version: int
    quality: int
    last: bool
    first: bool = True


class FramePlan:
    """What is to be drawn for one browser. For one thread, but for `moved`, which any may call.

    Args:
        sizes: how large pictures may be, from which on they follow the measured speed.
        clock: seconds; another one in tests.
    """

    def __init__(self, sizes: FrameSizes, clock: Callable[[], float] = time.monotonic) -> None:
        self._sizes = sizes
        self._clock = clock
        # The camera and the version of what is seen, in one value: no reader may take one from before a move, and the
        # other from after it, or the picture of an old place would count as that of the new one.
        self._seen: tuple[PageCamera | None, int] = (None, 0)
        self._writing = threading.Lock()
        self._moved_at = -1e9
        self._drawn: tuple[int, int] = (-1, 0)  # the version, and how many of its stages

    @property
    def camera(self) -> PageCamera | None:
        """Where the browser's camera is; None before it said so."""
        return self._seen[0]

    def moved(self, camera: PageCamera) -> None:
        """The camera is somewhere else."""
        with self._writing:
            self._moved_at = self._clock()
            self._seen = camera, self._seen[1] + 1

    def changed(self) -> None:
        """Something else is to be seen from where the camera is."""
        with self._writing:
            camera, version = self._seen
            self._seen = camera, version + 1

    def is_current(self, task: FrameTask) -> bool:
        """Whether nothing has changed since a picture was planned."""
        return task.version == self._seen[1]

    @property
    def resting(self) -> bool:
        """Whether the camera rests."""
        return self.has_rested(REST_SECONDS)

    def has_rested(self, seconds: float) -> bool:
        """Whether the camera has not moved for so long."""
        return self._clock() - self._moved_at >= seconds

    def next(self, *, browser_draws: bool, flying: bool = False) -> FrameTask | None:
        """The picture that is due now; None for none.

        Args:
            browser_draws: whether the browser draws something while its camera moves, so that it needs no pictures.
            flying: whether the server moves the camera: then it moves also where the browser has not said so yet.
        """
        camera, version = self._seen
        if camera is None:
            return None
        size = camera.width_px, camera.height_px
        drawn_version, stages_done = self._drawn
        if drawn_version != version:
            stages_done = 0
        if flying or not self.resting:
            if browser_draws or stages_done:
                return None
            return FrameTask(camera, self._sizes.small(*size), version, _QUALITY_MOVING, last=False)
        stages = self._sizes.stages(*size)
        if stages_done >= len(stages):
            return None
        last = stages_done == len(stages) - 1
        quality = _QUALITY_RESTING if last else _QUALITY_MOVING
        return FrameTask(camera, stages[stages_done], version, quality, last, first=stages_done == 0)

    def drawn(self, task: FrameTask, pixels: int, seconds: float) -> None:
        """A planned picture was drawn. Args: pixels: how many it has; 0 if it cost nothing. seconds: that it took."""
        if pixels:
            self._sizes = self._sizes.measured(pixels, seconds)
        version, stages = self._drawn
        done = _EVERY_STAGE if task.last else (stages if version == task.version else 0) + 1
        self._drawn = (task.version, done)

    def gave_up(self, task: FrameTask) -> None:
        """A planned picture could not be drawn: no more of the same."""
        self._drawn = (task.version, _EVERY_STAGE)

    def seconds_to_wait(self, *, browser_draws: bool, idle: float) -> float:
        """How long nothing is due, unless something happens. Args: idle: the longest wait."""
        if self.next(browser_draws=browser_draws) is not None:
            return 0.0
        return min(idle, max(0.005, self._moved_at + REST_SECONDS - self._clock())) if not self.resting else idle
