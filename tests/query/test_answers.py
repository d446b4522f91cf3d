"""Hits: where a thing is, as its points tell."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import hit_at
from tests.query.fake_session import session

from langfield.query.answers import Answer, Hit
from langfield.query.boxes import Ends, axis_aligned_box, box_centre, oriented_box, upright_box


def test_the_centre_is_not_drawn_to_the_side_that_more_photos_show():
    rng = np.random.default_rng(0)
    sides = rng.uniform(0, 1, (900, 3)), rng.uniform(1, 2, (100, 3)), np.full((2, 3), 50.0)  # two strays
    points = np.concatenate(sides)
    assert points.mean(axis=0) == pytest.approx(0.6, abs=0.15)
    np.testing.assert_allclose(box_centre(points), 1.0, atol=0.1)


def test_a_hit_lies_in_its_core_and_reaches_over_all_of_its_points():
    rng = np.random.default_rng(1)
    points, core = rng.uniform(0, 4, (2000, 3)), rng.uniform(0, 1, (500, 3))
    hit = Hit.from_points(points, core, 0.9, 0.1, 5, ("photo",), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(hit.position, 0.5, atol=0.05)
    np.testing.assert_allclose([hit.box.low, hit.box.high], [[0.08] * 3, [3.92] * 3], atol=0.1)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_the_oriented_box_has_its_longest_edge_first_and_right_handed_axes(seed: int, count: int):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    points = rng.normal(size=(count, 3)) ** 3 * rng.uniform(0.2, 1, 3) @ turn + rng.normal(size=3)
    box = oriented_box(points)
    assert list(box.size) == sorted(box.size, reverse=True)
    axes = np.array(box.axes)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)
    within = np.abs((points - np.array(box.centre)) @ axes.T) <= np.array(box.size) / 2 + 1e-9
    assert (within.mean(axis=0) >= 1 - 2 * 0.02 - 2 / count).all()


def test_points_that_vary_most_along_a_short_edge_do_not_put_it_first():
    """Two clusters far apart across, and a few points that reach farther along."""
    across = np.repeat([[-1.0, 0, 0], [1.0, 0, 0]], 50, axis=0)
    along = np.stack([np.zeros(20), np.linspace(-1.6, 1.6, 20), np.zeros(20)], axis=1)
    box = oriented_box(np.concatenate([across, along]))
    assert box.size[0] > 2.2
    np.testing.assert_allclose(np.abs(box.axes[0]), [0, 1, 0], atol=1e-6)


def test_an_answer_has_the_position_and_the_box_of_its_best_hit():
    hits = (hit_at((1, 2, 3), 0.9, half=0.5), hit_at((4, 5, 6), 0.8))
    answer = Answer("mug", True, 0.9, 0.9, 0.1, hits)
    assert answer.position == hits[0].position
    assert answer.box == hits[0].box
    nothing = Answer("mug", False, 0.1, 0.0, None, ())
    assert (nothing.position, nothing.box) == (None, None)


def plain(value: object) -> bool:
    """Whether it is made of what JSON itself has, and of nothing that only looks like it (numpy's numbers)."""
    if type(value) is dict:
        return all(type(key) is str and plain(inner) for key, inner in value.items())
    if type(value) is list:
        return all(map(plain, value))
    return value is None or type(value) in (str, int, float, bool)


def test_answers_go_into_json():
    answer = session().query(["thing"])[0]
    assert plain(answer.to_json())
    assert answer.box is not None
    hit = replace(answer.hits[0], score=np.float64(0.5), scale_world=np.float64(0.1))
    assert plain(replace(answer, presence=np.float64(0.9), hits=(hit,)).to_json())
    text = json.dumps([answer, answer.hits[0], answer.box], default=lambda value: value.to_json())
    whole, first, box = json.loads(text)
    assert whole == json.loads(json.dumps(answer.to_json()))
    assert whole["hits"][0] == first
    assert whole["box"] == first["box"] == box
    fields = asdict(answer)
    assert fields["phrase"] == "thing"
    assert fields["hits"][0]["box"] == {"low": answer.box.low, "high": answer.box.high}


def test_a_weight_counts_as_so_many_points():
    rng = np.random.default_rng(0)
    points, weight = rng.normal(size=(40, 3)), rng.integers(1, 4, 40)
    by_weight = Ends(10.0, weight=weight.astype(float)).of(points)
    repeated = Ends(10.0, weight=np.ones(int(weight.sum()))).of(np.repeat(points, weight, axis=0))
    np.testing.assert_allclose(by_weight, repeated, atol=0.2)  # between two values, by where a weight is thought to lie
    everywhere = np.concatenate([np.zeros((99, 3)), np.full((1, 3), 50.0)])
    wrong = np.where(everywhere[:, 0] > 1, 0.01, 1.0)
    assert Ends(0.5, weight=wrong).of(everywhere)[1].max() < Ends(0.5).of(everywhere)[1].max()


def test_a_margin_is_on_every_side_of_every_box():
    points, up = np.random.default_rng(0).uniform(-1, 1, (4000, 3)) * [4, 1, 2], np.array([0.0, 0.0, 1.0])
    bare, wide = Ends(1.0), Ends(1.0, margin=0.25)
    for box in (axis_aligned_box, oriented_box, lambda points, ends: upright_box(points, up, ends)):
        np.testing.assert_allclose(np.array(box(points, wide).size) - box(points, bare).size, 0.5, atol=1e-9)
    np.testing.assert_allclose(box_centre(points, wide), box_centre(points, bare), atol=1e-12)


def test_points_that_few_photos_show_do_not_move_a_groups_box():
    thing, below = np.random.default_rng(0).uniform(0, 1, (500, 3)), np.array([0.5, 0.5, -1.0]) * np.ones((25, 3))
    points, seen_by = np.concatenate([thing, below]), np.repeat([60.0, 3.0], [500, 25])
    assert axis_aligned_box(points, Ends(1.0)).low[2] < -0.9
    assert axis_aligned_box(points, Ends(1.0, weight=seen_by**2)).low[2] > -0.05
