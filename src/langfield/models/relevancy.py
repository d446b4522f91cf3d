"""Relevancy: how much more an embedding is the phrase than anything in general (LERF, Kerr et al. 2023, §3.5)."""

from dataclasses import dataclass, replace

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
    minimum is at the negative that fits best. 0.5 means: no negative wins.

    Args:
        embedding: unit vectors f.
        phrases, negatives: unit vectors of the text encoder.
        temperature: τ, 10 in LERF; it belongs to the encoder's card.
    """
    best_negative = (embedding @ negatives.T).amax(dim=-1, keepdim=True)
    return torch.sigmoid(temperature * (embedding @ phrases.T - best_negative))


@dataclass(frozen=True)
class EncodedPhrases:
    """Phrases and their negatives as text embeddings: what a view of a model is asked with.

    Attributes:
        texts: the P phrases.
        embeddings: (P, D) unit vectors of the phrases.
        negatives: (Q, D) unit vectors of the negatives.
        temperature: τ, of the encoder's card.
        of_codes: (C, P) relevancy of each of a model's C codes, worked out once for all questions by
            `Model.prepare_phrases`; None for models that do not need it.
    """

    texts: tuple[str, ...]
    embeddings: Float[Tensor, "p d"]
    negatives: Float[Tensor, "q d"]
    temperature: float
    of_codes: Float[Tensor, "c p"] | None = None

    def with_codes(self, codes: Float[Tensor, "c d"]) -> "EncodedPhrases":
        """The same with the relevancy of `codes`, which are embeddings; 0 for a code that is a zero vector."""
        parts = [self.relevancy(part.float()) * part.any(dim=-1, keepdim=True) for part in codes.split(2**14)]
        return replace(self, of_codes=torch.cat(parts) if parts else None)

    def relevancy(self, embedding: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        """Relevancy of each phrase for each of some unit embeddings, see `relevancy`."""
        return relevancy(embedding, self.embeddings, self.negatives, self.temperature)

    def __getitem__(self, index: "slice | Tensor") -> "EncodedPhrases":
        """Some of the phrases, with the same negatives."""
        chosen = torch.arange(len(self.texts))[index.cpu() if isinstance(index, Tensor) else index].tolist()
        texts = tuple(self.texts[i] for i in chosen)
        of_codes = None if self.of_codes is None else self.of_codes[:, index]
        return EncodedPhrases(texts, self.embeddings[index], self.negatives, self.temperature, of_codes)

    def __len__(self) -> int:
        return len(self.texts)
