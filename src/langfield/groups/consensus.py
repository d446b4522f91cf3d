"""`find_groups`: masks that agree become seeds, the photos vote on their voxels, and what is one thing is kept once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy import sparse

from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.groups.agreement import ROWS_AT_ONCE, MaskTable, agreeing_masks, mask_table, sample_voxels, visible_sizes
from langfield.groups.base import SOLID_SHARE, Groups, PhotoVoxels, no_groups, size_of
from langfield.groups.hierarchy import drop_crossing, parents_of
from langfield.groups.selection import needed_groups

SEED_SAME = 0.6  # from this IoU on, a mask that agrees with a better seed is no seed
ROUNDS = 4
NEARLY_BEST = 0.05  # a mask also votes for candidates that it fits worse than the best by no more than this IoU
VOTE_POWER = 2  # a mask votes with this power of its fit
SHARPNESS = 2  # scores sum this power of the fits, so few good ones beat many poor ones
FEW_PHOTOS = 10  # up to here two photos with a mask are enough
DOUBT = 0.5  # photos that have a voxel outside and are not there: what one photo alone shows is less sure
RIM_SHARE = 0.1  # voxels with less than this share are not even a group's rim


@dataclass(frozen=True)
class GroupSettings:
    """What counts as agreement, and as enough of it.

    Attributes:
        min_photos: photos that must have a mask of a group (two of ten photos or fewer, one of one photo).
        min_support: the share of the photos that show a group well which must have a mask of it.
        seed_iou: from which IoU on two masks of different photos agree. Two masks, each right by .7, may have .4.
        match_iou: from which IoU on a mask is one of a group, whose voxels are voted and so better than any mask's.
        same_iou: from which IoU on two candidates of groups are one.
        min_gain: by how much IoU a group must explain its masks better than any other group would, in the mean of them.
        min_visible: a photo has a say on a group if it shows at least this share of what the best photo shows of it;
            from twice that on it shows the group well, and counts for the support.
        min_voxels: the voxels of the smallest mask and group.
        sampled_voxels: voxels of each mask at which masks are compared; votes are on all voxels.
    """

    min_photos: int = 3
    min_support: float = 0.25
    seed_iou: float = 0.4
    match_iou: float = 0.4
    same_iou: float = 0.85
    min_gain: float = 0.16
    min_visible: float = 0.25
    min_voxels: int = 5
    sampled_voxels: int = 80


@dataclass(frozen=True)
class _Votes:
    """K candidates of groups: which masks vote for each, with which weight, and how well they fit.

    Attributes:
        weight: (K, N), at most one mask of each photo.
        fit: (K, N), the IoU of those masks with the candidate on the voxels that both know.
    """

    weight: sparse.csr_matrix
    fit: sparse.csr_matrix

    def rows(self, keep: np.ndarray) -> "_Votes":
        return _Votes(self.weight[keep], self.fit[keep])

    def exclusive(self) -> "_Votes":
        """Each mask votes only for the candidate that it fits best, or nearly so."""
        top = np.zeros(size_of(self.fit)[1], dtype=np.float32)
        np.maximum.at(top, self.fit.indices, self.fit.data)
        wins = (self.fit.data >= top[self.fit.indices] - NEARLY_BEST).astype(np.float32)
        both = []
        for matrix in (self.weight, self.fit):
            won = sparse.csr_matrix((matrix.data * wins, matrix.indices, matrix.indptr), matrix.shape)
            won.eliminate_zeros()
            both.append(won)
        return _Votes(*both)

    @property
    def score(self) -> Float32[np.ndarray, " k"]:
        return np.asarray(self.fit.power(SHARPNESS).sum(axis=1), dtype=np.float32).reshape(-1)

    @property
    def photo_count(self) -> np.ndarray:
        return np.diff(self.fit.indptr)


def find_groups(
    photos: Sequence[PhotoVoxels], settings: GroupSettings | None = None, progress: Progress = silent
) -> Groups:
    """Groups of surface voxels on which the masks of many photos agree.

    Args:
        photos: of each photo the masks as sets of voxels; photos without masks count as photos that have none.
        settings: what counts as agreement.
        progress: told of each step.

    Raises:
        ValueError: no photos, or photos of different numbers of voxels.
    """
    if not photos or len({len(photo.seen) for photo in photos}) != 1:
        raise ValueError("groups need photos that are all of the same surface voxels")
    settings = settings or GroupSettings()
    started = time.monotonic()

    def tell(step: int) -> None:
        progress(ProgressEvent("groups", step, ROUNDS + 2, "steps", time.monotonic() - started))

    table = mask_table(photos, settings.min_voxels)
    if len(table) == 0:
        return no_groups(len(photos[0].seen))
    min_photos = _min_photos(len(photos), settings)
    sample = sample_voxels(table, settings.sampled_voxels)
    votes = _seeds(sample, settings, min_photos)
    tell(1)
    for step in range(ROUNDS):
        shares, known = _voted(votes, sample)
        kept = _distinct(shares >= SOLID_SHARE, known, sample, votes.score, settings.same_iou)
        votes = _matching(shares[kept] >= SOLID_SHARE, known[kept], sample, settings)
        if step > 0:
            needed = needed_groups(votes.fit, settings.match_iou, settings.min_gain, min_photos)
            votes = votes.rows(needed).exclusive()
        votes = votes.rows(votes.photo_count >= min_photos)
        tell(step + 2)
    groups = _supported(_voted_fully(votes, table), votes, table, settings, min_photos)
    tell(ROUNDS + 2)
    return groups


def _min_photos(photo_total: int, settings: GroupSettings) -> int:
    enough = settings.min_photos if photo_total > FEW_PHOTOS else 2
    return min(photo_total, enough)


def _seeds(table: MaskTable, settings: GroupSettings, min_photos: int) -> _Votes:
    """Masks that many photos agree with, each with the masks that agree most; a mask that agrees with a better seed, as
    the best of its photo, is none itself. A part's mask is not silenced by the thing's."""
    best = agreeing_masks(table, settings.seed_iou, settings.min_visible)
    score = np.asarray(best.power(SHARPNESS).sum(axis=1)).reshape(-1)
    free = np.diff(best.indptr) >= min_photos
    seeds: list[int] = []
    for mask in np.lexsort((np.arange(len(score)), -score)):
        if free[mask]:
            seeds.append(int(mask))
            row = slice(best.indptr[mask], best.indptr[mask + 1])
            free[best.indices[row][best.data[row] >= SEED_SAME]] = False
    fit = best[np.array(seeds, dtype=np.int64)]
    return _Votes(_weighted(fit, table), fit)


def _weighted(fit: sparse.csr_matrix, table: MaskTable) -> sparse.csr_matrix:
    """Votes that weigh more the better a mask fits and the better the proposer thinks it is."""
    data = (fit.data**VOTE_POWER * np.maximum(table.quality[fit.indices], 0.1)).astype(np.float32)
    return sparse.csr_matrix((data, fit.indices, fit.indptr), shape=fit.shape)


def _photo_weights(weight: sparse.csr_matrix, table: MaskTable) -> Float32[np.ndarray, "k f"]:
    of_photo = np.zeros((size_of(weight)[0], table.photo_total), dtype=np.float32)
    row = np.repeat(np.arange(size_of(weight)[0]), np.diff(weight.indptr))
    of_photo[row, table.photo[weight.indices]] = weight.data
    return of_photo


def _voted(votes: _Votes, table: MaskTable) -> tuple[Float32[np.ndarray, "k v"], Bool[np.ndarray, "k v"]]:
    """Per candidate and voxel the weighted share of voting photos that have it inside, of those that show it; and
    which voxels any voting photo shows."""
    inside = sparse.csr_matrix(votes.weight @ table.inside).toarray()
    shown = _photo_weights(votes.weight, table) @ table.seen_by.T.astype(np.float32)
    return inside / np.maximum(shown, 1e-9), shown > 0


def _voted_fully(votes: _Votes, table: MaskTable) -> sparse.csr_matrix:
    """The shares of `_voted` where there are any, on all voxels."""
    inside = sparse.csr_matrix(votes.weight @ table.inside)
    inside.sort_indices()
    of_photo = _photo_weights(votes.weight, table)
    for group in range(size_of(inside)[0]):
        row = slice(inside.indptr[group], inside.indptr[group + 1])
        voting = np.flatnonzero(of_photo[group])
        shown = table.seen_by[np.ix_(inside.indices[row], voting)] @ of_photo[group, voting]
        doubt = DOUBT * of_photo[group, voting].mean() if len(voting) else 0.0
        inside.data[row] = np.minimum(inside.data[row] / np.maximum(shown + doubt, 1e-9), 1.0)
    inside.data[inside.data < RIM_SHARE] = 0.0
    inside.eliminate_zeros()
    return inside


def _matching(
    solid: Bool[np.ndarray, "k v"],
    known: Bool[np.ndarray, "k v"],
    table: MaskTable,
    settings: GroupSettings,
) -> _Votes:
    """Of each photo the mask that fits a candidate best, where it fits.

    Args:
        solid: the voxels of each candidate.
        known: the voxels that its voting photos showed: on others nothing is known of it.
        table: masks on the same voxels.
        settings: from when on a mask fits.
    """
    fits = [
        _fit_of_block(solid[first : first + ROWS_AT_ONCE], known[first : first + ROWS_AT_ONCE], table, settings)
        for first in range(0, len(solid), ROWS_AT_ONCE)
    ]
    if not fits:
        none = sparse.csr_matrix((0, len(table)), dtype=np.float32)
        return _Votes(none, none)
    fit = sparse.csr_matrix(sparse.vstack(fits, format="csr"))
    return _Votes(_weighted(fit, table), fit)


def _fit_of_block(
    solid: Bool[np.ndarray, "k v"], known: Bool[np.ndarray, "k v"], table: MaskTable, settings: GroupSettings
) -> sparse.csr_matrix:
    """(K, N): the IoU of candidates and masks on the voxels that both know; one mask of a photo, where it fits."""
    weighted = table.inside.multiply(table.weight).tocsr()
    sets, unknown = (sparse.csr_matrix(rows, dtype=np.float32) for rows in (solid, ~known))
    shared = np.asarray((sets @ weighted.T).todense(), dtype=np.float32)
    size = np.asarray(weighted.sum(axis=1), dtype=np.float32).reshape(-1)
    known_size = size - np.asarray((unknown @ weighted.T).todense(), dtype=np.float32)
    visible = visible_sizes(sets, table)
    enough = (visible >= settings.min_visible * visible.max(axis=1, keepdims=True)) & (visible > 0)
    iou = shared / np.maximum(visible[:, table.photo] + known_size - shared, 1e-6)
    iou[(iou < settings.match_iou) | ~enough[:, table.photo]] = 0.0
    starts = np.flatnonzero(np.diff(table.photo, prepend=-1))
    row_parts, mask_parts = [], []
    for first, last in zip(starts, [*starts[1:], len(table)], strict=True):
        top = iou[:, first:last].argmax(axis=1)
        row = np.flatnonzero(iou[np.arange(len(iou)), first + top] > 0)
        row_parts.append(row)
        mask_parts.append(first + top[row])
    rows, masks = np.concatenate(row_parts), np.concatenate(mask_parts)
    return sparse.csr_matrix((iou[rows, masks], (rows, masks)), shape=iou.shape)


def _distinct(
    solid: Bool[np.ndarray, "k v"],
    known: Bool[np.ndarray, "k v"],
    table: MaskTable,
    score: Float32[np.ndarray, " k"],
    same_iou: float,
) -> np.ndarray:
    """Indices of candidates, best score first, without those that are the same as a better one on what both know."""
    size = solid @ table.weight
    order = np.lexsort((np.arange(len(score)), -score))
    order = order[size[order] > 0]
    sets = sparse.csr_matrix(solid[order].astype(np.float32))
    weighted = sets.multiply(table.weight).tocsr()
    shared = weighted @ sets.T
    sure = np.asarray(weighted @ known[order].T.astype(np.float32))  # voxels of one that the other knows of
    pairs = shared.tocoo()
    iou = pairs.data / np.maximum(sure[pairs.row, pairs.col] + sure[pairs.col, pairs.row] - pairs.data, 1e-6)
    same = sparse.csr_matrix((iou >= same_iou, (pairs.row, pairs.col)), shape=shared.shape)
    same.eliminate_zeros()
    return order[_greedy(same)]


def _greedy(same: sparse.csr_matrix) -> np.ndarray:
    """Of rows in falling order of merit, those that are not the same as an earlier one that is kept."""
    free = np.ones(size_of(same)[0], dtype=bool)
    kept: list[int] = []
    for row in range(size_of(same)[0]):
        if free[row]:
            kept.append(row)
            free[same.indices[same.indptr[row] : same.indptr[row + 1]]] = False
    return np.array(kept, dtype=np.int64)


def _supported(
    members: sparse.csr_matrix, votes: _Votes, table: MaskTable, settings: GroupSettings, min_photos: int
) -> Groups:
    """The candidates that enough photos have a mask of, best first, with their parents."""
    solid = sparse.csr_matrix((members.data >= SOLID_SHARE, members.indices, members.indptr), members.shape)
    visible = visible_sizes(sparse.csr_matrix(solid.astype(np.float32)), table)
    shown = visible >= 2 * settings.min_visible * np.maximum(visible.max(axis=1, keepdims=True), 1e-6)
    voting = _photo_weights(votes.weight, table) > 0
    photo_count = voting.sum(axis=1)
    visible_count = (shown | voting).sum(axis=1)
    support = (photo_count / np.maximum(visible_count, 1)).astype(np.float32)
    size = np.asarray(solid.sum(axis=1)).reshape(-1)
    enough = (photo_count >= min_photos) & (support >= settings.min_support) & (size >= settings.min_voxels)
    order = np.lexsort((np.arange(len(size)), -size, -support, -photo_count))
    order = order[enough[order]]
    order = order[drop_crossing(members[order], support[order])]
    photo_count, members = photo_count[order].astype(np.int64), members[order]
    return Groups(
        members,
        parents_of(members),
        photo_count,
        visible_count[order].astype(np.int64),
        support[order],
    )
