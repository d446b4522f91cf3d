"""Which group holds which, which groups cannot be, and a partition of the voxels into things."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64
from scipy import sparse

from langfield.groups.base import Groups, solid_part

INSIDE_SHARE = 0.8  # of a group's voxels, from which on it is inside another one
CROSSING_SHARE = 0.3  # of a group's voxels, from which on it crosses another one if neither is inside the other
CROSSING_SUPPORT = 0.7  # a group goes if it crosses one whose support it does not reach by this factor
WHOLE_FACTOR = 0.7  # a whole is preferred to its parts unless its support is lower than theirs by more than this factor


def shared_shares(members: sparse.csr_matrix) -> tuple[Float32[np.ndarray, "g g"], Float32[np.ndarray, " g"]]:
    """[i, j]: the share of group i's voxels that are in group j, too; and the groups' numbers of voxels."""
    solid = solid_part(members)
    size = np.diff(solid.indptr).astype(np.float32)
    shared = np.asarray((solid @ solid.T).todense(), dtype=np.float32)
    return shared / np.maximum(size[:, None], 1.0), size


def parents_of(members: sparse.csr_matrix) -> Int64[np.ndarray, " g"]:
    """Per group the smallest larger one that it is inside of, -1 for none."""
    share, size = shared_shares(members)
    holds = (share >= INSIDE_SHARE) & _larger(size)
    holder_size = np.where(holds, size[None, :], np.inf)
    if holder_size.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    return np.where(holds.any(axis=1), holder_size.argmin(axis=1), -1).astype(np.int64)


def only_groups(groups: Groups, which: Bool[np.ndarray, " g"]) -> Groups:
    """Some of the groups, with parents among them."""
    members = groups.members[which]
    counts = groups.photo_count[which], groups.visible_count[which]
    return Groups(members, parents_of(members), *counts, groups.support[which])


def _larger(size: Float32[np.ndarray, " g"]) -> Bool[np.ndarray, "g g"]:
    """[i, j]: group j is larger than group i; of equal ones the later counts as larger, so there is no circle."""
    later = np.arange(len(size))[None, :] > np.arange(len(size))[:, None]
    return (size[None, :] > size[:, None]) | ((size[None, :] == size[:, None]) & later)


def drop_crossing(members: sparse.csr_matrix, support: Float[np.ndarray, " g"]) -> Int64[np.ndarray, " k"]:
    """Indices of groups without those that cut through a group of much better support."""
    share, size = shared_shares(members)
    crossing = (share.T >= CROSSING_SHARE) & (np.maximum(share, share.T) < INSIDE_SHARE)
    free = np.ones(len(size), dtype=bool)
    for group in np.argsort(-support, kind="stable"):
        if free[group]:
            free[crossing[group] & (support < CROSSING_SUPPORT * support[group])] = False
    return np.flatnonzero(free)


def things(groups: Groups) -> Int64[np.ndarray, " v"]:
    """A partition of the voxels: of each chain part < thing < set the group with the best support, -1 for no group.

    A group is a thing if its support reaches `WHOLE_FACTOR` of that of the things among its parts (their mean by
    voxels); else its parts are. Where things still overlap, a voxel is the one's that more photos put it in.
    """
    size = np.diff(groups.solid().indptr).astype(np.float64)
    chosen: list[list[int]] = [[] for _ in range(len(groups))]
    worth = np.zeros(len(groups))  # voxels times support, of the things chosen in a group
    children: list[list[int]] = [[] for _ in range(len(groups))]
    later = np.arange(len(groups))
    for group in np.lexsort((later, size)):
        inner = [thing for child in children[group] for thing in chosen[child]]
        inner_size = sum(size[thing] for thing in inner)
        inner_worth = sum(size[thing] * float(groups.support[thing]) for thing in inner)
        whole = not inner or float(groups.support[group]) >= WHOLE_FACTOR * inner_worth / max(inner_size, 1.0)
        chosen[group] = [int(group)] if whole else inner
        worth[group] = size[group] * float(groups.support[group]) if whole else inner_worth
        if groups.parent[group] >= 0:
            children[groups.parent[group]].append(int(group))
    roots = np.flatnonzero(groups.parent < 0)
    return _strongest(groups, sorted(thing for root in roots for thing in chosen[root]))


def _strongest(groups: Groups, kept: list[int]) -> Int64[np.ndarray, " v"]:
    """Per voxel the one of some groups that most photos put it in; of equal ones the earlier."""
    labels = np.full(groups.voxel_count, -1, dtype=np.int64)
    best = np.zeros(groups.voxel_count, dtype=np.float32)
    for group in kept:
        row = groups.members[[group]]
        voxels, share = row.indices, row.data
        wins = (share >= 0.5) & (share > best[voxels])
        labels[voxels[wins]] = group
        best[voxels[wins]] = share[wins]
    return labels
