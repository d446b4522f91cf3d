"""Pictures of more than 8 bits a colour: their values as they stand in the file, and as 8 bits.

Pillow reads 16-bit colours as 8-bit ones, of which it keeps the upper byte. Read a second time as if the bytes were
swapped, they give the lower one.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer, UInt8
from PIL import Image, ImageFile

from langfield.core.errors import DataError

Kind = Literal["16 bits", "32 bits", "floats"]
WHOLE_KINDS: tuple[Kind, ...] = ("16 bits", "32 bits")
FLOAT_KINDS: tuple[Kind, ...] = ("floats",)
_GREY_MODES: dict[str, Kind] = {
    **dict.fromkeys(("I;16", "I;16B", "I;16L", "I;16N"), WHOLE_KINDS[0]), "I": "32 bits", "F": "floats",
}  # fmt: skip
_TIFF_BITS, _TIFF_PLANES, _PLANE_BY_PLANE = 258, 284, 2
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_AT = 24
_TIFF_SIGNATURES = (b"II", b"MM")
# Raw modes of 16-bit colours, and those that give the other byte of each.
_OTHER_BYTE = {
    "RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGB;16N": "RGB;16B",
    "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B", "RGBA;16N": "RGBA;16B",
}  # fmt: skip
_MOST = 65535
_BAND_PIXELS = 1 << 20
_NO_HIGHLIGHTS = 0.999
_GREY_AND_ALPHA = "LA;16B"  # of which Pillow makes RGBA; its four bytes fit in one pixel of that

Values = Integer[np.ndarray, "h w *c"] | Float[np.ndarray, "h w *c"]


def may_be_deep(path: Path) -> bool:
    """Whether a file's first bytes leave it open that it has more than 8 bits a colour."""
    try:
        with path.open("rb") as file:
            start = file.read(_PNG_DEPTH_AT + 1)
    except OSError:
        return False
    if start.startswith(_PNG_SIGNATURE):
        return start[_PNG_DEPTH_AT:] == b"\x10"
    return start.startswith(_TIFF_SIGNATURES)


def kind_of(image: Image.Image, path: Path) -> Kind | None:
    """What a picture that was opened, and not loaded yet, holds; None for 8 bits a colour.

    Raises DataError if it has more in a way that cannot be read.
    """
    if image.mode in _GREY_MODES:
        return _GREY_MODES[image.mode]
    raw, tags = _raw_mode(image), getattr(image, "tag_v2", {})
    if raw == _GREY_AND_ALPHA:
        return "16 bits"
    if raw in _OTHER_BYTE:  # plane by plane, Pillow gives the upper bytes of such, but not the lower ones
        return None if tags.get(_TIFF_PLANES) == _PLANE_BY_PLANE else "16 bits"
    if any(bits > 8 for bits in tags.get(_TIFF_BITS, ())):
        raise DataError("has more than 8 bits a colour, stored plane by plane: save it as a PNG", path)
    return None


def deep_bands(image: Image.Image) -> Iterator[Values]:
    """The values of a deep picture that was opened, and not loaded yet: grey, grey and alpha, RGB, or RGBA.

    They come in bands of rows from the top on, for all values of a large picture at once would take much memory.
    """
    rows = max(1, _BAND_PIXELS // image.width)
    starts = range(0, image.height, rows)
    if image.mode in _GREY_MODES:
        whole = np.asarray(image)
        yield from (whole[start : start + rows] for start in starts)
        return
    high, low = _bytes_of_colours(image)
    for start in starts:
        part = slice(start, start + rows)
        yield high[part].astype(np.uint16) << 8 | low[part]


def in_8_bits(image: Image.Image, white_level: float) -> UInt8[np.ndarray, "h w *c"]:
    """A deep picture that was opened, and not loaded yet, in 8 bits a colour.

    It is white for `white_level` and what is beyond it, black for what is not positive or no number.
    """
    table = np.minimum(np.arange(_MOST + 1), white_level).astype(np.int64) * 256 // (int(white_level) + 1)
    parts = []
    for band in deep_bands(image):
        if band.dtype.kind == "f":
            shares = np.nan_to_num(band / np.float32(white_level), nan=0.0, posinf=1.0, neginf=0.0)
            parts.append((np.clip(shares, 0, 1) * 255 + 0.5).astype(np.uint8))
        else:
            parts.append(table.astype(np.uint8)[band if band.dtype.kind == "u" else np.clip(band, 0, _MOST)])
    return np.concatenate(parts)


def largest_colour(image: Image.Image) -> float:
    """The largest colour of a deep picture that was opened, and not loaded yet, as it stands in the file.

    Of floats it is the one that about one in a thousand exceeds, for they may have highlights of any height; 0 if none
    is finite.
    """
    step = max(1, image.width * image.height // _BAND_PIXELS)
    floats, largest = [], 0.0
    for band in deep_bands(image):
        if band.dtype.kind == "f":
            some = band.ravel()[::step]
            floats.append(some[np.isfinite(some)])
        else:
            colours = band[..., :-1] if band.ndim == 3 and band.shape[2] in (2, 4) else band
            largest = max(largest, float(colours.max()))
    numbers = np.concatenate(floats) if floats else np.empty(0)
    return float(np.quantile(numbers, _NO_HIGHLIGHTS)) if numbers.size else largest


def _bytes_of_colours(image: Image.Image) -> tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "h w c"]]:
    """The upper and the lower bytes of a picture of 16-bit colours."""
    assert isinstance(image, ImageFile.ImageFile)
    assert image.fp is not None
    raw = _raw_mode(image)
    image.fp.seek(0)
    content = image.fp.read()
    if raw == _GREY_AND_ALPHA:
        pairs = _decoded(content, "RGBA").reshape(image.height, image.width, 2, 2)
        return pairs[..., 0], pairs[..., 1]
    return _decoded(content, raw), _decoded(content, _OTHER_BYTE[raw])


def _raw_mode(image: Image.Image) -> str:
    """How the file's first tile is stored."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _decoded(content: bytes, raw: str) -> UInt8[np.ndarray, "h w c"]:
    """A picture's pixels, its tiles read as if they were of another raw mode of as many bits."""
    with Image.open(io.BytesIO(content), formats=("PNG", "TIFF")) as image:
        image.tile = [
            tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
        ]
        return np.asarray(image)
