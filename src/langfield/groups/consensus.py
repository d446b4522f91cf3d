"""`find_groups`: masks that agree become seeds, the photos vote on their voxels, and what is one thing is kept once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from scipy import sparse
from torch import Tensor

from langfield.core.devices import to_device_async
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.groups.agreement import (
    CELLS_AT_ONCE,
    MaskTable,
    agreeing_masks,
    column_blocks,
    first_best,
    on_host,
    sample_voxels,
    visible_sizes,
)
from langfield.groups.base import SOLID_SHARE, Groups, PhotoVoxels, no_groups, size_of, solid_part
from langfield.groups.hierarchy import drop_crossing, parents_of
from langfield.groups.incidence import Incidence, expanded, shared_sums, sums_where
from langfield.groups.selection import needed_groups

SEED_SAME = 0.6  # from this IoU on, a mask that agrees with a better seed is no seed
ROUNDS = 4
NEARLY_BEST = 0.05  # a mask also votes for candidates that it fits worse than the best by no more than this IoU
VOTE_POWER = 2  # a mask votes with this power of its fit
SHARPNESS = 2  # scores sum this power of the fits, so few good ones beat many poor ones
FEW_PHOTOS = 10  # up to here two photos with a mask are enough
DOUBT = 0.5  # photos that have a voxel outside and are not there: what one photo alone shows is less sure
_VOTE = 2.0**30  # the weight of the vote of a mask that fits wholly: sums of such are exact
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
        top = np.zeros(size_of(self.fit)[1], dtype=self.fit.dtype)
        np.maximum.at(top, self.fit.indices, self.fit.data)
        wins = (self.fit.data >= top[self.fit.indices] - NEARLY_BEST).astype(self.fit.dtype)
        both = []
        for matrix in (self.weight, self.fit):
            won = sparse.csr_matrix((matrix.data * wins, matrix.indices, matrix.indptr), matrix.shape)
            won.eliminate_zeros()
            both.append(won)
        return _Votes(*both)

    @property
    def score(self) -> Float64[np.ndarray, " k"]:
        return np.asarray(self.fit.power(SHARPNESS).sum(axis=1)).reshape(-1)

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
    return groups_of_masks(MaskTable.of_photos(photos), settings, progress)


def groups_of_masks(table: MaskTable, settings: GroupSettings | None = None, progress: Progress = silent) -> Groups:
    """`find_groups` of a table of masks, on its device: sums over voxels run there, and what is left of them, a few
    numbers for each group and photo, is decided on the host. The same on every device."""
    settings = settings or GroupSettings()
    started = time.monotonic()

    def tell(step: int) -> None:
        progress(ProgressEvent("groups", step, ROUNDS + 2, "steps", time.monotonic() - started))

    table = table.of_size(settings.min_voxels)
    if len(table) == 0:
        return no_groups(len(table.seen_by))
    min_photos = _min_photos(table.photo_total, settings)
    sample = sample_voxels(table, settings.sampled_voxels)
    votes = _seeds(sample, settings, min_photos)
    tell(1)
    for step in range(ROUNDS):
        solid, known = _voted(votes, sample)
        kept = _distinct(solid, known, sample, votes.score, settings.same_iou)
        votes = _matching(solid[kept], known[kept], sample, settings)
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
    """Votes that weigh more the better a mask fits and the better the proposer thinks it is: whole numbers."""
    data = np.round(_VOTE * fit.data**VOTE_POWER * np.maximum(table.quality[fit.indices], 0.1))
    return sparse.csr_matrix((data, fit.indices, fit.indptr), shape=fit.shape)


@dataclass(frozen=True, eq=False)
class _Ballot:
    """Votes on the device.

    Attributes:
        masks: that vote for each of K candidates.
        weight: of each vote.
        of_photo: (K, F) the weight of each photo's vote, 0 where it has none.
    """

    masks: Incidence
    weight: Float64[Tensor, " e"]
    of_photo: Float64[Tensor, "k f"]

    @classmethod
    def of(cls, votes: _Votes, table: MaskTable) -> "_Ballot":
        masks = Incidence.of_csr(votes.weight, table.device)
        weight = to_device_async(votes.weight.data, table.device, np.float64)
        of_photo = torch.zeros(masks.shape[0], table.photo_total, dtype=torch.float64, device=table.device)
        of_photo[masks.row, table.photo[masks.column]] = weight
        return cls(masks, weight, of_photo)

    def inside(self, table: MaskTable, candidates: slice = slice(None)) -> Float64[Tensor, "k v"]:
        """For some candidates the weight of the votes that have a voxel inside."""
        first, last, _ = candidates.indices(self.masks.shape[0])
        pairs = slice(*self.masks.starts[[first, last]].tolist())
        row, weight, voxels = self.masks.row[pairs] - first, self.weight[pairs], len(table.seen_by)
        total = torch.zeros((last - first) * voxels, dtype=torch.float64, device=table.device)
        for vote, voxel in expanded(self.masks.column[pairs], table.inside):
            total.index_add_(0, row[vote] * voxels + voxel, weight[vote])
        return total.view(last - first, voxels)


def _voted(votes: _Votes, table: MaskTable) -> tuple[Bool[Tensor, "k v"], Bool[Tensor, "k v"]]:
    """Per candidate the voxels that at least half of the voting photos that show them have inside, by weight; and the
    voxels that any voting photo shows."""
    ballot = _Ballot.of(votes, table)
    inside, shown = ballot.inside(table), ballot.of_photo @ table.seen_by.T.double()
    return (inside >= SOLID_SHARE * shown) & (inside > 0), shown > 0


def _voted_fully(votes: _Votes, table: MaskTable) -> sparse.csr_matrix:
    """(K, V) float32: the weighted shares of voting photos that have a voxel inside, of those that show it and some
    doubt, where there are any."""
    ballot = _Ballot.of(votes, table)
    candidates, voxels = ballot.masks.shape[0], len(table.seen_by)
    voting = (ballot.of_photo > 0).sum(dim=1).clamp_min(1)
    doubt = DOUBT * ballot.of_photo.sum(dim=1) / voting
    step = max(CELLS_AT_ONCE[table.device.type] // voxels, 1)
    found = []
    for first in range(0, candidates, step):
        some = slice(first, min(first + step, candidates))
        inside = ballot.inside(table, some)
        there = (inside > 0).any(dim=0).nonzero()[:, 0]
        share, seen_by = inside[:, there], table.seen_by[there]
        for part in column_blocks(step + table.photo_total, len(there), table.device):
            shown = ballot.of_photo[some] @ seen_by[part].T.double()
            share[:, part] /= (shown + doubt[some, None]).clamp_min_(1)
        row, place = (share >= RIM_SHARE).nonzero().unbind(1)
        found.append((row + first, there[place], share[row, place].clamp_max(1).float()))
    if not found:
        return sparse.csr_matrix((candidates, voxels), dtype=np.float32)
    row, voxel, share = (torch.cat(part) for part in zip(*found, strict=True))
    return on_host(row, voxel, share, (candidates, voxels))


def _matching(
    solid: Bool[Tensor, "k v"], known: Bool[Tensor, "k v"], table: MaskTable, settings: GroupSettings
) -> _Votes:
    """Of each photo the mask that fits a candidate best, where it fits: by the IoU on the voxels that both know.

    Args:
        solid: the voxels of each candidate.
        known: the voxels that its voting photos showed: on others nothing is known of it.
        table: masks on the same voxels.
        settings: from when on a mask fits.
    """
    sets = Incidence.of_dense(solid)
    visible = visible_sizes(sets, table)
    enough = (visible >= settings.min_visible * visible.amax(dim=1, keepdim=True)) & (visible > 0)
    shared = shared_sums(sets, table.inside, table.weight)
    # A mask's voxels that are known are no fewer than those that are shared, so most masks cannot fit.
    could = 0.999 * settings.match_iou * visible.masked_fill(~enough, torch.inf)[:, table.photo]
    candidate, mask = ((shared > 0) & (shared >= could)).nonzero().unbind(1)
    common = shared[candidate, mask]
    size = sums_where((candidate, mask), table.inside, known, table.weight)
    iou = common / (visible[candidate, table.photo[mask]] + size - common).clamp_min(1)
    fits = (iou >= settings.match_iou).nonzero()[:, 0]
    candidate, mask, iou = candidate[fits], mask[fits], iou[fits]
    top = first_best(candidate * table.photo_total + table.photo[mask], iou, len(solid) * table.photo_total)
    fit = on_host(candidate[top], mask[top], iou[top], (len(solid), len(table)))
    return _Votes(_weighted(fit, table), fit)


def _distinct(
    solid: Bool[Tensor, "k v"],
    known: Bool[Tensor, "k v"],
    table: MaskTable,
    score: Float64[np.ndarray, " k"],
    same_iou: float,
) -> Int64[Tensor, " d"]:
    """Indices of candidates, best score first, without those that are the same as a better one on what both know."""
    order = np.lexsort((np.arange(len(score)), -score))
    order = order[solid.any(dim=1).cpu().numpy()[order]]
    ordered = to_device_async(order, table.device, np.int64)
    sets = Incidence.of_dense(solid[ordered])
    shared = shared_sums(sets, sets, table.weight)
    sure = (solid[ordered] * table.weight.double()) @ known[ordered].T.double()  # of one, what the other knows of
    same = (shared > 0) & (shared / (sure + sure.T - shared).clamp_min(1) >= same_iou)
    return ordered[to_device_async(_greedy(sparse.csr_matrix(same.cpu().numpy())), table.device, np.int64)]


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
    solid = solid_part(members)
    visible = visible_sizes(Incidence.of_csr(solid, table.device), table).cpu().numpy()
    shown = visible >= 2 * settings.min_visible * np.maximum(visible.max(axis=1, keepdims=True), 1)
    voting = _Ballot.of(votes, table).of_photo.cpu().numpy() > 0
    photo_count = voting.sum(axis=1)
    visible_count = (shown | voting).sum(axis=1)
    support = (photo_count / np.maximum(visible_count, 1)).astype(np.float32)
    size = np.diff(solid.indptr)
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
