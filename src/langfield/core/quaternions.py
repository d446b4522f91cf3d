"""Rotations as quaternions (w, x, y, z), many at a time."""

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from scipy.spatial.transform import Rotation
from torch import Tensor


def rotation_from_quaternion(quaternions: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Rotation matrices of quaternions of any length but 0."""
    return rotation_from_unit_quaternion(torch.nn.functional.normalize(quaternions, dim=-1))


def rotation_from_unit_quaternion(quaternions: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Rotation matrices of quaternions of length 1."""
    w, x, y, z = quaternions.unbind(-1)
    entries = (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def rotate_quaternions(
    rotation: Float64[np.ndarray, "3 3"], quaternions: Float32[np.ndarray, "n 4"]
) -> Float32[np.ndarray, "n 4"]:
    """Unit quaternions of `rotation` after each of `quaternions` (Hamilton's product, in float64).

    Quaternions may have any length; one of length 0 stays so.
    """
    b, c, d, a = Rotation.from_matrix(rotation).as_quat()  # it puts w last
    left_product = np.array([[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]])
    out = quaternions.astype(np.float64) @ left_product.T
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return (out / np.where(length > 0, length, 1)).astype(np.float32)
