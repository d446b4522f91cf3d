"""COLMAP's model files: cameras, images, points3D, as they stand there, binary here and text in `colmap_text.py`.

Layouts: https://colmap.github.io/format.html. `rigs` and `frames` (COLMAP 3.12 and later) say nothing a posed photo
needs and are ignored. 2D points and tracks are skipped. Counts are checked against the file's size before memory is
taken for them.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from langfield.core.errors import DataError
from langfield.data.formats.colmap_records import (
    CAMERA_MODELS,
    FEWEST_PARAMETERS,
    ColmapCamera,
    ColmapImage,
    not_read,
)
from langfield.data.formats.colmap_text import count_text_images, decoded_name, text_cameras, text_images, text_points
from langfield.data.validation import sound_points
from langfield.data.views import Points

_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT_BYTES = 51  # id, xyz, rgb, error, length of the track
_TRACK_OFFSET = 43
_NAME_BYTES = 4096
_CHUNK_POINTS = 1 << 17

_Buffer = mmap.mmap | bytes


def model_file(folder: Path, stem: str) -> Path | None:
    """`stem`.bin, else `stem`.txt, else None. COLMAP prefers the binary one too."""
    return next((path for end in (".bin", ".txt") if (path := folder / f"{stem}{end}").is_file()), None)


def is_model(folder: Path) -> bool:
    return model_file(folder, "cameras") is not None and model_file(folder, "images") is not None


def count_images(folder: Path) -> int:
    """How many photos a model registers."""
    path = _need(folder, "images")
    if path.suffix == ".bin":
        return _count(_mapped(path), 64 + 1 + 8, "images", path)
    return count_text_images(path)


def read_cameras(folder: Path) -> dict[int, ColmapCamera]:
    """Read cameras.bin or cameras.txt of a model, those of lens models that are not read among them.

    Raises DataError for torn files, and for a number of a lens model that is not known: its record has no known size.
    """
    path = _need(folder, "cameras")
    cameras: dict[int, ColmapCamera] = {}
    for camera_id, camera in _binary_cameras(path) if path.suffix == ".bin" else text_cameras(path):
        if camera_id in cameras:
            raise DataError(f"has two cameras of the number {camera_id}: export the model again", path)
        cameras[camera_id] = camera
    return cameras


def read_images(folder: Path) -> list[ColmapImage]:
    """Read images.bin or images.txt of a model. Raises DataError for torn files."""
    path = _need(folder, "images")
    return list(_binary_images(path) if path.suffix == ".bin" else text_images(path))


def read_points(folder: Path) -> Points | None:
    """Read points3D.bin or points3D.txt of a model; None if there is neither."""
    path = model_file(folder, "points3D")
    if path is None:
        return None
    xyz, rgb = _binary_points(path) if path.suffix == ".bin" else text_points(path)
    return sound_points(xyz, rgb, path)


def _need(folder: Path, stem: str) -> Path:
    path = model_file(folder, stem)
    if path is None:
        raise DataError(f"has neither {stem}.bin nor {stem}.txt: export the model again", folder)
    return path


# ---- binary


def _mapped(path: Path) -> _Buffer:
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the file", path) from error


def _torn(offset: int, path: Path) -> DataError:
    return DataError(f"ends early (at byte {offset}): it is torn, export the model again", path)


def _count(buffer: _Buffer, least_bytes: int, what: str, path: Path) -> int:
    """The count a file begins with, if the file can hold that many."""
    if len(buffer) < _COUNT.size:
        raise _torn(0, path)
    (count,) = _COUNT.unpack_from(buffer)
    if count * least_bytes > len(buffer) - _COUNT.size:
        raise DataError(
            f"promises {count} {what} of at least {least_bytes} bytes in {len(buffer)} bytes: "
            "it is torn, export the model again",
            path,
        )
    return count


def _binary_cameras(path: Path) -> Iterator[tuple[int, ColmapCamera]]:
    buffer = _mapped(path)
    offset = _COUNT.size
    for _ in range(_count(buffer, _CAMERA.size + 8 * FEWEST_PARAMETERS, "cameras", path)):
        if offset + _CAMERA.size > len(buffer):
            raise _torn(offset, path)
        camera_id, model, width, height = _CAMERA.unpack_from(buffer, offset)
        if model not in CAMERA_MODELS:
            raise not_read(f"number {model}", path)
        name, parameters = CAMERA_MODELS[model]
        offset += _CAMERA.size
        if offset + 8 * parameters > len(buffer):
            raise _torn(offset, path)
        params = struct.unpack_from(f"<{parameters}d", buffer, offset)
        offset += 8 * parameters
        yield camera_id, ColmapCamera(name, width, height, params)


def _binary_images(path: Path) -> Iterator[ColmapImage]:
    buffer = _mapped(path)
    offset = _COUNT.size
    for _ in range(_count(buffer, _IMAGE.size + 1 + 8, "images", path)):
        if offset + _IMAGE.size > len(buffer):
            raise _torn(offset, path)
        numbers = _IMAGE.unpack_from(buffer, offset)
        offset += _IMAGE.size
        end = buffer.find(b"\0", offset, offset + _NAME_BYTES)
        if end < 0 or end + 1 + _COUNT.size > len(buffer):
            raise _torn(offset, path)
        name = decoded_name(buffer[offset:end], path)
        (points,) = _COUNT.unpack_from(buffer, end + 1)
        offset = end + 1 + _COUNT.size + 24 * points
        if offset > len(buffer):
            raise _torn(end + 1, path)
        yield ColmapImage(name, numbers[8], numbers[1:5], numbers[5:8])


def _binary_points(path: Path) -> tuple[Float64[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]]:
    buffer = _mapped(path)
    count = _count(buffer, _POINT_BYTES, "points", path)
    starts = np.empty(count, dtype=np.int64)
    offset, last, unpack = _COUNT.size, len(buffer) - _POINT_BYTES, _COUNT.unpack_from
    for i in range(count):  # tracks differ in length, so that each record's place hangs on the one before
        if offset > last:
            raise _torn(offset, path)
        starts[i] = offset
        offset += _POINT_BYTES + 8 * unpack(buffer, offset + _TRACK_OFFSET)[0]
    if offset > len(buffer):
        raise _torn(offset, path)
    content = np.frombuffer(buffer, dtype=np.uint8)
    xyz = np.empty((count, 3))
    rgb = np.empty((count, 3), dtype=np.uint8)
    for begin in range(0, count, _CHUNK_POINTS):
        part = slice(begin, begin + _CHUNK_POINTS)
        records = content[starts[part, None] + np.arange(8, 35)]
        xyz[part] = np.ascontiguousarray(records[:, :24]).view("<f8")
        rgb[part] = records[:, 24:]
    return xyz, rgb
