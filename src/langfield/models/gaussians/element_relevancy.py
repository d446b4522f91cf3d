"""Relevancy of phrases for Gaussians, which no camera changes: a moving one finds it worked out."""

from collections.abc import Callable

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


def kept_for_all_views(function: OfGaussians, phrases: EncodedPhrases, language: LanguageMap) -> Float[Tensor, "n c"]:
    """One of the two for all of a language's Gaussians, worked out once for prepared phrases; kept if it takes 64 MiB
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
