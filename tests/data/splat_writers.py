"""Writers of packed files of Gaussians, made from the formats' descriptions: the other side of the readers' tests."""

import gzip
import struct
from pathlib import Path

import numpy as np
from tests.data.splats import SH_CONSTANT

from langfield.core.splats import Splats

CHUNK = 256
BOUNDS = ("x", "y", "z", "scale_x", "scale_y", "scale_z", "r", "g", "b")


def unit(quaternions: np.ndarray) -> np.ndarray:
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)


def opacities(splats: Splats) -> np.ndarray:
    return 1 / (1 + np.exp(-splats.opacity_logits.astype(np.float64)))


def colours(splats: Splats) -> np.ndarray:
    return 0.5 + SH_CONSTANT * splats.harmonics[:, 0].astype(np.float64)


def packed(fractions: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Fractions of rows in words of 32 bits, the first one uppermost."""
    words = np.zeros(len(fractions), dtype=np.uint32)
    for column, bits in enumerate(sizes):
        part = np.round(np.clip(fractions[:, column], 0, 1) * (2**bits - 1)).astype(np.uint32)
        words = (words << np.uint32(bits)) | part
    return words


def smallest_three(quaternions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which component is the largest, and the others in their order, signed so that the largest is positive."""
    largest = np.abs(quaternions).argmax(axis=1)
    rows = np.arange(len(quaternions))
    signed = quaternions * np.sign(quaternions[rows, largest])[:, None]
    others = np.stack([np.delete(row, place) for row, place in zip(signed, largest, strict=True)])
    return largest, others


def write_compressed_ply(path: Path, splats: Splats, *, colour_bounds: bool = True) -> Path:
    """SuperSplat's compressed PLY."""
    rgb = colours(splats)
    values = np.concatenate([splats.means, splats.log_scales, rgb], axis=1)
    chunks = [values[start : start + CHUNK] for start in range(0, len(values), CHUNK)]
    low, high = np.stack([part.min(axis=0) for part in chunks]), np.stack([part.max(axis=0) for part in chunks])
    low, high = low.astype(np.float32), high.astype(np.float32)
    used = 9 if colour_bounds else 6
    of_chunk = np.arange(len(values)) // CHUNK
    fractions = (values - low[of_chunk]) / np.maximum(high - low, 1e-12)[of_chunk]
    largest, others = smallest_three(unit(splats.rotations.astype(np.float64)))
    rotation = packed(others / np.sqrt(2) + 0.5, (10, 10, 10)) | (largest.astype(np.uint32) << np.uint32(30))
    rgba = np.concatenate([fractions[:, 6:] if colour_bounds else rgb, opacities(splats)[:, None]], axis=1)
    words = np.stack(
        [
            packed(fractions[:, :3], (11, 10, 11)),
            rotation,
            packed(fractions[:, 3:6], (11, 10, 11)),
            packed(rgba, (8,) * 4),
        ],
        axis=1,
    )
    rest = np.clip((splats.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(splats), -1) / 8 + 0.5) * 256, 0, 255)
    header = f"ply\nformat binary_little_endian 1.0\nelement chunk {len(chunks)}\n"
    header += "".join(f"property float {end}_{name}\n" for end in ("min", "max") for name in BOUNDS[:used])
    header += f"element vertex {len(splats)}\n"
    header += "".join(f"property uint packed_{name}\n" for name in ("position", "rotation", "scale", "color"))
    if rest.shape[1]:
        header += f"element sh {len(splats)}\n"
        header += "".join(f"property uchar f_rest_{i}\n" for i in range(rest.shape[1]))
    bounds = np.concatenate([low[:, :used], high[:, :used]], axis=1).astype("<f4")
    body = bounds.tobytes() + words.astype("<u4").tobytes() + rest.astype(np.uint8).tobytes()
    path.write_bytes(header.encode() + b"end_header\n" + body)
    return path


def spz_body(splats: Splats, version: int, fraction_bits: int = 12) -> bytes:
    """What an SPZ file packs, its header first."""
    count = len(splats)
    header = struct.pack("<4sIIBBBB", b"NGSP", version, count, splats.degree, fraction_bits, 0, 0)
    fixed = np.round(splats.means * 2**fraction_bits).astype("<i4").view(np.uint8).reshape(count, 3, 4)[:, :, :3]

    def byte(values: np.ndarray) -> bytes:
        return np.clip(np.round(values), 0, 255).astype(np.uint8).tobytes()

    xyzw = unit(splats.rotations.astype(np.float64))[:, [1, 2, 3, 0]]
    if version == 2:
        rotations = byte((xyzw * np.sign(xyzw[:, 3:]))[:, :3] * 127.5 + 127.5)
    else:
        largest, others = smallest_three(xyzw)
        parts = np.round(np.abs(others) * np.sqrt(2) * 511).astype(np.uint32) | ((others < 0).astype(np.uint32) << 9)
        words = largest.astype(np.uint32)
        for column in range(3):
            words = (words << np.uint32(10)) | parts[:, column]
        rotations = words.astype("<u4").tobytes()
    dc, rest = splats.harmonics[:, 0], splats.harmonics[:, 1:]
    return b"".join(
        [
            header, fixed.tobytes(), byte(opacities(splats) * 255), byte((dc * 0.15 + 0.5) * 255),
            byte((splats.log_scales + 10) * 16), rotations, byte(rest * 128 + 128),
        ]
    )  # fmt: skip


def write_spz(path: Path, splats: Splats, version: int = 3) -> Path:
    """An SPZ file; Gaussians are stored in the frame that they are given in."""
    path.write_bytes(gzip.compress(spz_body(splats, version)))
    return path


def write_records(path: Path, splats: Splats) -> Path:
    """A `.splat` file."""
    records = np.zeros(len(splats), dtype=[("p", "<f4", 3), ("s", "<f4", 3), ("rgba", "u1", 4), ("q", "u1", 4)])
    records["p"], records["s"] = splats.means, np.exp(splats.log_scales)
    rgba = np.concatenate([colours(splats), opacities(splats)[:, None]], axis=1)
    records["rgba"] = np.clip(np.round(rgba * 255), 0, 255)
    records["q"] = np.clip(np.round(unit(splats.rotations) * 128 + 128), 0, 255)
    path.write_bytes(records.tobytes())
    return path
