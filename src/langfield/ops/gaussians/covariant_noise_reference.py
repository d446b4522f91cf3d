"""`covariant_noise` in plain torch: what the Triton kernel is tested against, and what runs on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.quaternions import rotation_from_quaternion


def covariant_noise(
    rotations: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
    opacity_logits: Float[Tensor, " n"],
    noise: Float[Tensor, "n 3"],
    steepness: float,
    threshold: float,
) -> Float[Tensor, "n 3"]:
    """See `langfield.ops.gaussians.covariant_noise`."""
    weight = torch.sigmoid(-steepness * (opacity_logits.sigmoid() - threshold))
    axes = rotation_from_quaternion(rotations)
    own = (axes.transpose(1, 2) @ (noise * weight[:, None])[:, :, None])[:, :, 0] * (2 * log_scales).exp()
    return (axes @ own[:, :, None])[:, :, 0]
