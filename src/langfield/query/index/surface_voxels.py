"""The visible surface of a scene as voxels: sparse cubes of space that hold points of at least two pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import coo_array, csr_array
from scipy.spatial import KDTree
from torch import Tensor

from langfield.core.voxels import voxel_grid
from langfield.query.index.voxel_search import VoxelSearch

_MIN_VIEWS = 2  # what one picture alone shows may not be there
_NEIGHBOUR_RADIUS_VOXELS = 1.8  # voxel sides: neighbours share a face, an edge or a corner
_INTERPOLATION_NEIGHBOURS = 4  # nearest voxels that a value at a point is a mean of
_MAX_DISTANCE_VOXELS = 2.5  # voxel sides: a point farther than that from all voxels is not on this surface

Values = TypeVar("Values", np.ndarray, Tensor)


@dataclass(frozen=True)
class SurfaceReader:
    """How values of voxels are interpolated at Q points: see `SurfaceVoxels.interpolation_at`.

    Attributes:
        voxel: the nearest voxels of each point.
        weight: their weights, which add up to 1.
        near: which points are near the surface; the others read 0.
    """

    voxel: Int64[Tensor, "q k"]
    weight: Float[Tensor, "q k"]
    near: Bool[Tensor, " q"]

    def __call__(self, values: Float[Tensor, "v c"]) -> Float[Tensor, "q c"]:
        """Values at the points, of V voxels' C values."""
        return (values[self.voxel] * (self.weight * self.near[:, None])[..., None]).sum(dim=1)


@dataclass(frozen=True)
class SurfaceVoxels:
    """V occupied voxels, in the scene frame, and the M points that lie in them.

    Attributes:
        side_scene: length of a voxel's edge, scene units.
        centres_scene: (V, 3) mean position of each voxel's points.
        mean_rgb: (V, 3) mean colour of its points, in [0, 1].
        normals: (V, 3) the mean of its points' normals, made unit; 0 where none is known.
        point_counts: (V,) how many points each holds.
        voxel_of_input: (N,) the voxel of each point that `voxelise_surface` was given; −1 for points of dropped voxels.
        points_scene: (M, 3) the points that lie in voxels, in the order given.
        points_rgb: (M, 3) their colours, in [0, 1].
        points_voxel: (M,) the voxel that each lies in.
    """

    side_scene: float
    centres_scene: Float[np.ndarray, "v 3"]
    mean_rgb: Float[np.ndarray, "v 3"]
    normals: Float[np.ndarray, "v 3"]
    point_counts: Int64[np.ndarray, " v"]
    voxel_of_input: Int64[np.ndarray, " n"]
    points_scene: Float[np.ndarray, "m 3"]
    points_rgb: Float[np.ndarray, "m 3"]
    points_voxel: Int64[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.point_counts)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as named arrays."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "SurfaceVoxels":
        """The inverse of `arrays`. KeyError for one that is missing."""
        known: dict[str, Any] = {field.name: arrays[field.name] for field in fields(cls)}
        known["side_scene"] = float(known["side_scene"])
        return cls(**known)

    def points_in(self, voxels: Int64[np.ndarray, " k"]) -> Float[np.ndarray, "m 3"]:
        """The points of some voxels, scene frame, float64."""
        chosen = np.zeros(len(self), dtype=np.bool_)
        chosen[voxels] = True
        return self.points_scene[chosen[self.points_voxel]].astype(np.float64)

    def nearest(self, points_scene: Float[np.ndarray, "q 3"], max_voxels: float) -> Int64[np.ndarray, " q"]:
        """The voxel whose centre is nearest to each of Q points; −1 where it is more than `max_voxels` sides away.

        Cost: a query of a k-d tree for each point, on all cores.
        """
        if not len(self):
            return np.full(len(points_scene), -1)
        radius = max_voxels * self.side_scene
        _, voxel = self._tree.query(points_scene, distance_upper_bound=radius, workers=-1)
        return np.where(voxel < len(self), voxel, -1).astype(np.int64)

    def interpolation_at(self, points_scene: Float[np.ndarray, "q 3"]) -> tuple[csr_array, Bool[np.ndarray, " q"]]:
        """How values of voxels are interpolated at points, by inverse squared distance to the four nearest centres.

        Args:
            points_scene: Q points; those that are not finite count as away from the surface.

        Returns the (Q, V) matrix whose rows add up to 1, or are empty away from the surface (2.5 sides from all
        voxels); and (Q,) which points are near it.
        """
        voxel, weight, near = self._nearest_by_tree(points_scene)
        row = np.repeat(np.arange(len(voxel)), voxel.shape[1])
        shape = (len(points_scene), len(self))
        matrix = coo_array(((weight * near[:, None]).ravel(), (row, voxel.ravel())), shape=shape).tocsr()
        return matrix, near

    def read_at(self, points_scene: Float[Tensor, "q 3"]) -> "SurfaceReader":
        """`interpolation_at` on the points' device, for values that are there."""
        device = points_scene.device
        if device.type == "cpu" or not len(self):
            arrays = self._nearest_by_tree(points_scene.cpu().numpy().astype(np.float64))
            return SurfaceReader(*(torch.from_numpy(values).to(device) for values in arrays))
        return self._read_by_search(points_scene)

    def _read_by_search(self, points_scene: Float[Tensor, "q 3"]) -> "SurfaceReader":
        """`read_at` where there are voxels, on any device."""
        device, known = points_scene.device, points_scene.isfinite().all(dim=1)
        points = torch.where(known[:, None], points_scene, 0)
        count, least = min(_INTERPOLATION_NEIGHBOURS, len(self)), _MAX_DISTANCE_VOXELS * self.side_scene
        distance, voxel = self._search_on(device).nearest(points, count, least)
        near = known & (distance[:, 0] < least)
        # Away from the surface distances may be infinite: weights of nothing, which would be no numbers.
        weight = self._weights(torch.where(near[:, None], distance.double(), self.side_scene))
        return SurfaceReader(voxel, weight, near)

    def _nearest_by_tree(
        self, points_scene: Float[np.ndarray, "q 3"]
    ) -> tuple[Int64[np.ndarray, "q k"], Float[np.ndarray, "q k"], Bool[np.ndarray, " q"]]:
        """The nearest voxels of points, their weights, and which points are near the surface."""
        if not len(self):
            nothing = np.zeros((len(points_scene), 0))
            return nothing.astype(np.int64), nothing, np.zeros(len(points_scene), dtype=bool)
        known = np.asarray(np.isfinite(points_scene).all(axis=1))
        distance, voxel = self._tree.query(
            np.where(known[:, None], points_scene, 0), k=min(_INTERPOLATION_NEIGHBOURS, len(self))
        )
        distance, voxel = distance.reshape(len(points_scene), -1), voxel.reshape(len(points_scene), -1)
        near = known & (distance[:, 0] < _MAX_DISTANCE_VOXELS * self.side_scene)
        return voxel.astype(np.int64), self._weights(distance), near

    def _weights(self, distance: Float[Values, "q k"]) -> Float[Values, "q k"]:
        """Inverse squared distances, of which each row adds up to 1."""
        weight: Any = 1 / (distance + 0.2 * self.side_scene) ** 2
        return weight / weight.sum(1)[:, None]

    def _search_on(self, device: torch.device) -> VoxelSearch:
        if device not in self._searches:
            self._searches[device] = VoxelSearch.of_voxels(self.centres_scene, self.side_scene, device)
        return self._searches[device]

    @cached_property
    def _searches(self) -> dict[torch.device, VoxelSearch]:
        return {}

    @cached_property
    def neighbour_pairs(self) -> Int64[np.ndarray, "e 2"]:
        """(E, 2) every two voxels whose centres are at most 1.8 sides apart, each pair once."""
        pairs = self._tree.query_pairs(_NEIGHBOUR_RADIUS_VOXELS * self.side_scene, output_type="ndarray")
        return pairs.astype(np.int64).reshape(-1, 2)

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.centres_scene)


