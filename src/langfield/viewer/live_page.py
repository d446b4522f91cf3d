"""The page of one browser while a run is trained: its controls, the pictures of the training, and a thread."""

import logging
import math
import threading
import time
from collections.abc import Callable

import numpy as np
import viser
from jaxtyping import UInt8

from langfield.core.errors import LangfieldError
from langfield.query.pictures import depth_picture
from langfield.viewer import state
from langfield.viewer.client_page import STORED
from langfield.viewer.live_panel import LiveActions, LiveLayer, LivePanel
from langfield.viewer.live_scene import LiveScene
from langfield.viewer.live_training import LiveFigures, LiveFrame, LiveTraining, Watching
from langfield.viewer.navigator import Navigator
from langfield.viewer.page_camera import page_camera, same_view
from langfield.viewer.page_events import PageEvents
from langfield.viewer.state import ViewerState

_IDLE_SECONDS = 0.25
_FIGURES_SECONDS = 0.5  # between two updates of figures
_TYPE_NOW = "Type what to look for: it is answered when the training is over."
_ANSWERED_LATER = "Kept: it is answered when the training is over."
_log = logging.getLogger(__name__)


class LivePage:
    """One browser's page. All of it happens in its own thread; pictures come from the training's.

    Args:
        client: the browser.
        live: the training.
    """

    def __init__(self, client: viser.ClientHandle, live: LiveTraining) -> None:
        self._client = client
        self._live = live
        self._state = ViewerState()
        self._layer: LiveLayer = "Picture"
        self._events = PageEvents()
        self._closed = threading.Event()
        self._watching = Watching(self._take_frame)
        self._navigator = Navigator(client, lambda: self._watching.plan.camera, self._closed)
        self._scene: LiveScene | None = None
        self._panel: LivePanel | None = None
        self._frame: LiveFrame | None = None
        self._shown: tuple[LiveFrame, LiveLayer] | None = None
        self._told: LiveFigures | None = None
        self._told_at = -math.inf
        self._thread = threading.Thread(target=self._run, name=f"live page {client.client_id}", daemon=True)

    def start(self) -> None:
        """Build the page, and keep it up to date until `close`."""
        self._client.camera.on_update(lambda camera: self._camera_moved(camera))
        self._thread.start()

    def close(self) -> None:
        """The browser has left, or gets another page."""
        self._live.leave(self._watching)
        self._closed.set()
        self._events.wake()

    def join(self, timeout: float) -> None:
        """Wait until nothing more is drawn."""
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether something is still drawn."""
        return self._thread.is_alive()

    # -- what happens ------------------------------------------------------------------------------------------------

    def _camera_moved(self, handle: viser.CameraHandle) -> None:
        if self._closed.is_set():
            return
        camera = page_camera(handle.wxyz, handle.position, handle.fov, handle.image_width, handle.image_height)
        before = self._watching.plan.camera
        if camera is not None and (before is None or not same_view(camera, before)):
            self._watching.plan.moved(camera)
            self._navigator.told(camera)

    def _take_frame(self, frame: LiveFrame) -> None:
        self._frame = frame
        self._events.wake()

    def _run(self) -> None:
        begun = self._guarded(self._begin)
        while begun and not self._closed.is_set():
            for event in self._events.take(_IDLE_SECONDS):
                self._guarded(event)
            if not self._closed.is_set():
                self._guarded(self._update)
        self._guarded(self._end)

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do something; what goes wrong is told in the page. Returns whether it went well."""
        try:
            work()
            return True
        except LangfieldError as error:
            if self._panel is not None:
                self._panel.say(error.message, problem=True)
        except Exception:
            if not self._closed.is_set():  # else the browser left meanwhile
                _log.exception("the page of a browser that looks at the training")
        return False

    def _begin(self) -> None:
        self._camera_moved(self._client.camera)
        self._panel = LivePanel(self._client, self._actions(), None)
        self._tell()
        try:
            self._state = state.from_text(self._client.local_storage.get_item(STORED, timeout=3))
        except (TimeoutError, RuntimeError):
            self._state = ViewerState()

    def _end(self) -> None:
        self._live.leave(self._watching)  # `close` may have come just before `_open` began to watch
        if self._panel is not None:
            self._panel.remove()

    def _actions(self) -> LiveActions:
        post = self._events.post
        return LiveActions(
            prompt=lambda text: post(self._keep_prompt, text),
            layer=lambda layer: post(self._set_layer, layer),
            pause=lambda paused: post(self._live.pause, paused),
            end=lambda: post(self._live.end),
            home=lambda: post(self._go_home),
            photo=lambda name: post(self._go_to_photo, name),
            field_of_view=lambda degrees: post(self._navigator.zoom, math.radians(min(170.0, max(1.0, degrees)))),
            changed=lambda: post(self._tell),
        )

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _update(self) -> None:
        """Bring the page up to date."""
        scene = self._live.scene  # read once: it goes when the training is over
        if self._scene is None and scene is not None:
            self._open(scene)
        frame = self._frame
        if frame is not None and self._shown != (frame, self._layer):
            self._shown = frame, self._layer
            quality = frame.task.quality
            self._client.scene.set_background_image(drawn(frame, self._layer), format="jpeg", jpeg_quality=quality)
        if time.perf_counter() - self._told_at >= _FIGURES_SECONDS:
            self._tell()

    def _open(self, scene: LiveScene) -> None:
        """The model is there: look at it."""
        assert self._panel is not None
        self._scene = scene
        self._panel.remove()
        self._panel, self._told = LivePanel(self._client, self._actions(), scene, self._state.prompt), None
        self._tell()
        self._say_when_asked()
        self._navigator.arrive(scene.stand_at(scene.first_view), scene.first_fov_rad)
        if not self._closed.is_set():
            self._live.watch(self._watching)  # from here, and not from where no photo was taken

    def _tell(self) -> None:
        """Say how far the training is."""
        assert self._panel is not None
        self._told_at = time.perf_counter()
        figures = self._live.figures
        self._panel.show(figures)
        if figures.problem != (self._told.problem if self._told is not None else ""):
            self._panel.say(figures.problem, problem=True)
            if not figures.problem and self._scene is not None:
                self._say_when_asked()
        self._told = figures

    def _keep_prompt(self, text: str) -> None:
        """Keep phrases in the browser, where the finished run's page finds them."""
        self._state = state.with_prompt(self._state, text)
        self._client.local_storage.set_item(STORED, state.to_text(self._state))
        self._say_when_asked()

    def _say_when_asked(self) -> None:
        assert self._panel is not None
        assert self._scene is not None
        if self._scene.session.has_language:
            self._panel.say(_ANSWERED_LATER if self._state.phrases else _TYPE_NOW)

    def _set_layer(self, layer: LiveLayer) -> None:
        self._layer = layer

    def _go_to_photo(self, name: str) -> None:
        if self._scene is not None:
            self._navigator.go_to_photo(self._scene, name, lambda: False)

    def _go_home(self) -> None:
        if self._scene is not None:
            self._go_to_photo(self._scene.first_view.name)


def drawn(frame: LiveFrame, layer: LiveLayer) -> UInt8[np.ndarray, "h w 3"]:
    """A picture of the training as a layer shows it."""
    return depth_picture(frame.depth_world) if layer == "Depth" else frame.rgb
