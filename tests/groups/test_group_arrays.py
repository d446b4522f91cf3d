"""`Groups` as named arrays and back."""

import numpy as np
import pytest
from scipy import sparse

from langfield.core.errors import DataError
from langfield.groups import Groups


@pytest.fixture
def groups():
    members = sparse.csr_matrix(np.array([[1, 0.6, 0.2, 0], [0.9, 0, 0, 0]], dtype=np.float32))
    counts = np.array([9, 4])
    return Groups(members, np.array([-1, 0]), counts, counts + 1, np.array([0.9, 0.8], dtype=np.float32))


def test_groups_come_back_from_their_arrays(groups):
    again = Groups.from_arrays(groups.arrays())
    np.testing.assert_array_equal(again.members.toarray(), groups.members.toarray())
    for name in ("parent", "photo_count", "visible_count", "support"):
        np.testing.assert_array_equal(getattr(again, name), getattr(groups, name))
    assert again.voxel_count == 4


def test_the_rim_is_not_solid(groups):
    assert list(groups.voxels_of(0)) == [0, 1]
    np.testing.assert_array_equal(groups.solid().toarray(), [[1, 1, 0, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize("name", ["member_share", "parent", "voxel_count"])
def test_missing_arrays_are_named(groups, name):
    arrays = groups.arrays()
    del arrays[name]
    with pytest.raises(DataError, match=name):
        Groups.from_arrays(arrays)


@pytest.mark.parametrize(
    "damage",
    [
        {"member_voxel": np.array([0, 1, 9, 0])},
        {"member_start": np.array([0, 4])},
        {"parent": np.array([-1, 2])},
        {"photo_count": np.array([1])},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(groups, damage):
    with pytest.raises(DataError, match="do not fit together"):
        Groups.from_arrays(groups.arrays() | damage)
