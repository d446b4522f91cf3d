"""At which physical scales a scene was observed: the sizes of crops, and the places that photos were taken from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

CROP_LEVELS = 8  # sizes of crops that answers are asked at


@dataclass(frozen=True)
class ObservedScales:
    """Which scales training saw: crops of certain angles, from certain places.

    A crop of angle a (its height over the focal length) shows, at distance t, a piece of height a · t: that height is
    LERF's scale. At the `typical_distance` of a point, the angles give the scales at which photos showed it.

    Attributes:
        crop_angles: (L,) crop height over focal length at each crop level, from the smallest crop to the largest.
        camera_centres: (C, 3) where photos were taken from, scene frame.
    """

    crop_angles: Float[Tensor, " l"]
    camera_centres: Float[Tensor, "c 3"]

    @classmethod
    def between(cls, smallest: float, largest: float, camera_centres: Float[Tensor, "c 3"]) -> "ObservedScales":
        """Eight crop levels whose angles are evenly spaced from `smallest` to `largest`."""
        angles = torch.linspace(smallest, largest, CROP_LEVELS, device=camera_centres.device)
        return cls(angles, camera_centres)

    def typical_distance(self, points_scene: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Median distance from each point to the cameras, scene units. Points that are not finite get that of the
        farthest finite one (at least 1)."""
        if not len(points_scene):
            return points_scene.new_zeros(0)
        finite = torch.where(points_scene.isfinite(), points_scene, torch.zeros_like(points_scene))
        parts = [torch.cdist(part, self.camera_centres).median(dim=-1).values for part in finite.split(2**16)]
        distance = torch.cat(parts)
        known = points_scene.isfinite().all(dim=-1)
        return torch.where(known, distance, torch.where(known, distance, 0).amax().clamp_min(1.0))
