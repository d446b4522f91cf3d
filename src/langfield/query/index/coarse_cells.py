"""Places as large as a scene's smallest crops: what of the surface lies in each, taken together."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.voxels import voxel_grid


class Cells:
    """Cubes of space with something of a surface in them.

    Cost: a sort of V points when made, then a pass over them for each row of values, on the device of those.
    """

    def __init__(
        self, centres_scene: Float[np.ndarray, "v 3"], weight: Int64[np.ndarray, " v"], side_scene: float
    ) -> None:
        """Args: centres_scene: of parts of the surface; weight: how much each counts; side_scene: of a cube."""
        of_part = voxel_grid(centres_scene, side_scene).of_point
        total = np.bincount(of_part, weights=weight)
        self._count = len(total)
        self._of_part = torch.from_numpy(of_part)
        self._share = torch.from_numpy((weight / total[of_part]).astype(np.float32))

    def __len__(self) -> int:
        return self._count

    def means(self, values: Float[Tensor, "p v"]) -> Float[Tensor, "p c"]:
        """The mean in each cell of values on the parts: a place must look right all over."""
        of_part, share = self._of_part.to(values.device), self._share.to(values.device)
        sums = values.new_zeros(self._count, len(values))
        return sums.index_add_(0, of_part, (values * share).T).T
