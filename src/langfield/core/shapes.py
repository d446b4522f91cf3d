"""Proof that shape checks run.

Inside, shapes are annotated with jaxtyping and checked while the tests run. `shape_canary` exists so that a test
can prove that the checks are on.
"""

from jaxtyping import Float
from torch import Tensor


def shape_canary(x: Float[Tensor, "3"]) -> None:
    """Accept exactly three floats: with checks on, anything else raises."""
