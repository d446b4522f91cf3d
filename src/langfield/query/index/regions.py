"""Connected regions of the surface's voxels where values are high: what becomes the hits of an answer."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy.sparse import coo_array, csr_array

# Shares of the way from the floor to the highest value of all; see `find_regions`.
PEAK_SHARE = 0.6
GROW_SHARE = 0.4
MIN_VOXELS = 8
_CORE_SHARE = 0.7  # of the way from the floor to the region's own peak


@dataclass(frozen=True)
class Region:
    """A connected set of voxels with high values.

    Attributes:
        voxels: (K,) which, rising.
        core: (C,) those connected with its best voxel by values above 70 % of the way from the floor to the peak. Their
            middle is the region's position: a region may reach over the thing's border.
        peak: the highest value in it.
        floor: the value from which heights are counted.
        group: the group of the surface that explains it (`langfield.query.index.grouped_surface`); None for none.
    """

    voxels: Int64[np.ndarray, " k"]
    core: Int64[np.ndarray, " c"]
    peak: float
    floor: float
    group: int | None = None


def adjacency(pairs: Int64[np.ndarray, "e 2"], voxels: int) -> csr_array:
    """The symmetric (V, V) matrix that is true for neighbours. Args: pairs: each two neighbours once; voxels: V."""
    i, j = pairs.T
    both = np.concatenate([i, j]), np.concatenate([j, i])
    return coo_array((np.ones(2 * len(i), dtype=bool), both), shape=(voxels, voxels)).tocsr()


def find_regions(
    values: Float[np.ndarray, " v"],
    neighbours: csr_array,
    *,
    peak_share: float = PEAK_SHARE,
    grow_share: float = GROW_SHARE,
    min_voxels: int = MIN_VOXELS,
    median: float | None = None,
) -> list[Region]:
    """Grow regions from local maxima, highest first; none without voxels.

    The floor is 0.5 (no negative phrase wins), or less where values are low: half way from the median voxel to the
    highest. A region is connected by values of at least floor + grow_share · (highest − floor), and its own peak is at
    least floor + peak_share · (highest − floor). Regions share no voxel.

    Args:
        values: relevancy of V voxels.
        neighbours: see `adjacency`.
        min_voxels: smaller regions are dropped, unless all are smaller: then the best one stays.
        median: of the values that count as known; None for all of them.
    """
    if not len(values):
        return []
    highest = float(values.max())
    floor = min(0.5, ((float(np.median(values)) if median is None else median) + highest) / 2)
    left = values >= floor + grow_share * (highest - floor)
    regions: list[Region] = []
    for seed in _local_maxima(values, neighbours, floor + peak_share * (highest - floor)).tolist():
        if left[seed]:
            voxels = _connected(left, neighbours, seed)
            above_core = values >= floor + _CORE_SHARE * (values[seed] - floor)
            core = _connected(left & above_core, neighbours, seed)
            regions.append(Region(voxels, core, float(values[seed]), floor))
            left[voxels] = False
    large = [region for region in regions if len(region.voxels) >= min_voxels]
    return large or regions[:1]


def _local_maxima(values: Float[np.ndarray, " v"], neighbours: csr_array, least: float) -> Int64[np.ndarray, " s"]:
    """Voxels of at least `least` that no neighbour exceeds, highest first."""
    high = np.nonzero(values >= least)[0]
    around, count = _neighbours_of(high, neighbours)
    owner = np.repeat(np.arange(len(high)), count)
    exceeded = np.zeros(len(high), dtype=np.bool_)
    exceeded[owner[values[around] > values[high][owner]]] = True
    maxima = high[~exceeded]
    return maxima[np.argsort(-values[maxima], kind="stable")]


def _neighbours_of(
    nodes: Int64[np.ndarray, " n"], neighbours: csr_array
) -> tuple[Int64[np.ndarray, " e"], Int64[np.ndarray, " n"]]:
    """The neighbours of some nodes, one node's after another's; and how many each has."""
    start, end = neighbours.indptr[nodes].astype(np.int64), neighbours.indptr[nodes + 1]
    count = end - start
    before = np.cumsum(count) - count
    return neighbours.indices[np.repeat(start - before, count) + np.arange(count.sum())].astype(np.int64), count


def _connected(chosen: Bool[np.ndarray, " v"], neighbours: csr_array, seed: int) -> Int64[np.ndarray, " k"]:
    """The chosen voxels that are connected with the seed (one of them) through chosen ones, rising; breadth first."""
    left = chosen.copy()
    left[seed] = False
    reached = [np.array([seed])]
    while len(reached[-1]):
        around, _ = _neighbours_of(reached[-1], neighbours)
        new = np.unique(around[left[around]])
        left[new] = False
        reached.append(new.astype(np.int64))
    return np.sort(np.concatenate(reached))
