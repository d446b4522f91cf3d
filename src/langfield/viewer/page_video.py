"""Videos of the path along the keyframes: made by the server in the background, and sent to the browser as a download.

They are what `langfield render --camera-path … --video` writes, in the colours of the page. A browser can ask for as
many as it likes: only one is made at a time, for all browsers, and none is longer or larger than so much.
"""

import logging
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from langfield.core.cameras import Camera
from langfield.core.devices import to_host
from langfield.core.errors import LangfieldError, UsageError
from langfield.core.interruption import NotNeeded, stop_if_not_needed, unless
from langfield.core.video import Video
from langfield.viewer import look, saving
from langfield.viewer.run_scene import RunScene
from langfield.viewer.state import ViewerState

MAX_PICTURES = 1440  # one minute
MAX_SIDE_PX = {"cuda": 1280, "cpu": 640}  # a field's pictures take long on a CPU
MAX_BYTES = 2**26
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoNews:
    """How far a browser's video is.

    Attributes:
        done: how many pictures.
        total: of how many; 0 if none is being made.
    """

    done: int = 0
    total: int = 0


class PageVideo:
    """One browser's. `news` may be read by any thread; all else is for one.

    Args:
        turn: is held while a video is made; all browsers share it.
        send: takes the finished file.
        failed: is told, in a line, why there is none.
    """

    def __init__(
        self, turn: threading.Lock, send: Callable[[saving.Saved], None], failed: Callable[[str], None]
    ) -> None:
        self._turn, self._send, self._failed = turn, send, failed
        self._cancelled = threading.Event()  # the one that is being made
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.news = VideoNews()

    def start(self, scene: RunScene, state: ViewerState, group: int | None, size_px: tuple[int, int]) -> None:
        """Begin to make the video of a state's keyframes; after `close`, nothing is made.

        Args:
            group: that was clicked, as pictures show it.
            size_px: of the page; the video is smaller where that is large.

        Raises UsageError without keyframes, for a path that is too long, and while another video is made.
        """
        if self._closed.is_set():
            return
        cameras = saving.path_cameras(scene, state, fitting_size(size_px, MAX_SIDE_PX[scene.session.device.type]))
        if not cameras:
            raise UsageError("No keyframes yet: add some first")
        if len(cameras) > MAX_PICTURES:
            raise UsageError(
                f"the video would have {len(cameras)} pictures, at most {MAX_PICTURES} are made: clear some keyframes, "
                "or save the path for langfield render"
            )
        if not self._turn.acquire(blocking=False):
            raise UsageError("another video is being made here: try again when it is done")
        self._cancelled.clear()
        self.news = VideoNews(0, len(cameras))
        self._thread = threading.Thread(target=self._run, args=(scene, state, group, cameras), daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop making it, within a part of a picture."""
        self._cancelled.set()

    def close(self) -> None:
        """The browser has left: stop making it, and make none from now on."""
        self._closed.set()

    def join(self, timeout: float) -> None:
        """Wait until none is made."""
        if self._thread is not None:
            self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether one is being made."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self, scene: RunScene, state: ViewerState, group: int | None, cameras: Sequence[Camera]) -> None:
        try:
            with unless(lambda: self._cancelled.is_set() or self._closed.is_set()):
                things = scene.things if state.layer == "Objects" else ()
                shown = look.Look(state, group, things)
                self._send(self._made(lambda camera: to_host(look.picture(scene.session, camera, shown))[0], cameras))
        except NotNeeded:
            pass
        except LangfieldError as error:
            self._failed(error.message)
        except Exception:
            _log.exception("a video for a browser")
            self._failed("The video went wrong: see what langfield view printed.")
        finally:
            self.news = VideoNews()
            self._turn.release()

    def _made(self, draw: Callable[[Camera], UInt8[np.ndarray, "h w 3"]], cameras: Sequence[Camera]) -> saving.Saved:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "langfield.webp"
            with Video(path, saving.PATH_FPS) as video:
                for number, camera in enumerate(cameras):
                    stop_if_not_needed()
                    video.add(draw(camera))
                    if video.bytes_written > MAX_BYTES:
                        raise UsageError(
                            f"the video passes {MAX_BYTES >> 20} MB after {number + 1} of {len(cameras)} pictures: "
                            "clear some keyframes, or save the path for langfield render"
                        )
                    self.news = VideoNews(number + 1, len(cameras))
            return saving.Saved(path.name, path.read_bytes())


def fitting_size(size_px: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """A page's size, or a smaller one of nearly its shape, whose longest side is at most so long."""
    share = min(1.0, longest_px / max(size_px))
    width, height = (max(2, round(side * share)) for side in size_px)
    return width, height
