"""What a scene is made of (Gaussians, or points of a field's surface), sorted into the small cubes of its surface."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64

from langfield.query.index.surface_voxels import Region, Surface

_REACH_CUBES = 1.5  # what is this near to a cube's surface belongs to it, just below and just above it too


@dataclass(frozen=True)
class Elements:
    """N elements in the V cubes of a surface.

    Attributes:
        cube: each element's, −1 for one that is in none.
        cubes: V.
    """

    cube: Int64[np.ndarray, " n"]
    cubes: int

    @classmethod
    def near(cls, points_scene: Float[np.ndarray, "n 3"], surface: Surface) -> "Elements":
        """Points to the cubes nearest to them, at most 1.5 cube sides away."""
        return cls(surface.nearest(points_scene, _REACH_CUBES), len(surface))

    @classmethod
    def of_surface(cls, surface: Surface) -> "Elements":
        """The surface's own points."""
        return cls(surface.cube, len(surface))

    def of(self, region: Region) -> Bool[np.ndarray, " n"]:
        """Which elements are in a region."""
        chosen = np.zeros(self.cubes + 1, dtype=np.bool_)  # the last one is for −1
        chosen[region.cubes] = True
        return chosen[self.cube]

    def count(self, region: Region) -> int:
        """How many that is, without a look at all of them."""
        return int(self._in_cube[region.cubes].sum())

    @cached_property
    def _in_cube(self) -> Int64[np.ndarray, " v"]:
        return np.bincount(self.cube[self.cube >= 0], minlength=self.cubes)
