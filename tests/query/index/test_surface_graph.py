"""Smoothing on the surface: what it solves, and at which edges it stops."""

import numpy as np
import pytest
import torch
from tests.query.index.surfaces import graph_of, table

from langfield.query.index.surface_voxels import SurfaceVoxels, voxelise_surface


def smoothed(voxels: SurfaceVoxels, values: np.ndarray, **options) -> np.ndarray:
    return graph_of(voxels, **options).smoothed(torch.from_numpy(values).float()).numpy()


def two_colours(points: np.ndarray) -> np.ndarray:
    return np.where(points[:, :1] < 0, 0.2, 0.8) * np.ones(3)


def test_smoothing_solves_its_least_squares_problem():
    voxels, _ = table(two_colours)
    values = np.random.default_rng(0).random((3, len(voxels)))
    smooth = smoothed(voxels, values)
    dense = graph_of(voxels).laplacian().toarray() + 0.2 * np.eye(len(voxels))
    np.testing.assert_allclose(smooth, np.linalg.solve(dense, 0.2 * values.T).T, atol=2e-3)
    # What is the same everywhere stays so, and the mean of the values is kept: rows of the Laplacian sum to 0.
    np.testing.assert_allclose(smoothed(voxels, np.full((1, len(voxels)), 0.3)), 0.3, atol=1e-3)
    np.testing.assert_allclose(smooth.mean(axis=1), values.mean(axis=1), atol=1e-3)


def test_voxels_that_were_not_observed_take_their_neighbours_values():
    voxels, centres = table(two_colours)
    observed = np.linalg.norm(centres[:, :2] - [0.5, 0], axis=1) > 0.25
    values = np.where(centres[:, 0] < 0, 0.2, 0.8)[None] * observed
    found = smoothed(voxels, values, observed=observed)
    np.testing.assert_allclose(found[0, ~observed], 0.8, atol=0.02)
    weight = np.where(observed, 0.2, 2e-4)
    dense = graph_of(voxels).laplacian().toarray() + np.diag(weight)
    filled = np.where(observed, values, np.median(values[:, observed]))
    np.testing.assert_allclose(found, np.linalg.solve(dense, weight * filled[0])[None], atol=5e-3)
    np.testing.assert_allclose(smoothed(voxels, 0 * values, observed=np.zeros(len(observed), dtype=bool)), 0)
    assert smoothed(voxels, values)[0, ~observed].mean() < 0.7  # as if 0 had been observed there


def test_an_edge_of_colour_keeps_a_blob_on_its_side():
    jumps = []
    for paint in (two_colours, None):
        voxels, centres = table(paint)
        blob = np.exp(-((centres[:, 0] - 0.1) ** 2 + centres[:, 1] ** 2) / 0.3**2)[None]
        smooth = smoothed(voxels, blob)[0]
        middle = abs(centres[:, 1]) < 0.2
        inside, outside = (smooth[middle & (abs(centres[:, 0] - x) < 0.06)].mean() for x in (0.05, -0.05))
        jumps.append(inside - outside)
    edge, plain = jumps
    assert edge > 3 * abs(plain)


def blob_across_a_border(dense) -> float:
    """How far a blob beside x = 0 falls from one side of it to the other, with features that `dense` gives voxels."""
    voxels, centres = table()
    blob = np.exp(-((centres[:, 0] - 0.1) ** 2 + centres[:, 1] ** 2) / 0.3**2)[None]
    smooth = smoothed(voxels, blob, features=dense(centres))[0]
    middle = abs(centres[:, 1]) < 0.2
    inside, outside = (smooth[middle & (abs(centres[:, 0] - x) < 0.06)].mean() for x in (0.05, -0.05))
    return float(inside - outside)


def test_a_thing_ends_where_dense_features_change_whatever_their_scale():
    noise = np.random.default_rng(0).normal(size=(10_000, 8))

    def sides(centres: np.ndarray, noisy: float = 0.02) -> np.ndarray:
        return np.where(centres[:, :1] < 0, 1.0, -1.0) * np.ones(8) + noisy * noise[: len(centres)]

    plain = blob_across_a_border(lambda centres: None)
    edge = blob_across_a_border(sides)
    assert edge > 3 * abs(plain)
    assert blob_across_a_border(lambda centres: 1e3 * sides(centres)) == pytest.approx(edge, rel=1e-3)
    assert blob_across_a_border(lambda centres: sides(centres, 0.0)) > 3 * abs(plain)  # most neighbours are equal


def test_dense_features_that_say_nothing_change_little():
    """The same everywhere, and rising evenly: no neighbours differ more than others do."""
    plain = blob_across_a_border(lambda centres: None)
    assert blob_across_a_border(lambda centres: np.ones((len(centres), 8))) == plain
    assert blob_across_a_border(lambda centres: centres @ np.ones((3, 8))) == pytest.approx(plain, abs=0.03)


def bump(sign: float) -> SurfaceVoxels:
    """Two planes that meet at x = 0, as a roof (sign 1, convex) or as a valley (−1, concave)."""
    axis = np.arange(-0.975, 1, 0.05)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    points = np.c_[grid, -sign * abs(grid[:, 0])]
    normals = np.c_[sign * np.sign(grid[:, 0]), np.zeros(len(grid)), np.ones(len(grid))] / np.sqrt(2)
    points, normals = np.concatenate([points, points]), np.concatenate([normals, normals])
    return voxelise_surface(points, np.full(points.shape, 0.5), normals, np.repeat([0, 1], len(grid)), 0.1)


def test_a_thing_ends_where_the_surface_is_concave():
    leaks = []
    for sign in (1, -1):
        voxels = bump(sign)
        side = (voxels.centres_scene[:, :1].T > 0).astype(float)
        smooth = smoothed(voxels, side)[0]
        near = abs(voxels.centres_scene[:, 0]) < 0.15
        leaks.append(float(abs(smooth - side[0])[near].mean()))
    roof, valley = leaks
    assert valley < 0.25 * roof


def test_nothing_seen_is_an_empty_graph():
    nothing = np.zeros((0, 3))
    voxels = voxelise_surface(nothing, nothing, nothing, np.zeros(0, np.int64), 1.0)
    assert graph_of(voxels).regions(np.zeros(0)) == []
    assert smoothed(voxels, np.zeros((2, 0))).shape == (2, 0)
