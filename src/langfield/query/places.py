"""Places as large as a scene's smallest crops: what of the surface lies in each, taken together."""

import numpy as np
from jaxtyping import Float, Int64


class Cells:
    """Cubes of space with something of a surface in them.

    Cost: a sort of V points when made, then a pass over them for each phrase.
    """

    def __init__(
        self, centres_scene: Float[np.ndarray, "v 3"], weight: Int64[np.ndarray, " v"], side_scene: float
    ) -> None:
        """Args: centres_scene: of parts of the surface; weight: how much each counts; side_scene: of a cube."""
        corner = np.floor(centres_scene / side_scene).astype(np.int64)
        self._of_part = np.unique(corner, axis=0, return_inverse=True)[1].reshape(-1)
        self._weight = weight
        self._total = np.bincount(self._of_part, weights=weight)

    def __len__(self) -> int:
        return len(self._total)

    def means(self, values: Float[np.ndarray, "p v"]) -> Float[np.ndarray, "p c"]:
        """The mean in each cell of values on the parts: a place must look right all over."""
        size = len(self)
        sums = [np.bincount(self._of_part, weights=row * self._weight, minlength=size) for row in values]
        return np.stack(sums).reshape(len(values), size) / self._total
