"""Clicks: which group of the surface is meant by points on it, and how large."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def chosen_group(
    containing: Sequence[int], extents_world: Float[np.ndarray, " c"], thing: int, scale_world: float | None
) -> int | None:
    """Of the groups that hold all clicks, the one that is meant.

    Args:
        containing: C groups.
        extents_world: how long each is, world units.
        thing: the group that is the thing at the first click; −1 for none.
        scale_world: the wanted length: the group whose length is nearest, as a ratio. None asks for the thing, or
            where no click's thing holds all clicks, for the smallest group that does.

    Returns None where no group holds all clicks.
    """
    if not len(containing):
        return None
    if scale_world is None:
        return thing if thing in containing else int(containing[int(np.argmin(extents_world))])
    apart = np.abs(np.log(np.maximum(extents_world, 1e-12) / scale_world))
    return int(containing[int(np.argmin(apart))])
