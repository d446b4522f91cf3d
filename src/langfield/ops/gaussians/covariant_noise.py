"""Noise for the centres of Gaussians in training, correlated as their shapes are: `covariant_noise`.

It is the noise term of 3D Gaussian Splatting as Markov Chain Monte Carlo (Kheradmand et al. 2024, eq. 8):
Σ η · σ(−k (o − t)), with a Gaussian's covariance Σ = R S² Rᵀ, its opacity o, and normal numbers η. It is strongest for
Gaussians of little opacity.

Cost in bytes: 44 n read and 12 n written; in plain torch about twenty passes.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.ops.gaussians import covariant_noise_reference


@torch.no_grad()
def covariant_noise(
    rotations: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
    opacity_logits: Float[Tensor, " n"],
    noise: Float[Tensor, "n 3"],
    steepness: float,
    threshold: float,
) -> Float[Tensor, "n 3"]:
    """Σ · noise · σ(−steepness · (opacity − threshold)) of each Gaussian. No gradients.

    Runs a Triton kernel on CUDA, in float32, and `covariant_noise_reference` elsewhere.

    Args:
        rotations: quaternions (w, x, y, z) of any length.
        log_scales: logarithms of the standard deviations along a Gaussian's own axes.
        opacity_logits: opacities before the logistic function.
        noise: normal numbers η.
        steepness, threshold: k and t.
    """
    if noise.is_cuda:
        from langfield.ops.gaussians import covariant_noise_triton

        return covariant_noise_triton.covariant_noise(
            rotations, log_scales, opacity_logits, noise, steepness, threshold
        )
    return covariant_noise_reference.covariant_noise(rotations, log_scales, opacity_logits, noise, steepness, threshold)
