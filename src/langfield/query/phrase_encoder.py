"""Words to vectors: phrases and what they compete with, by the encoder that a run was trained with."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.errors import RunError, UsageError
from langfield.encoders.base import EncoderCard, ImageTextEncoder
from langfield.encoders.registry import load_image_text
from langfield.models.relevancy import EncodedPhrases


class Wording:
    """Checks questions and encodes them; each text is encoded once. The encoder is loaded when first needed."""

    def __init__(self, card: Mapping[str, Any] | None, device: torch.device, spec: str | None = None) -> None:
        """Args:
        card: of the image-text encoder, as run.json has it; None for a run without language.
        spec: where the encoder is now, if not where the card says.
        """
        self._document = card
        self._device = device
        self._spec = spec
        self._encoder: ImageTextEncoder | None = None
        self._texts: dict[str, Tensor] = {}

    @property
    def card(self) -> EncoderCard:
        """UsageError for a run without language, RunError if the card is torn."""
        if self._document is None:
            raise UsageError("this run was trained without language; it can be rendered, but not asked")
        try:
            return EncoderCard.from_json(self._document)
        except ValueError as error:
            raise RunError(f"the encoder's card in run.json cannot be read: {error}") from None

    @property
    def encoder(self) -> ImageTextEncoder:
        """RunError if it is another one now."""
        if self._encoder is None:
            card = self.card
            spec = self._spec or card.spec
            encoder = load_image_text(spec, self._device)
            if encoder.card.identity() != card.identity():
                raise RunError(
                    f"{spec} is not the encoder that this run was trained with ({card.spec}, weights "
                    f"{card.weights_sha256[:12]}); give that one, or train again"
                )
            self._encoder = encoder
        return self._encoder

    def check(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> None:
        """Raise UsageError for a question without words."""
        if not phrases:
            raise UsageError("no phrase was given")
        if any(not text.strip() for text in (*phrases, *(negatives or ()))):
            raise UsageError("a phrase is empty")

    def against(self, negatives: Sequence[str] | None) -> tuple[str, ...]:
        """What phrases compete with: the card's own negatives if none are given. UsageError if that is nothing."""
        against = tuple(self.card.negatives if negatives is None else negatives)
        if not against:
            raise UsageError("relevancy needs at least one negative phrase")
        return against

    def phrases(self, phrases: Sequence[str], negatives: Sequence[str] | None) -> EncodedPhrases:
        """A question, encoded."""
        self.check(phrases, negatives)
        against = self.against(negatives)
        return EncodedPhrases(tuple(phrases), self._encoded(phrases), self._encoded(against), self.card.temperature)

    def _encoded(self, texts: Sequence[str]) -> Float[Tensor, "p d"]:
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if new:
            self._texts |= dict(zip(new, self.encoder.encode_texts(new).to(self._device), strict=True))
        return torch.stack([self._texts[text] for text in texts])
