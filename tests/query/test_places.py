"""From evidence in pictures to places in space."""

import numpy as np

from langfield.query.places import Cells


def surface(views: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Points of a plane seen by some views, and one point far away that only the first view shows."""
    random = np.random.default_rng(0)
    plane = np.concatenate([random.random((views * 4000, 2)) * 4 - 2, np.zeros((views * 4000, 1))], axis=1)
    points = np.concatenate([plane, [[-5.0, -5.0, 0.0]]])
    return points, np.concatenate([np.repeat(np.arange(views), 4000), [0]])


def score_of(points: np.ndarray, near_thing: float = 0.9) -> np.ndarray:
    """High round (1, 0, 0); highest at the lone far point."""
    near = np.linalg.norm(points - [1.0, 0, 0], axis=1) < 0.3
    return np.where(points[:, 0] < -4, 0.99, np.where(near, near_thing, 0.3))


def test_the_place_is_found_with_its_size_score_and_scale():
    points, view = surface()
    places = Cells(points, view, 0.1).places(score_of(points), np.full(len(points), 0.25))
    assert len(places) == 1
    best = places[0]
    np.testing.assert_allclose(best.centre, [1, 0, 0], atol=0.03)
    extent = best.points_scene.max(axis=0) - best.points_scene.min(axis=0)
    np.testing.assert_allclose(extent[:2], [0.6, 0.6], atol=0.12)
    assert abs(best.score - 0.9) < 1e-6
    assert best.scale_scene == 0.25


def test_what_one_view_alone_shows_does_not_count_unless_there_is_one_view_only():
    points, view = surface()
    assert abs(Cells(points, view, 0.1).peak(score_of(points)) - 0.9) < 1e-6  # not the lucky 0.99
    points, view = surface(views=1)
    assert abs(Cells(points, view, 0.1).peak(score_of(points)) - 0.99) < 1e-6


def test_nothing_over_the_threshold_is_nowhere():
    points, view = surface()
    assert Cells(points, view, 0.1).places(score_of(points, 0.45), np.full(len(points), 0.25)) == []


def test_two_things_are_two_places_best_first():
    points, view = surface()
    second = np.linalg.norm(points - [-1.0, 1.0, 0.0], axis=1) < 0.3
    score = np.where(second, 0.95, score_of(points))
    places = Cells(points, view, 0.1).places(score, np.full(len(points), 0.25))
    assert len(places) == 2
    np.testing.assert_allclose(places[0].centre, [-1, 1, 0], atol=0.03)
    np.testing.assert_allclose(places[1].centre, [1, 0, 0], atol=0.03)
    assert places[0].score > places[1].score


def test_cells_are_the_same_as_counting_by_hand():
    points = np.array([[0.05, 0, 0], [0.06, 0, 0], [-0.05, 0, 0], [0.95, 0.95, -0.95], [0.96, 0.96, -0.96]])
    view = np.array([0, 1, 0, 1, 0])
    cells = Cells(points, view, 0.1)
    score = np.array([0.6, 0.8, 0.99, 0.75, 0.77])
    assert abs(cells.peak(score) - 0.76) < 1e-9  # (0.6 + 0.8)/2 < (0.75 + 0.77)/2; 0.99 is one view's
    assert len(cells.places(score, np.ones(5))) == 2