def voxelise_surface(
    points_scene: Float[np.ndarray, "n 3"],
    rgb: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    view: Int64[np.ndarray, " n"],
    side_scene: float,
) -> SurfaceVoxels:
    """Sort surface points into voxels; voxels that only one picture shows are dropped, unless all are such.

    Args:
        points_scene: N finite points, scene frame.
        rgb: their colours in [0, 1].
        normals: unit, towards the camera that shows the point; 0 where not known.
        view: number of the picture that shows each point.
        side_scene: length of a voxel's edge, scene units.
    """
    grid = voxel_grid(points_scene, side_scene)
    views = int(view.max(initial=0)) + 1
    seen_by = np.bincount(np.unique(grid.of_point * views + view) // views, minlength=len(grid))
    kept = seen_by >= min(_MIN_VIEWS, views)
    if not kept.any():
        kept[:] = True
    voxel = np.where(kept, np.cumsum(kept) - 1, -1)[grid.of_point]
    point_counts = grid.count[kept]
    inside = voxel >= 0
    normal = _means(normals, voxel, point_counts)
    return SurfaceVoxels(
        side_scene=side_scene,
        centres_scene=_means(points_scene, voxel, point_counts),
        mean_rgb=_means(rgb, voxel, point_counts),
        normals=normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9),
        point_counts=point_counts,
        voxel_of_input=voxel,
        points_scene=points_scene[inside],
        points_rgb=rgb[inside],
        points_voxel=voxel[inside],
    )


def _means(
    values: Float[np.ndarray, "n 3"], voxel: Int64[np.ndarray, " n"], point_counts: Int64[np.ndarray, " v"]
) -> Float[np.ndarray, "v 3"]:
    """The mean of the points' values in each voxel."""
    inside = voxel >= 0
    sums = [np.bincount(voxel[inside], weights=row[inside], minlength=len(point_counts)) for row in values.T]
    return np.ascontiguousarray((np.stack(sums).reshape(3, len(point_counts)) / point_counts).T)
