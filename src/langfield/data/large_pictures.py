"""Pictures that are read without being held whole: JPEG shrunk by its decoder, PNG in bands of rows.

Of a PNG each row follows from the bytes of the row above. So rows further down, beneath that one row unfiltered, are a
small PNG again, which Pillow decodes: a picture needs the memory of one band.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

# What is held whole; beyond it Pillow itself suspects a decompression bomb.
MAX_PIXELS = 89_478_485
# Of JPEG and PNG, which are read in parts. A progressive JPEG's decoder keeps up to 8 bytes a pixel.
MAX_PIXELS_IN_PARTS = 250_000_000
_PLUGINS = (JpegImagePlugin, PngImagePlugin, WebPImagePlugin, TiffImagePlugin)  # imported, so that they are known
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # with 8 bits a channel, by bytes a pixel
_BAND_PIXELS = 2 << 20
_INFLATED_BYTES = 1 << 20
_READ_BYTES = 1 << 16


@contextmanager
def opened_picture(path: Path) -> Iterator[Image.Image]:
    """A JPEG, PNG, WebP or TIFF file of any size, its header read: as `Image.open`, which warns of large ones.

    Raises OSError, PIL.UnidentifiedImageError, and whatever torn files make Pillow's readers raise.
    """
    with path.open("rb") as file:
        start = file.read(16)
        for name in _FORMATS:
            factory, accept = Image.OPEN[name]
            if accept is not None and accept(start) is not True:
                continue
            file.seek(0)
            try:
                image = factory(file, str(path))
            except (SyntaxError, IndexError, TypeError, struct.error):  # of another kind after all, as Pillow has it
                continue
            yield image
            return
    raise Image.UnidentifiedImageError(f"cannot identify {path}")


def is_read_in_parts(image: Image.Image) -> bool:
    """Whether it is of a kind that need not be held whole."""
    if isinstance(image, PngImagePlugin.PngImageFile):
        assert image.fp is not None
        return _PngHeader.read(image.fp).is_readable
    return isinstance(image, JpegImagePlugin.JpegImageFile)


@dataclass(frozen=True)
class _PngHeader:
    """What a PNG's first chunk says."""

    width: int
    height: int
    bits: int
    colour_type: int
    interlaced: bool

    @classmethod
    def read(cls, file: IO[bytes]) -> "_PngHeader":
        place = file.tell()
        file.seek(len(_SIGNATURE) + 8)
        width, height, bits, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", file.read(13))
        file.seek(place)
        return cls(width, height, bits, colour_type, bool(interlaced))

    @property
    def bits_a_pixel(self) -> int:
        return self.bits * _CHANNELS.get(self.colour_type, 0)

    @property
    def row_bytes(self) -> int:
        return -(-self.width * self.bits_a_pixel // 8)

    @property
    def bytes_a_pixel(self) -> int:
        """How many bytes back a row's filters look."""
        return max(1, self.bits_a_pixel // 8)

    @property
    def is_readable(self) -> bool:
        return not self.interlaced and self.bits_a_pixel > 0 and self.bytes_a_pixel in _COLOUR_TYPE


def png_bands(path: Path, rows_multiple: int) -> Iterator[Image.Image]:
    """The rows of a PNG from above in bands, pictures of its width and mode.

    Args:
        rows_multiple: bands have a multiple of so many rows, but the last.

    Raises OSError for a file that ends early or that `is_read_in_parts` is False for, zlib.error for a torn one.
    """
    with path.open("rb") as file:
        header = _PngHeader.read(file)
        if not header.is_readable:
            raise OSError("it is interlaced or has 16 bits a colour")
        rows = max(1, _BAND_PIXELS // (header.width * rows_multiple)) * rows_multiple
        file.seek(len(_SIGNATURE) + 25)
        colours, filtered = _colour_chunks_and_rows(file)
        above = bytes(header.row_bytes)
        buffer = bytearray()
        for first in range(0, header.height, rows):
            count = min(rows, header.height - first)
            wanted = count * (header.row_bytes + 1)
            while len(buffer) < wanted:
                buffer += next(filtered, None) or _ends_early()
            band = _unfiltered(header, above, bytes(buffer[:wanted]))
            del buffer[:wanted]
            above = band[-header.row_bytes :]
            yield _picture(header, colours, band)


def _ends_early() -> bytes:
    raise OSError("image file is truncated")


def _colour_chunks_and_rows(file: IO[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The chunks about colours (palette, transparency) that stand before the pixels; the rows, filtered, in pieces."""
    colours = bytearray()
    while True:
        length, kind = _chunk_head(file)
        if kind == b"IDAT":
            return bytes(colours), _inflated(file, length)
        if kind in (b"PLTE", b"tRNS") and length <= 1024:
            colours += struct.pack(">I", length) + kind + file.read(length + 4)
        else:
            file.seek(length + 4, io.SEEK_CUR)


def _chunk_head(file: IO[bytes]) -> tuple[int, bytes]:
    head = file.read(8)
    if len(head) < 8:
        _ends_early()
    return struct.unpack(">I", head[:4])[0], head[4:]


def _inflated(file: IO[bytes], length: int) -> Iterator[bytes]:
    """The content of IDAT chunks from here on, the first of which has `length` bytes to come."""
    inflater, kind = zlib.decompressobj(), b"IDAT"
    while kind == b"IDAT" and not inflater.eof:
        while length:
            piece = file.read(min(length, _READ_BYTES))
            if not piece:
                _ends_early()
            length -= len(piece)
            while piece:
                if inflated := inflater.decompress(piece, _INFLATED_BYTES):
                    yield inflated
                piece = inflater.unconsumed_tail
        file.seek(4, io.SEEK_CUR)
        length, kind = _chunk_head(file) if not inflater.eof else (0, b"")


def _unfiltered(header: _PngHeader, above: bytes, filtered: bytes) -> bytes:
    """The bytes of rows, given the row above them."""
    size = header.bytes_a_pixel
    width, height = header.row_bytes // size, len(filtered) // (header.row_bytes + 1) + 1
    png = _png(width, height, 8, _COLOUR_TYPE[size], b"", b"\0" + above + filtered)
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        return image.tobytes()[header.row_bytes :]


def _picture(header: _PngHeader, colours: bytes, band: bytes) -> Image.Image:
    """Unfiltered rows as a picture of the whole one's mode."""
    size = header.row_bytes
    rows = b"".join(b"\0" + band[start : start + size] for start in range(0, len(band), size))
    png = _png(header.width, len(band) // size, header.bits, header.colour_type, colours, rows)
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        image.load()
        return image


def _png(width: int, height: int, bits: int, colour_type: int, colours: bytes, rows: bytes) -> bytes:
    ihdr = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = _chunk(b"IHDR", ihdr) + colours + _chunk(b"IDAT", zlib.compress(rows, 0)) + _chunk(b"IEND", b"")
    return _SIGNATURE + chunks


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
