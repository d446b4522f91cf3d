"""The runs that the viewer was given: opened when they are first needed, and made ready to be asked."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from langfield.core.errors import Interrupted, LangfieldError
from langfield.core.progress import ProgressEvent
from langfield.query.session import Session
from langfield.viewer.run_photos import PhotoReader
from langfield.viewer.run_scene import RunScene
from langfield.viewer.state import ViewerState

_log = logging.getLogger(__name__)


class Runs:
    """All runs of the viewer. Its methods may be called from any thread.

    Args:
        folders: of the runs, at least one.
        open_session: opens one of them.
        most_elements: how many elements browsers draw at most.
        open_photos: opens the photos of one of them, see `langfield.viewer.run_photos.RunPhotos`; None if nobody can.

    Attributes:
        video_turn: is held while a video of any of them is made.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        open_session: Callable[[Path], Session],
        most_elements: int,
        open_photos: Callable[[Session], PhotoReader] | None = None,
    ) -> None:
        self._folders = dict(zip(run_names(folders), folders, strict=True))
        self._open_session = open_session
        self._most_elements = most_elements
        self._open_photos = open_photos
        self.video_turn = threading.Lock()
        self._lock = threading.Lock()
        self._opened: dict[str, RunScene] = {}
        self._ready: set[str] = set()
        self._stopping = threading.Event()
        self._threads_lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.doing = ""  # what takes a while, for people

    @property
    def names(self) -> tuple[str, ...]:
        """By which people choose them: those of their folders, with more of the path where two are the same."""
        return tuple(self._folders)

    def checked_name(self, name: str) -> str:
        """The name itself if a run has it, else the first one's."""
        return name if name in self._folders else self.names[0]

    def is_ready(self, name: str) -> bool:
        """Whether a run's first question has been answered, so that others are answered at once."""
        return name in self._ready

    def has_answered(self, name: str) -> None:
        """A run answered a question of somebody's, so that it is ready, whatever `prepare` met."""
        self._ready.add(name)

    def scene(self, name: str) -> RunScene:
        """A run, opened if it is not yet, with its first picture. RunError if it cannot be."""
        with self._lock:
            if name not in self._opened:
                self.doing = f"Opening {name}"
                try:
                    session = self._open_session(self._folders[name])
                    scene = RunScene(name, session, self._most_elements, self._open_photos)
                    _ = scene.first_jpeg
                    self._opened[name] = scene
                finally:
                    self.doing = ""
            return self._opened[name]

    def prepare(self, name: str) -> None:
        """Make what the first question of a run needs, and what browsers draw where that is quick.

        Raises LangfieldError as the question would; the run is not ready then.
        """
        scene = self.scene(name)
        session = scene.session
        try:
            if session.has_splats:
                scene.make_elements()
            if session.has_language:
                session.query(["object"], progress=self._progress)
                scene.objects()
                if scene.elements is not None:
                    scene.element_answers(ViewerState(phrases=("object",)), None)
                if session.device.type == "cuda":  # whose first picture of an answer compiles and loads libraries
                    scene.draw_answer("object")
            try:
                if not session.has_splats and session.device.type == "cuda":  # a CPU takes too long unless asked to
                    scene.make_elements(self._progress)
            finally:
                self._ready.add(name)
        finally:
            self.doing = ""

    def prepare_in_background(self, name: str, failed: Callable[[str], None]) -> threading.Thread:
        """`prepare` in a thread. Args: failed: is told what went wrong."""

        def work() -> None:
            try:
                self.prepare(name)
            except LangfieldError as error:
                failed(str(error))
            except Exception:
                _log.exception("a run that is made ready")
                failed(f"{name} could not be made ready: see what langfield view printed.")

        thread = threading.Thread(target=work, name=f"prepare {name}", daemon=True)
        with self._threads_lock:  # also while it starts: a thread is not alive before
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()
        return thread

    def stop(self, timeout: float) -> None:
        """Prepare nothing more, and wait for what is under way: a thread within torch must not outlive the process."""
        self._stopping.set()
        with self._threads_lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout)

    def _progress(self, event: ProgressEvent) -> None:
        if self._stopping.is_set():
            raise Interrupted("the viewer was stopped")
        self.doing = f"Getting ready: {event.stage} {event.done}/{event.total}"


def run_names(folders: Sequence[Path]) -> list[str]:
    """A short name for each of several folders, no two the same."""
    names = [folder.resolve().name or str(folder) for folder in folders]
    longer = [
        "/".join(folder.resolve().parts[-2:]) if names.count(name) > 1 else name
        for folder, name in zip(folders, names, strict=True)
    ]
    return [name if longer[:i].count(name) == 0 else f"{name} ({i + 1})" for i, name in enumerate(longer)]
