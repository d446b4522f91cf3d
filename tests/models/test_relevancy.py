"""Relevancy against LERF's formula as its paper writes it."""

import torch

from langfield.models.relevancy import EncodedPhrases, relevancy


def unit(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_it_is_the_minimum_of_the_softmaxes():
    f, phrases, negatives = unit(50, 6, 0), unit(3, 6, 1), unit(4, 6, 2)
    found = relevancy(f, phrases, negatives, 10.0)
    for i in range(50):
        for p in range(3):
            pairs = [torch.stack([10 * f[i] @ phrases[p], 10 * f[i] @ n]).softmax(0)[0] for n in negatives]
            torch.testing.assert_close(found[i, p], torch.stack(pairs).min(), rtol=1e-5, atol=1e-6)


def test_a_phrase_that_is_the_only_negative_is_undecided():
    f, phrase = unit(20, 6, 0), unit(1, 6, 1)
    torch.testing.assert_close(relevancy(f, phrase, phrase, 10.0), torch.full((20, 1), 0.5))


def test_more_negatives_never_raise_it():
    f, phrases, negatives = unit(50, 6, 0), unit(3, 6, 1), unit(4, 6, 2)
    assert (relevancy(f, phrases, negatives, 10.0) <= relevancy(f, phrases, negatives[:2], 10.0) + 1e-7).all()


def test_some_of_the_phrases_answer_as_among_all():
    phrases = EncodedPhrases(("a", "b", "c"), unit(3, 6, 1), unit(4, 6, 2), 10.0)
    f = unit(5, 6, 0)
    part = phrases[torch.tensor([2, 0])]
    assert part.texts == ("c", "a")
    assert torch.equal(part.relevancy(f), phrases.relevancy(f)[:, [2, 0]])
    assert phrases[1:].texts == ("b", "c")
