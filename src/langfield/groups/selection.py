"""Which candidates of groups are needed to explain the masks: backward elimination, as in a facility location.

A mask is explained as well as the candidate that it fits best, and not at all where it fits none. What a candidate adds
is what its masks would lose if it went, to their next best candidate. Doubles, and mixtures of a thing and its part,
add little where the thing and the part are candidates themselves, whatever the number of masks that fit them somehow.
"""

import numpy as np
from jaxtyping import Int64
from scipy import sparse

from langfield.groups.base import size_of


def needed_groups(
    fit: sparse.csr_matrix, unexplained: float, min_gain: float, min_masks: int
) -> Int64[np.ndarray, " g"]:
    """Indices of the candidates that are left, ascending, when those that add least have gone one after another.

    Args:
        fit: (K, N) IoU of candidates with masks, at most one mask of each photo; zeros are not stored.
        unexplained: the IoU that a mask without a candidate counts as.
        min_gain: what a candidate must add in the mean of its masks.
        min_masks: and of how many masks it must be the best.
    """
    count, mask_count = size_of(fit)
    columns = sparse.csc_matrix(fit)
    columns.sort_indices()
    alive = np.ones(count, dtype=bool)
    best = np.full(mask_count, -1, dtype=np.int64)  # the candidate that explains each mask, and what it adds there
    gain = np.zeros(mask_count)
    for mask in np.flatnonzero(np.diff(columns.indptr)).tolist():
        best[mask], gain[mask] = _best(columns, mask, alive, unexplained)
    total = np.bincount(best[best >= 0], gain[best >= 0], minlength=count)
    won = np.bincount(best[best >= 0], minlength=count)
    while alive.any():
        mean = np.where(won >= min_masks, total / np.maximum(won, 1), -1 + 1e-3 * total)
        weakest = int(np.where(alive, mean, np.inf).argmin())
        if mean[weakest] >= min_gain:
            break
        alive[weakest] = False
        for mask in fit.indices[fit.indptr[weakest] : fit.indptr[weakest + 1]].tolist():
            if best[mask] >= 0:
                total[best[mask]] -= gain[mask]
                won[best[mask]] -= 1
            best[mask], gain[mask] = _best(columns, mask, alive, unexplained)
            if best[mask] >= 0:
                total[best[mask]] += gain[mask]
                won[best[mask]] += 1
    return np.flatnonzero(alive)


def _best(columns: sparse.csc_matrix, mask: int, alive: np.ndarray, unexplained: float) -> tuple[int, float]:
    """The candidate that fits a mask best, -1 for none, and by how much better than the next."""
    entries = slice(columns.indptr[mask], columns.indptr[mask + 1])
    rows = columns.indices[entries]
    values = np.where(alive[rows], columns.data[entries], 0.0)
    if len(values) == 0:
        return -1, 0.0
    top = int(values.argmax())
    value = float(values[top])
    if value <= 0:
        return -1, 0.0
    values[top] = unexplained
    return int(rows[top]), value - max(float(values.max()), unexplained)
