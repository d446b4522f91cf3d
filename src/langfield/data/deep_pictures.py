"""Pictures of more than 8 bits a colour: their values as they stand in the file, and as 8 bits.

Pillow reads 16-bit colours as 8-bit ones, of which it keeps the upper byte. Read a second time as if the bytes were
swapped, they give the lower one.
"""

import io
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Integer, UInt8
from PIL import Image

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


def deep_values(image: Image.Image) -> Values:
    """The values of a deep picture that was opened, and not loaded yet: grey, grey and alpha, RGB, or RGBA."""
    if image.mode in _GREY_MODES:
        return np.asarray(image)
    raw = _raw_mode(image)
    assert image.fp is not None
    image.fp.seek(0)
    content = image.fp.read()
    if raw == _GREY_AND_ALPHA:
        pairs = _decoded(content, "RGBA").reshape(image.height, image.width, 2, 2)
        return pairs[..., 0].astype(np.uint16) << 8 | pairs[..., 1]
    return _decoded(content, raw).astype(np.uint16) << 8 | _decoded(content, _OTHER_BYTE[raw])


def colours_of(values: Values) -> Values:
    """The same without alpha."""
    return values[..., :-1] if values.ndim == 3 and values.shape[2] in (2, 4) else values


def in_8_bits(values: Values, white_level: float) -> UInt8[np.ndarray, "h w *c"]:
    """Values of 8 bits, white for `white_level` and what is beyond it, black for what is not positive or no number."""
    if values.dtype.kind == "f":
        shares = np.nan_to_num(values / np.float32(white_level), nan=0.0, posinf=1.0, neginf=0.0)
        return (np.clip(shares, 0, 1) * 255 + 0.5).astype(np.uint8)
    whole = np.clip(values, 0, int(white_level)).astype(np.uint32)
    return (whole * 256 // (int(white_level) + 1)).astype(np.uint8)


def _raw_mode(image: Image.Image) -> str:
    """How the file's first tile is stored."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _decoded(content: bytes, raw: str) -> UInt8[np.ndarray, "h w c"]:
    """A picture's pixels, its tiles read as if they were of another raw mode of as many bits."""
    with Image.open(io.BytesIO(content), formats=("PNG", "TIFF")) as image:
        if not isinstance(image.tile[0].args, tuple):
            image.tile = [tile._replace(args=raw) for tile in image.tile]
        else:
            image.tile = [tile._replace(args=(raw, *tile.args[1:])) for tile in image.tile]
        return np.asarray(image)
