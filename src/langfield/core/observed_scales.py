"""The query scales that training observed: which sizes of crops, taken from which places.

A language field is supervised by square crops of the photos, in a pyramid of sizes (LERF, Kerr et al. 2023, §3.2). At a
scale that no crop had at a place, the field extrapolates. Questions and conversions therefore ask each point only at
the heights that the pyramid's crops have there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

CROP_LEVELS = 8  # sizes of crops that a field is asked at
_POINTS_AT_ONCE = 2**16
Median = Callable[[Tensor, Tensor], Tensor]  # of the distances from points (N, 3) to places (C, 3)


@dataclass(frozen=True)
class ObservedScales:
    """Crop sizes as angles, and the places of the photos that were cropped.

    A crop of angle a shows, at the distance t along the optical axis, a square a · t high: LERF's scale. A crop level
    thus has its own scale at every point of the scene, a · `typical_distance`.

    Attributes:
        crop_angles: (L,) crop height over focal length, both in pixels; smallest crop first.
        camera_centres: (C, 3) where photos were taken from, scene frame.
    """

    crop_angles: Float[Tensor, " l"]
    camera_centres: Float[Tensor, "c 3"]

    @classmethod
    def between(cls, smallest: float, largest: float, camera_centres: Float[Tensor, "c 3"]) -> "ObservedScales":
        """`CROP_LEVELS` crop angles, evenly spaced from the smallest to the largest that training used."""
        angles = torch.linspace(smallest, largest, CROP_LEVELS, device=camera_centres.device)
        return cls(angles, camera_centres)

    def typical_distance(self, points_scene: Float[Tensor, "n 3"], median: Median | None = None) -> Float[Tensor, " n"]:
        """The median distance (scene units) from each of N points to the C camera centres.

        A point that is not finite (a pixel that shows nothing) gets the largest distance of the others, at least 1.
        Cost: N · C distances, 2¹⁶ points at a time.

        Args:
            median: how the median is worked out, for whole pictures (`langfield.ops.median_distance`); None for torch.
        """
        if not len(points_scene):
            return points_scene.new_zeros(0)
        finite = torch.where(points_scene.isfinite(), points_scene, 0)
        distance = (median or _median_distance)(finite, self.camera_centres)
        known = points_scene.isfinite().all(dim=-1)
        return torch.where(known, distance, torch.where(known, distance, 0).amax().clamp_min(1.0))


def _median_distance(points: Float[Tensor, "n 3"], places: Float[Tensor, "c 3"]) -> Float[Tensor, " n"]:
    return torch.cat([torch.cdist(part, places).median(dim=-1).values for part in points.split(_POINTS_AT_ONCE)])
