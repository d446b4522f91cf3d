"""Relevancy from sparse codes against relevancy of the decoded embeddings."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import normalize

from langfield.models.relevancy import relevancy
from langfield.ops.sparse_relevancy import reference, sparse_relevancy, sparse_relevancy_levels

DIM = 16


def unit(count: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)), dim=-1)


def coded(elements: int, levels: int, keep: int, codes: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random codes and shares; some 40 % of the levels are not answered for."""
    generator = torch.Generator().manual_seed(seed)
    code = torch.randint(0, codes, (elements, levels, keep), generator=generator).to(torch.int16)
    share = torch.rand(elements, levels, keep, generator=generator)
    share *= torch.rand(elements, levels, 1, generator=generator) < 0.6
    return code, share.half()


def decoded(
    codebook: torch.Tensor, phrases: torch.Tensor, negatives: torch.Tensor, code: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """(n, l, p): `relevancy` of the embeddings, 0 at levels that are not answered for."""
    embedding = (codebook[code.long()] * share.float()[..., None]).sum(dim=2)
    found = relevancy(embedding.flatten(0, 1), phrases, negatives, 10.0).unflatten(0, code.shape[:2])
    return found * (share > 0).any(dim=-1, keepdim=True)


@pytest.mark.parametrize(
    ("elements", "levels", "keep", "phrases", "negatives"),
    [(200, 4, 4, 3, 4), (50, 1, 4, 1, 4), (50, 3, 1, 5, 1), (7, 5, 3, 200, 2), (1, 1, 1, 1, 1)],
)
def test_it_is_the_relevancy_of_the_decoded_embeddings(elements, levels, keep, phrases, negatives):
    codebook, asked, against = unit(40, 1), unit(phrases, 2), unit(negatives, 3)
    code, share = coded(elements, levels, keep)
    expected = decoded(codebook, asked, against, code, share)
    found, level = sparse_relevancy(codebook @ asked.T, codebook @ against.T, code, share, 10.0)
    torch.testing.assert_close(found, expected.amax(dim=1), rtol=1e-5, atol=1e-6)
    answered = (share > 0).any(dim=-1).any(dim=-1)
    assert torch.equal(level >= 0, answered[:, None].expand_as(level))
    at_level = expected.gather(1, level.clamp_min(0).long()[:, None])[:, 0]
    torch.testing.assert_close(at_level, found, rtol=1e-5, atol=1e-6)
    each = sparse_relevancy_levels(codebook @ asked.T, codebook @ against.T, code, share, 10.0)
    torch.testing.assert_close(each, expected, rtol=1e-5, atol=1e-6)


def test_of_levels_that_tie_the_first_is_taken():
    code, share = coded(60, 1, 4)
    code, share = code.repeat(1, 5, 1), share.repeat(1, 5, 1)
    share[::2, :2] = 0
    _, level = sparse_relevancy(unit(40, 1) @ unit(3, 2).T, unit(40, 1) @ unit(4, 3).T, code, share, 10.0)
    answered = (share > 0).any(dim=-1)
    first = torch.where(answered.any(dim=1), answered.int().argmax(dim=1), -1)
    assert torch.equal(level.long(), first[:, None].expand(-1, 3))
    assert {-1, 0, 2} <= set(first.tolist())


def test_the_best_level_is_told_apart_where_relevancies_are_saturated():
    dots = torch.tensor([[20.0], [30.0]])
    code = torch.tensor([[[0], [1]]], dtype=torch.int16)
    found, level = sparse_relevancy(dots, torch.zeros(2, 1), code, torch.ones(1, 2, 1).half(), 10.0)
    assert found.item() == 1
    assert level.item() == 1


def test_elements_with_no_level_answered_have_no_relevancy():
    code, _ = coded(5, 3, 2)
    share = torch.zeros(5, 3, 2, dtype=torch.float16)
    arguments = (unit(40, 1) @ unit(3, 2).T, unit(40, 1) @ unit(4, 3).T, code, share, 10.0)
    found, level = sparse_relevancy(*arguments)
    assert not found.any()
    assert (level == -1).all()
    assert not sparse_relevancy_levels(*arguments).any()


def test_a_level_that_is_not_answered_never_wins_though_all_others_are_worse_than_undecided():
    code = torch.zeros(1, 2, 1, dtype=torch.int16)
    share = torch.tensor([[[0.0], [1.0]]]).half()
    found, level = sparse_relevancy(torch.tensor([[-1.0]]), torch.tensor([[1.0]]), code, share, 10.0)
    assert level.item() == 1
    torch.testing.assert_close(found.item(), float(torch.sigmoid(torch.tensor(-20.0))))


def test_the_size_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    code, share = coded(100, 4, 4)
    arguments = (unit(40, 1) @ unit(6, 2).T, unit(40, 1) @ unit(4, 3).T, code, share, 10.0)
    found, level = sparse_relevancy(*arguments)
    for numbers in (1, 4 * 10 * 7):
        monkeypatch.setattr(reference, "_COSINES_AT_ONCE", numbers)
        again, again_level = sparse_relevancy(*arguments)
        torch.testing.assert_close(again, found, rtol=1e-6, atol=1e-7)
        assert torch.equal(again_level, level)


@pytest.mark.parametrize(("elements", "phrases"), [(0, 3), (4, 0), (0, 0)])
def test_no_elements_or_no_phrases(elements: int, phrases: int):
    code, share = coded(elements, 2, 4)
    dots = unit(40, 1) @ unit(phrases, 2).T
    found, level = sparse_relevancy(dots, unit(40, 1) @ unit(4, 3).T, code, share, 10.0)
    assert found.shape == level.shape == (elements, phrases)
    assert level.dtype == torch.int8
    levels = sparse_relevancy_levels(dots, unit(40, 1) @ unit(4, 3).T, code, share, 10.0)
    assert levels.shape == (elements, 2, phrases)


def test_an_emptied_map_is_asked_without_codes():
    found, _ = sparse_relevancy(torch.zeros(0, 2), torch.zeros(0, 1), *coded(0, 2, 4), 10.0)
    assert found.shape == (0, 2)


@pytest.mark.parametrize(
    ("shape", "codes", "negatives", "message"),
    [((2, 2, 2), 3, 0, "at least one negative"), ((2, 128, 1), 3, 1, "127 levels"), ((2, 2, 2), 0, 1, "no rows")],
)
def test_what_cannot_be_answered_is_refused(shape, codes: int, negatives: int, message: str):
    code, share = torch.zeros(shape, dtype=torch.int16), torch.zeros(shape, dtype=torch.float16)
    with pytest.raises(ValueError, match=message):
        sparse_relevancy(torch.zeros(codes, 2), torch.zeros(codes, negatives), code, share, 10.0)


KERNEL_AGAINST_REFERENCE = """
import torch
from langfield.ops.sparse_relevancy import reference, triton_kernel

generator = torch.Generator().manual_seed(0)
cases = [(1, 1, 1, 1, 1), (130, 3, 4, 1, 4), (257, 4, 4, 16, 3), (70, 7, 2, 33, 4), (7, 4, 5, 130, 1), (9, 2, 3, 5, 20)]
for elements, levels, keep, phrases, negatives in cases:
    code = torch.randint(0, 50, (elements, levels, keep), generator=generator).to(torch.int16)
    share = torch.rand(elements, levels, keep, generator=generator).half()
    share *= torch.rand(elements, levels, 1, generator=generator) < 0.6
    code[::2], share[::2] = code[::2, :1].clone(), share[::2, :1].clone()  # every other element's levels tie
    dots = [torch.randn(50, count, generator=generator) for count in (phrases, negatives)]
    fast = triton_kernel.sparse_relevancy(*dots, code, share, 2.0)
    slow = reference.sparse_relevancy(*dots, code, share, 2.0)
    torch.testing.assert_close(fast[0], slow[0], rtol=1e-5, atol=2e-6)
    assert torch.equal(fast[1], slow[1])
"""


def test_the_kernel_is_the_reference_in_tritons_interpreter():
    """In a process of its own: Triton reads the variable when it is imported. The GPU's arithmetic is in tests/gpu."""
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KERNEL_AGAINST_REFERENCE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
