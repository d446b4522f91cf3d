"""Writes COLMAP models, binary and text, from plain records: the other side of the reader's tests."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MODEL_NUMBERS = {
    "SIMPLE_PINHOLE": 0, "PINHOLE": 1, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 4, "OPENCV_FISHEYE": 5,
    "FULL_OPENCV": 6, "FOV": 7, "SIMPLE_RADIAL_FISHEYE": 8, "RADIAL_FISHEYE": 9, "THIN_PRISM_FISHEYE": 10,
    "RAD_TAN_THIN_PRISM_FISHEYE": 11, "SIMPLE_DIVISION": 12, "DIVISION": 13, "SIMPLE_FISHEYE": 14, "FISHEYE": 15,
    "EUCM": 16, "EQUIRECTANGULAR": 17, "OF THE FUTURE": 18,
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """cameras: id → (model, width, height, params); images: (name, camera id, qvec wxyz, tvec)."""

    cameras: dict[int, tuple[str, int, int, list[float]]]
    images: list[tuple[str, int, list[float], list[float]]]
    xyz: np.ndarray
    rgb: np.ndarray


def quaternion_wxyz(rotation: np.ndarray) -> list[float]:
    """By the largest of the four squares (Shepperd 1978)."""
    m = rotation
    squares = np.array([1 + m.trace(), *(1 + 2 * m[i, i] - m.trace() for i in range(3))])
    k = int(squares.argmax())
    s = np.sqrt(squares[k]) * 2
    off = [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]
    sums = {(0, 1): m[0, 1] + m[1, 0], (0, 2): m[0, 2] + m[2, 0], (1, 2): m[1, 2] + m[2, 1]}
    if k == 0:
        return [float(v) for v in (s / 4, *(o / s for o in off))]
    i = k - 1
    out = [off[i] / s, 0.0, 0.0, 0.0]
    out[1 + i] = s / 4
    for j in {0, 1, 2} - {i}:
        out[1 + j] = sums[min(i, j), max(i, j)] / s
    return [float(v) for v in out]


def write_binary(folder: Path, model: Model, track: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    out = struct.pack("<Q", len(model.cameras))
    for number, (name, width, height, params) in model.cameras.items():
        out += struct.pack(f"<IiQQ{len(params)}d", number, MODEL_NUMBERS[name], width, height, *params)
    (folder / "cameras.bin").write_bytes(out)
    out = struct.pack("<Q", len(model.images))
    for i, (name, camera, q, t) in enumerate(model.images):
        out += struct.pack("<I7dI", i + 1, *q, *t, camera) + name.encode() + b"\0"
        out += struct.pack("<Q", i % 3) + b"".join(struct.pack("<ddq", 1.5, 2.5, -1) for _ in range(i % 3))
    (folder / "images.bin").write_bytes(out)
    parts = [struct.pack("<Q", len(model.xyz))]
    for i, (xyz, rgb) in enumerate(zip(model.xyz.tolist(), model.rgb.tolist(), strict=True)):
        length = i % (track + 1)
        parts.append(struct.pack("<Q3d3BdQ", i + 1, *xyz, *rgb, 0.5, length) + struct.pack("<II", 1, 0) * length)
    (folder / "points3D.bin").write_bytes(b"".join(parts))


def write_text(folder: Path, model: Model) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["# Camera list", "#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for number, (name, width, height, params) in model.cameras.items():
        lines.append(f"{number} {name} {width} {height} {' '.join(map(repr, params))}")
    (folder / "cameras.txt").write_text("\n".join(lines) + "\n")
    lines = ["# Image list with two lines of data per image:"]
    for i, (name, camera, q, t) in enumerate(model.images):
        lines.append(f"{i + 1} {' '.join(map(repr, [*q, *t]))} {camera} {name}")
        lines.append(" ".join(["1.5 2.5 -1"] * (i % 3)))
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    lines = ["# 3D point list"]
    for i, (xyz, rgb) in enumerate(zip(model.xyz.tolist(), model.rgb.tolist(), strict=True)):
        lines.append(f"{i + 1} {' '.join(map(repr, xyz))} {' '.join(map(str, rgb))} 0.5 1 0 2 4")
    (folder / "points3D.txt").write_text("\n".join(lines) + "\n")
