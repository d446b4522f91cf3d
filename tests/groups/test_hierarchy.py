"""Which candidates are needed, which groups cannot be, and how a partition is chosen from a hierarchy."""

import numpy as np
import pytest
from scipy import sparse

from langfield.groups import Groups, things
from langfield.groups.hierarchy import drop_crossing, only_groups, parents_of
from langfield.groups.selection import needed_groups


def rows(*voxels, width=30):
    matrix = np.zeros((len(voxels), width), dtype=np.float32)
    for row, members in zip(matrix, voxels, strict=True):
        row[list(members)] = 1
    return sparse.csr_matrix(matrix)


def groups_of(members, support):
    counts = np.full(len(support), 10)
    return Groups(members, parents_of(members), counts, counts, np.array(support, dtype=np.float32))


def test_a_parent_is_the_smallest_group_around():
    members = rows(range(20), range(5), range(12), range(25, 30))
    assert list(parents_of(members)) == [-1, 2, 0, -1]


def test_groups_of_the_same_voxels_are_no_circle():
    assert list(parents_of(rows(range(5), range(5)))) == [1, -1]


def test_a_poor_group_across_the_border_of_a_good_one_goes():
    members = rows(range(10), range(5, 15))
    assert list(drop_crossing(members, np.array([0.9, 0.3]))) == [0]
    assert list(drop_crossing(members, np.array([0.9, 0.8]))) == [0, 1]


def test_a_large_group_stays_where_a_small_one_reaches_into_it():
    members = rows(range(25), range(23, 27))
    assert list(drop_crossing(members, np.array([0.3, 0.9]))) == [0, 1]


def test_a_candidate_between_a_thing_and_its_part_is_not_needed():
    thing, part, mixture = [0.9] * 5 + [0.5] * 5, [0.5] * 5 + [0.9] * 5, [0.8] * 10
    fit = sparse.csr_matrix(np.array([mixture, thing, part], dtype=np.float32))
    assert list(needed_groups(fit, unexplained=0.4, min_gain=0.1, min_masks=3)) == [1, 2]


def test_a_double_goes_and_its_like_stays():
    fit = sparse.csr_matrix(np.array([[0.8] * 6, [0.81] * 6], dtype=np.float32))
    assert list(needed_groups(fit, unexplained=0.4, min_gain=0.1, min_masks=3)) == [1]


def test_a_candidate_of_too_few_masks_goes():
    fit = sparse.csr_matrix(np.array([[0.9, 0.9, 0, 0, 0], [0, 0, 0.9, 0.9, 0.9]], dtype=np.float32))
    assert list(needed_groups(fit, unexplained=0.4, min_gain=0.1, min_masks=3)) == [1]


@pytest.mark.parametrize(("support", "chosen"), [(0.8, {0}), (0.3, {1, 2})])
def test_a_whole_is_the_thing_unless_its_parts_are_much_better_supported(support, chosen):
    groups = groups_of(rows(range(20), range(10), range(10, 19)), [support, 0.9, 0.9])
    assert set(things(groups)[:19].tolist()) == chosen


def test_a_voxel_of_two_things_goes_to_the_one_that_more_photos_put_it_in():
    members = np.zeros((2, 12), dtype=np.float32)
    members[0, :6], members[1, 6:] = 1, 1
    members[0, 6], members[1, 5] = 0.6, 0.9
    labels = things(groups_of(sparse.csr_matrix(members), [0.9, 0.9]))
    assert labels.tolist() == [0] * 6 + [1] * 6


def test_some_groups_have_parents_among_themselves():
    members = sparse.csr_matrix(np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]], dtype=np.float32))
    numbers = np.array([9, 8, 7])
    groups = Groups(members, parents_of(members), numbers, numbers + 1, np.array([0.9, 0.8, 0.7], np.float32))
    assert groups.parent.tolist() == [-1, 0, 1]
    kept = only_groups(groups, np.array([True, False, True]))
    assert kept.parent.tolist() == [-1, 0]
    assert kept.photo_count.tolist() == [9, 7]
    np.testing.assert_array_equal(kept.members.toarray(), members.toarray()[[0, 2]])
