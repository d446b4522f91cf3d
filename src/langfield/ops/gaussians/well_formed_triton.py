"""`well_formed` as one Triton kernel: launching its forty small ones would take longer than drawing the Gaussians.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false

from collections.abc import Sequence
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.conventions import MAX_SIZE_PX, MIN_QUATERNION_NORM, NEAR_PLANE

_BLOCK = 256


# Gaussians grow, and rows begin anywhere: no kernels of their own for multiples of 16.
@triton.jit(do_not_specialize=["n"], do_not_specialize_on_alignment=["features_ptr", "drawn_ptr"])
@no_type_check
def _kernel(
    means_ptr,
    rotations_ptr,
    scales_ptr,
    opacities_ptr,
    features_ptr,
    drawn_ptr,
    n,
    forward_x,
    forward_y,
    forward_z,
    shift_z,
    focal_px,
    near,
    least_quaternion,
    most_px,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    gaussian = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = gaussian < n
    row = gaussian.to(tl.int64)
    x = tl.load(means_ptr + row * 3, mask=inside, other=0.0)
    y = tl.load(means_ptr + row * 3 + 1, mask=inside, other=0.0)
    z = tl.load(means_ptr + row * 3 + 2, mask=inside, other=0.0)
    opacity = tl.load(opacities_ptr + row, mask=inside, other=0.0)
    # A sum of absolute values is finite if all of them are, and not far too large.
    total = tl.abs(x) + tl.abs(y) + tl.abs(z) + tl.abs(opacity)
    widest = tl.zeros((BLOCK,), dtype=tl.float32)
    for axis in tl.static_range(3):
        scale = tl.abs(tl.load(scales_ptr + row * 3 + axis, mask=inside, other=0.0))
        total += scale
        widest = tl.maximum(widest, scale)
    turned = tl.zeros((BLOCK,), dtype=tl.float32)
    for axis in tl.static_range(4):
        part = tl.load(rotations_ptr + row * 4 + axis, mask=inside, other=0.0)
        turned += part * part
    for channel in range(CHANNELS):
        total += tl.abs(tl.load(features_ptr + row * CHANNELS + channel, mask=inside, other=0.0))
    depth = forward_x * x + forward_y * y + forward_z * z + shift_z
    width_px = widest * focal_px / tl.maximum(depth, near)
    finite = (total < float("inf")) & (turned < float("inf")) & (tl.sqrt(turned) > least_quaternion)
    tl.store(drawn_ptr + row, finite & ((width_px < most_px) | (depth < near)), mask=inside)


def well_formed(
    means: Float[Tensor, "n 3"],
    rotations: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    features: Float[Tensor, "v n c"] | None,
    cameras: Sequence[Camera],
) -> Bool[Tensor, " n"]:
    """See `langfield.ops.gaussians.well_formed.well_formed`; each camera has features of its own."""
    given = [v.detach().float().contiguous() for v in (means, rotations, scales, opacities)]
    own = None if features is None else features.detach().float().contiguous()
    drawn = torch.empty(len(cameras), len(means), dtype=torch.bool, device=means.device)
    for number, camera in enumerate(cameras if len(means) else ()):
        forward = camera.frame_from_camera[:3, 2]
        _kernel[(triton.cdiv(len(means), _BLOCK),)](
            *given,
            given[0] if own is None else own[number],
            drawn[number],
            len(means),
            *(float(value) for value in forward),
            -float(forward @ camera.frame_from_camera[:3, 3]),
            max(camera.fx_px, camera.fy_px),
            NEAR_PLANE,
            MIN_QUATERNION_NORM,
            MAX_SIZE_PX,
            CHANNELS=0 if features is None else features.shape[-1],
            BLOCK=_BLOCK,
        )
    return drawn[0] if len(cameras) == 1 else drawn.all(dim=0)
