"""Masks of photos as a table, and what of them agrees: against plain sums, whatever fits the memory at once."""

import numpy as np
import pytest
import torch
from scipy import sparse
from tests.groups.made_scenes import Errors, made_photos, made_scene

from langfield.groups import agreement
from langfield.groups.agreement import (
    ONE,
    MaskTable,
    agreeing_masks,
    column_blocks,
    first_best,
    on_host,
    sample_voxels,
    visible_sizes,
)
from langfield.groups.base import Groups
from langfield.groups.consensus import find_groups, groups_of_masks
from langfield.groups.embeddings import masks_of_groups, mean_group_embeddings
from langfield.groups.incidence import Incidence


@pytest.fixture(scope="module")
def photos():
    return made_photos(made_scene(seed=3, thing_count=4, voxel=0.03), 8, Errors())


@pytest.fixture(scope="module")
def table(photos):
    return MaskTable.of_photos(photos)


@pytest.fixture(params=[2000, 2**23], ids=["little at once", "all at once"])
def cells_at_once(request, monkeypatch):
    monkeypatch.setitem(agreement.CELLS_AT_ONCE, "cpu", request.param)


def test_a_table_holds_what_at_least_half_is_inside(photos, table):
    solid = np.concatenate([photo.masks.toarray() >= 0.5 for photo in photos])
    np.testing.assert_array_equal(table.inside.dense().numpy(), solid)
    assert table.photo.bincount().tolist() == [photo.masks.shape[0] for photo in photos]
    large = table.of_size(20)
    np.testing.assert_array_equal(large.inside.dense().numpy(), solid[solid.sum(axis=1) >= 20])
    assert len(large.photo) == len(large) < len(table)


def test_a_table_of_sets_is_that_of_photos(photos, table):
    sets = [
        (Incidence.of_dense(torch.from_numpy(photo.masks.toarray() >= 0.5)), torch.from_numpy(photo.seen))
        for photo in photos
    ]
    other = MaskTable.of_sets(sets, table.quality)
    for name in ("photo", "seen_by", "weight"):
        assert torch.equal(getattr(other, name), getattr(table, name))
    assert torch.equal(other.inside.row, table.inside.row)
    assert torch.equal(other.inside.column, table.inside.column)


def test_a_sample_estimates_sizes(table):
    sample = sample_voxels(table, 40)
    whole, seen = table.inside.sizes.double(), visible_sizes(sample.inside, sample) / ONE
    estimate = seen[torch.arange(len(table)), sample.photo]
    assert len(sample.seen_by) < 0.8 * int((table.inside.dense().any(dim=0)).sum())
    large = whole >= 40
    assert ((estimate / whole)[large] - 1).abs().max() < 0.3


@pytest.mark.usefixtures("cells_at_once")
@pytest.mark.parametrize("sampled", [False, True])
def test_visible_sizes_are_sums_over_what_a_photo_sees(table, sampled):
    used = sample_voxels(table, 30) if sampled else table
    expected = (used.inside.dense() * used.weight).double() @ used.seen_by.double()
    assert torch.equal(visible_sizes(used.inside, used), expected)


@pytest.mark.usefixtures("cells_at_once")
def test_the_mask_that_agrees_most_of_each_photo_is_found(table):
    sample = sample_voxels(table, 30)
    found = agreeing_masks(sample, 0.4, 0.25).toarray()
    np.testing.assert_array_equal(found, agreeing_by_loops(sample, 0.4, 0.25))


def agreeing_by_loops(table: MaskTable, min_iou: float, min_visible: float) -> np.ndarray:
    inside, seen, photo = table.inside.dense().numpy(), table.seen_by.numpy(), table.photo.numpy()
    weight = table.weight.numpy()
    best = np.zeros((len(table), len(table)))
    for i in range(len(table)):
        for f in range(table.photo_total):
            top, where = 0.0, -1
            for j in np.flatnonzero(photo == f):
                both = seen[:, photo[i]] & seen[:, f]
                one, other = inside[i] & both, inside[j] & both
                common, union = weight[one & other].sum(), weight[one | other].sum()
                enough = weight[one].sum() >= min_visible * weight[inside[i]].sum()
                enough &= weight[other].sum() >= min_visible * weight[inside[j]].sum()
                iou = common / max(union, 1)
                if enough and iou >= min_iou and iou > top:
                    top, where = iou, j
            if where >= 0:
                best[i, where] = top
    return best


@pytest.mark.usefixtures("cells_at_once")
def test_groups_do_not_depend_on_what_fits_the_memory(photos, table, monkeypatch):
    found = groups_of_masks(table).arrays()
    monkeypatch.setitem(agreement.CELLS_AT_ONCE, "cpu", 10**5)
    for name, values in find_groups(photos).arrays().items():
        np.testing.assert_array_equal(found[name], values)


def test_blocks_of_columns_cover_each_once():
    blocks = list(column_blocks(10**6, 50, torch.device("cpu")))
    assert [column for block in blocks for column in range(50)[block]] == list(range(50))
    assert len(blocks) > 1


def test_of_equal_ones_the_first_is_best():
    key = torch.tensor([0, 0, 2, 2, 2, 3])
    value = torch.tensor([0.5, 0.7, 0.9, 0.1, 0.9, 0.2], dtype=torch.float64)
    assert first_best(key, value, 5).tolist() == [1, 2, 5]
    assert first_best(key[:0], value[:0], 5).tolist() == []


def test_entries_become_a_matrix():
    row, column, value = torch.tensor([0, 2, 2]), torch.tensor([3, 0, 1]), torch.tensor([0.5, 1.0, 2.0])
    expected = np.array([[0, 0, 0, 0.5], [0, 0, 0, 0], [1, 2, 0, 0]])
    np.testing.assert_array_equal(on_host(row, column, value, (3, 4)).toarray(), expected)


def test_a_group_looks_like_the_masks_that_are_of_it():
    """Two photos; in the second half of the group is seen, and one mask is of something else."""
    masks = torch.tensor([[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1], [1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 1, 1]]) > 0
    seen = torch.tensor([[1, 1], [1, 1], [1, 0], [1, 0], [1, 1], [1, 1]]) > 0
    table = MaskTable(
        Incidence.of_dense(masks), torch.tensor([0, 0, 1, 1]), seen, torch.full((6,), ONE), np.ones(4)
    )  # fmt: skip
    members = sparse.csr_matrix(np.array([[0.9, 0.9, 0.6, 0.9, 0.2, 0], [0, 0, 0, 0, 0, 0.1]], dtype=np.float32))
    none = np.full(2, -1)
    groups = Groups(members, none, none, none, np.ones(2, np.float32))
    found = mean_group_embeddings(masks_of_groups(table, groups), np.eye(4, dtype=np.float16))
    expected = np.array([1.0, 0, 0.5, 0]) / np.sqrt(1.25)  # the second photo shows half of it
    np.testing.assert_allclose(found, [expected, np.zeros(4)], atol=1e-3)
