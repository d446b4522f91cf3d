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
class Phrases:
    """What is asked, encoded.

    Attributes:
        texts: the phrases.
        embeddings, negatives: unit vectors.
        temperature: of the encoder's card.
        of_codes: relevancy of each of a method's codes (`CodedMethod`), once for all questions; None without them.
    """

    texts: tuple[str, ...]
    embeddings: Float[Tensor, "p d"]
    negatives: Float[Tensor, "q d"]
    temperature: float
    of_codes: Float[Tensor, "c p"] | None = None

    def with_codes(self, codes: Float[Tensor, "c d"]) -> "Phrases":
        """The same with the relevancy of `codes`, which are embeddings; a code that is zero means nothing: 0."""
        parts = [self.relevancy(part.float()) * part.any(dim=-1, keepdim=True) for part in codes.split(2**14)]
        return replace(self, of_codes=torch.cat(parts) if parts else None)

    def relevancy(self, embedding: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        return relevancy(embedding, self.embeddings, self.negatives, self.temperature)

    def __getitem__(self, index: "slice | Tensor") -> "Phrases":
        """Some of the phrases, with the same negatives."""
        chosen = torch.arange(len(self.texts))[index.cpu() if isinstance(index, Tensor) else index].tolist()
        texts = tuple(self.texts[i] for i in chosen)
        of_codes = None if self.of_codes is None else self.of_codes[:, index]
        return Phrases(texts, self.embeddings[index], self.negatives, self.temperature, of_codes)

    def __len__(self) -> int:
        return len(self.texts)
