"""Moving one browser's camera: at once, and in flight."""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import viser

from langfield.viewer.page_camera import PageCamera, Stand, flight, stands_at

_FLIGHT_FPS = 30
_ARRIVALS, _ARRIVAL_SECONDS = 12, 0.25


class Navigator:
    """One browser's camera. For one thread.

    Args:
        client: whose.
        where: tells where its camera is now, as it says itself; None before it said so.
        closed: is set when it has left.
    """

    def __init__(
        self, client: viser.ClientHandle, where: Callable[[], PageCamera | None], closed: threading.Event
    ) -> None:
        self._client = client
        self._where = where
        self._closed = closed

    @property
    def fov_rad(self) -> float:
        """The vertical field of view."""
        return float(self._client.camera.fov)

    def zoom(self, fov_rad: float) -> None:
        """Set the vertical field of view."""
        self._client.camera.fov = fov_rad

    def here(self) -> Stand:
        """Where the camera is."""
        camera = self._client.camera
        position, look_at, up = (
            np.asarray(values, dtype=np.float64) for values in (camera.position, camera.look_at, camera.up_direction)
        )
        return Stand(position, look_at, up)

    def stand(self, stand: Stand) -> None:
        """Be somewhere else at once."""
        camera = self._client.camera
        with self._client.atomic():
            if stand.fov_rad is not None:
                self.zoom(stand.fov_rad)
            camera.position = stand.position
            camera.look_at = stand.look_at
            camera.up_direction = stand.up

    def fly(self, end: Stand, show: Callable[[], None]) -> None:
        """Go somewhere else, smoothly. Args: show: as for `follow`."""
        self.follow(flight(self.here(), end), _FLIGHT_FPS, lambda: False, show)

    def follow(self, way: Sequence[Stand], fps: float, stopped: Callable[[], bool], show: Callable[[], None]) -> None:
        """Go along a way, in the time that it takes at so many places a second.

        Args:
            stopped: whether to stay where it is.
            show: draws what is seen there; where it takes longer than there is time, places are left out, but not the
                last one.
        """
        started, number = time.monotonic(), 0
        while number < len(way):
            if stopped() or self._closed.is_set():
                return
            self.stand(way[number])
            show()
            self._closed.wait(max(0.0, started + (number + 1) / fps - time.monotonic()))
            due = int((time.monotonic() - started) * fps)
            number = max(number + 1, min(due, len(way) - 1))

    def arrive(self, stand: Stand, fov_rad: float) -> None:
        """Be somewhere at once, and make sure of it: a page that is just being built forgets where it was put."""
        for _ in range(_ARRIVALS):
            self.zoom(fov_rad)
            self.stand(stand)
            self._closed.wait(_ARRIVAL_SECONDS)
            where = self._where()
            if self._closed.is_set() or (where is not None and stands_at(where, stand)):
                return
