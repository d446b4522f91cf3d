"""Relevancy: how much better an embedding fits a phrase than general negatives (LERF, Kerr et al. 2023, §3.5)."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def relevancy(
    embedding: Float[Tensor, "n d"],
    phrases: Float[Tensor, "p d"],
    negatives: Float[Tensor, "q d"],
    temperature: float,
) -> Float[Tensor, "n p"]:
    """For each negative, softmax over (τ⟨f, phrase⟩, τ⟨f, negative⟩), first entry; the minimum over the negatives.

    A softmax over two is a logistic function of the difference, which grows with ⟨f, phrase⟩ − ⟨f, negative⟩: the
    minimum is at the negative that fits best. 0.5 means: the phrase fits as well as the best negative.

    Args:
        embedding: unit vectors f.
        phrases: unit text embeddings.
        negatives: unit text embeddings.
        temperature: τ, of the encoder's card; 10 in LERF.
    """
    best_negative = (embedding @ negatives.T).amax(dim=-1, keepdim=True)
    return torch.sigmoid(temperature * (embedding @ phrases.T - best_negative))


@dataclass(frozen=True)
class EncodedPhrases:
    """Phrases and their negatives as text embeddings: what a view of a model is asked with.

    Attributes:
        texts: the P phrases.
        embeddings: (P, D) their unit text embeddings.
        negatives: (Q, D) the negatives' unit text embeddings.
        temperature: τ, of the encoder's card.
        code_relevancy: (C, P) relevancy of each of a model's C codes, set by `Model.prepare_phrases`; None for models
            that do not need it.
        kept: what views of one model worked out of these phrases that holds for all of its views, by what it is; a
            dictionary of their own, set by `Model.prepare_phrases`. None where nothing is to be kept.
    """

    texts: tuple[str, ...]
    embeddings: Float[Tensor, "p d"]
    negatives: Float[Tensor, "q d"]
    temperature: float
    code_relevancy: Float[Tensor, "c p"] | None = None
    kept: dict[Any, Any] | None = field(default=None, repr=False, compare=False)

    def with_codes(self, codes: Float[Tensor, "c d"]) -> "EncodedPhrases":
        """The same with `code_relevancy` of the unit embeddings `codes`; 0 for a code that is a zero vector."""
        parts = [self._of_codes(part.float()) for part in codes.split(2**14)]
        return replace(self, code_relevancy=torch.cat(parts) if parts else None)

    def _of_codes(self, codes: Float[Tensor, "c d"]) -> Float[Tensor, "c p"]:
        # On a CPU the norm takes an eighth of the time of `any`.
        return self.relevancy(codes) * (torch.linalg.vector_norm(codes, dim=-1, keepdim=True) > 0)

    def relevancy(self, embedding: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        """Relevancy of each phrase for each of N unit embeddings, see `relevancy`."""
        return relevancy(embedding, self.embeddings, self.negatives, self.temperature)

    def __getitem__(self, index: "slice | Tensor") -> "EncodedPhrases":
        """Some of the phrases, with the same negatives."""
        chosen = torch.arange(len(self.texts))[index.cpu() if isinstance(index, Tensor) else index].tolist()
        texts = tuple(self.texts[i] for i in chosen)
        code_relevancy = None if self.code_relevancy is None else self.code_relevancy[:, index]
        return EncodedPhrases(texts, self.embeddings[index], self.negatives, self.temperature, code_relevancy)

    def __len__(self) -> int:
        return len(self.texts)
