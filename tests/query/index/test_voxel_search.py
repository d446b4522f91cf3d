"""Voxels found by their cells are those that a k-d tree finds, also where voxels lie far apart."""

import numpy as np
import pytest
import torch

from langfield.query.index.surface_voxels import SurfaceVoxels, voxelise_surface
from langfield.query.index.voxel_search import VoxelSearch


def surface(count: int, side: float, spread: float) -> SurfaceVoxels:
    """Voxels of a wavy sheet, and as many strewn about it so far apart that few have four neighbours nearby."""
    rng = np.random.default_rng(count)
    sheet = rng.uniform(-1, 1, (count, 3))
    sheet[:, 2] = 0.1 * np.sin(5 * sheet[:, 0])
    points = np.concatenate([sheet, rng.uniform(-spread, spread, (count // 10, 3))])
    nothing = np.zeros_like(points)
    return voxelise_surface(points, nothing, nothing, np.zeros(len(points), np.int64), side)


@pytest.mark.parametrize(("count", "side", "spread"), [(3000, 0.05, 2.0), (400, 0.02, 1.0), (2, 0.5, 1.0)])
def test_the_nearest_voxels_are_the_trees(count: int, side: float, spread: float):
    voxels = surface(count, side, spread)
    rng = np.random.default_rng(0)
    points = np.concatenate([voxels.points_scene[:200] + rng.normal(0, side, (len(voxels.points_scene[:200]), 3)),
                             rng.uniform(-3 * spread, 3 * spread, (300, 3)), [[1e6, -1e6, 0.0]]])  # fmt: skip
    neighbours = min(4, len(voxels))
    search = VoxelSearch.of_voxels(voxels.centres_scene, voxels.side_scene, torch.device("cpu"))
    distance, found = search.nearest(torch.from_numpy(points), neighbours, 2.5 * side)
    tree = voxels.read_at(torch.from_numpy(points))
    apart = np.linalg.norm(points[:, None] - voxels.centres_scene[found.numpy()], axis=-1)
    near = tree.near.numpy()
    assert near.any()
    assert not near.all()
    assert ((distance[:, 0].numpy() < 2.5 * side) == near).mean() > 0.999  # at the border by rounding
    np.testing.assert_allclose(distance.numpy()[near], apart[near], rtol=1e-4, atol=1e-5)
    expected = np.linalg.norm(points[:, None] - voxels.centres_scene[tree.voxel.numpy()], axis=-1)
    np.testing.assert_allclose(apart[near], expected[near], rtol=1e-4, atol=1e-5)


def test_what_is_read_by_cells_is_what_the_tree_reads():
    """Also nothing, and no NaN, where a point shows nothing or is far from all voxels."""
    voxels, rng = surface(3000, 0.05, 2.0), np.random.default_rng(0)
    near = voxels.points_scene + rng.normal(0, 0.05, voxels.points_scene.shape)
    points = torch.from_numpy(np.concatenate([near, [[np.inf] * 3, [np.nan, 0, 0], [90.0, 0, 0], [0, 0, 1.0]]]))
    values = torch.from_numpy(rng.normal(size=(len(voxels), 2)))
    by_tree, by_cells = voxels.read_at(points), voxels._read_by_search(points.float())
    assert torch.equal(by_tree.near, by_cells.near)
    assert not by_cells.near[-4:].any()
    torch.testing.assert_close(by_cells(values), by_tree(values), rtol=0, atol=1e-4)


def test_far_neighbours_are_found_where_near_ones_are_too_few():
    """Two voxels near a point, two 30 sides off: all four are its nearest."""
    points = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [30.0, 0.0, 0.0], [0.0, 31.0, 0.0], [50.0, 50.0, 50.0]]) + 0.5
    search = VoxelSearch.of_voxels(points, 1.0, torch.device("cpu"))
    distance, found = search.nearest(torch.tensor([[0.4, 0.5, 0.5]]), 4, 2.5)
    assert found.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(distance[0].numpy(), [0.1, 1.1, 30.1, 31.0], atol=0.01)


def test_cells_too_many_to_number_are_refused():
    with pytest.raises(ValueError, match="too many to number"):
        VoxelSearch.of_voxels(np.array([[0.0, 0, 0], [1e9, 0, 0]]), 0.1, torch.device("cpu"))
