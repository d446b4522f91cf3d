"""Gaussians from one frame into another."""

import numpy as np
import torch
from jaxtyping import Float32, Float64

from langfield.core.quaternions import rotate_quaternions
from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.ops.spherical_harmonics import condon_shortley_signs, sh_rotation_matrix


def moved(splats: Splats, target_from_source: Similarity) -> Splats:
    """The same Gaussians in another frame; a camera moved with them (`Camera.moved`) takes the same picture.

    Centres, rotations and sizes are transformed, and so are the spherical harmonics of the colours. Computed in float64
    where digits could be lost.
    """
    rotation = target_from_source.rotation
    return Splats(
        means=target_from_source.points(splats.means),
        rotations=rotate_quaternions(rotation, splats.rotations),
        log_scales=splats.log_scales + np.float32(np.log(target_from_source.scale)),
        opacity_logits=splats.opacity_logits,
        harmonics=_rotated_colors(rotation, splats.harmonics, splats.degree),
    )


def _rotated_colors(
    rotation: Float64[np.ndarray, "3 3"], coefficients: Float32[np.ndarray, "n k 3"], degree: int
) -> Float32[np.ndarray, "n k 3"]:
    """Coefficients, with the Condon–Shortley signs that files have, for directions that are rotated."""
    if degree == 0:
        return coefficients
    sign = condon_shortley_signs(degree)
    matrix = (sign[:, None] * sh_rotation_matrix(torch.from_numpy(rotation), degree) * sign).float()
    return torch.einsum("ij,njc->nic", matrix, torch.from_numpy(coefficients)).contiguous().numpy()
