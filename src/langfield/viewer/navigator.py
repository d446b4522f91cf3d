"""Moving one browser's camera: at once, and in flight."""

import math
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import viser

from langfield.viewer.page_camera import PageCamera, Stand, flight, is_on_way, stand_before, stand_of_photo, stands_at
from langfield.viewer.run_scene import RunScene
from langfield.viewer.saving import path_cameras
from langfield.viewer.state import ViewerState

_FLIGHT_FPS = 30
_ARRIVALS, _ARRIVAL_SECONDS = 12, 0.25


class Navigator:
    """One browser's camera. For one thread, but for `told`, which any may call.

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
        self._flown: list[Stand] = []  # where the flight that is under way has put the camera; empty without one
        self._taken_over = False

    def told(self, camera: PageCamera) -> None:
        """The browser says where its camera is. A place that is not on the way of the flight means that the person has
        turned the camera: the flight ends."""
        if self._flown and not is_on_way(camera, self._flown):
            self._taken_over = True

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

    def go_before(
        self,
        scene: RunScene,
        position: Sequence[float],
        size_world: float,
        views: Sequence[str],
        show: Callable[[], bool],
    ) -> None:
        """Fly before a thing, on the way from the photo that shows it best.

        Args:
            scene: that it is in.
            position: of its middle, world frame.
            size_world: its longest edge.
            views: names of the photos that show it, best first; none: from where the camera is.
            show: as for `follow`.
        """
        photo = next((view for view in scene.session.views if view.name in views[:1]), None)
        eye = self.here().position if photo is None else scene.photo_pose(photo)[:3, 3]
        thing = scene.page_from_world.points(np.asarray(position, dtype=np.float64))
        size = size_world * scene.page_from_world.scale
        self.fly(stand_before(thing, size, eye, scene.up, self.fov_rad), show)

    def go_to_photo(self, scene: RunScene, name: str, show: Callable[[], bool]) -> None:
        """Fly where a photo was taken, with its field of view; nowhere if none has the name."""
        for view in scene.session.views:
            if view.name == name:
                self.zoom(2 * math.atan(view.camera.height_px / (2 * view.camera.fy_px)))
                self.fly(scene.stand_at(view), show)

    def fly(self, end: Stand, show: Callable[[], bool]) -> None:
        """Go somewhere else, smoothly. Args: show: as for `follow`."""
        self.follow(flight(self.here(), end), _FLIGHT_FPS, show)

    def follow(
        self, way: Sequence[Stand], fps: float, show: Callable[[], bool], stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Go along a way, in the time that it takes at so many places a second, or until the person turns the camera.

        Args:
            show: draws what is seen there, and returns whether it could; if not, it is not called again. Where it takes
                longer than there is time, places are left out, but not the last one.
            stopped: whether to stay where it is.
        """
        where = self._where()
        self._taken_over = False
        self._flown = [] if where is None else [stand_of_photo(where.pose, 1.0)]
        started, number, shows = time.monotonic(), 0, True
        try:
            while number < len(way):
                if stopped() or self._taken_over or self._closed.is_set():
                    return
                self._flown.append(way[number])
                self.stand(way[number])
                shows = shows and show()
                self._closed.wait(max(0.0, started + (number + 1) / fps - time.monotonic()))
                due = int((time.monotonic() - started) * fps)
                number = max(number + 1, min(due, len(way) - 1))
        finally:
            self._flown = []

    def arrive(self, stand: Stand, fov_rad: float) -> None:
        """Be somewhere at once, and make sure of it: a page that is just being built forgets where it was put."""
        for _ in range(_ARRIVALS):
            self.zoom(fov_rad)
            self.stand(stand)
            self._closed.wait(_ARRIVAL_SECONDS)
            where = self._where()
            if self._closed.is_set() or (where is not None and stands_at(where, stand)):
                return


def path_stands(scene: RunScene, state: ViewerState, size_px: tuple[int, int]) -> list[Stand]:
    """The way along the keyframes that is saved (`langfield.viewer.saving.path_cameras`), to be flown."""
    return [
        stand_of_photo(
            scene.page_from_world.pose(camera.world_from_camera),
            scene.first_distance,
            2 * math.atan(camera.height_px / (2 * camera.fy_px)),
        )
        for camera in path_cameras(scene, state, size_px)
    ]
