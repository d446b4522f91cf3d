"""Surface points in voxels: means, and values read at points."""

import numpy as np
from tests.query.index.surfaces import table

from langfield.query.index.surface_voxels import voxelise_surface


def test_means_are_of_each_voxel_and_of_voxels_that_two_views_show():
    points = np.array([[0.05, 0, 0], [0.06, 0, 0], [-0.05, 0, 0], [0.95, 0.95, -0.95], [0.96, 0.96, -0.96]])
    values = np.array([0.6, 0.8, 0.99, 0.75, 0.77])[:, None] * np.ones(3)
    voxels = voxelise_surface(points, values, points, np.array([0, 1, 0, 1, 0]), 0.1)
    assert voxels.voxel_of_input.tolist() in ([0, 0, -1, 1, 1], [1, 1, -1, 0, 0])
    np.testing.assert_allclose(np.sort(voxels.mean_rgb[:, 0]), [0.7, 0.76])


def test_values_are_read_at_points_near_the_surface_only():
    voxels, centres = table()
    matrix, near = voxels.interpolation_at(
        np.array([[0.31, 0.22, 0.0], [0.31, 0.22, 0.2], [0.3, 0.2, 3.0], [np.inf, 0, 0]])
    )
    assert near.tolist() == [True, True, False, False]
    x = matrix @ centres[:, 0]
    np.testing.assert_allclose(x[:2], 0.31, atol=0.05)
    assert x[2:].tolist() == [0, 0]
    np.testing.assert_allclose(matrix.sum(axis=1)[:2], 1)


def test_nothing_seen_is_no_voxels():
    nothing = np.zeros((0, 3))
    voxels = voxelise_surface(nothing, nothing, nothing, np.zeros(0, np.int64), 1.0)
    assert len(voxels) == 0
    assert not voxels.interpolation_at(np.zeros((3, 3)))[1].any()
    assert voxels.nearest(np.zeros((3, 3)), 1.5).tolist() == [-1] * 3
