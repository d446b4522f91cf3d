"""`covariant_noise` as one Triton kernel: a row of each tensor goes through the registers once.

Kernels are marked `no_type_check`: the tests' shape checks would wrap them, and Triton compiles bare functions only.
"""

# Triton turns arguments into constexpr itself; its stubs do not say so.
# pyright: reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

_BLOCK = 256


@triton.jit(do_not_specialize=["n"])  # Gaussians grow: no kernel of its own for multiples of 16
@no_type_check
def _kernel(
    rotations_ptr, log_scales_ptr, logits_ptr, noise_ptr, out_ptr, n, steepness, threshold, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = row < n
    w = tl.load(rotations_ptr + row * 4, mask=inside, other=1.0)
    x = tl.load(rotations_ptr + row * 4 + 1, mask=inside, other=0.0)
    y = tl.load(rotations_ptr + row * 4 + 2, mask=inside, other=0.0)
    z = tl.load(rotations_ptr + row * 4 + 3, mask=inside, other=0.0)
    length = tl.maximum(tl.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    w = w / length
    x = x / length
    y = y / length
    z = z / length
    weight = tl.sigmoid(-steepness * (tl.sigmoid(tl.load(logits_ptr + row, mask=inside, other=0.0)) - threshold))
    noise_x = tl.load(noise_ptr + row * 3, mask=inside, other=0.0) * weight
    noise_y = tl.load(noise_ptr + row * 3 + 1, mask=inside, other=0.0) * weight
    noise_z = tl.load(noise_ptr + row * 3 + 2, mask=inside, other=0.0) * weight
    out_x = tl.zeros((BLOCK,), dtype=tl.float32)
    out_y = tl.zeros((BLOCK,), dtype=tl.float32)
    out_z = tl.zeros((BLOCK,), dtype=tl.float32)
    # Along each of its own axes: into it, times the variance, and back.
    for axis in tl.static_range(3):
        if axis == 0:
            axis_x = 1 - 2 * (y * y + z * z)
            axis_y = 2 * (x * y + w * z)
            axis_z = 2 * (x * z - w * y)
        elif axis == 1:
            axis_x = 2 * (x * y - w * z)
            axis_y = 1 - 2 * (x * x + z * z)
            axis_z = 2 * (y * z + w * x)
        else:
            axis_x = 2 * (x * z + w * y)
            axis_y = 2 * (y * z - w * x)
            axis_z = 1 - 2 * (x * x + y * y)
        scale = tl.exp(tl.load(log_scales_ptr + row * 3 + axis, mask=inside, other=0.0))
        along = (axis_x * noise_x + axis_y * noise_y + axis_z * noise_z) * scale * scale
        out_x += axis_x * along
        out_y += axis_y * along
        out_z += axis_z * along
    tl.store(out_ptr + row * 3, out_x, mask=inside)
    tl.store(out_ptr + row * 3 + 1, out_y, mask=inside)
    tl.store(out_ptr + row * 3 + 2, out_z, mask=inside)


def covariant_noise(
    rotations: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
    opacity_logits: Float[Tensor, " n"],
    noise: Float[Tensor, "n 3"],
    steepness: float,
    threshold: float,
) -> Float[Tensor, "n 3"]:
    """See `langfield.ops.gaussians.covariant_noise`."""
    out = torch.empty(len(noise), 3, device=noise.device)
    given = [v.detach().float().contiguous() for v in (rotations, log_scales, opacity_logits, noise)]
    if len(noise):
        _kernel[(triton.cdiv(len(noise), _BLOCK),)](
            *given, out, len(noise), float(steepness), float(threshold), BLOCK=_BLOCK
        )
    return out
