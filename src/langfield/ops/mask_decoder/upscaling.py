"""The parameters of SAM's upscaling, as matrices."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Upscaling(NamedTuple):
    """What makes one place four times as fine: to 2 × 2 parts with C / 4 features, normalised, GELU; to 2 × 2 parts of
    each with C / 8 features, GELU.

    Attributes:
        coarse_weight, coarse_bias: C → four parts of C / 4, row by row.
        norm_weight, norm_bias, norm_eps: of the layer normalisation of C / 4 features.
        fine_weight, fine_bias: C / 4 → four parts of C / 8, row by row.
    """

    coarse_weight: Float[Tensor, "c c"]
    coarse_bias: Float[Tensor, " c"]
    norm_weight: Float[Tensor, " c4"]
    norm_bias: Float[Tensor, " c4"]
    norm_eps: float
    fine_weight: Float[Tensor, "c4 c2"]
    fine_bias: Float[Tensor, " c2"]
