"""Which Gaussians can be drawn: `well_formed`, in plain torch; `well_formed_triton` has the kernel for CUDA."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.conventions import MAX_SIZE_PX, MIN_QUATERNION_NORM, NEAR_PLANE, camera_from_frame


def well_formed(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"] | None,
    cameras: Sequence[Camera],
) -> Bool[Tensor, " n"]:
    """Which Gaussians all of the cameras can draw without a value or a gradient that is not finite.

    All numbers must be finite, the quaternion not of length 0, and the standard deviations in each picture less than
    `MAX_SIZE_PX`; but a camera that the Gaussian is nearer to than `NEAR_PLANE` (or behind) does not draw it at all,
    whatever its size.
    """
    given = [means, rotations, scales, opacities[:, None], *([] if features is None else features)]
    finite = [values.isfinite().all(dim=-1) for values in given]
    norm, largest = rotations.norm(dim=-1), scales.abs().amax(dim=-1)
    small_enough = []
    for camera in cameras:
        rotation, translation = camera_from_frame(camera, means)
        depth = means @ rotation[2] + translation[2]
        size_px = largest * max(camera.fx_px, camera.fy_px) / depth.clamp_min(NEAR_PLANE)
        small_enough.append((size_px < MAX_SIZE_PX) | (depth < NEAR_PLANE))
    return torch.stack([*finite, norm > MIN_QUATERNION_NORM, norm.isfinite(), *small_enough]).all(dim=0)
