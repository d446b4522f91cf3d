"""From evidence in pictures to places in space."""

import numpy as np
import torch

from langfield.query.places import Cells, Evidence


def evidence(score_near_thing: float = 0.9, views: int = 3) -> Evidence:
    """A plane seen by some views; round (1, 0, 0) it scores high; one far point of one view scores more."""
    generator = torch.Generator().manual_seed(0)
    points, which, scores = [], [], []
    for view in range(views):
        p = torch.cat([torch.rand(4000, 2, generator=generator) * 4 - 2, torch.zeros(4000, 1)], dim=-1)
        near = (p - torch.tensor([1.0, 0, 0])).norm(dim=-1) < 0.3
        points.append(p)
        which.append(torch.full((4000,), view))
        scores.append(torch.where(near, score_near_thing, 0.3))
    points.append(torch.tensor([[-5.0, -5.0, 0.0]]))
    which.append(torch.tensor([0]))
    scores.append(torch.tensor([0.99]))
    score = torch.cat(scores)[None]
    return Evidence(torch.cat(points), torch.cat(which), score, torch.full_like(score, 0.25))


def test_the_place_is_found_with_its_size_score_and_scale():
    places = Cells(evidence(), 0.1).places(0)
    assert len(places) == 1
    best = places[0]
    np.testing.assert_allclose(best.centre, [1, 0, 0], atol=0.03)
    extent = best.points_scene.max(axis=0) - best.points_scene.min(axis=0)
    np.testing.assert_allclose(extent[:2], [0.6, 0.6], atol=0.12)
    assert abs(best.score - 0.9) < 1e-6
    assert best.scale_scene == 0.25


def test_what_one_view_alone_shows_does_not_count_unless_there_is_one_view_only():
    cells = Cells(evidence(), 0.1)
    assert abs(cells.peak(0) - 0.9) < 1e-6  # not the lucky 0.99
    assert abs(Cells(evidence(views=1), 0.1).peak(0) - 0.99) < 1e-6


def test_nothing_over_the_threshold_is_nowhere():
    assert Cells(evidence(score_near_thing=0.45), 0.1).places(0) == []


def test_two_things_are_two_places_best_first():
    made = evidence()
    second = (made.points_scene - torch.tensor([-1.0, 1.0, 0.0])).norm(dim=-1) < 0.3
    score = torch.where(second[None], 0.95, made.score)
    places = Cells(Evidence(made.points_scene, made.view, score, made.scale_scene), 0.1).places(0)
    assert len(places) == 2
    np.testing.assert_allclose(places[0].centre, [-1, 1, 0], atol=0.03)
    np.testing.assert_allclose(places[1].centre, [1, 0, 0], atol=0.03)
    assert places[0].score > places[1].score
