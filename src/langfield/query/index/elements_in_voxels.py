"""Which voxel each of a run's elements lies in: Gaussians, or the points of a field's surface.

A hit is a region of voxels (`query.index.regions`); its elements are those that lie in them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64

from langfield.query.index.regions import Region
from langfield.query.index.surface_voxels import SurfaceVoxels

_MAX_DISTANCE_VOXELS = 1.5  # voxel sides: Gaussians just below and just above a surface belong to it too


@dataclass(frozen=True)
class ElementVoxels:
    """N elements and the V voxels of a surface.

    Attributes:
        voxel: (N,) each element's voxel; −1 for elements away from the surface.
        voxel_count: V.
    """

    voxel: Int64[np.ndarray, " n"]
    voxel_count: int

    @classmethod
    def nearest(cls, points_scene: Float[np.ndarray, "n 3"], voxels: SurfaceVoxels) -> "ElementVoxels":
        """Each point to the voxel whose centre is nearest, at most 1.5 voxel sides away. Args: points_scene: finite."""
        return cls(voxels.nearest(points_scene, _MAX_DISTANCE_VOXELS), len(voxels))

    def mask_of(self, region: Region) -> Bool[np.ndarray, " n"]:
        """Which elements lie in a region's voxels."""
        chosen = np.zeros(self.voxel_count + 1, dtype=np.bool_)  # the last one is for −1
        chosen[region.voxels] = True
        return chosen[self.voxel]

    def count_in(self, region: Region) -> int:
        """How many elements lie in a region's voxels. Cost: independent of N after the first call."""
        return int(self._counts[region.voxels].sum())

    @cached_property
    def _counts(self) -> Int64[np.ndarray, " v"]:
        return np.bincount(self.voxel[self.voxel >= 0], minlength=self.voxel_count)
