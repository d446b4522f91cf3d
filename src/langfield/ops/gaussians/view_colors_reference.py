"""`view_colors` in plain torch: what the Triton kernels are tested against, and what runs on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.ops.spherical_harmonics import SH_C0, eval_sh_bases


def view_colors(
    means: Float[Tensor, "n 3"],
    sh0: Float[Tensor, "n 3"],
    shN: Float[Tensor, "n k 3"],
    eyes: Float[Tensor, "v 3"],
    degree: int,
) -> Float[Tensor, "v n 3"]:
    """See `langfield.ops.gaussians.view_colors`."""
    base = (SH_C0 * sh0 + 0.5).expand(len(eyes), -1, -1)
    if degree == 0:
        return base.clamp_min(0)
    directions = torch.nn.functional.normalize(means.detach() - eyes[:, None], dim=-1)
    functions = eval_sh_bases(directions.flatten(0, 1), degree)[:, 1:].unflatten(0, directions.shape[:2])
    return (base + torch.einsum("vnk,nkc->vnc", functions, shN[:, : functions.shape[-1]])).clamp_min(0)
