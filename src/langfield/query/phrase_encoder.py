"""Phrases and negatives to unit embeddings, by the text encoder of the model that a run was trained with."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.errors import RunError, UsageError
from langfield.core.threads import all_torch_threads
from langfield.encoders.base import EncoderCard, ImageTextEncoder
from langfield.encoders.registry import load_image_text
from langfield.models.relevancy import EncodedPhrases


class PhraseEncoder:
    """Checks phrases and encodes them. The encoder is loaded when first needed; each text is encoded once and kept.
    Threads, and the sessions of several models of one scene, may share it.

    Args:
        card: the image-text encoder's card as run.json has it; None for a run without language.
        device: where the encoder computes and embeddings lie.
        spec: where the encoder is now, if not where the card says.
    """

    def __init__(self, card: Mapping[str, Any] | None, device: torch.device, spec: str | None = None) -> None:
        self._document = card
        self._device = device
        self._spec = spec
        self._lock = threading.RLock()
        self._encoder: ImageTextEncoder | None = None
        self._texts: dict[str, Tensor] = {}

    @property
    def has_language(self) -> bool:
        """Whether the run was trained with an image-text encoder."""
        return self._document is not None

    @property
    def card(self) -> EncoderCard:
        """The encoder's card. UsageError for a run without language, RunError if the card cannot be read."""
        if self._document is None:
            raise UsageError("this run was trained without language; it can be rendered, but not asked")
        try:
            return EncoderCard.from_json(self._document)
        except ValueError as error:
            raise RunError(f"the encoder's card in run.json cannot be read: {error}") from None

    @property
    def encoder(self) -> ImageTextEncoder:
        """The encoder itself. RunError if what is there now is not the one that the run was trained with."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder

    def _load(self) -> ImageTextEncoder:
        card = self.card
        spec = self._spec or card.spec
        encoder = load_image_text(spec, self._device)
        if encoder.card.identity() != card.identity():
            raise RunError(
                f"{spec} is not the encoder that this run was trained with ({card.spec}, weights "
                f"{card.weights_sha256[:12]}); give that one, or train again"
            )
        return encoder

    def check(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> None:
        """Raise UsageError for no phrases, and for phrases or negatives without words."""
        if not phrases:
            raise UsageError("no phrase was given")
        if any(not text.strip() for text in (*phrases, *(negatives or ()))):
            raise UsageError("a phrase is empty")

    def negatives(self, negatives: Sequence[str] | None) -> tuple[str, ...]:
        """The negative phrases of a question: the card's (LERF's "object", "things", "stuff", "texture") for None.
        UsageError if there are none."""
        chosen = tuple(self.card.negatives if negatives is None else negatives)
        if not chosen:
            raise UsageError("relevancy needs at least one negative phrase")
        return chosen

    def encode(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> EncodedPhrases:
        """P phrases and their negatives (None: the card's) as unit embeddings, with the card's temperature.

        UsageError for what `check` and `negatives` refuse.
        """
        self.check(phrases, negatives)
        chosen = self.negatives(negatives)
        return EncodedPhrases(
            tuple(phrases), self._embeddings(phrases), self._embeddings(chosen), self.card.temperature
        )

    def _embeddings(self, texts: Sequence[str]) -> Float[Tensor, "p d"]:
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._texts]
            if new:
                with all_torch_threads(self._device):
                    encoded = self.encoder.encode_texts(new).to(self._device)
                self._texts |= dict(zip(new, encoded, strict=True))
            return torch.stack([self._texts[text] for text in texts])
