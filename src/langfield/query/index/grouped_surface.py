"""Groups on a scene's index: which group a region of high relevancy is about.

Relevancy is known of crops: it is a blob about a thing, larger than a small one and smaller than a large one. Groups of
the surface (`langfield.groups`) end where things end, but do not know what they are. An answer takes its place from
the one and its border from the other: each region of an answer becomes the group that explains it best.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64
from scipy.sparse import coo_matrix, csr_matrix, diags

from langfield.groups.base import SOLID_SHARE, size_of, solid_part
from langfield.groups.scene_groups import SceneGroups
from langfield.query.index.regions import Region
from langfield.query.index.surface_voxels import SurfaceVoxels

_MAX_DISTANCE_VOXELS = 1.5  # sides of an index's voxel: small voxels farther away are of none
_SAME = 0.5  # of the smaller of two groups, from which on in both they answer as one
_NEARLY = 0.8  # of the best group's fit, from which on another one will do that no other region is about
_MIN_FIT = 0.2  # a region that no group explains better than that stays as it is


@dataclass(frozen=True)
class GroupedSurface:
    """G groups on the V voxels of a scene's index.

    Attributes:
        share: (G, V) the share of each voxel's surface that belongs to a group.
        area: (V,) how much surface each voxel holds, squared scene units.
    """

    share: csr_matrix
    area: Float[np.ndarray, " v"]

    @classmethod
    def of(cls, groups: SceneGroups, voxels: SurfaceVoxels) -> "GroupedSurface":
        """Cost: the nearest of the index's voxels for each small one of the groups' surface."""
        small = groups.surface
        nearest = voxels.nearest(small.centres_scene.cpu().numpy(), _MAX_DISTANCE_VOXELS)
        known = nearest >= 0
        row = np.nonzero(known)[0]
        shape = (len(small), len(voxels))
        area = csr_matrix(coo_matrix((small.areas[row], (row, nearest[row])), shape=shape))
        whole = np.asarray(area.sum(axis=0)).reshape(-1)
        solid = solid_part(groups.groups.members).astype(np.float64)
        per_area = np.divide(1, whole, out=np.zeros_like(whole), where=whole > 0)
        share = csr_matrix(solid @ area @ diags(per_area))
        share.eliminate_zeros()
        return cls(share, whole)

    def fits(self, region: Region, relevancy: Float[np.ndarray, " v"]) -> Float[np.ndarray, " g"]:
        """How well each group explains a region: Σ min(s, r) / Σ max(s, r) over the surface, an intersection over
        union of two soft sets.

        s is the share of a voxel that is the group's; r rises from 0 at the region's floor to 1 at its peak, of voxels
        of the region or of the group.
        """
        height = np.clip((relevancy - region.floor) / max(region.peak - region.floor, 1e-9), 0, 1)
        in_region = np.zeros(len(relevancy))
        in_region[region.voxels] = height[region.voxels]
        share = self.share
        count = size_of(share)[0]
        of_entry = np.repeat(np.arange(count), np.diff(share.indptr))
        area = self.area[share.indices]
        common = np.bincount(of_entry, area * np.minimum(share.data, height[share.indices]), count)
        own = np.bincount(of_entry, area * share.data, count)
        own_height = np.bincount(of_entry, area * height[share.indices], count)
        region_inside = np.bincount(of_entry, area * in_region[share.indices], count)
        region_outside = float((self.area * in_region).sum()) - region_inside
        union = own + own_height - common + region_outside
        return common / np.maximum(union, 1e-12)

    def explained(self, regions: Sequence[Region], relevancy: Float[np.ndarray, " v"]) -> list[Region]:
        """The regions with those replaced by groups that a group explains, in their order. Of two regions whose groups
        are the same, or one of which is mostly inside the other, the first stays: they are of one thing. But where
        another group explains a region nearly as well, as of equal things side by side, the region becomes that one.

        Args:
            relevancy: of the phrase in each voxel.
        """
        out: list[Region] = []
        taken: list[int] = []
        for region in regions:
            fits = self.fits(region, relevancy)
            most = float(fits.max(initial=0.0))
            if most < _MIN_FIT:
                out.append(region)
                continue
            least = max(_MIN_FIT, _NEARLY * most)
            fitting = [int(group) for group in np.argsort(-fits, kind="stable") if fits[group] >= least]
            free = (group for group in fitting if all(self._common(group, other) < _SAME for other in taken))
            group = next(free, None)
            if group is not None:
                taken.append(group)
                voxels = self.voxels(group)
                out.append(replace(region, voxels=voxels, core=voxels, group=group))
        return out

    def _common(self, group: int, other: int) -> float:
        """The share of the smaller of two groups that is in both."""
        one, two = (self.share[[which]].toarray().reshape(-1) for which in (group, other))
        smaller = min(float((self.area * one).sum()), float((self.area * two).sum()))
        return float((self.area * np.minimum(one, two)).sum()) / max(smaller, 1e-12)

    def voxels(self, group: int) -> Int64[np.ndarray, " k"]:
        """The index's voxels of which a group has at least half; of a group smaller than voxels, those it is in."""
        start, end = self.share.indptr[group : group + 2]
        voxels, share = self.share.indices[start:end], self.share.data[start:end]
        large = voxels[share >= SOLID_SHARE]
        return np.sort(large if len(large) else voxels).astype(np.int64)
