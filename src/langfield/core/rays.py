"""Rays through pixels."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

# Uniform numbers that a batch brings for each ray, one for each round of sampling along it: samplers have at most so
# many rounds.
JITTER_COLUMNS = 4


@dataclass(frozen=True)
class Rays:
    """R rays.

    Attributes:
        origins: where each starts, in the cameras' frame.
        directions: unit vectors.
        camera_index: which camera each belongs to.
        z_per_distance: z-depth in the camera per unit of distance along the ray (the cosine to the axis).
    """

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    camera_index: Int64[Tensor, " r"]
    z_per_distance: Float[Tensor, " r"]

    def __len__(self) -> int:
        return self.origins.shape[0]

    def __getitem__(self, index: "slice | Tensor") -> "Rays":
        return Rays(self.origins[index], self.directions[index], self.camera_index[index], self.z_per_distance[index])
