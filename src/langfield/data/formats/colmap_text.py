"""COLMAP's model files as text. Each line is taken for what it says, not for where it stands.

Layouts: https://colmap.github.io/format.html. People write these files by hand and by scripts, so numbers may be
written as 640 or 640.0, files may begin with a byte order mark, lines may end in CRLF, and comments may stand anywhere.
"""

import codecs
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from langfield.core.errors import DataError
from langfield.core.json_files import MAX_SIDE_PX
from langfield.data.formats.colmap_records import CAMERA_MODELS, ColmapCamera, ColmapImage
from langfield.data.formats.colours import rgb_from_numbers

_LINE_BYTES = 64 << 20
_HEADER_WORDS = 10
_NUMBER_BYTES = b"0123456789+-.eEnaifNAIF \t"  # of numbers with spaces between them, nan and inf among them
_QUATERNION_TOLERANCE = 1e-2
_PARAMETERS = dict(CAMERA_MODELS.values())
_COLOUR_MAX = 65535


def text_cameras(path: Path) -> Iterator[tuple[int, ColmapCamera]]:
    """Numbers and cameras of a cameras.txt. Of a model that is not known to COLMAP 4, all parameters are taken."""
    for line in _records(path):
        words = line.split()
        try:
            camera_id, model = _digits(words[0], 2**32 - 1), words[1].decode("ascii", "replace")
            sides = _whole(words[2], MAX_SIDE_PX), _whole(words[3], MAX_SIDE_PX)
            params = tuple(map(float, words[4:])) if model in _PARAMETERS else ()
            if len(params) != _PARAMETERS.get(model, 0):
                raise ValueError("wrong number of words")
        except (ValueError, IndexError) as error:
            raise _bad_line(line, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS…", path) from error
        yield camera_id, ColmapCamera(model, *sides, params)


def text_images(path: Path) -> Iterator[ColmapImage]:
    """The photos of an images.txt. Lines of 2D points are skipped; they may be there, be empty, or be left out."""
    for line in _image_headers(path):
        words = line.split(None, _HEADER_WORDS - 1)
        qw, qx, qy, qz, tx, ty, tz = map(float, words[1:8])
        yield ColmapImage(decoded_name(words[9], path), int(words[8]), (qw, qx, qy, qz), (tx, ty, tz))


def count_text_images(path: Path) -> int:
    """How many photos an images.txt registers."""
    return sum(1 for _ in _image_headers(path))


def text_points(path: Path) -> tuple[Float64[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]]:
    """Places and colours of a points3D.txt. Error and track may be missing; colours are of 255, or as numbers show."""
    xyz: list[list[float]] = []
    colours: list[list[float]] = []
    whole = True
    for line in _records(path):
        words = line.split(None, 7)
        try:
            xyz.append(list(map(float, words[1:4])))
            colours.append(list(map(float, words[4:7])))
            if len(colours[-1]) != 3 or not all(0 <= colour <= _COLOUR_MAX for colour in colours[-1]):
                raise ValueError("no colour")
        except ValueError as error:
            raise _bad_line(line, "POINT3D_ID X Y Z R G B ERROR TRACK…", path) from error
        whole = whole and all(word.isdigit() for word in words[4:7])
    numbers = np.array(colours, dtype=np.float64).reshape(-1, 3)
    return np.array(xyz, dtype=np.float64).reshape(-1, 3), rgb_from_numbers(numbers, whole=whole)


def decoded_name(name: bytes, path: Path) -> str:
    """A photo's name as text; DataError if it is no UTF-8."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"has the name {name[:60]!a}, which is no UTF-8: rename the photo", path) from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            while line := file.readline(_LINE_BYTES):
                if len(line) == _LINE_BYTES:
                    raise DataError(f"has a line of more than {_LINE_BYTES} bytes: it is no COLMAP model", path)
                yield line
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the file", path) from error


def _records(path: Path) -> Iterator[bytes]:
    return (line for raw in _lines(path) if (line := raw.strip()) and not line.startswith(b"#"))


def _image_headers(path: Path) -> Iterator[bytes]:
    """The lines that say a photo's pose. COLMAP has a line of 2D points, or an empty one, after each of them; other
    programs leave all or some of these out."""
    after_header = False
    for raw in _lines(path):
        line = raw.strip()
        if line.startswith(b"#"):
            continue
        if not line:
            after_header = False  # the photo before has no 2D points
        elif _is_header(line) and not (after_header and _rather_points(line)):
            yield line
            after_header = True
        elif after_header and _is_points(line):
            after_header = False
        else:
            allowed = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"
            raise _bad_line(line, f"{allowed}, or X Y POINT3D_ID… after it" if after_header else allowed, path)


def _is_header(line: bytes) -> bool:
    words = line.split(None, _HEADER_WORDS - 1)
    try:
        _digits(words[0], 2**32 - 1)
        _digits(words[8], 2**32 - 1)
        return len([float(word) for word in words[1:8]]) == 7 and len(words) == _HEADER_WORDS
    except (ValueError, IndexError):
        return False


def _is_points(line: bytes) -> bool:
    """Whether a line is numbers only, three for each point. It may be long: its words are counted, not made."""
    if line.translate(None, _NUMBER_BYTES):
        return False
    in_word = np.frombuffer(line, dtype=np.uint8) > ord(" ")
    return (1 + int(np.count_nonzero(in_word[1:] & ~in_word[:-1]))) % 3 == 0


def _rather_points(line: bytes) -> bool:
    """Whether a line that can be read as a pose (of a photo whose name is a number, say) is points more likely: it has
    three numbers for each point, and no quaternion of length 1."""
    length = math.hypot(*map(float, line.split(None, 5)[1:5]))
    return not abs(length - 1) <= _QUATERNION_TOLERANCE and _is_points(line)


def _bad_line(line: bytes, allowed: str, path: Path) -> DataError:
    return DataError(f"has the line {line[:60].decode('ascii', 'replace')!a}, expected is {allowed}", path)


def _digits(word: bytes, high: int) -> int:
    if not (word.isdigit() and len(word) <= 20 and int(word) <= high):
        raise ValueError("not a whole number in range")
    return int(word)


def _whole(word: bytes, high: int) -> int:
    """A whole number from 0 to `high`, also if it is written as 640.0."""
    number = float(word)
    if not (number.is_integer() and 0 <= number <= high):
        raise ValueError("not a whole number in range")
    return int(number)
