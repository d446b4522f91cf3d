"""Affinity features of surface points → groups at several scales, each scale's groups made of the smaller scale's.

At each scale, regions of neighbouring points are merged as long as two that touch have mean features nearer than a
threshold, nearest pairs first. Features blend into each other where things touch, in small steps; means of regions do
not, so nothing leaks from one thing into the next as it would if single points were linked (what HDBSCAN guards against
in GARField, Kim et al. 2024, §3.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

_NUMBERS_AT_ONCE = 2**25


@dataclass(frozen=True)
class AffinityGroups:
    """G groups of N points at S rising scales: at each scale they do not overlap, and larger scales only join them.

    Groups are numbered by the scale that they appear at, and within it by their first point.

    Attributes:
        labels: (S, N) the group of each point at each scale; −1 where it is in none that is large enough.
        parent: (G,) the smallest group that contains each and is larger; −1 for none.
        scales: (G, 2) first and last of the scales, by number, at which each is there.
    """

    labels: Int64[np.ndarray, "s n"]
    parent: Int64[np.ndarray, " g"]
    scales: Int64[np.ndarray, "g 2"]

    def __len__(self) -> int:
        return len(self.parent)

    def members(self) -> csr_array:
        """(G, N) float32: 1 where the group contains the point."""
        scale, point = np.nonzero(self.labels >= 0)
        group = self.labels[scale, point]
        first = scale == self.scales[group, 0]
        ones = np.ones(int(first.sum()), np.float32)
        return csr_array((ones, (group[first], point[first])), shape=(len(self), self.labels.shape[1]))


def groups_by_affinity(
    points_scene: Float[np.ndarray, "n 3"],
    neighbours: Int64[np.ndarray, "e 2"],
    scales_scene: Sequence[float],
    features: Sequence[Float[np.ndarray, "n c"]],
    threshold: float = 0.5,
    min_points: int = 1,
) -> AffinityGroups:
    """The groups that affinity makes of points, at each of some scales. Deterministic.

    At each scale regions that touch are merged first; then also those that do not, if they are large enough and their
    middles are no farther apart than the scale, as the plates of a pile or the cups of a set are.

    Args:
        points_scene: positions of N points of the surface, scene units.
        neighbours: E pairs of points that touch.
        scales_scene: rising, scene units.
        features: at each scale, the points' unit affinity features (`Model.affinity_features`).
        threshold: regions whose mean features are at least so far apart are not merged: half of the margin that the
            features were learnt with.
        min_points: smaller regions are no groups; they may grow to some at a larger scale.

    Cost: some tens of rounds for the first scale, each with a distance for every pair of regions that touch, which
    halve or so from round to round; little for the others.
    """
    region, regions = np.arange(len(points_scene)), []
    for scale, at_scale in zip(scales_scene, features, strict=True):
        region = merged_regions(at_scale, neighbours, region, threshold)
        across = _near_regions(points_scene, region, scale, min_points)
        region = merged_regions(at_scale, np.concatenate([neighbours, across]), region, threshold)
        regions.append(region)
    return _numbered(np.array(regions, np.int64).reshape(len(regions), len(points_scene)), min_points)


def merged_regions(
    features: Float[np.ndarray, "n c"],
    neighbours: Int64[np.ndarray, "e 2"],
    region: Int64[np.ndarray, " n"],
    threshold: float,
) -> Int64[np.ndarray, " n"]:
    """Regions merged until no two that touch have mean directions less than `threshold` apart.

    In a round, every two regions merge that are nearest to each other; of equal distances, the pair with the lower
    numbers counts as nearer.

    Args:
        features: unit features of N points.
        neighbours: E pairs of points that touch.
        region: (N,) the region of each point at first: numbers from 0 without gaps.

    Returns the region of each point, numbered by first points.
    """
    count = int(region.max(initial=-1)) + 1
    members = csr_array((np.ones(len(region)), (region, np.arange(len(region)))), shape=(count, len(region)))
    sums = members @ features.astype(np.float64)
    pairs = _between(neighbours, region, count)
    while len(pairs):
        distance = _distances(sums, pairs)
        chosen = pairs[_mutually_nearest(pairs, np.where(distance < threshold, distance, np.inf), count)]
        if not len(chosen):
            break
        joined = csr_array((np.ones(len(chosen)), (chosen[:, 0], chosen[:, 1])), shape=(count, count))
        fewer, merged = connected_components(joined, directed=False)
        sums = csr_array((np.ones(count), (merged, np.arange(count))), shape=(fewer, count)) @ sums
        region, pairs, count = merged[region].astype(np.int64), _between(pairs, merged, fewer), fewer
    return _by_first_point(region)


def _between(pairs: Int64[np.ndarray, "e 2"], region: Int[np.ndarray, " n"], count: int) -> Int64[np.ndarray, "p 2"]:
    """The pairs of different regions that pairs of points connect, each once, lower number first, sorted."""
    ends = np.sort(region[pairs].astype(np.int64).reshape(-1, 2), axis=1)
    keys = np.unique(ends[ends[:, 0] != ends[:, 1]] @ np.array([count, 1], np.int64))
    return np.stack([keys // max(count, 1), keys % max(count, 1)], axis=1)


def _distances(sums: Float[np.ndarray, "k c"], pairs: Int64[np.ndarray, "p 2"]) -> Float[np.ndarray, " p"]:
    """Distances of the regions' mean directions."""
    unit = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    parts = np.array_split(pairs, max(1, len(pairs) * sums.shape[1] // _NUMBERS_AT_ONCE))
    return np.concatenate([np.linalg.norm(unit[part[:, 0]] - unit[part[:, 1]], axis=1) for part in parts])


def _mutually_nearest(
    pairs: Int64[np.ndarray, "p 2"], distance: Float[np.ndarray, " p"], count: int
) -> Int64[np.ndarray, " m"]:
    """The pairs, by index, of finite distance of which each region is the other's nearest."""
    order = np.argsort(distance, kind="stable")  # pairs are sorted: of equal ones the lower come first
    order = order[np.isfinite(distance[order])]
    place = np.full(count, len(order))  # of each region's nearest pair in the order
    for end in (0, 1):
        np.minimum.at(place, pairs[order, end], np.arange(len(order)))
    mine = np.arange(len(order))
    return order[(place[pairs[order, 0]] == mine) & (place[pairs[order, 1]] == mine)]


def _near_regions(
    points_scene: Float[np.ndarray, "n 3"], region: Int64[np.ndarray, " n"], scale_scene: float, min_points: int
) -> Int64[np.ndarray, "p 2"]:
    """Pairs of points, one for each pair of large enough regions whose middles are no farther apart than the scale."""
    size, first = np.bincount(region), np.unique(region, return_index=True)[1]
    middle = np.stack([np.bincount(region, axis, len(size)) for axis in points_scene.T], axis=1)
    large = np.flatnonzero(size >= min_points)
    if not len(large):
        return np.zeros((0, 2), np.int64)
    tree = KDTree(middle[large] / size[large, None])
    pairs = tree.query_pairs(scale_scene, output_type="ndarray").reshape(-1, 2)
    return first[large[pairs]].astype(np.int64)


def _by_first_point(region: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """The same regions, numbered in the order of their first points."""
    _, first, inverse = np.unique(region, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def _numbered(regions: Int64[np.ndarray, "s n"], min_points: int) -> AffinityGroups:
    """Nested regions of each scale as groups: a region that is the same at the next scale is one group."""
    labels = np.full(regions.shape, -1, np.int64)
    first_scale = np.zeros(0, np.int64)
    for s, region in enumerate(regions):
        size, first_point = np.bincount(region), np.unique(region, return_index=True)[1]
        group = np.full(len(size), -1, np.int64)
        if s:
            before = regions[s - 1][first_point]
            unchanged = np.bincount(regions[s - 1])[before] == size
            group[unchanged] = labels[s - 1][first_point[unchanged]]
        new = (group < 0) & (size >= min_points)
        group[new] = len(first_scale) + np.arange(int(new.sum()))
        first_scale = np.concatenate([first_scale, np.full(int(new.sum()), s, np.int64)])
        labels[s] = group[region]
    parent, scales = np.full(len(first_scale), -1, np.int64), np.stack([first_scale, first_scale], axis=1)
    for s, (smaller, larger) in enumerate(pairwise(labels), start=1):
        scales[larger[larger >= 0], 1] = s
        joined = (smaller >= 0) & (smaller != larger)
        parent[smaller[joined]] = larger[joined]
    return AffinityGroups(labels, parent, scales)
