"""The median distance from each of many points to a few places: `median_distance`.

Cost for n points and c places: 12 n bytes are read and 4 n written; the kernel counts for each distance how many are
less, 3 n c² operations. 1.5 million points and 32 places: 25 MB and 5 G operations. torch's own median sorts each row
in a block of its own, some milliseconds.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.ops.median_distance import reference

MAX_PLACES = 64


@torch.no_grad()
def median_distance(points: Float[Tensor, "n 3"], places: Float[Tensor, "c 3"]) -> Float[Tensor, " n"]:
    """The median (the lower one of two) of the distances from each of N points to C places.

    Runs a Triton kernel on CUDA for up to 64 places, and `reference.median_distance` elsewhere. No gradients.

    Raises:
        ValueError: no places.
    """
    if not len(places):
        raise ValueError("a median distance needs at least one place")
    if points.is_cuda and len(places) <= MAX_PLACES:
        from langfield.ops.median_distance import triton_kernel

        return triton_kernel.median_distance(points, places)
    return reference.median_distance(points, places)
