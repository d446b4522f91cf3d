"""Colours of Gaussians as several cameras see them, from spherical harmonics: `view_colors`.

A Gaussian's colour towards a camera is max(½ + Σ_k c_k Y_k(d), 0) with the unit direction d from the camera's centre to
its own (3D Gaussian Splatting, Kerbl et al. 2023), Y without the Condon–Shortley sign. No gradient flows through d.

Cost for n Gaussians, v cameras and degree 3, in bytes: 204 n of centres and coefficients are read and 12 v n of colours
written; backward 24 v n and 12 n are read and 192 n written. A million Gaussians and four cameras: 0.25 and 0.3 GB, or
0.2 ms at 3 TB/s; in plain torch each of the sixteen functions is some passes over n numbers, forward and backward.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.ops.gaussians import view_colors_reference
from langfield.ops.spherical_harmonics import MAX_DEGREE, num_sh_bases


def view_colors(
    means: Float[Tensor, "n 3"],
    sh0: Float[Tensor, "n 3"],
    shN: Float[Tensor, "n k 3"],
    eyes: Float[Tensor, "v 3"],
    degree: int,
) -> Float[Tensor, "v n 3"]:
    """Colours towards each of V cameras, not below 0.

    Runs Triton kernels on CUDA, in float32, and `view_colors_reference` elsewhere, in the precision of `sh0`; autocast
    changes neither. Gradients flow to `sh0` and `shN`.

    Args:
        means: centres of the Gaussians.
        sh0: coefficients of degree 0.
        shN: coefficients of the higher degrees, of which there are 0, 3, 8 or 15.
        eyes: centres of the cameras, in the frame of `means`.
        degree: the highest that counts; what `shN` has of higher ones is left out.

    Raises:
        ValueError: a degree that is not 0 to 3, or that `shN` does not reach.
    """
    if not 0 <= degree <= MAX_DEGREE or num_sh_bases(degree) - 1 > shN.shape[1]:
        raise ValueError(f"degree {degree} needs {num_sh_bases(max(degree, 0)) - 1} of {shN.shape[1]} functions")
    with torch.autocast(means.device.type, enabled=False):
        if means.is_cuda:
            from langfield.ops.gaussians import view_colors_triton

            return view_colors_triton.view_colors(means, sh0, shN, eyes, degree)
        return view_colors_reference.view_colors(means, sh0, shN, eyes, degree)
