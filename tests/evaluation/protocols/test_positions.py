"""Hits against cylinders and boxes by hand and by brute force."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.answers import hit_at
from tests.data.scenes import BALLS, queries

from langfield.data.queries import Instance, TurnedBox, read_queries
from langfield.evaluation.protocols.positions import (
    Cylinders,
    box_ious,
    by_number,
    compare_hits,
    matching_size,
    oriented_box_iou,
    true_boxes,
)
from langfield.evaluation.questions import Question
from langfield.query.answers import Answer, Hit
from langfield.query.boxes import Box, OrientedBox

FUZZ = settings(deadline=None, max_examples=50)
THINGS = Instance((0.0, 0.0, 1.0), 2.0, 2.0), Instance((10.0, 0.0, 1.0), 1.0, 2.0)
MUGS = Cylinders.of(THINGS)


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
    values = compare_hits(answer(hit(0, 0.6, 1.8), hit(10, 0, 1), hit(50, 0, 0)), THINGS)
    assert values["position_error"] == pytest.approx(1.0)
    assert values["answered"] == values["in_object"] == values["in_radius"] == 1
    assert values["count_right"] == 0
    assert values["f1"] == pytest.approx(2 * 2 / (3 + 2))
    # A box of side 1, of which 0.7 of the height lies in one of 4 × 4 × 2.
    assert values["iou_3d"] == pytest.approx(0.7 / (1 + 32 - 0.7))
    assert values["acc_25"] == values["acc_50"] == 0


def test_near_the_middle_is_not_the_same_as_inside():
    values = compare_hits(
        answer(hit(0, 0, 2.5)), THINGS
    )  # half a unit above the lid, 1.5 of the radius 2 from the middle
    assert (values["in_object"], values["in_radius"], values["f1"]) == (0, 1, 0)


@pytest.mark.parametrize(("half", "loose", "tight"), [(0.5, 0, 0), (0.7, 1, 0), (0.9, 1, 1), (1.0, 1, 1)])
def test_boxes_are_right_above_a_quarter_and_a_half(half: float, loose: float, tight: float):
    values = compare_hits(answer(hit(10, 0, 1, half)), THINGS)  # in the box of side 2 of the second mug
    assert values["iou_3d"] == pytest.approx(half**3)
    assert (values["acc_25"], values["acc_50"]) == (loose, tight)


def test_two_hits_in_one_thing_are_one():
    values = compare_hits(answer(hit(0, 0, 1), hit(0.5, 0, 1)), THINGS)
    assert values["count_right"] == 1
    assert values["f1"] == pytest.approx(2 * 1 / (2 + 2))


def test_no_answer_is_wrong_in_everything_but_has_no_error():
    values = compare_hits(answer(), THINGS)
    assert values.pop("position_error") is None
    assert values.pop("iou_3d_oriented") is None  # nobody says how the mugs are turned
    assert set(values.values()) == {0.0}


def test_a_perfect_answer_has_an_iou_of_1_where_the_exact_boxes_are_known():
    turned = TurnedBox((1.0, 2.0, 0.5), (4.0, 0.5, 1.0), 30.0)
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    half_x, half_y = (4 * cos + 0.5 * sin) / 2, (4 * sin + 0.5 * cos) / 2
    low, high = (1 - half_x, 2 - half_y, 0.0), (1 + half_x, 2 + half_y, 1.0)
    radius = math.hypot(4.0, 0.5) / 2
    thing = Instance((1.0, 2.0, 0.5), radius, 1.0, (low, high), turned)
    axes = ((cos, sin, 0.0), (-sin, cos, 0.0), (0.0, 0.0, 1.0))
    perfect = replace(hit(1, 2, 0.5), box=Box(low, high), oriented_box=OrientedBox(turned.centre, axes, turned.size))
    values = compare_hits(answer(perfect), [thing])
    assert (values["iou_3d"], values["acc_25"], values["acc_50"]) == (pytest.approx(1, abs=1e-12), 1, 1)
    assert values["iou_3d_oriented"] == pytest.approx(1, abs=1e-9)
    only_cylinder = replace(thing, box=None, turned_box=None)
    values = compare_hits(answer(perfect), [only_cylinder])
    assert values["iou_3d"] == pytest.approx(4 * half_x * half_y / (2 * radius) ** 2)
    assert values["iou_3d_oriented"] is None


def test_the_nearest_of_the_things_counts_whichever_boxes_are_known():
    with_box = replace(THINGS[1], box=((9.5, -0.5, 0.5), (10.5, 0.5, 1.5)))
    assert true_boxes([THINGS[0], with_box]).tolist() == [
        [[-2, -2, 0], [2, 2, 2]],
        [[9.5, -0.5, 0.5], [10.5, 0.5, 1.5]],
    ]
    assert compare_hits(answer(hit(10, 0, 1)), [THINGS[0], with_box])["iou_3d"] == 1
    assert true_boxes([]).shape == (0, 2, 3)


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


def turned_randomly(rng: np.random.Generator) -> np.ndarray:
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return rotation * np.sign(np.linalg.det(rotation))


def oriented(centre: np.ndarray, rotation: np.ndarray, size: np.ndarray) -> OrientedBox:
    """Args: rotation: its columns are the box's axes."""
    axes = tuple(tuple(axis) for axis in rotation.T.tolist())
    return OrientedBox(tuple(centre.tolist()), axes, tuple(size.tolist()))


