"""Cells: what several pictures say of a place."""

import numpy as np

from langfield.query.places import Cells

POINTS = np.array([[0.05, 0, 0], [0.06, 0, 0], [-0.05, 0, 0], [0.95, 0.95, -0.95], [0.96, 0.96, -0.96]])


def test_cells_are_the_same_as_counting_by_hand():
    cells = Cells(POINTS, np.array([0, 1, 0, 1, 0]), 0.1)
    assert len(cells) == 2  # the third point is one view's alone
    means = cells.means(np.array([0.6, 0.8, 0.99, 0.75, 0.77]))
    np.testing.assert_allclose(np.sort(means), [(0.6 + 0.8) / 2, (0.75 + 0.77) / 2])


def test_of_one_view_all_cells_count():
    cells = Cells(POINTS, np.zeros(5, np.int64), 0.1)
    assert len(cells) == 3
    assert cells.means(np.array([0.6, 0.8, 0.99, 0.75, 0.77])).max() == 0.99


def test_nothing_seen_is_no_cells():
    assert len(Cells(np.zeros((0, 3)), np.zeros(0, np.int64), 1.0)) == 0


def test_the_digest_knows_cells_apart():
    view = np.array([0, 1, 0, 1, 0])
    assert Cells(POINTS, view, 0.1).digest == Cells(POINTS[:, :] + 1e-9, view, 0.1).digest
    assert Cells(POINTS, view, 0.1).digest != Cells(POINTS * [1, 2, 1], view, 0.1).digest
