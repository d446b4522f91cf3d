"""Gaussians to test with: random ones, and round ones on the surface of the balls' place; and a writer of their files
that knows nothing of the package's."""

from pathlib import Path

import numpy as np
from tests.data.scenes import surface_points

from langfield.core.splats import Splats

SH_CONSTANT = 0.28209479177387814


def random_splats(n: int, degree: int, seed: int = 0) -> Splats:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Splats(rng.normal(size=(n, 3)), normal(n, 4), normal(n, 3), normal(n), normal(n, (degree + 1) ** 2, 3))


def ball_splats(n: int = 3000) -> Splats:
    """Gaussians that show the balls and the table (flat ones), in the frame of the written scene."""
    xyz, rgb = surface_points(n)
    colours = ((rgb / 255 - 0.5) / SH_CONSTANT).astype(np.float32)
    rotations = np.tile(np.array([1, 0, 0, 0], dtype=np.float32), (n, 1))
    scales = np.where(xyz[:, 2:] == 0, [0.02, 0.02, 0.001], 0.008).astype(np.float32)
    return Splats(xyz, rotations, np.log(scales), np.full(n, 3.0, dtype=np.float32), colours[:, None])


def write_rows(path: Path, columns: dict[str, np.ndarray], kinds: dict[str, str] | None = None) -> Path:
    """A binary PLY of these vertex properties, floats where `kinds` has no other numpy type (all of one byte order)."""
    types = {name: (kinds or {}).get(name, "<f4") for name in columns}
    words = {"f4": "float", "f8": "double", "u1": "uchar"}
    count = len(next(iter(columns.values())))
    order = "big" if any(kind[0] == ">" for kind in types.values()) else "little"
    header = f"ply\nformat binary_{order}_endian 1.0\nelement vertex {count}\n"
    header += "".join(f"property {words[kind[1:]]} {name}\n" for name, kind in types.items()) + "end_header\n"
    rows = np.zeros(count, dtype=list(types.items()))
    for name, values in columns.items():
        rows[name] = values
    path.write_bytes(header.encode() + rows.tobytes())
    return path


def columns_of(splats: Splats) -> dict[str, np.ndarray]:
    """The vertex properties of a splat PLY: `f_rest` has all of red, then of green, then of blue."""
    columns = {name: splats.means[:, i] for i, name in enumerate("xyz")}
    columns |= {f"f_dc_{i}": splats.harmonics[:, 0, i] for i in range(3)}
    directed = splats.harmonics.shape[1] - 1
    for channel in range(3):
        for k in range(directed):
            columns[f"f_rest_{channel * directed + k}"] = splats.harmonics[:, 1 + k, channel]
    columns["opacity"] = splats.opacity_logits
    columns |= {f"scale_{i}": splats.log_scales[:, i] for i in range(3)}
    return columns | {f"rot_{i}": splats.rotations[:, i] for i in range(4)}
