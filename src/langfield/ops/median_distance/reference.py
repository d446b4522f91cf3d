"""`median_distance` in plain torch: what the Triton kernel is tested against, and what runs on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor

_POINTS_AT_ONCE = 2**16


def median_distance(points: Float[Tensor, "n 3"], places: Float[Tensor, "c 3"]) -> Float[Tensor, " n"]:
    """See `langfield.ops.median_distance.median_distance`. 2¹⁶ points at a time."""
    if not len(points):
        return points.new_zeros(0)
    parts = [torch.cdist(part, places).median(dim=-1).values for part in points.split(_POINTS_AT_ONCE)]
    return torch.cat(parts)
