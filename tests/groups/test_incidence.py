"""Sets as pairs on a device: sums over what two share, against products of dense matrices."""

import numpy as np
import pytest
import torch
from scipy import sparse

from langfield.groups import incidence
from langfield.groups.incidence import Incidence, distinct_numbers, expanded, shared_sums, sorted_numbers, sums_where


def some_sets(rows: int, columns: int, seed: int = 0, share: float = 0.3) -> torch.Tensor:
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed)) < share


@pytest.fixture(params=[3, 10**6], ids=["few pairs at once", "all at once"], autouse=True)
def pairs_at_once(request, monkeypatch):
    monkeypatch.setitem(incidence.PAIRS_AT_ONCE, "cpu", request.param)


def test_sets_survive_every_form():
    held = some_sets(7, 11)
    held[2] = False
    sets = Incidence.of_dense(held)
    assert len(sets) == int(held.sum())
    assert torch.equal(sets.dense(), held)
    assert torch.equal(sets.dense(range(2, 5)), held[2:5])
    assert torch.equal(sets.transposed.dense(), held.T)
    assert torch.equal(sets.sizes, held.sum(dim=1))
    again = Incidence.of_csr(sparse.csr_matrix(held.numpy()), "cpu")
    assert torch.equal(again.row, sets.row)
    assert torch.equal(again.column, sets.column)
    rows, columns = torch.tensor([1, 2, 6]), torch.tensor([0, 4, 5, 9])
    assert torch.equal(sets.of_rows(rows).dense(), held[rows])
    assert torch.equal(sets.of_columns(columns).dense(), held[:, columns])


def test_rows_are_expanded_in_order():
    held = some_sets(6, 9)
    held[4] = False
    asked = torch.tensor([3, 4, 0, 3, 5])
    parts = list(expanded(asked, Incidence.of_dense(held)))
    of, column = (torch.cat(part) for part in zip(*parts, strict=True))
    expected = [(place, c) for place, row in enumerate(asked.tolist()) for c in held[row].nonzero()[:, 0].tolist()]
    assert list(zip(of.tolist(), column.tolist(), strict=True)) == expected


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_over_shared_columns_are_matrix_products(weighted):
    one, other = some_sets(8, 20), some_sets(5, 20, seed=1)
    weight = torch.arange(20) ** 3 if weighted else None
    worth = torch.ones(20) if weight is None else weight
    expected = (one * worth).double() @ other.T.double()
    sets = Incidence.of_dense(one), Incidence.of_dense(other)
    assert torch.equal(shared_sums(*sets, weight), expected)
    assert torch.equal(shared_sums(*sets, weight, range(3, 6)), expected[3:6])


def test_sums_of_what_others_know():
    held, known = some_sets(6, 30), some_sets(4, 30, seed=2, share=0.6)
    weight = torch.arange(1, 31)
    knower, row = torch.tensor([0, 3, 3, 2]), torch.tensor([5, 0, 5, 1])
    found = sums_where((knower, row), Incidence.of_dense(held), known, weight)
    assert torch.equal(found, ((held[row] & known[knower]) * weight).sum(dim=1).double())


def test_empty_sets_share_nothing():
    none = Incidence.of_dense(torch.zeros(0, 5, dtype=torch.bool))
    some = Incidence.of_dense(some_sets(3, 5))
    assert shared_sums(none, some).shape == (0, 3)
    assert torch.equal(shared_sums(some, Incidence.of_dense(torch.zeros(2, 5, dtype=torch.bool))), torch.zeros(3, 2))


def test_numbers_are_sorted_and_each_kept_once():
    numbers = torch.tensor([5, -1, 5, 3, 2**60, -1])
    assert sorted_numbers(numbers).tolist() == sorted(numbers.tolist())
    assert distinct_numbers(numbers).tolist() == [-1, 3, 5, 2**60]
    assert distinct_numbers(numbers[:0]).tolist() == []
    assert np.array_equal(numbers.numpy(), [5, -1, 5, 3, 2**60, -1])  # the given ones stay
