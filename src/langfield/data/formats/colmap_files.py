"""COLMAP's model files, binary and text: cameras, images, points3D, as they stand there.

Layouts: https://colmap.github.io/format.html. `rigs` and `frames` (COLMAP 3.12 and later) say nothing a posed photo
needs and are ignored. 2D points and tracks are skipped. Counts are checked against the file's size before memory is
taken for them.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from langfield.core.errors import DataError
from langfield.core.json_files import MAX_SIDE_PX
from langfield.data.validation import sound_points
from langfield.data.views import Points

# Number: (name, how many parameters). COLMAP's src/colmap/sensor/models.h.
MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
}
_PARAMETERS = dict(MODELS.values())
_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT_BYTES = 51  # id, xyz, rgb, error, length of the track
_TRACK_OFFSET = 43
_NAME_BYTES = 4096
_LINE_BYTES = 64 << 20
_CHUNK_POINTS = 1 << 17

_Buffer = mmap.mmap | bytes


@dataclass(frozen=True)
class ColmapCamera:
    """Intrinsics as COLMAP writes them; `params` in the order of its model."""

    model: str
    width_px: int
    height_px: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class ColmapImage:
    """A registered photo: where the world goes in its camera (OpenCV axes)."""

    name: str
    camera_id: int
    quaternion_wxyz: tuple[float, float, float, float]
    translation: tuple[float, float, float]


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
    return sum(1 for _ in _image_lines(path))


def read_cameras(folder: Path) -> dict[int, ColmapCamera]:
    """Read cameras.bin or cameras.txt of a model. Raises DataError for torn files and lens models not read."""
    path = _need(folder, "cameras")
    cameras: dict[int, ColmapCamera] = {}
    for camera_id, camera in _binary_cameras(path) if path.suffix == ".bin" else _text_cameras(path):
        if camera_id in cameras:
            raise DataError(f"has two cameras of the number {camera_id}: export the model again", path)
        cameras[camera_id] = camera
    return cameras


def read_images(folder: Path) -> list[ColmapImage]:
    """Read images.bin or images.txt of a model. Raises DataError for torn files."""
    path = _need(folder, "images")
    return list(_binary_images(path) if path.suffix == ".bin" else _text_images(path))


def read_points(folder: Path) -> Points | None:
    """Read points3D.bin or points3D.txt of a model; None if there is neither."""
    path = model_file(folder, "points3D")
    if path is None:
        return None
    xyz, rgb = _binary_points(path) if path.suffix == ".bin" else _text_points(path)
    return sound_points(xyz, rgb, path)


def _need(folder: Path, stem: str) -> Path:
    path = model_file(folder, stem)
    if path is None:
        raise DataError(f"has neither {stem}.bin nor {stem}.txt: export the model again", folder)
    return path


def _unknown_model(model: object, path: Path) -> DataError:
    known = ", ".join(name for name, _ in MODELS.values())
    return DataError(f"has the camera model {model}, read are {known}: run `colmap image_undistorter`", path)


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
    for _ in range(_count(buffer, _CAMERA.size + 3 * 8, "cameras", path)):
        if offset + _CAMERA.size > len(buffer):
            raise _torn(offset, path)
        camera_id, model, width, height = _CAMERA.unpack_from(buffer, offset)
        if model not in MODELS:
            raise _unknown_model(f"number {model}", path)
        name, parameters = MODELS[model]
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
        name = _decoded(buffer[offset:end], path)
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


# ---- text


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(_LINE_BYTES):
                if len(line) == _LINE_BYTES:
                    raise DataError(f"has a line of more than {_LINE_BYTES} bytes: it is no COLMAP model", path)
                yield line
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the file", path) from error


def _records(path: Path) -> Iterator[bytes]:
    return (line for raw in _lines(path) if (line := raw.strip()) and not line.startswith(b"#"))


def _image_lines(path: Path) -> Iterator[bytes]:
    """The first line of each pair; the second one (2D points) may be empty."""
    lines = _lines(path)
    for raw in lines:
        line = raw.strip()
        if line and not line.startswith(b"#"):
            yield line
            next(lines, None)


def _decoded(name: bytes, path: Path) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"has the name {name[:60]!a}, which is no UTF-8: rename the photo", path) from error


def _bad_line(line: bytes, allowed: str, path: Path) -> DataError:
    return DataError(f"has the line {line[:60].decode('ascii', 'replace')!a}, expected is {allowed}", path)


def _whole(word: bytes, high: int) -> int:
    if not (word.isdigit() and len(word) <= 20 and int(word) <= high):
        raise ValueError("not a whole number in range")
    return int(word)


def _text_cameras(path: Path) -> Iterator[tuple[int, ColmapCamera]]:
    for line in _records(path):
        words = line.split()
        name = words[1].decode("ascii", "replace") if len(words) > 1 else ""
        if len(words) > 1 and name not in _PARAMETERS:
            raise _unknown_model(f"{name[:40]!a}", path)
        try:
            if len(words) != 4 + _PARAMETERS[name]:
                raise ValueError("wrong number of words")
            sides = _whole(words[2], MAX_SIDE_PX), _whole(words[3], MAX_SIDE_PX)
            camera_id = _whole(words[0], 2**32 - 1)
            yield camera_id, ColmapCamera(name, *sides, tuple(map(float, words[4:])))
        except (ValueError, KeyError) as error:
            raise _bad_line(line, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS…", path) from error


def _text_images(path: Path) -> Iterator[ColmapImage]:
    for line in _image_lines(path):
        words = line.split(None, 9)
        try:
            qw, qx, qy, qz, tx, ty, tz = map(float, words[1:8])
            camera_id, name = _whole(words[8], 2**32 - 1), words[9]
        except (ValueError, IndexError) as error:
            raise _bad_line(line, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", path) from error
        yield ColmapImage(_decoded(name, path), camera_id, (qw, qx, qy, qz), (tx, ty, tz))


def _text_points(path: Path) -> tuple[Float64[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]]:
    xyz: list[list[float]] = []
    rgb: list[tuple[int, int, int]] = []
    for line in _records(path):
        words = line.split(None, 7)
        try:
            xyz.append(list(map(float, words[1:4])))
            rgb.append((_whole(words[4], 255), _whole(words[5], 255), _whole(words[6], 255)))
        except (ValueError, IndexError) as error:
            raise _bad_line(line, "POINT3D_ID X Y Z R G B ERROR TRACK…", path) from error
    return np.array(xyz, dtype=np.float64).reshape(-1, 3), np.array(rgb, dtype=np.uint8).reshape(-1, 3)
