"""Cells: what of the surface lies in a place."""

import numpy as np
import torch

from langfield.query.index.coarse_cells import CoarseCells

CENTRES = np.array([[0.05, 0, 0], [0.06, 0, 0], [-0.05, 0, 0], [0.95, 0.95, -0.95], [0.96, 0.96, -0.96]])


def test_means_are_the_same_as_counting_by_hand():
    cells = CoarseCells(CENTRES, np.array([1, 3, 1, 2, 2]), 0.1)
    assert len(cells) == 3
    means = cells.means(torch.tensor([[0.6, 0.8, 0.99, 0.75, 0.77], [1.0, 0, 0, 0, 0]])).sort(dim=1).values
    torch.testing.assert_close(means[0], torch.tensor([(0.6 + 3 * 0.8) / 4, (0.75 + 0.77) / 2, 0.99]))
    torch.testing.assert_close(means[1], torch.tensor([0, 0, 0.25]))


def test_nothing_seen_is_no_cells():
    cells = CoarseCells(np.zeros((0, 3)), np.zeros(0, np.int64), 1.0)
    assert len(cells) == 0
    assert cells.means(torch.zeros(2, 0)).shape == (2, 0)
