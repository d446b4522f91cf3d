"""Videos as animated WebP, written picture by picture.

Pillow encodes each picture; the file around them (RFC 9649: a RIFF file of the chunks VP8X, ANIM, and one ANMF for each
picture) is made here, because Pillow's own writer wants all pictures at once. Between pictures the file is closed, so
that any number of videos can grow together.
"""

import io
import struct
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from langfield.core.errors import DataError

MAX_SIDE_PX = 16383
MAX_FPS = 90  # browsers slow down pictures that stand for 10 ms or less
_QUALITY = 90
_HEADER = struct.Struct("<4sI4s")
_MAX_BYTES = 2**32 - 2
_ANIMATED = 0x02
_OVERWRITE = 0x02  # a picture replaces the one before, without blending


class Video:
    """An animated WebP that grows with `add` and takes its name when the `with` block ends well, else disappears.

    Args:
        path: the file to write; what was there stays until the end.
        fps: pictures a second. Times are rounded to milliseconds, without drifting.
        advice: what to do if it cannot be written, as the error says it.
    """

    def __init__(self, path: Path, fps: float, advice: str = "see that its folder has room and may be written") -> None:
        self.path = path
        self._advice = advice
        self._staged = path.with_name(f".{path.name}.new")
        self._fps = fps
        self._pictures = 0
        self._bytes = 0

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._pictures:
                with self._staged.open("r+b") as file:
                    file.write(_HEADER.pack(b"RIFF", self._bytes - 8, b"WEBP"))
                self._staged.replace(self.path)
            else:
                self._staged.unlink(missing_ok=True)
        except OSError as failure:
            raise self._unwritable(failure) from failure

    @property
    def bytes_written(self) -> int:
        """How large the file is so far."""
        return self._bytes

    def add(self, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        """Add a picture of the same size as those before. Raises DataError if it cannot be written."""
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, "WEBP", quality=_QUALITY)
        height_px, width_px = picture.shape[:2]
        start_ms, end_ms = (round(1000 * number / self._fps) for number in (self._pictures, self._pictures + 1))
        size = _uint24(width_px - 1) + _uint24(height_px - 1)
        place = _uint24(0) * 2 + size + _uint24(end_ms - start_ms) + bytes([_OVERWRITE])
        data = _chunk(b"ANMF", place + encoded.getvalue()[_HEADER.size :])
        if not self._pictures:
            canvas = _chunk(b"VP8X", bytes([_ANIMATED, 0, 0, 0]) + size)
            data = _HEADER.pack(b"RIFF", 0, b"WEBP") + canvas + _chunk(b"ANIM", bytes(6)) + data
        if self._bytes + len(data) > _MAX_BYTES:
            raise DataError("would pass 4 GiB, more than a WebP can hold: make fewer or smaller pictures", self.path)
        try:
            with self._staged.open("ab" if self._pictures else "wb") as file:
                file.write(data)
        except OSError as failure:
            raise self._unwritable(failure) from failure
        self._pictures += 1
        self._bytes += len(data)

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(f"cannot be written ({error.strerror or error}): {self._advice}", self.path)


def _uint24(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _chunk(name: bytes, content: bytes) -> bytes:
    """A RIFF chunk, filled up to an even size."""
    return struct.pack("<4sI", name, len(content)) + content + bytes(len(content) % 2)
