"""The surface as a graph: what it smooths, what it keeps apart, and what stands out on it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.query.index.surface_voxels import Surface, normals_towards_camera

UP = np.array([0.0, 0, 1])


def table(rgb=None, views: int = 3, step: float = 0.05) -> tuple[Surface, np.ndarray]:
    """A plane of 2 by 2, its points seen by every view, and where its cubes are; `rgb` paints it by x and y."""
    axis = np.arange(-1 + step / 2, 1, step)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    points = np.concatenate([np.c_[grid, np.full(len(grid), 0.01)]] * views)
    colours = np.full((len(points), 3), 0.5) if rgb is None else rgb(points)
    normals = np.broadcast_to(UP, points.shape)
    surface = Surface(points, colours, normals, np.repeat(np.arange(views), len(grid)), 0.1)
    return surface, surface.centres_scene


def smoothed(surface: Surface, values: np.ndarray) -> np.ndarray:
    return surface.smoothed(torch.from_numpy(values).float()).numpy()


def two_colours(points: np.ndarray) -> np.ndarray:
    return np.where(points[:, :1] < 0, 0.2, 0.8) * np.ones(3)


def test_means_are_of_each_cube_and_of_cubes_that_two_views_show():
    points = np.array([[0.05, 0, 0], [0.06, 0, 0], [-0.05, 0, 0], [0.95, 0.95, -0.95], [0.96, 0.96, -0.96]])
    surface = Surface(points, points, points, np.array([0, 1, 0, 1, 0]), 0.1)
    assert surface.of_point.tolist() == [0, 0, -1, 1, 1] or surface.of_point.tolist() == [1, 1, -1, 0, 0]
    means = surface.means(np.array([[0.6, 0.8, 0.99, 0.75, 0.77]]))
    np.testing.assert_allclose(np.sort(means[0]), [0.7, 0.76])


def test_smoothing_solves_its_least_squares_problem():
    surface, _ = table(two_colours)
    values = np.random.default_rng(0).random((3, len(surface)))
    smooth = smoothed(surface, values)
    dense = surface._laplacian().toarray() + 0.2 * np.eye(len(surface))
    np.testing.assert_allclose(smooth, np.linalg.solve(dense, 0.2 * values.T).T, atol=2e-3)
    # What is the same everywhere stays so, and the mean of what was said is kept: rows of the Laplacian sum to 0.
    np.testing.assert_allclose(smoothed(surface, np.full((1, len(surface)), 0.3)), 0.3, atol=1e-3)
    np.testing.assert_allclose(smooth.mean(axis=1), values.mean(axis=1), atol=1e-3)


def test_cubes_of_which_nothing_is_said_take_what_their_neighbours_say():
    surface, centres = table(two_colours)
    said = np.linalg.norm(centres[:, :2] - [0.5, 0], axis=1) > 0.25
    values = np.where(centres[:, 0] < 0, 0.2, 0.8)[None] * said
    surface.listen_to(said)
    np.testing.assert_allclose(smoothed(surface, values)[0, ~said], 0.8, atol=0.02)
    weight = np.where(said, 0.2, 2e-4)
    dense = surface._laplacian().toarray() + np.diag(weight)
    told = np.where(said, values, np.median(values[:, said]))
    np.testing.assert_allclose(smoothed(surface, values), np.linalg.solve(dense, weight * told[0])[None], atol=5e-3)
    surface.listen_to(np.zeros(len(said), dtype=bool))
    np.testing.assert_allclose(smoothed(surface, 0 * values), 0)
    surface.listen_to(np.ones(len(said), dtype=bool))
    assert smoothed(surface, values)[0, ~said].mean() < 0.7  # as if 0 had been said of them


def test_an_edge_of_colour_keeps_a_blob_on_its_side():
    jumps = []
    for paint in (two_colours, None):
        surface, centres = table(paint)
        blob = np.exp(-((centres[:, 0] - 0.1) ** 2 + centres[:, 1] ** 2) / 0.3**2)[None]
        smooth = smoothed(surface, blob)[0]
        middle = abs(centres[:, 1]) < 0.2
        inside, outside = (smooth[middle & (abs(centres[:, 0] - x) < 0.06)].mean() for x in (0.05, -0.05))
        jumps.append(inside - outside)
    edge, plain = jumps
    assert edge > 3 * abs(plain)


def blob_across_a_border(dense) -> float:
    """How far a blob beside x = 0 falls from one side of it to the other, with features that `dense` gives cubes."""
    surface, centres = table()
    surface.tell_apart_by(dense(centres))
    blob = np.exp(-((centres[:, 0] - 0.1) ** 2 + centres[:, 1] ** 2) / 0.3**2)[None]
    smooth = smoothed(surface, blob)[0]
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


def bump(sign: float) -> Surface:
    """Two planes that meet at x = 0, as a roof (sign 1, convex) or as a valley (−1, concave)."""
    axis = np.arange(-0.975, 1, 0.05)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    points = np.c_[grid, -sign * abs(grid[:, 0])]
    normals = np.c_[sign * np.sign(grid[:, 0]), np.zeros(len(grid)), np.ones(len(grid))] / np.sqrt(2)
    twice = [np.concatenate([part, part]) for part in (points, np.full(points.shape, 0.5), normals)]
    return Surface(*twice, np.repeat([0, 1], len(points)), 0.1)


def test_a_thing_ends_where_the_surface_is_concave():
    leaks = []
    for sign in (1, -1):
        surface = bump(sign)
        side = (surface.centres_scene[:, :1].T > 0).astype(float)
        smooth = smoothed(surface, side)[0]
        near = abs(surface.centres_scene[:, 0]) < 0.15
        leaks.append(float(abs(smooth - side[0])[near].mean()))
    roof, valley = leaks
    assert valley < 0.25 * roof


def thing(centres: np.ndarray, x: float, y: float, value: float = 0.9) -> np.ndarray:
    return np.where(np.hypot(centres[:, 0] - x, centres[:, 1] - y) < 0.25, value, 0.3)


def test_two_things_are_two_regions_best_first_and_where_they_are():
    surface, centres = table()
    values = np.maximum(thing(centres, -0.5, 0.5, 0.8), thing(centres, 0.5, 0, 0.9))
    regions = surface.regions(values)
    assert [region.peak for region in regions] == [0.9, 0.8]
    for region, middle in zip(regions, ([0.5, 0], [-0.5, 0.5]), strict=True):
        np.testing.assert_allclose(centres[region.cubes, :2].mean(axis=0), middle, atol=0.03)
        assert set(values[region.cubes]) == {region.peak}
        assert region.floor == 0.5


def test_a_second_thing_far_below_the_best_and_a_speck_do_not_count():
    surface, centres = table()
    values = np.maximum(thing(centres, -0.5, 0.5, 0.6), thing(centres, 0.5, 0, 0.9))
    values[np.argmin(np.hypot(centres[:, 0] + 0.8, centres[:, 1] + 0.8))] = 0.95
    regions = surface.regions(values)
    assert [region.peak for region in regions] == [0.9]
    assert len(surface.regions(values, accepted=0.2, inside=0.2)) == 2


def test_what_passes_half_nowhere_has_a_lower_floor_and_a_speck_is_better_than_nothing():
    surface, centres = table()
    low = surface.regions(thing(centres, 0.5, 0, 0.45))
    assert len(low) == 1
    assert low[0].floor == pytest.approx((0.3 + 0.45) / 2)
    speck = np.full(len(surface), 0.3)
    speck[7] = 0.8
    assert surface.regions(speck)[0].cubes.tolist() == [7]


def test_values_are_read_at_points_near_the_surface_only():
    surface, centres = table()
    reader, near = surface.read_at(np.array([[0.31, 0.22, 0.0], [0.31, 0.22, 0.2], [0.3, 0.2, 3.0], [np.inf, 0, 0]]))
    assert near.tolist() == [True, True, False, False]
    x = reader @ centres[:, 0]
    np.testing.assert_allclose(x[:2], 0.31, atol=0.05)
    assert x[2:].tolist() == [0, 0]
    np.testing.assert_allclose(reader.sum(axis=1)[:2], 1)


def test_nothing_seen_is_no_surface():
    nothing = np.zeros((0, 3))
    surface = Surface(nothing, nothing, nothing, np.zeros(0, np.int64), 1.0)
    assert len(surface) == 0
    assert surface.regions(np.zeros(0)) == []
    assert smoothed(surface, np.zeros((2, 0))).shape == (2, 0)
    assert not surface.read_at(np.zeros((3, 3)))[1].any()


def test_normals_of_a_sphere_point_at_the_camera():
    ys, xs = np.meshgrid(np.linspace(-0.8, 0.8, 33), np.linspace(-0.8, 0.8, 33), indexing="ij")
    inside = xs**2 + ys**2 < 0.6
    z = np.where(inside, 4 - np.sqrt(np.maximum(1 - xs**2 - ys**2, 0)), np.inf)
    points = np.stack([xs, ys, z], axis=-1)
    normals = normals_towards_camera(points, np.zeros(3))
    truth = points - [0, 0, 4]
    core = xs**2 + ys**2 < 0.5
    np.testing.assert_allclose(normals[core], truth[core], atol=0.02)
    assert not normals[~inside].any()


def test_the_core_of_a_region_is_what_is_nearly_as_good_around_its_best():
    surface, centres = table()
    near, far = (np.hypot(centres[:, 0] - x, centres[:, 1]) < 0.1 for x in (0.35, 0.65))
    values = np.where(far, 0.88, np.where(near, 0.9, thing(centres, 0.5, 0, 0.7)))  # 0.2 / 0.4 is less than 0.7
    (region,) = surface.regions(values)
    assert set(values[region.cubes]) == {0.7, 0.88, 0.9}
    assert region.core.tolist() == np.flatnonzero(near).tolist()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_regions_share_nothing_and_miss_no_good_place(seed: int):
    surface, centres = table()
    rng = np.random.default_rng(seed)
    bumps = rng.uniform(-0.9, 0.9, (4, 2)), rng.uniform(0.5, 1, 4)
    values = 0.3 * np.ones(len(surface))
    for (x, y), height in zip(*bumps, strict=True):
        values = np.maximum(values, height * np.exp(-((centres[:, 0] - x) ** 2 + (centres[:, 1] - y) ** 2) / 0.1))
    regions = surface.regions(values, fewest_cubes=1)
    covered = np.concatenate([region.cubes for region in regions])
    assert len(covered) == len(set(covered.tolist()))
    best, floor = values.max(), regions[0].floor
    assert set(np.flatnonzero(values >= floor + 0.6 * (best - floor)).tolist()) <= set(covered.tolist())
    for region in regions:
        assert set(region.core.tolist()) <= set(region.cubes.tolist())
        assert values[region.core].max() == region.peak == values[region.cubes].max()
