"""Hits against cylinders by hand and by brute force."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.answers import hit_at
from tests.data.scenes import BALLS, queries

from langfield.data.queries import read_queries
from langfield.evaluation.protocols.positions import (
    Cylinders,
    box_ious,
    by_number,
    compare_hits,
    cylinders_of,
    matching_size,
)
from langfield.evaluation.questions import Question
from langfield.query.answers import Answer, Hit

FUZZ = settings(deadline=None, max_examples=50)
MUGS = Cylinders(np.array([[0.0, 0, 1], [10.0, 0, 1]]), np.array([2.0, 1.0]), np.array([2.0, 2.0]))


def hit(x: float, y: float, z: float, half: float = 0.5) -> Hit:
    return hit_at((x, y, z), half=half)


def answer(*hits: Hit) -> Answer:
    return Answer("mug", bool(hits), 0.9, 0.9, None, hits)


def test_cylinders_stand_upright():
    points = np.array([[1.5, 1.5, 1.0], [1.3, 1.3, 2.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.1], [10.0, 1.0, 0.5]])
    assert MUGS.contain(points).tolist() == [
        [False, False],  # 2.12 from the axis
        [True, False],  # 1.84 from the axis, on the lid
        [True, False],  # on the edge of the bottom
        [False, False],
        [False, True],
    ]
    assert MUGS.boxes()[1].tolist() == [[9, -1, 0], [11, 1, 2]]


def test_the_best_hit_is_measured_and_all_hits_are_counted():
    values = compare_hits(answer(hit(0, 0.6, 1.8), hit(10, 0, 1), hit(50, 0, 0)), MUGS)
    assert values["position_error"] == pytest.approx(1.0)
    assert values["answered"] == values["in_object"] == values["in_radius"] == 1
    assert values["count_right"] == 0
    assert values["f1"] == pytest.approx(2 * 2 / (3 + 2))
    # A box of side 1, of which 0.7 of the height lies in one of 4 × 4 × 2.
    assert values["iou_3d"] == pytest.approx(0.7 / (1 + 32 - 0.7))
    assert values["acc_25"] == values["acc_50"] == 0


def test_near_the_middle_is_not_the_same_as_inside():
    values = compare_hits(
        answer(hit(0, 0, 2.5)), MUGS
    )  # half a unit above the lid, 1.5 of the radius 2 from the middle
    assert (values["in_object"], values["in_radius"], values["f1"]) == (0, 1, 0)


@pytest.mark.parametrize(("half", "loose", "tight"), [(0.5, 0, 0), (0.7, 1, 0), (0.9, 1, 1), (1.0, 1, 1)])
def test_boxes_are_right_above_a_quarter_and_a_half(half: float, loose: float, tight: float):
    values = compare_hits(answer(hit(10, 0, 1, half)), MUGS)  # in the box of side 2 of the second mug
    assert values["iou_3d"] == pytest.approx(half**3)
    assert (values["acc_25"], values["acc_50"]) == (loose, tight)


def test_two_hits_in_one_thing_are_one():
    values = compare_hits(answer(hit(0, 0, 1), hit(0.5, 0, 1)), MUGS)
    assert values["count_right"] == 1
    assert values["f1"] == pytest.approx(2 * 1 / (2 + 2))


def test_no_answer_is_wrong_in_everything_but_has_no_error():
    values = compare_hits(answer(), MUGS)
    assert values.pop("position_error") is None
    assert set(values.values()) == {0.0}


@FUZZ
@given(hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 4))))
def test_pairs_are_as_many_as_the_best_of_all_ways(fit: np.ndarray):
    hits, things = fit.shape
    small, large = sorted((hits, things))
    table = fit if hits <= things else fit.T
    ways = itertools.permutations(range(large), small)
    assert matching_size(fit) == max(sum(table[i, j] for i, j in enumerate(way)) for way in ways)


@FUZZ
@given(st.lists(st.integers(0, 5), min_size=12, max_size=12))
def test_ious_of_boxes_count_unit_cubes(numbers: list[int]):
    one, other = np.sort(np.array(numbers, float).reshape(2, 2, 3), axis=1)

    def cubes(box: np.ndarray) -> set[tuple[int, ...]]:
        return set(itertools.product(*(range(int(low), int(high)) for low, high in box.T)))

    a, b = cubes(one), cubes(other)
    assert box_ious(one[None], other[None])[0, 0] == pytest.approx(len(a & b) / len(a | b) if a | b else 0)


def test_things_are_read_for_each_phrase(tmp_path: Path):
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(queries()))
    file = read_queries(path)
    things = dict(zip((query.text for query in file.queries), cylinders_of(file), strict=True))
    assert len(things["ball"]) == len(BALLS)
    assert len(things["table"]) == len(things["piano"]) == 0
    np.testing.assert_allclose(things["blue"].centre, [BALLS[2].centre])
    assert (things["blue"].radius, things["blue"].height) == ([0.1], [0.2])


def test_slack_widens_a_cylinder_all_around():
    points = np.array([[2.1, 0.0, 1.0], [0.0, 0.0, 2.1], [2.2, 0.0, 1.0]])
    assert not MUGS.contain(points).any()
    assert MUGS.contain(points, slack_world=0.15)[:, 0].tolist() == [True, True, False]


def test_plural_phrases_are_told_apart():
    asked = [
        Question(f"p{number}", "object", None, {"count_right": right}, {"things": number})
        for number, right in ((1, 1.0), (1, 0.0), (3, 1.0))
    ]
    found = by_number(asked, seed=0)
    assert (found["single"]["count_right"]["micro"], found["several"]["count_right"]["micro"]) == (0.5, 1.0)
