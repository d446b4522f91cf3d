"""Groups by affinity: what must come out, in whatever order points are, and no leak where things touch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.groups import affinity
from langfield.groups.affinity import AffinityGroups, merged_regions


def groups_by_affinity(features, neighbours, **settings) -> AffinityGroups:
    """Of points that are too far apart to be together unless they are neighbours."""
    points = 1000.0 * np.arange(3 * len(features[0])).reshape(-1, 3)
    return affinity.groups_by_affinity(
        points, neighbours, [1.0 + s for s in range(len(features))], features, **settings
    )


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def chain(n: int) -> np.ndarray:
    return np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)


def grouped(parts: list[np.ndarray], noise: float, seed: int = 0) -> list[np.ndarray]:
    """Features at each scale of points whose group at it is given: an axis for each group, and noise."""
    rng = np.random.default_rng(seed)
    axes = max(int(part.max()) for part in parts) + 3
    return [unit(np.eye(axes)[part] + noise * rng.normal(size=(len(part), axes))) for part in parts]


PARTS = np.repeat(np.arange(6), 20)  # six parts
THINGS = np.repeat([0, 1, 2, 2], [40, 20, 30, 30])  # of two, one, and three parts
SETS = np.repeat([0, 1], [60, 60])


def test_a_hierarchy_comes_out_with_its_parents():
    groups = groups_by_affinity(grouped([PARTS, THINGS, SETS], 0.05), chain(120))
    assert np.array_equal(groups.labels[0], PARTS)
    # Part 2 is a thing by itself, and parts 3 to 5 are a thing that is a set by itself.
    assert np.array_equal(groups.labels[1], np.repeat([6, 2, 7], [40, 20, 60]))
    assert np.array_equal(groups.labels[2], np.repeat([8, 7], [60, 60]))
    assert groups.parent.tolist() == [6, 6, 8, 7, 7, 7, 8, -1, -1]
    assert groups.scales.tolist() == [[0, 0], [0, 0], [0, 1], [0, 0], [0, 0], [0, 0], [1, 1], [1, 2], [2, 2]]
    assert groups.members().sum(axis=1).tolist() == [20] * 6 + [40, 60, 60]


def check_laws(groups: AffinityGroups) -> None:
    members = groups.members().toarray() > 0
    assert len(members) == len(groups)
    for s, labels in enumerate(groups.labels):
        for group in np.unique(labels[labels >= 0]):
            assert np.array_equal(members[group], labels == group)
            assert groups.scales[group, 0] <= s <= groups.scales[group, 1]
    for group, parent in enumerate(groups.parent):
        larger = [g for g in range(len(groups)) if g != group and (members[group] <= members[g]).all()]
        if larger:
            assert members[parent].sum() == min(members[g].sum() for g in larger)
            assert members[parent].sum() > members[group].sum()
            assert (members[group] <= members[parent]).all()
        else:
            assert parent == -1


@given(seed=st.integers(0, 10_000), points=st.integers(1, 40), scales=st.integers(1, 4), least=st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_groups_are_nested_and_parents_are_the_smallest_that_contain(seed, points, scales, least):
    rng = np.random.default_rng(seed)
    features = [unit(rng.normal(size=(points, 3))) for _ in range(scales)]
    pairs = rng.integers(0, points, (3 * points, 2))
    groups = groups_by_affinity(features, pairs, threshold=float(rng.uniform(0.2, 1.5)), min_points=least)
    check_laws(groups)
    sizes = groups.members().sum(axis=1)
    assert (sizes >= least).all()


@given(seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_the_order_of_points_and_pairs_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    features, pairs = unit(rng.normal(size=(30, 3))), rng.integers(0, 30, (80, 2))
    plain = merged_regions(features, pairs, np.arange(30), 0.8)
    order = rng.permutation(30)  # the new point i is the old order[i]
    place = np.argsort(order)
    turned = merged_regions(features[order], place[rng.permutation(pairs)][:, ::-1], np.arange(30), 0.8)
    same, same_turned = plain[:, None] == plain, turned[place][:, None] == turned[place]
    assert np.array_equal(same, same_turned)


def by_loops(features: np.ndarray, pairs: np.ndarray, threshold: float) -> list[set[int]]:
    """The rounds of `merged_regions` over sets of points."""
    regions = [{i} for i in range(len(features))]
    touching = {frozenset(map(int, pair)) for pair in pairs if pair[0] != pair[1]}

    def mean(region: set[int]) -> np.ndarray:
        total = features[sorted(region)].sum(axis=0)
        return total / np.linalg.norm(total)

    while True:
        nearest: dict[int, tuple[float, int]] = {}
        for a, first in enumerate(regions):
            for b, second in enumerate(regions):
                if a != b and any(frozenset((i, j)) in touching for i in first for j in second):
                    apart = float(np.linalg.norm(mean(first) - mean(second)))
                    if apart < threshold:
                        nearest[a] = min(nearest.get(a, (np.inf, -1)), (apart, b))
        merging = [(a, b) for a, (_, b) in nearest.items() if a < b and nearest.get(b, (0, -1))[1] == a]
        if not merging:
            return regions
        for a, b in merging:
            regions[a] |= regions[b]
        gone = {b for _, b in merging}
        regions = [region for i, region in enumerate(regions) if i not in gone]


@pytest.mark.parametrize("seed", range(8))
def test_rounds_of_arrays_are_rounds_of_sets(seed):
    rng = np.random.default_rng(seed)
    features, pairs = unit(rng.normal(size=(25, 3))), rng.integers(0, 25, (60, 2))
    found = merged_regions(features, pairs, np.arange(25), 0.9)
    sets = {frozenset(np.flatnonzero(found == k).tolist()) for k in range(found.max() + 1)}
    assert sets == {frozenset(region) for region in by_loops(features, pairs, 0.9)}
    assert 1 < len(sets) < 25
    assert np.array_equal(np.unique(found, return_index=True)[1], np.sort(np.unique(found, return_index=True)[1]))


def test_what_blends_into_each_other_does_not_leak():
    """Two things whose features turn from one to the other in ten steps, each far below the threshold."""
    angle = np.concatenate([np.zeros(50), np.linspace(0, np.pi / 2, 10), np.full(50, np.pi / 2)])
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    steps = np.linalg.norm(np.diff(features, axis=0), axis=1)
    assert steps.max() < 0.2
    groups = groups_by_affinity([features], chain(110), min_points=10)
    assert len(groups) == 2
    assert (groups.labels[0][:50] == 0).all()
    assert (groups.labels[0][60:] == 1).all()


def test_small_regions_are_no_groups_until_they_have_grown():
    groups = groups_by_affinity(grouped([PARTS, THINGS], 0.0), chain(120), min_points=30)
    assert (groups.labels[0] == -1).all()
    assert groups.parent.tolist() == [-1, -1]
    assert (groups.labels[1][40:60] == -1).all()
    assert groups.scales.tolist() == [[1, 1], [1, 1]]


def test_points_without_neighbours_stay_alone():
    groups = groups_by_affinity([np.eye(3)[:1].repeat(4, axis=0)], np.zeros((0, 2), np.int64))
    assert groups.labels.tolist() == [[0, 1, 2, 3]]
    empty = groups_by_affinity([np.zeros((0, 3))], np.zeros((0, 2), np.int64))
    assert len(empty) == 0


def test_what_does_not_touch_may_be_a_group_at_a_scale_that_reaches_so_far():
    """Two clumps of one set, three apart, and one of another set between them."""
    x = np.concatenate([np.linspace(0, 0.9, 10) + start for start in (0.0, 3.0, 1.5)])
    points = np.stack([x, 0 * x, 0 * x], axis=1)
    clump, sets = np.repeat([0, 1, 2], 10), np.repeat([0, 0, 1], 10)
    pairs = np.concatenate([chain(10) + start for start in (0, 10, 20)])
    features = grouped([clump, sets, sets], 0.0)
    found = affinity.groups_by_affinity(points, pairs, [1.0, 2.9, 3.1], features, min_points=5)
    assert np.array_equal(found.labels[0], clump)
    assert np.array_equal(found.labels[1], clump)
    assert np.array_equal(found.labels[2], np.repeat([3, 3, 2], 10))
    assert found.parent.tolist() == [3, 3, -1, -1]
    single = affinity.groups_by_affinity(points, pairs, [3.1], features[1:2], min_points=11)
    assert len(single) == 0  # clumps are too small to be joined across space
