"""Whether a phrase is in a scene at all: relevancy calibrated against common nouns, without labels.

Some place always scores best, so a high relevancy alone does not mean that the phrase is there; nor is 0.5 a threshold:
what no negative phrase beats may still be something else. A scene is therefore asked a bundled list of common nouns, of
which nearly all are absent from any one scene: they are the null hypothesis. Relevancy is known in C places (coarse
cells, `query.index.coarse_cells`); log-odds of it are compared by three statistics:

    strength      the log-odds of the phrase's best cell
    distinction   how far that exceeds the nouns' mean in the same cell, in standard deviations of the nouns there
    contrast      how far the best cell exceeds the 0.9 quantile of the phrase's own cells

Each becomes a z-score under the nouns' distribution of it: an empirical null as in Efron 2004 ("Large-scale
simultaneous hypothesis testing"), with the spread taken from the quartile above the median, which the few nouns that
are present move little. The mean of the three z-scores is made a z-score once more, z; presence is σ(z − 3).
"""

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

THRESHOLD_Z = 3.0  # presence is 0.5 there
MIN_NOUNS = 64  # that an encoder must tell apart
_NORMAL_QUARTILE = 0.6745  # of the normal distribution
_MIN_SPREAD = 1e-3  # of log-odds: nouns that all score the same tell nothing
_CONTRAST_QUANTILE = 0.9
_SAME_COSINE_DISTANCE = 1e-4  # 1 − cosine
_CLIP = 1e-4  # relevancy is kept so far from 0 and 1


@cache
def common_nouns() -> tuple[str, ...]:
    """The bundled list."""
    return tuple(files("langfield.query").joinpath("common_nouns.txt").read_text(encoding="utf-8").split("\n")[:-1])


def distinct_texts(embeddings: Float[Tensor, "n d"]) -> Int64[Tensor, " m"]:
    """Indices of the first of each group of texts whose unit embeddings are the same (cosine above 1 − 1e-4).

    An encoder gives all words that it does not know one embedding. Cost: N² · D multiplications.
    """
    same = embeddings @ embeddings.T > 1 - _SAME_COSINE_DISTANCE
    return torch.nonzero(~same.tril(-1).any(dim=1))[:, 0]


def uncalibrated_presence(cell_relevancy: Float[np.ndarray, "p c"]) -> Float[np.ndarray, " p"]:
    """Presence where the encoder tells too few nouns apart to calibrate: the highest relevancy of any cell, of which
    0.5 means that no negative phrase wins there. 0 without cells."""
    return cell_relevancy.max(axis=1, initial=0.0)


@dataclass(frozen=True)
class NullDistribution:
    """How a statistic is distributed over phrases that are absent: as normal, by its median and upper quartile.

    Attributes:
        median: of the statistic.
        spread: its standard deviation, (upper quartile − median) / 0.6745; at least 1e-3.
    """

    median: float
    spread: float

    @classmethod
    def fit(cls, values: Float[np.ndarray, " n"]) -> "NullDistribution":
        """Args: values: of N phrases, nearly all of them absent."""
        middle, upper = np.quantile(values, [0.5, 0.75])
        return cls(float(middle), max(float(upper - middle) / _NORMAL_QUARTILE, _MIN_SPREAD))

    def z_scores(self, values: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """(values − median) / spread."""
        return (values - self.median) / self.spread


@dataclass(frozen=True)
class PresenceCalibration:
    """What a scene answers to phrases that are not in it, against one set of negatives.

    Attributes:
        mean: (C,) of the nouns' log-odds in each cell.
        std: (C,) their standard deviation in each cell.
        strength: the nouns' distribution of the first of the module's three statistics.
        distinction: of the second.
        contrast: of the third.
        combined: the nouns' distribution of the mean of the three z-scores.
    """

    mean: Float[np.ndarray, " c"]
    std: Float[np.ndarray, " c"]
    strength: NullDistribution
    distinction: NullDistribution
    contrast: NullDistribution
    combined: NullDistribution

    @classmethod
    def fit(cls, cell_relevancy: Float[np.ndarray, "n c"]) -> "PresenceCalibration":
        """Args: cell_relevancy: of N nouns in C ≥ 1 cells, in [0, 1]."""
        odds = log_odds(cell_relevancy)
        mean, std = odds.mean(axis=0), np.maximum(odds.std(axis=0), _MIN_SPREAD)
        strength, distinction, contrast = (NullDistribution.fit(values) for values in _statistics(odds, mean, std))
        uncombined = cls(mean, std, strength, distinction, contrast, NullDistribution(0.0, 1.0))
        return replace(uncombined, combined=NullDistribution.fit(uncombined._mean_z(odds)))

    def presence(self, cell_relevancy: Float[np.ndarray, "p c"]) -> Float[np.ndarray, " p"]:
        """σ(z − 3) of P phrases: 0.5 is three spreads above the nouns. Args: cell_relevancy: in [0, 1]."""
        z = self.combined.z_scores(self._mean_z(log_odds(cell_relevancy)))
        return 1 / (1 + np.exp(np.clip(THRESHOLD_Z - z, -60, 60)))

    def _mean_z(self, odds: Float[np.ndarray, "p c"]) -> Float[np.ndarray, " p"]:
        nulls = (self.strength, self.distinction, self.contrast)
        statistics = _statistics(odds, self.mean, self.std)
        return np.mean([null.z_scores(values) for null, values in zip(nulls, statistics, strict=True)], axis=0)


def log_odds(relevancy: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """log(r / (1 − r)), float64: of LERF's relevancy, the scaled difference of two cosines. r is clipped by 1e-4."""
    held = np.clip(relevancy.astype(np.float64), _CLIP, 1 - _CLIP)
    return np.log(held / (1 - held))


def _statistics(
    odds: Float[np.ndarray, "p c"], mean: Float[np.ndarray, " c"], std: Float[np.ndarray, " c"]
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Strength, distinction and contrast of P phrases: see the module."""
    best = odds.argmax(axis=1)
    strength = odds.max(axis=1)
    return strength, (strength - mean[best]) / std[best], strength - np.quantile(odds, _CONTRAST_QUANTILE, axis=1)
