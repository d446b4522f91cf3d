"""Which group a region of high relevancy becomes."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from langfield.query.index.grouped_surface import GroupedSurface
from langfield.query.index.regions import Region

SIDE = 10  # voxels in a row; two things of four side by side, and a table of all


def surface() -> GroupedSurface:
    share = np.zeros((3, SIDE))
    share[0, 1:5] = 1
    share[1, 5:9] = 1
    share[2] = 1 - share[:2].sum(0)
    return GroupedSurface(csr_matrix(share), np.ones(SIDE))


def region(voxels: list[int], peak: float = 0.9) -> Region:
    numbers = np.array(voxels, dtype=np.int64)
    return Region(voxels=numbers, core=numbers, peak=peak, floor=0.5)


def relevancy(**heights: float) -> np.ndarray:
    out = np.full(SIDE, 0.5)
    for name, height in heights.items():
        out[int(name[1:])] = height
    return out


def test_a_region_becomes_the_group_that_fits_best():
    values = relevancy(v1=0.9, v2=0.9, v3=0.9, v4=0.8, v5=0.6)
    (found,) = surface().explained([region([1, 2, 3, 4, 5])], values)
    assert found.group == 0
    assert found.voxels.tolist() == [1, 2, 3, 4]


def test_of_two_regions_on_one_thing_the_first_stays():
    values = relevancy(v1=0.9, v2=0.9, v3=0.85, v4=0.85)
    found = surface().explained([region([1, 2]), region([3, 4], 0.85)], values)
    assert [one.group for one in found] == [0]


def test_a_region_between_equal_things_becomes_the_one_that_no_other_region_is_about():
    """Its blob covers both things alike, the first a little more, which another region is about already."""
    values = relevancy(v1=0.9, v2=0.9, v3=0.9, v4=0.9, v5=0.87, v6=0.87, v7=0.87, v8=0.87)
    blob = [1, 2, 3, 4, 5, 6, 7, 8]
    fits = surface().fits(region(blob), values)
    assert fits[0] > fits[1] > 0.8 * fits[0]
    found = surface().explained([region(blob), region(blob, 0.89)], values)
    assert [one.group for one in found] == [0, 1]
    assert len(surface().explained([region(blob)] * 3, values)) == 2


def test_a_region_that_no_group_explains_stays_as_it_is():
    values = relevancy(v0=0.9, v9=0.6)
    lone = region([0])
    (found,) = GroupedSurface(csr_matrix((0, SIDE)), np.ones(SIDE)).explained([lone], values)
    assert found is lone


def test_two_fragments_of_one_thing_are_one_hit_beside_a_neighbour_that_fits_less():
    """The second fragment reaches into the neighbour by a voxel."""
    values = relevancy(v1=0.9, v2=0.9, v3=0.8, v4=0.8, v5=0.62)
    found = surface().explained([region([1, 2]), region([3, 4, 5], 0.8)], values)
    assert [one.group for one in found] == [0]


def test_no_group_that_explains_too_little_takes_the_place_of_the_best(monkeypatch: pytest.MonkeyPatch):
    """The best has a fit of .22, the neighbour .19: more than .8 of it, but less than the least."""
    monkeypatch.setattr(GroupedSurface, "fits", lambda self, region, relevancy: np.array([0.22, 0.19, 0.0]))
    found = surface().explained([region([1]), region([2])], relevancy(v1=0.9))
    assert [one.group for one in found] == [0]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_regions_keep_their_order(order: list[int]):
    both = [region([1, 2, 3, 4]), region([5, 6, 7, 8], 0.8)]
    values = relevancy(v1=0.9, v2=0.9, v3=0.9, v4=0.9, v5=0.8, v6=0.8, v7=0.8, v8=0.8)
    found = surface().explained([both[number] for number in order], values)
    assert [one.group for one in found] == order
