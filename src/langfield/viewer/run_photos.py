"""The photos of a run: read from its scene where that is still there, else drawn by the run itself."""

import base64
import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from langfield.core.errors import LangfieldError
from langfield.query.session import Session
from langfield.runs.info import RunView

# A photo by its name, at a size (width and height in pixels). Raises LangfieldError if it cannot be read.
PhotoReader = Callable[[str, tuple[int, int]], UInt8[np.ndarray, "h w 3"]]
_THUMBNAIL_PX = 160
_THUMBNAILS_KEPT = 256
_CAPTION_CHARS = 7


@dataclass(frozen=True)
class Thumbnail:
    """A small photo. Attributes: name: as the run calls it. jpeg: the picture as a file."""

    name: str
    jpeg: bytes

    @property
    def caption(self) -> str:
        """The name without folder and ending; of a long one its end, by which photos differ."""
        stem = PurePosixPath(self.name).stem
        return stem if len(stem) <= _CAPTION_CHARS else f"…{stem[1 - _CAPTION_CHARS :]}"

    @property
    def source(self) -> str:
        """For an `img` of HTML."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


class RunPhotos:
    """One run's photos. Its methods may be called from any thread.

    Args:
        session: of the run.
        open_reader: opens the run's scene, and gives what reads its photos; None if nobody can.
    """

    def __init__(self, session: Session, open_reader: Callable[[Session], PhotoReader] | None) -> None:
        self._session = session
        self._open_reader = open_reader
        self._reader: PhotoReader | None = None
        self._lock = threading.Lock()
        self._thumbnails: dict[str, Thumbnail] = {}

    @property
    def are_there(self) -> bool:
        """Whether there are any: the scene is where it was when the run was trained, and can be opened."""
        return self._opened() is not None

    def photo(self, view: RunView, longest_px: int) -> UInt8[np.ndarray, "h w 3"] | None:
        """A photo, its longest side at most so long; None where the scene cannot be opened any more.

        Raises LangfieldError, which says why, if the photo cannot be read.
        """
        reader = self._opened()
        if reader is None:
            return None
        camera = view.camera.fit_within(longest_px)
        return reader(view.name, (camera.width_px, camera.height_px))

    def thumbnails(self, names: Sequence[str]) -> list[Thumbnail]:
        """Small pictures of photos, in their order; names that no photo has are left out."""
        views = {view.name: view for view in self._session.views}
        return [self._thumbnail(views[name]) for name in names if name in views]

    def _thumbnail(self, view: RunView) -> Thumbnail:
        kept = self._thumbnails.get(view.name)
        if kept is None:
            try:
                picture = self.photo(view, _THUMBNAIL_PX)
            except LangfieldError:
                picture = None
            if picture is None:
                picture = self._session.picture(view.camera.undistorted().fit_within(_THUMBNAIL_PX))[0]
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=80)
            kept = Thumbnail(view.name, file.getvalue())
            if len(self._thumbnails) < _THUMBNAILS_KEPT:
                self._thumbnails[view.name] = kept
        return kept

    def _opened(self) -> PhotoReader | None:
        with self._lock:
            opener, self._open_reader = self._open_reader, None
            if opener is not None:
                try:
                    self._reader = opener(self._session)
                except LangfieldError:  # the scene cannot be opened any more: the run is shown without
                    self._reader = None
            return self._reader
