"""Writes pictures of more than 8 bits a colour that Pillow cannot write: PNG and TIFF of 16-bit colours."""

import struct
import zlib
from pathlib import Path

import numpy as np

_PNG_COLOURS = {1: 0, 3: 2, 2: 4, 4: 6}


def write_deep_png(path: Path, values: np.ndarray) -> None:
    """(h, w, c) whole numbers up to 65535: grey, grey and alpha, RGB or RGBA."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOURS[channels], 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def write_deep_tiff(path: Path, values: np.ndarray, order: str = "<", planes: bool = False) -> None:
    """(h, w, 3) whole numbers up to 65535, uncompressed RGB."""
    height, width, _ = values.shape
    data = (values.transpose(2, 0, 1) if planes else values).astype(f"{order}u2").tobytes()
    bits_at, strips_at = 8, 8 + 6
    data_at = strips_at + 24
    strips = [data_at + i * len(data) // 3 for i in range(3)] + [len(data) // 3] * 3
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits_at), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, *((3, strips_at) if planes else (1, data_at))), (277, 3, 1, 3), (278, 4, 1, height),
        (279, 4, *((3, strips_at + 12) if planes else (1, len(data)))), (284, 3, 1, 2 if planes else 1),
    ]  # fmt: skip
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        inline = struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value)
        directory += struct.pack(f"{order}HHI", tag, kind, count) + inline
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", data_at + len(data))
    parts = struct.pack(f"{order}3H", 16, 16, 16) + struct.pack(f"{order}6I", *strips)
    path.write_bytes(start + parts + data + directory + struct.pack(f"{order}I", 0))
