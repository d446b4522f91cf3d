"""Regions: where values are high on a surface."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.query.index.surfaces import table, thing

from langfield.query.index.regions import Region, adjacency, find_regions
from langfield.query.index.surface_voxels import SurfaceVoxels


def regions(voxels: SurfaceVoxels, values: np.ndarray, **options) -> list[Region]:
    return find_regions(values, adjacency(voxels.neighbour_pairs, len(voxels)), **options)


def test_two_things_are_two_regions_best_first_and_where_they_are():
    voxels, centres = table()
    values = np.maximum(thing(centres, -0.5, 0.5, 0.8), thing(centres, 0.5, 0, 0.9))
    found = regions(voxels, values)
    assert [region.peak for region in found] == [0.9, 0.8]
    for region, middle in zip(found, ([0.5, 0], [-0.5, 0.5]), strict=True):
        np.testing.assert_allclose(centres[region.voxels, :2].mean(axis=0), middle, atol=0.03)
        assert set(values[region.voxels]) == {region.peak}
        assert region.floor == 0.5


def test_a_second_thing_far_below_the_best_and_a_speck_do_not_count():
    voxels, centres = table()
    values = np.maximum(thing(centres, -0.5, 0.5, 0.6), thing(centres, 0.5, 0, 0.9))
    values[np.argmin(np.hypot(centres[:, 0] + 0.8, centres[:, 1] + 0.8))] = 0.95
    found = regions(voxels, values)
    assert [region.peak for region in found] == [0.9]
    assert len(regions(voxels, values, peak_share=0.2, grow_share=0.2)) == 2


def test_what_passes_half_nowhere_has_a_lower_floor_and_a_speck_is_better_than_nothing():
    voxels, centres = table()
    low = regions(voxels, thing(centres, 0.5, 0, 0.45))
    assert len(low) == 1
    assert low[0].floor == pytest.approx((0.3 + 0.45) / 2)
    speck = np.full(len(voxels), 0.3)
    speck[7] = 0.8
    assert regions(voxels, speck)[0].voxels.tolist() == [7]


def test_the_core_of_a_region_is_what_is_nearly_as_good_around_its_best():
    voxels, centres = table()
    near, far = (np.hypot(centres[:, 0] - x, centres[:, 1]) < 0.1 for x in (0.35, 0.65))
    values = np.where(far, 0.88, np.where(near, 0.9, thing(centres, 0.5, 0, 0.7)))  # 0.2 / 0.4 is less than 0.7
    (region,) = regions(voxels, values)
    assert set(values[region.voxels]) == {0.7, 0.88, 0.9}
    assert region.core.tolist() == np.flatnonzero(near).tolist()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_regions_share_nothing_and_miss_no_good_place(seed: int):
    voxels, centres = table()
    rng = np.random.default_rng(seed)
    bumps = rng.uniform(-0.9, 0.9, (4, 2)), rng.uniform(0.5, 1, 4)
    values = 0.3 * np.ones(len(voxels))
    for (x, y), height in zip(*bumps, strict=True):
        values = np.maximum(values, height * np.exp(-((centres[:, 0] - x) ** 2 + (centres[:, 1] - y) ** 2) / 0.1))
    found = regions(voxels, values, min_voxels=1)
    covered = np.concatenate([region.voxels for region in found])
    assert len(covered) == len(set(covered.tolist()))
    best, floor = values.max(), found[0].floor
    assert set(np.flatnonzero(values >= floor + 0.6 * (best - floor)).tolist()) <= set(covered.tolist())
    for region in found:
        assert set(region.core.tolist()) <= set(region.voxels.tolist())
        assert values[region.core].max() == region.peak == values[region.voxels].max()
