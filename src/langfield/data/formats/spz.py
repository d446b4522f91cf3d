"""Gaussians from SPZ files (Niantic), versions 2 and 3.

Layout: https://github.com/nianticlabs/spz. A gzip stream of a header of 16 bytes and then, each for all Gaussians one
after the other: places (24-bit fixed point), opacities, colours, log scales, rotations, higher harmonics.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from langfield.core.errors import DataError
from langfield.core.splats import REST_COUNTS, Splats
from langfield.data.formats.compressed_ply import quaternions
from langfield.data.formats.splat_checks import logits_of_opacities

GZIP_MAGIC = b"\x1f\x8b"
SPZ_MAGIC = b"NGSP"
MAX_GAUSSIANS = 10_000_000  # Niantic's own library reads no more
_HEADER = struct.Struct("<4sIIBBBB")
_VERSIONS = (2, 3)
_COLOUR_SCALE = 0.15  # colours are stored as ½ and this times the coefficient of degree 0
_MAX_FRACTION_BITS = 24
# A stream may be so many times larger than the file, or so large anyway: Gaussians compress 1.3 to 5 times.
_MAX_RATIO = 100
_FREE_BYTES = 64 << 20


def splats_of_spz(content: bytes, path: Path) -> Splats:
    """The Gaussians of an SPZ file, unchecked, in the frame that they are stored in.

    Raises DataError for other versions, streams that are torn, and counts that the file cannot hold (before room is
    made for them).
    """
    if content.startswith(SPZ_MAGIC):
        version = int.from_bytes(content[4:8], "little")
        if version not in _VERSIONS:
            raise _other_version(version, path)
        stream = _Plain(content)
    else:
        stream = _Gzip(content, path)
    header = stream.take(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(SPZ_MAGIC):
        raise DataError("is a gzip file but no SPZ: an SPZ begins with NGSP; export the scene again", path)
    _, version, count, degree, fraction_bits, _, _ = _HEADER.unpack(header)
    if version not in _VERSIONS:
        raise _other_version(version, path)
    if degree >= len(REST_COUNTS) or fraction_bits > _MAX_FRACTION_BITS:
        raise DataError(
            f"has harmonics of degree {degree} and places of {fraction_bits} fractional bits: "
            f"degrees to {len(REST_COUNTS) - 1} and {_MAX_FRACTION_BITS} bits are read; export the scene again",
            path,
        )
    sizes = (9, 1, 3, 3, 3 if version == 2 else 4, REST_COUNTS[degree])
    needed = count * sum(sizes)
    if count > MAX_GAUSSIANS or needed > max(_FREE_BYTES, _MAX_RATIO * len(content)):
        raise DataError(
            f"promises {count} Gaussians in {len(content)} bytes, which cannot be true: it is damaged; "
            "export the scene again",
            path,
        )
    body = stream.take(needed)
    if len(body) < needed:
        raise DataError(f"promises {count} Gaussians, but ends early: it is torn; export the scene again", path)
    ends = np.cumsum([0, *sizes]) * count
    parts = [
        np.frombuffer(body, np.uint8, end - start, start).reshape(count, size)
        for start, end, size in zip(ends[:-1], ends[1:], sizes, strict=True)
    ]
    return _splats(parts, fraction_bits, version)


def _other_version(version: int, path: Path) -> DataError:
    return DataError(
        f"is SPZ of version {version}, versions 2 and 3 are read: convert it to PLY, say by "
        "`npx @playcanvas/splat-transform IN.spz OUT.ply`",
        path,
    )


class _Plain:
    """Bytes that are taken from the beginning on."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)

    def take(self, count: int) -> bytes:
        """The next so many bytes, or what is left."""
        out, self._content = self._content[:count], self._content[count:]
        return bytes(out)


class _Gzip:
    """The same of a gzip stream; never more is unpacked than is asked for."""

    def __init__(self, content: bytes, path: Path) -> None:
        self._stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._left: bytes = content
        self._path = path

    def take(self, count: int) -> bytes:
        """The next so many bytes, or what is left. Raises DataError if the stream is damaged."""
        out = bytearray()
        try:
            while len(out) < count and not self._stream.eof:
                part = self._stream.decompress(self._left, count - len(out))
                self._left = self._stream.unconsumed_tail
                out += part
                if not part and not self._left:
                    break
        except zlib.error as error:
            raise DataError(f"is a damaged gzip stream ({error}): export the scene again", self._path) from error
        return bytes(out)


def _splats(parts: list[UInt8[np.ndarray, "n _"]], fraction_bits: int, version: int) -> Splats:
    places, alphas, colours, scales, rotations, rest = parts
    dc = ((colours / 255 - 0.5) / _COLOUR_SCALE).astype(np.float32)
    higher = ((rest.astype(np.float32) - 128) / 128).reshape(len(rest), rest.shape[1] // 3, 3)
    return Splats(
        means=_places(places) / 2**fraction_bits,
        rotations=_first_three(rotations) if version == 2 else _smallest_three(rotations),
        log_scales=scales.astype(np.float32) / 16 - 10,
        opacity_logits=logits_of_opacities(alphas[:, 0] / 255),
        harmonics=np.concatenate([dc[:, None], higher], axis=1),
    )


def _places(raw: UInt8[np.ndarray, "n 9"]) -> Float64[np.ndarray, "n 3"]:
    """Signed numbers of 24 bits, little endian."""
    wide = np.zeros((len(raw), 3, 4), dtype=np.uint8)
    wide[:, :, 1:] = raw.reshape(-1, 3, 3)
    return (wide.view("<i4")[:, :, 0] >> 8).astype(np.float64)


def _first_three(raw: UInt8[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 4"]:
    """Version 2: x, y, z, and w follows."""
    xyz = raw / 127.5 - 1
    w = np.sqrt(np.maximum(0, 1 - (xyz**2).sum(axis=1, keepdims=True)))
    return np.concatenate([w, xyz], axis=1).astype(np.float32)


def _smallest_three(raw: UInt8[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n 4"]:
    """Version 3: of x, y, z, w the largest is left out, and the upper two bits say which it is; the others follow, each
    a sign and 9 bits."""
    words = np.ascontiguousarray(raw).view("<u4")[:, 0]
    parts = np.stack([(words >> shift) & 0x3FF for shift in (20, 10, 0)], axis=1)
    three = (parts & 0x1FF) / 0x1FF * np.sqrt(0.5) * np.where(parts & 0x200, -1, 1)
    largest = np.sqrt(np.maximum(0, 1 - (three**2).sum(axis=1)))
    xyzw = quaternions(largest, three, (words >> 30).astype(np.int64))
    return xyzw[:, [3, 0, 1, 2]]
