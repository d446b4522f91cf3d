"""Gaussians from one frame into another."""

import numpy as np
import torch
from jaxtyping import Float32, Float64
from scipy.spatial.transform import Rotation

from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.ops import spherical_harmonics as harmonics


def moved(splats: Splats, target_from_source: Similarity) -> Splats:
    """The same Gaussians in another frame: they look the same to a camera that moves along.

    Centres, axes and sizes are moved, and colours turned, so that they depend on the moved direction as before on the
    direction. Computed in float64 where digits could be lost.
    """
    turn = target_from_source.rotation
    return Splats(
        means=target_from_source.points(splats.means),
        rotations=_turned(turn, splats.rotations),
        log_scales=splats.log_scales + np.float32(np.log(target_from_source.scale)),
        opacity_logits=splats.opacity_logits,
        harmonics=_turned_colours(turn, splats.harmonics, splats.degree),
    )


def _turned(turn: Float64[np.ndarray, "3 3"], rotations: Float32[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n 4"]:
    """Unit quaternions wxyz of `turn` after `rotations`: Hamilton's product. One of length 0 stays so."""
    b, c, d, a = Rotation.from_matrix(turn).as_quat()  # it puts w last
    by = np.array([[a, -b, -c, -d], [b, a, -d, c], [c, d, a, -b], [d, -c, b, a]])
    out = rotations.astype(np.float64) @ by.T
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return (out / np.where(length > 0, length, 1)).astype(np.float32)


def _turned_colours(
    turn: Float64[np.ndarray, "3 3"], coefficients: Float32[np.ndarray, "n k 3"], degree: int
) -> Float32[np.ndarray, "n k 3"]:
    if degree == 0:
        return coefficients
    sign = harmonics.signs(degree)
    by = (sign[:, None] * harmonics.turned(torch.from_numpy(turn), degree) * sign).float()
    return torch.einsum("ij,njc->nic", by, torch.from_numpy(coefficients)).contiguous().numpy()
