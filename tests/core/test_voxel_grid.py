"""Voxels of points: the same ones, and in the same order, as sorting rows of integers by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.voxels import KEY_BITS, voxel_grid, voxel_keys

seeds = st.integers(0, 2**32 - 1)


def by_hand(points: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    cell = np.floor(points / side).astype(np.int64)
    _, of_point, count = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    return of_point.reshape(-1), count


@settings(deadline=None, max_examples=50)
@given(seeds, st.sampled_from([np.float32, np.float64]), st.floats(0.01, 10))
def test_points_share_a_voxel_exactly_where_their_cells_are_the_same(seed, dtype, side):
    points = np.random.default_rng(seed).uniform(-5, 5, (200, 3)).astype(dtype)
    grid = voxel_grid(points, side)
    of_point, count = by_hand(points, side)
    np.testing.assert_array_equal(grid.of_point, of_point)
    np.testing.assert_array_equal(grid.count, count)
    assert len(grid) == len(count)


def test_far_apart_points_are_sorted_as_well():
    points = np.array([[0.0, 0, 0], [2.0**40, -3, 1], [0.5, 0.5, 0.5], [-(2.0**45), 0, 0], [2.0**40, -3, 0]])
    grid = voxel_grid(points, 1.0)
    np.testing.assert_array_equal(grid.of_point, by_hand(points, 1.0)[0])
    np.testing.assert_array_equal(grid.of_point, [1, 3, 1, 0, 2])


def test_no_points_are_no_voxels():
    grid = voxel_grid(np.zeros((0, 3)), 1.0)
    assert len(grid) == 0
    assert grid.of_point.shape == (0,)


@pytest.mark.parametrize("bits", [2, 18, KEY_BITS])
def test_keys_tell_cells_apart_and_keep_their_order(bits):
    half = 2 ** (bits - 1)
    axis = np.unique([-half, -half // 2, -1, 0, half // 2, half - 1])
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.int64)
    keys = voxel_keys(cells, bits)
    assert (np.diff(keys) > 0).all()
    assert keys.min() >= 0
    assert int(keys[-1]) == 2 ** (3 * bits) - 1
    assert torch.equal(voxel_keys(torch.from_numpy(cells), bits), torch.from_numpy(keys))
