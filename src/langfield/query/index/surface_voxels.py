"""The surface of a scene as small cubes, and what relevancy becomes when neighbours that look alike say the same.

A crop that shows a mug and much table is about the mug, and so the table beside the mug lights up: relevancy of crops
is a blob, whatever field it is kept in. But the surface knows where a thing ends: where colour changes, and where it
meets what it stands on, for there the surface is concave (Stein et al. 2014, "Object partitioning using local
convexity"); and where self-supervised features change, in runs that hold some. Relevancy s becomes the x that minimises

    Σ_i λ_i (x_i − s_i)² + Σ_ij w_ij (x_i − x_j)²

over the cubes i and their neighbours j (weighted least squares; Farbman et al. 2008, eq. 2, on a graph in space), with
w_ij near 1 where neighbours have the same colour, nothing is concave between them, and their features differ no more
than most neighbours' do; near 0 otherwise. So a thing takes the mean of what is said all over it, and the table beside
it that of the table. λ_i is the same for all cubes of which something is said, and next to nothing for the others: they
take what their neighbours say, or the median of all where none is like them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.spatial import KDTree
from torch import Tensor

from langfield.core.voxels import voxel_grid
from langfield.query.index.smoothing import Smoother

ACCEPTED, INSIDE, FEWEST_CUBES = 0.6, 0.4, 8  # see `Surface.regions`
FEWEST_VIEWS = 2  # what one picture alone shows may not be there
_FAITHFUL, _UNSAID = 0.2, 2e-4  # λ, where something is said and where nothing is
_COLOUR = 0.1  # difference of colour, each channel in [0, 1], at which a weight falls to 1/e
_CONCAVE = 0.5  # likewise of the normals' difference along the line between two cubes
_DENSE = 3.0  # likewise of self-supervised features, in medians of all neighbours' differences
_LEAST_WEIGHT = 1e-5
_CORE = 0.7  # share of the way from the floor to a region's peak
_NUMBERS_AT_ONCE = 2**25
_REACH = 1.8  # cubes: neighbours share a face, an edge or a corner
_NEAREST = 4  # cubes that a point is read from
_AWAY = 2.5  # cubes: a point farther from all of them is not on this surface


@dataclass(frozen=True)
class Region:
    """A connected part of the surface that stands out.

    Attributes:
        cubes: which.
        core: those around its best cube that are nearly as good: where it is, if it reaches beyond a thing.
        peak: the highest value in it.
        floor: the value from which it rises.
    """

    cubes: Int64[np.ndarray, " k"]
    core: Int64[np.ndarray, " c"]
    peak: float
    floor: float


class Surface:
    """V cubes of space that at least two pictures show something in, and a graph of neighbours.

    Attributes:
        centres_scene: (V, 3) mean position of what is in each cube.
        of_point: (N,) each given point's cube, −1 for none.
        points_in_cubes: (V,) how many points.
        points_scene, rgb, cube: (M, 3), (M, 3), (M,) the given points that are in cubes, and which they are in.
        side_scene: of a cube.
    """

    def __init__(
        self,
        points_scene: Float[np.ndarray, "n 3"],
        rgb: Float[np.ndarray, "n 3"],
        normals: Float[np.ndarray, "n 3"],
        view: Int64[np.ndarray, " n"],
        side_scene: float,
    ) -> None:
        """Args: points_scene: finite. normals: unit, towards the camera. view: which picture each point is from."""
        grid = voxel_grid(points_scene, side_scene)
        cube, count = grid.of_point, grid.count
        views = int(view.max(initial=0)) + 1
        seen_by = np.bincount(np.unique(cube * views + view) // views, minlength=len(count))
        kept = seen_by >= min(FEWEST_VIEWS, views)
        if not kept.any():
            kept[:] = True
        self.side_scene = side_scene
        self._smoothers: dict[torch.device, Smoother] = {}
        self.of_point: Int64[np.ndarray, " n"] = np.where(kept, np.cumsum(kept) - 1, -1)[cube]
        self.points_in_cubes: Int64[np.ndarray, " v"] = count[kept]
        inside = self.of_point >= 0
        self.points_scene, self.rgb, self.cube = points_scene[inside], rgb[inside], self.of_point[inside]
        self.centres_scene = self.means(points_scene.T).T
        self._rgb = self.means(rgb.T).T
        normal = self.means(normals.T).T
        self._normals = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        self._dense: Float[np.ndarray, "v s"] | None = None
        self._said = np.ones(len(self), dtype=bool)

    def __len__(self) -> int:
        return len(self.points_in_cubes)

    def tell_apart_by(self, dense: Float[np.ndarray, "v s"] | None) -> None:
        """Take self-supervised features of the cubes, of any size and scale, as a further sign of where a thing ends:
        they are alike all over one thing, whatever its colours. None takes none."""
        self._dense = dense
        self._smoothers.clear()

    def listen_to(self, said: Bool[np.ndarray, " v"]) -> None:
        """Tell of which cubes anything is said: values of the others do not count in `smoothed`."""
        self._said = said
        self._smoothers.clear()

    def points_of(self, cubes: Int64[np.ndarray, " k"]) -> Float[np.ndarray, "m 3"]:
        """The given points that are in some of the cubes, in double precision."""
        return self.points_scene[np.isin(self.cube, cubes)].astype(np.float64)

    def nearest(self, points_scene: Float[np.ndarray, "m 3"], within_cubes: float) -> Int64[np.ndarray, " m"]:
        """The cube whose centre is nearest to each point; −1 where that is more than so many cube sides away."""
        if not len(self):
            return np.full(len(points_scene), -1)
        reach = within_cubes * self.side_scene
        _, cube = self._tree.query(points_scene, distance_upper_bound=reach, workers=-1)
        return np.where(cube < len(self), cube, -1).astype(np.int64)

    def means(self, values: Float[np.ndarray, "p n"]) -> Float[np.ndarray, "p v"]:
        """The mean in each cube of values at the points."""
        inside = self.of_point >= 0
        cube, size = self.of_point[inside], len(self)
        sums = [np.bincount(cube, weights=row[inside], minlength=size) for row in values]
        return np.stack(sums).reshape(len(values), size) / self.points_in_cubes

    @torch.no_grad()
    def smoothed(self, values: Float[Tensor, "p v"]) -> Float[Tensor, "p v"]:
        """See the module. Cost: up to 200 products of a sparse matrix (some 20 V entries) with P columns, on the
        device of the values."""
        if not len(self):
            return values
        if values.device not in self._smoothers:
            faithful = np.where(self._said, _FAITHFUL, _UNSAID)
            self._smoothers[values.device] = Smoother(self._laplacian(), faithful, values.device)
        if self._said.any() and not self._said.all():
            said = torch.from_numpy(self._said).to(values.device)
            values = torch.where(said, values, values[:, said].median(dim=1, keepdim=True).values)
        return self._smoothers[values.device](values.T.contiguous()).T

    def regions(
        self,
        values: Float[np.ndarray, " v"],
        *,
        accepted: float = ACCEPTED,
        inside: float = INSIDE,
        fewest_cubes: int = FEWEST_CUBES,
    ) -> list[Region]:
        """Where values stand out, best first; empty without cubes.

        The floor is 0.5, or less for what is nowhere well above that: half way from the median cube to the best. A
        region is what is connected by values above a share `inside` of the way from the floor to the best of all, if
        its own best is at least a share `accepted` of that way. Regions of fewer than `fewest_cubes` do not count,
        unless there is nothing else.
        """
        if not len(values):
            return []
        best = float(values.max())
        floor = min(0.5, (float(np.median(values)) + best) / 2)
        left = values >= floor + inside * (best - floor)
        found: list[Region] = []
        for seed in self._summits(values, floor + accepted * (best - floor)).tolist():
            if left[seed]:
                cubes = self._connected(left, seed)
                core = self._connected(left & (values >= floor + _CORE * (values[seed] - floor)), seed)
                found.append(Region(cubes, core, float(values[seed]), floor))
                left[cubes] = False
        large = [region for region in found if len(region.cubes) >= fewest_cubes]
        return large or found[:1]

    def read_at(self, points_scene: Float[np.ndarray, "m 3"]) -> tuple[csr_array, Bool[np.ndarray, " m"]]:
        """A matrix that reads values of the cubes at points, from the nearest few; and which points are near any."""
        cube, weight = self._weights_at(points_scene)
        row = np.repeat(np.arange(len(cube)), cube.shape[1])
        shape = (len(points_scene), len(self))
        return coo_array((weight.ravel(), (row, cube.ravel())), shape=shape).tocsr(), np.asarray(weight.any(axis=1))

    def _weights_at(
        self, points_scene: Float[np.ndarray, "m 3"]
    ) -> tuple[Int64[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
        """The nearest cubes of points, and how much each counts there; all 0 away from the surface."""
        if not len(self):
            return np.zeros((len(points_scene), 0), np.int64), np.zeros((len(points_scene), 0))
        known = np.asarray(np.isfinite(points_scene).all(axis=1))
        distance, cube = self._tree.query(np.where(known[:, None], points_scene, 0), k=min(_NEAREST, len(self)))
        distance, cube = distance.reshape(len(points_scene), -1), cube.reshape(len(points_scene), -1)
        weight = 1 / (distance + 0.2 * self.side_scene) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        near = known & (distance[:, 0] < _AWAY * self.side_scene)
        return cube.astype(np.int64), weight * near[:, None]

    # -- the graph -----------------------------------------------------------------------------------------------

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.centres_scene)

    @cached_property
    def _pairs(self) -> Int64[np.ndarray, "e 2"]:
        return self._tree.query_pairs(_REACH * self.side_scene, output_type="ndarray").astype(np.int64).reshape(-1, 2)

    def _laplacian(self) -> csr_array:
        i, j = self._pairs.T
        weight = self._alike(i, j) + _LEAST_WEIGHT
        shape = (len(self), len(self))
        half = coo_array((weight, (i, j)), shape=shape).tocsr()
        adjacent = half + half.T
        return csr_array(diags_array(adjacent.sum(axis=1)) - adjacent)

    def _alike(self, i: Int64[np.ndarray, " e"], j: Int64[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
        colour = np.linalg.norm(self._rgb[i] - self._rgb[j], axis=1)
        across = self.centres_scene[i] - self.centres_scene[j]
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
        concave = np.maximum(-((self._normals[i] - self._normals[j]) * across).sum(axis=1), 0)
        return np.exp(-((colour / _COLOUR) ** 2) - (concave / _CONCAVE) ** 2 - self._differing(i, j) ** 2)

    def _differing(self, i: Int64[np.ndarray, " e"], j: Int64[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
        """How much neighbours' self-supervised features differ, for the most part below 1; 0 without any."""
        if self._dense is None or not len(i):
            return np.zeros(len(i))
        parts = np.array_split(np.arange(len(i)), max(1, len(i) * self._dense.shape[1] // _NUMBERS_AT_ONCE))
        apart = np.concatenate([np.linalg.norm(self._dense[i[p]] - self._dense[j[p]], axis=1) for p in parts])
        return apart / max(_DENSE * float(np.median(apart)), 1e-9)

    @cached_property
    def _neighbours(self) -> csr_array:
        """Each cube's neighbours, as the columns of its row."""
        i, j = self._pairs.T
        both = np.concatenate([i, j]), np.concatenate([j, i])
        return coo_array((np.ones(2 * len(i), dtype=bool), both), shape=(len(self), len(self))).tocsr()

    def _summits(self, values: Float[np.ndarray, " v"], least: float) -> Int64[np.ndarray, " s"]:
        """Cubes that no neighbour is above, from `least` up, highest first."""
        start, column = self._neighbours.indptr, self._neighbours.indices
        around = np.maximum.reduceat(np.append(values[column], -np.inf), start[:-1])
        alone = np.diff(start) == 0  # reduceat gives these the value of another one's neighbour
        summits = np.nonzero((values >= least) & (alone | (values >= around)))[0]
        return summits[np.argsort(-values[summits], kind="stable")]

    def _connected(self, chosen: Bool[np.ndarray, " v"], seed: int) -> Int64[np.ndarray, " k"]:
        """The chosen cubes that the seed, one of them, is connected with, rising."""
        start, column = self._neighbours.indptr.astype(np.int64), self._neighbours.indices
        left = chosen.copy()
        left[seed] = False
        reached = [np.array([seed])]
        while len(reached[-1]):
            front = reached[-1]
            count = start[front + 1] - start[front]
            before = np.cumsum(count) - count
            around = column[np.repeat(start[front] - before, count) + np.arange(count.sum())]
            new = np.unique(around[left[around]])
            left[new] = False
            reached.append(new.astype(np.int64))
        return np.sort(np.concatenate(reached))


def normals_towards_camera(
    points: Float[np.ndarray, "h w 3"], eye: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "h w 3"]:
    """Unit normals of a surface given at each pixel, by central differences; 0 where it is not known or at a border."""
    across, down = np.zeros_like(points), np.zeros_like(points)
    with np.errstate(invalid="ignore"):
        across[:, 1:-1] = points[:, 2:] - points[:, :-2]
        down[1:-1] = points[2:] - points[:-2]
        normal = np.cross(across, down)
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        unit = np.where(np.isfinite(length) & (length > 0), normal / np.where(length > 0, length, 1), 0)
        unit = np.nan_to_num(unit)
        return unit * np.where(((points - eye) * unit).sum(axis=-1, keepdims=True) > 0, -1, 1)
