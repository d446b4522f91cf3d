"""Specks of groups: what does not touch the group goes, what is a good part of it stays."""

import numpy as np
from scipy import sparse

from langfield.groups.base import Groups
from langfield.groups.pieces import pieces, pieces_of_groups, things_apart, without_specks


def plate(x: float, y: float, count: int) -> np.ndarray:
    """count × count points 0.01 apart."""
    axis = np.arange(count) * 0.01
    return np.stack([*(values.reshape(-1) for values in np.meshgrid(x + axis, y + axis)), np.zeros(count**2)], axis=1)


def brute_pieces(points: np.ndarray, reach: float) -> np.ndarray:
    cells = np.floor(points / reach).astype(int)
    piece = np.arange(len(points))
    touch = np.abs(cells[:, None] - cells[None]).max(axis=2) <= 1
    for _ in range(len(points)):
        lowest = np.where(touch, piece[None], len(points)).min(axis=1)
        if (lowest == piece).all():
            break
        piece = lowest
    return np.unique(piece, return_inverse=True)[1]


def test_pieces_are_those_of_a_plain_search():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (300, 3))
    for reach in (0.05, 0.1, 0.15):
        ours, plain = pieces(points, reach), brute_pieces(points, reach)
        assert len(set(zip(ours.tolist(), plain.tolist(), strict=True))) == len(set(ours.tolist())) == len(set(plain))


def test_specks_go_and_second_halves_stay():
    thing, half, speck = plate(0, 0, 20), plate(1, 0, 10), plate(0, 3, 4)
    points = np.concatenate([thing, half, speck])
    of = np.repeat([0, 1, 2], [len(thing), len(half), len(speck)])
    members = sparse.csr_matrix(np.full((1, len(points)), 0.9, np.float32))
    kept = without_specks(members, points, np.full(len(points), 0.01)).toarray()[0] > 0
    assert kept[of == 0].all()
    assert kept[of == 1].all()  # a quarter of the thing
    assert not kept[of == 2].any()  # a twenty-fifth


def test_size_is_surface_not_number():
    near, far = plate(0, 0, 10), plate(0, 5, 10)[:20] * [8, 1, 1]
    points = np.concatenate([near, far])
    sides = np.concatenate([np.full(len(near), 0.01), np.full(len(far), 0.08)])
    kept = without_specks(sparse.csr_matrix(np.ones((1, len(points)), np.float32)), points, sides).toarray()[0] > 0
    assert kept[len(near) :].all()  # few voxels, but large ones


def test_rims_and_empty_groups_stay_as_they_are():
    points = plate(0, 0, 4)
    shares = np.full((2, len(points)), 0.2, np.float32)
    shares[1] = 0
    members = sparse.csr_matrix(shares)
    kept = without_specks(members, points, np.full(len(points), 0.01))
    np.testing.assert_array_equal(kept.toarray(), shares)


def test_pieces_of_several_groups_are_those_of_each():
    rng = np.random.default_rng(1)
    points, group = rng.uniform(-1, 1, (400, 3)), np.sort(rng.integers(0, 3, 400))
    reach = np.array([0.1, 0.2, 0.3])
    together = pieces_of_groups(points, group, reach)
    for number in range(3):
        own = pieces(points[group == number], reach[number])
        pairs = set(zip(own.tolist(), together[group == number].tolist(), strict=True))
        assert len(pairs) == own.max() + 1 == len({piece for _, piece in pairs})
    assert len(np.unique(together)) == sum(pieces(points[group == k], reach[k]).max() + 1 for k in range(3))


def test_cells_a_million_away_are_no_neighbours_of_the_other_end():
    points = np.array([[-1e7, 0, 0], [1e7, 0, 0], [0, 1e7, 0], [0, 0, 0]])
    assert len(np.unique(pieces(points, 1.0))) == 4


def groups_of(shares: np.ndarray) -> Groups:
    count = len(shares)
    photos = np.arange(10, 10 + count)
    parent, support = np.full(count, -1), np.linspace(1, 0.5, count).astype(np.float32)
    return Groups(sparse.csr_matrix(shares.astype(np.float32)), parent, photos, photos + 1, support)


def test_what_is_farther_apart_than_it_is_long_is_several_things():
    cup, spoon, leaf = plate(0, 0, 10), plate(0.3, 0, 6), plate(0, 0.14, 5)
    points = np.concatenate([cup, spoon, leaf])
    of = np.repeat([0, 1, 2], [len(cup), len(spoon), len(leaf)])
    rim = np.array([[0.28, 0.02, 0.0]])  # next to the spoon
    points, of = np.concatenate([points, rim]), np.append(of, 3)
    shares = np.where(of == 3, 0.3, 0.9)[None]
    found = things_apart(groups_of(shares), points, np.full(len(points), 0.01))
    first, second = found.members.toarray() > 0
    np.testing.assert_array_equal(first, (of == 0) | (of == 2))  # the leaf is 5 cm away from a cup of 10
    np.testing.assert_array_equal(second, (of == 1) | (of == 3))  # the spoon 20 cm
    assert found.photo_count.tolist() == [10, 10]
    assert found.visible_count.tolist() == [11, 11]


def test_a_thing_that_is_a_group_already_is_none_twice():
    cup, spoon = plate(0, 0, 10), plate(0.3, 0, 6)
    points = np.concatenate([cup, spoon])
    is_cup = np.arange(len(points)) < len(cup)
    shares = 0.9 * np.stack([np.ones(len(points)), ~is_cup])
    found = things_apart(groups_of(shares), points, np.full(len(points), 0.01))
    np.testing.assert_array_equal(found.members.toarray() > 0, [is_cup, ~is_cup])
    assert found.photo_count.tolist() == [10, 11]
    assert found.parent.tolist() == [-1, -1]


def test_no_two_groups_are_alike_after_splits():
    cup, spoon, jar = plate(0, 0, 10), plate(0.3, 0, 6), plate(0, 0.4, 9)
    points = np.concatenate([cup, spoon, jar])
    of = np.repeat([0, 1, 2], [len(cup), len(spoon), len(jar)])
    with_cup = 0.9 * np.stack([(of == 0) | (of == 1), of == 0])  # the cup is there, but not first
    found = things_apart(groups_of(with_cup), points, np.full(len(points), 0.01))
    np.testing.assert_array_equal(found.members.toarray() > 0, [of == 1, of == 0])
    assert found.photo_count.tolist() == [10, 11]
    twice = 0.9 * np.stack([(of == 0) | (of == 1), (of == 2) | (of == 1)])
    found = things_apart(groups_of(twice), points, np.full(len(points), 0.01))
    np.testing.assert_array_equal(found.members.toarray() > 0, [of == 0, of == 1, of == 2])
    assert found.parent.tolist() == [-1, -1, -1]


def test_groups_of_one_piece_stay_as_they_are_without_specks():
    points = np.concatenate([plate(0, 0, 20), plate(3, 0, 2)])
    groups = groups_of(np.full((2, len(points)), 0.8))
    sides = np.full(len(points), 0.01)
    found = things_apart(groups, points, sides)
    kept = without_specks(groups.members, points, sides)
    np.testing.assert_array_equal(found.members.toarray(), kept.toarray())
    assert found.parent.tolist() == groups.parent.tolist()
    assert things_apart(groups_of(np.zeros((0, 5))), np.zeros((5, 3)), np.ones(5)).members.shape == (0, 5)