@FUZZ
@given(st.integers(0, 2**32 - 1))
def test_the_iou_of_oriented_boxes_is_that_of_their_corners_wherever_both_are_turned_and_moved(seed: int):
    rng = np.random.default_rng(seed)
    low = rng.uniform(-1, 1, (2, 1, 3))
    boxes = np.concatenate([low, low + rng.uniform(0.05, 2, (2, 1, 3))], axis=1)
    rotation, away, factor = turned_randomly(rng), rng.normal(size=3) * 100, 10 ** rng.uniform(-3, 3)
    moved = [
        oriented(factor * rotation @ box.mean(axis=0) + away, rotation, factor * (box[1] - box[0])) for box in boxes
    ]
    expected = box_ious(boxes[:1], boxes[1:])[0, 0]
    assert oriented_box_iou(*moved) == pytest.approx(expected, abs=1e-6)
    assert oriented_box_iou(moved[1], moved[0]) == pytest.approx(expected, abs=1e-6)
    assert oriented_box_iou(moved[0], moved[0]) == pytest.approx(1, abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_iou_of_boxes_turned_differently_is_the_share_of_points_in_both(seed: int):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-3, 3, (200_000, 3))
    inside, boxes = [], []
    for _ in range(2):
        centre, rotation, size = rng.uniform(-0.5, 0.5, 3), turned_randomly(rng), rng.uniform(0.5, 2, 3)
        boxes.append(oriented(centre, rotation, size))
        inside.append((np.abs((points - centre) @ rotation) <= size / 2).all(axis=1))
    counted = (inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum()
    assert oriented_box_iou(*boxes) == pytest.approx(counted, abs=0.03)


def test_boxes_that_touch_or_are_flat_share_nothing():
    upright = np.eye(3)
    one = oriented(np.zeros(3), upright, np.ones(3))
    assert oriented_box_iou(one, oriented(np.array([1.0, 0, 0]), upright, np.ones(3))) == 0
    assert oriented_box_iou(one, oriented(np.array([9.0, 0, 0]), upright, np.ones(3))) == 0
    assert oriented_box_iou(one, oriented(np.zeros(3), upright, np.array([1.0, 1.0, 0.0]))) == 0
    point = oriented(np.zeros(3), upright, np.zeros(3))
    assert oriented_box_iou(point, point) == 0


def test_things_are_read_for_each_phrase(tmp_path: Path):
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(queries()))
    file = read_queries(path)
    things = {query.text: Cylinders.of(file.instances_of(query)) for query in file.queries}
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
