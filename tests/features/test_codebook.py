"""Codebooks against planted clusters, and sparse codes against brute force over all supports."""

import itertools

import pytest
import torch
from torch.nn.functional import normalize

from langfield.features import codebook as module
from langfield.features.codebook import improve_codebook, learn_codebook, nearest_codes


def unit(count: int, dim: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def around(centres: torch.Tensor, each: int, spread: float, seed: int = 0) -> torch.Tensor:
    """Unit vectors about each centre, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    vectors = centres.repeat_interleave(each, dim=0)
    vectors = normalize(vectors + spread * torch.randn(vectors.shape, generator=generator), dim=-1)
    return vectors[torch.randperm(len(vectors), generator=generator)]


def stream(vectors: torch.Tensor, batch: int = 200):
    return lambda: iter(vectors.split(batch))


def coding_error(vectors: torch.Tensor, codebook: torch.Tensor, k: int = 1) -> float:
    """1 − the mean cosine between vectors and their coded versions."""
    codes, shares = nearest_codes(vectors, codebook, k)
    coded = (codebook.float()[codes] * shares[..., None]).sum(dim=1)
    return 1 - float(torch.cosine_similarity(vectors.float(), coded, dim=-1).double().mean())


@pytest.mark.parametrize("seed", range(5))
def test_planted_clusters_are_found_each_once(seed: int):
    centres = unit(30, 16, seed)
    codebook = learn_codebook(stream(around(centres, 100, 0.05)), 30, seed=seed)
    assert codebook.shape == (30, 16)
    cosine, which = (centres @ codebook.T).max(dim=1)
    assert cosine.min() > 0.998
    assert len(which.unique()) == 30


def test_rows_are_unit_float32_whatever_the_length_and_precision_of_the_stream():
    vectors = around(unit(10, 8, 1), 50, 0.3)
    codebook = learn_codebook(stream(vectors), 12)
    assert codebook.dtype == torch.float32
    torch.testing.assert_close(codebook.norm(dim=-1), torch.ones(12))
    assert torch.equal(codebook, learn_codebook(stream(8 * vectors), 12))
    from_half = learn_codebook(stream(vectors.half()), 12)
    assert from_half.dtype == torch.float32
    torch.testing.assert_close(from_half.norm(dim=-1), torch.ones(12))


def test_no_pass_makes_it_worse_and_the_first_makes_it_better():
    vectors = around(unit(60, 12, 3), 200, 0.4)  # more than the sample that learning starts with
    errors = [coding_error(vectors, learn_codebook(stream(vectors), 64, passes=passes)) for passes in range(5)]
    assert all(after <= before + 1e-7 for before, after in itertools.pairwise(errors))
    assert errors[1] < errors[0] - 1e-5


def test_the_same_stream_and_seed_give_the_same_rows_and_another_seed_others():
    vectors = around(unit(20, 8, 4), 300, 0.5)
    first = learn_codebook(stream(vectors), 40, seed=7)
    assert torch.equal(first, learn_codebook(stream(vectors), 40, seed=7))
    assert not torch.equal(first, learn_codebook(stream(vectors), 40, seed=8))


def test_the_stream_is_gone_through_once_for_the_sample_and_once_a_pass():
    vectors, starts = around(unit(5, 4, 5), 20, 0.2), []

    def batches():
        starts.append(1)
        return iter(vectors.split(30))

    learn_codebook(batches, 4, passes=2)
    assert len(starts) == 3


def test_dead_rows_are_drawn_anew_from_what_was_badly_represented():
    centres = unit(8, 16, 6)
    vectors = around(centres, 100, 0.05)
    known = normalize(centres[:6], dim=-1)
    dead = normalize(-vectors.sum(dim=0) + 0.01 * unit(2, 16, 7), dim=-1)  # on the far side of everything
    assert not torch.isin(nearest_codes(vectors, torch.cat([known, dead]))[0], torch.tensor([6, 7])).any()
    improved = improve_codebook(vectors.split(64), torch.cat([known, dead]), torch.Generator().manual_seed(0))
    assert (centres[6:] @ improved.T).amax(dim=1).min() > 0.95
    assert (improved[6:] @ vectors.T).amax(dim=1).min() > 0.999  # they are vectors of the stream
    assert coding_error(vectors, improved) < coding_error(vectors, known) / 2


def test_a_dead_row_stays_where_there_is_nothing_new():
    vectors = unit(3, 5, 8)
    codebook = torch.cat([vectors, vectors[:1]])  # the second of two equal rows is never the nearest
    torch.testing.assert_close(improve_codebook([vectors], codebook, torch.Generator().manual_seed(0)), codebook)


def test_fewer_different_vectors_than_rows_wanted_give_exactly_those():
    different = unit(7, 6, 9)
    copies = different.repeat(20, 1).half()
    codebook = learn_codebook(stream(copies, 9), 32)
    assert codebook.shape == (7, 6)
    assert (different @ codebook.T).amax(dim=1).min() > 1 - 1e-5
    assert coding_error(different, codebook) < 1e-5


def test_one_vector_is_a_codebook():
    only = unit(1, 6, 10)
    torch.testing.assert_close(learn_codebook(stream(only), 5), only)
    assert learn_codebook(stream(unit(50, 6, 11)), 1).shape == (1, 6)


def test_rows_without_a_direction_are_left_out():
    vectors = around(unit(4, 6, 12), 30, 0.1)
    broken = torch.cat([vectors, torch.zeros(5, 6), torch.full((2, 6), torch.nan), torch.full((1, 6), torch.inf)])
    assert learn_codebook(stream(broken), 6).isfinite().all()


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(ValueError, match="no embeddings"):
        learn_codebook(lambda: iter([torch.zeros(3, 4), torch.zeros(0, 4)]), 5)
    with pytest.raises(ValueError, match="at least one row"):
        learn_codebook(stream(unit(3, 4, 0)), 0)


def test_the_nearest_code_is_the_one_of_greatest_cosine():
    vectors, codebook = unit(50, 6, 13), unit(9, 6, 14)
    codes, shares = nearest_codes(vectors.half(), codebook)
    assert torch.equal(codes[:, 0], (vectors.half().float() @ codebook.T).argmax(dim=1))
    assert torch.equal(shares, torch.ones(50, 1))


def test_pairs_of_codes_are_nearly_the_best_of_all_pairs():
    """Brute force: every pair of 12 codes, with the best non-negative shares in closed form."""
    vectors = normalize(torch.rand(40, 5, generator=torch.Generator().manual_seed(15)), dim=-1)
    codebook = normalize(torch.rand(12, 5, generator=torch.Generator().manual_seed(16)), dim=-1)
    best = (vectors @ codebook.T).amax(dim=1)
    for i, j in itertools.combinations(range(12), 2):
        pair = codebook[[i, j]]
        weights = torch.linalg.solve(pair @ pair.T, (vectors @ pair.T).T).T.clamp_min(0)
        best = torch.maximum(best, (normalize(weights @ pair, dim=-1) * vectors).sum(dim=-1))
    assert coding_error(vectors, codebook, 1) > 1.5 * float(1 - best.mean())
    assert coding_error(vectors, codebook, 2) < 1.2 * float(1 - best.mean())


def test_a_mix_of_codes_that_are_not_alike_is_found_again():
    codebook = unit(20, 64, 17)
    shares = torch.rand(100, 3, generator=torch.Generator().manual_seed(18)) + 0.3
    codes = torch.stack([torch.randperm(20, generator=torch.Generator().manual_seed(i))[:3] for i in range(100)])
    vectors = normalize((codebook[codes] * shares[..., None]).sum(dim=1), dim=-1)
    found, found_shares = nearest_codes(vectors, codebook, 3)
    wanted = torch.zeros(100, 20).scatter_(1, codes, shares / shares.sum(dim=1, keepdim=True))
    torch.testing.assert_close(torch.zeros(100, 20).scatter_(1, found, found_shares), wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize("k", [1, 2, 4, 7])
def test_shares_are_not_negative_and_add_up_to_one(k: int):
    vectors = torch.cat([unit(60, 4, 19), -torch.ones(1, 4) / 2])
    codebook = normalize(unit(5, 4, 20).abs(), dim=-1)  # no row points towards the last vector
    codes, shares = nearest_codes(vectors, codebook, k)
    assert codes.shape == shares.shape == (61, k)
    assert shares.min() >= 0
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(61))
    assert codes.min() >= 0
    assert codes.max() < 5
    assert torch.equal(shares[-1], torch.eye(k)[0])


def test_no_code_is_taken_twice():
    codebook = normalize(torch.ones(1, 6) + 0.3 * unit(6, 6, 25), dim=-1)  # much alike: fits converge slowly
    codes, _ = nearest_codes(around(codebook, 30, 0.2), codebook, 6)
    assert torch.equal(codes.sort(dim=1).values, torch.arange(6).expand_as(codes))


def test_the_error_falls_with_the_size_and_with_k():
    vectors = around(unit(40, 12, 21), 60, 0.5)
    by_size = [coding_error(vectors, learn_codebook(stream(vectors), size)) for size in (4, 16, 64, 256)]
    assert all(after < 0.9 * before for before, after in itertools.pairwise(by_size))
    codebook = learn_codebook(stream(vectors), 64)
    by_k = [coding_error(vectors, codebook, k) for k in (1, 2, 3, 4, 6)]
    assert all(after < before for before, after in itertools.pairwise(by_k))
    assert by_k[3] < 0.7 * by_k[0]


def test_pursuit_is_more_accurate_than_softmax_over_the_nearest():
    vectors = around(unit(40, 12, 22), 60, 0.5)
    codebook = learn_codebook(stream(vectors), 64)
    cosine, codes = (vectors @ codebook.T).topk(4, dim=1)
    for sharpness in (1.0, 3.0, 10.0, 30.0):
        mix = (codebook[codes] * (sharpness * cosine).softmax(dim=1)[..., None]).sum(dim=1)
        assert coding_error(vectors, codebook, 4) < 0.8 * float(1 - (normalize(mix, dim=-1) * vectors).sum(-1).mean())


def test_the_size_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    vectors = around(unit(20, 8, 23), 40, 0.4)
    codebook = learn_codebook(stream(vectors), 24)
    codes, shares = nearest_codes(vectors, codebook, 3)
    error = coding_error(vectors, codebook, 3)
    monkeypatch.setattr(module, "_CHUNK_NUMBERS", 24 * 7)
    torch.testing.assert_close(learn_codebook(stream(vectors), 24), codebook)
    some, some_shares = nearest_codes(vectors, codebook, 3)
    assert torch.equal(some[shares > 1e-4], codes[shares > 1e-4])
    torch.testing.assert_close(some_shares, shares, rtol=0, atol=1e-4)
    assert abs(coding_error(vectors, codebook, 3) - error) < 1e-5


def test_no_embeddings_have_no_codes():
    codes, shares = nearest_codes(torch.zeros(0, 4), unit(3, 4, 24), 2)
    assert codes.shape == shares.shape == (0, 2)
