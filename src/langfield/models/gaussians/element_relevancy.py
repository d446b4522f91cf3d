"""Relevancy of phrases for Gaussians, which no camera changes: a moving one finds it worked out."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float16, Int16
from torch import Tensor

from langfield.fields.language_map import LanguageMap
from langfield.models.relevancy import EncodedPhrases
from langfield.ops.sparse_relevancy import sparse_relevancy, sparse_relevancy_levels

OfGaussians = Callable[[EncodedPhrases, LanguageMap, Tensor, Tensor], Tensor]
_KEPT_BYTES = 2**26


def highest_of_levels(
    phrases: EncodedPhrases, language: LanguageMap, code: Int16[Tensor, "m l k"], share: Float16[Tensor, "m l k"]
) -> Float[Tensor, "m p"]:
    """The highest relevancy of each phrase over the crop levels.

    Args:
        code, share: of M Gaussians, see `LanguageMap`.
    """
    return sparse_relevancy(*_dots(phrases, language), code, share, phrases.temperature)[0]


def every_level(
    phrases: EncodedPhrases, language: LanguageMap, code: Int16[Tensor, "m l k"], share: Float16[Tensor, "m l k"]
) -> Float[Tensor, "m lp"]:
    """Relevancy at each crop level: all phrases at the first, and so on. Args: see `highest_of_levels`."""
    return sparse_relevancy_levels(*_dots(phrases, language), code, share, phrases.temperature).flatten(1)


def levels_and_distance(
    phrases: EncodedPhrases, language: LanguageMap, code: Int16[Tensor, "n l k"], share: Float16[Tensor, "n l k"]
) -> Float[Tensor, "n lp2"]:
    """`every_level` of all N Gaussians, and two more numbers of each: see `distance_and_weight`."""
    return torch.cat([every_level(phrases, language, code, share), distance_and_weight(language)], dim=1)


def distance_and_weight(language: LanguageMap) -> Float[Tensor, "n 2"]:
    """The distance that each Gaussian was photographed from, and 1; both 0 for those without language. The mean of a
    pixel's distances is the sum of the first over the sum of the second."""
    has_language = language.seen.float()
    return torch.stack([language.distance.float() * has_language, has_language], dim=1)


def kept_for_all_views(function: OfGaussians, phrases: EncodedPhrases, language: LanguageMap) -> Float[Tensor, "n c"]:
    """One of these for all of a language's Gaussians, worked out once for prepared phrases; kept if it takes 64 MiB
    at most, until the model gets other language."""
    kept = phrases.kept
    if kept is not None and function in kept:
        of_share, values = kept[function]
        if of_share is language.share:
            return values
    values = function(phrases, language, language.code, language.share)
    if kept is not None and values.nbytes <= _KEPT_BYTES:
        kept[function] = language.share, values
    return values


def _dots(phrases: EncodedPhrases, language: LanguageMap) -> tuple[Float[Tensor, "c p"], Float[Tensor, "c q"]]:
    """Inner products of the codebook's rows with phrases and negatives."""
    codebook = language.codebook.float()
    return codebook @ phrases.embeddings.T, codebook @ phrases.negatives.T
