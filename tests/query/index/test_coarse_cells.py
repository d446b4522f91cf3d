"""Cells: what of the surface lies in a place, and that what nobody observed counts nowhere."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.query.index.coarse_cells import CoarseCells

CENTRES = np.array([[0.05, 0, 0], [0.06, 0, 0], [-0.05, 0, 0], [0.95, 0.95, -0.95], [0.96, 0.96, -0.96]])


def every_voxel(levels: int = 1, voxels: int = 5) -> torch.Tensor:
    return torch.ones(levels, voxels, dtype=torch.bool)


def test_means_are_the_same_as_counting_by_hand():
    cells = CoarseCells(CENTRES, np.array([1, 3, 1, 2, 2]), every_voxel(), 0.1)
    assert len(cells) == 3
    means = cells.means(torch.tensor([[0.6, 0.8, 0.99, 0.75, 0.77], [1.0, 0, 0, 0, 0]]), 0).sort(dim=1).values
    torch.testing.assert_close(means[0], torch.tensor([(0.6 + 3 * 0.8) / 4, (0.75 + 0.77) / 2, 0.99]))
    torch.testing.assert_close(means[1], torch.tensor([0, 0, 0.25]))


def test_a_perfect_match_is_one_beside_a_voxel_that_nobody_observed():
    observed = every_voxel(2)
    observed[:, 1] = False  # shares a cell with the first
    observed[0, 3:] = False  # a cell of which the first level says nothing
    cells = CoarseCells(CENTRES, np.array([1, 3, 1, 2, 2]), observed, 0.1)
    values = torch.tensor([[0.99995, 0.0, 0.2, 0.7, 0.9]])
    assert sorted(cells.means(values, 0)[0].tolist()) == [-np.inf, np.float32(0.2), np.float32(0.99995)]
    torch.testing.assert_close(cells.means(values, 1)[0].sort().values, torch.tensor([0.2, 0.8, 0.99995]))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(0, 30))
def test_voxels_that_nobody_observed_change_no_mean(seed: int, unseen: int):
    """Any number of them, anywhere, with any points: cells and their means are bit for bit those without them."""
    rng = np.random.default_rng(seed)
    centres, counts = rng.uniform(-1, 1, (20 + unseen, 3)), rng.integers(1, 9, 20 + unseen)
    observed = torch.from_numpy(rng.random((3, 20 + unseen)) < 0.6)
    observed[:, 20:] = False
    order = rng.permutation(20 + unseen)
    seen_order = order[order < 20]
    values = torch.from_numpy(rng.random((2, 20 + unseen))).float()
    mixed = CoarseCells(centres[order], counts[order], observed[:, order], 0.7)
    alone = CoarseCells(centres[seen_order], counts[seen_order], observed[:, seen_order], 0.7)
    for level in range(3):
        assert torch.equal(mixed.means(values[:, order], level), alone.means(values[:, seen_order], level))


def test_nothing_seen_is_no_cells():
    cells = CoarseCells(np.zeros((0, 3)), np.zeros(0, np.int64), every_voxel(1, 0), 1.0)
    assert len(cells) == 0
    assert cells.means(torch.zeros(2, 0), 0).shape == (2, 0)
    unseen = CoarseCells(CENTRES, np.ones(5, np.int64), ~every_voxel(2), 0.1)
    assert len(unseen) == 0
    assert unseen.means(torch.rand(2, 5), 1).shape == (2, 0)
