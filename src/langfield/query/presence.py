"""Whether a phrase is in a scene at all, calibrated without labels.

Something always answers best, so a relevancy alone cannot say "it is not there"; nor is 0.5 a threshold: what no
negative beats may still be nothing of the kind. What a score is worth is learnt from what the scene answers to a
bundled list of common nouns, of which nearly all are absent from any one scene. Three things tell a phrase that is
there from those:

    strength: how well its best place fits;
    distinction: how much better than the nouns it fits that place;
    contrast: how much better its best place fits than the rest of the scene.

Each is counted in spreads of the nouns' own above their median. (An empirical null as in Efron 2004, "Large-scale
simultaneous hypothesis testing": the spread comes from the quartile above the median, which the few nouns that are
there move little.) The mean of the three is counted so once more, and that is the evidence z; presence is σ(z − 3).
"""

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

THREE_SPREADS = 3.0
_QUARTILE = 0.6745  # of the normal distribution
_LEAST_SPREAD = 1e-3  # of log-odds: nouns that all score the same tell nothing
_ELSEWHERE = 0.9  # the quantile of places that contrast is taken against
FEWEST_NOUNS = 64  # that an encoder must tell apart
_SAME = 1e-4  # 1 − cosine
_CLIPPED = 1e-4  # scores are kept so far from 0 and 1


@cache
def common_nouns() -> tuple[str, ...]:
    """The bundled list."""
    return tuple(files("langfield.query").joinpath("common_nouns.txt").read_text(encoding="utf-8").split("\n")[:-1])


def distinct(embeddings: Float[Tensor, "n d"]) -> Int64[Tensor, " m"]:
    """The first of each group of texts that the encoder cannot tell apart (words that it does not know are all one)."""
    alike = embeddings @ embeddings.T > 1 - _SAME
    return torch.nonzero(~alike.tril(-1).any(dim=1))[:, 0]


def best_score(score: Float[np.ndarray, "p c"]) -> Float[np.ndarray, " p"]:
    """Presence by an encoder that knows too few words for a comparison: the evidence of the best place itself, of which
    0.5 says that no negative phrase wins there. 0 without places."""
    return score.max(axis=1, initial=0.0)


@dataclass(frozen=True)
class Null:
    """How a number is spread among phrases that mean nothing in the scene."""

    median: float
    spread: float

    @classmethod
    def of(cls, values: Float[np.ndarray, " n"]) -> "Null":
        middle, upper = np.quantile(values, [0.5, 0.75])
        return cls(float(middle), max(float(upper - middle) / _QUARTILE, _LEAST_SPREAD))

    def spreads(self, values: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """How far above the median, in spreads."""
        return (values - self.median) / self.spread


@dataclass(frozen=True)
class Background:
    """What a scene answers to phrases in general.

    Attributes:
        mean, spread: of the nouns' log-odds in each of C places.
        strength, distinction, contrast, together: how the evidence is spread among the nouns.
    """

    mean: Float[np.ndarray, " c"]
    spread: Float[np.ndarray, " c"]
    strength: Null
    distinction: Null
    contrast: Null
    together: Null

    @classmethod
    def of_nouns(cls, score: Float[np.ndarray, "n c"]) -> "Background":
        """Learn it from the nouns' scores, in (0, 1), in C ≥ 1 places."""
        odds = log_odds(score)
        mean, spread = odds.mean(axis=0), np.maximum(odds.std(axis=0), _LEAST_SPREAD)
        strength, distinction, contrast = (Null.of(values) for values in _evidence(odds, mean, spread))
        found = cls(mean, spread, strength, distinction, contrast, Null(0.0, 1.0))
        return replace(found, together=Null.of(found._together(odds)))

    def presence(self, score: Float[np.ndarray, "p c"]) -> Float[np.ndarray, " p"]:
        """The presence, in [0, 1], of phrases that score so in the places: 0.5 is three spreads above the nouns."""
        z = self.together.spreads(self._together(log_odds(score)))
        return 1 / (1 + np.exp(np.clip(THREE_SPREADS - z, -60, 60)))

    def _together(self, odds: Float[np.ndarray, "p c"]) -> Float[np.ndarray, " p"]:
        kinds = (self.strength, self.distinction, self.contrast)
        evidence = _evidence(odds, self.mean, self.spread)
        return np.mean([null.spreads(values) for null, values in zip(kinds, evidence, strict=True)], axis=0)


def log_odds(score: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """log(s / (1 − s)): what relevancy is linear in cosines by."""
    held = np.clip(score.astype(np.float64), _CLIPPED, 1 - _CLIPPED)
    return np.log(held / (1 - held))


def _evidence(
    odds: Float[np.ndarray, "p c"], mean: Float[np.ndarray, " c"], spread: Float[np.ndarray, " c"]
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    best = odds.argmax(axis=1)
    strength = odds.max(axis=1)
    return strength, (strength - mean[best]) / spread[best], strength - np.quantile(odds, _ELSEWHERE, axis=1)
