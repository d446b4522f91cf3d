"""Masks of different photos, compared on the voxels that both photos show.

All sums run over a sample of the voxels, weighted so that they estimate the sums over all: a mask of thirty thousand
voxels needs no more of them to be recognised than one of two hundred.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64
from scipy import sparse

from langfield.groups.base import PhotoVoxels, size_of, solid_part

ROWS_AT_ONCE = 256  # rows of the matrices of all masks (N columns) that are in memory at once


@dataclass(frozen=True)
class MaskTable:
    """All photos' N masks as sets of voxels, photo after photo; V is of all voxels or of a sample of them.

    Attributes:
        inside: (N, V) float32 of ones.
        photo: which of the F photos each mask is of, ascending.
        seen_by: which photos show a voxel.
        weight: how many voxels each one stands for.
        quality: how good the proposer thinks each mask is.
    """

    inside: sparse.csr_matrix
    photo: Int64[np.ndarray, " n"]
    seen_by: Bool[np.ndarray, "v f"]
    weight: Float32[np.ndarray, " v"]
    quality: Float32[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.photo)

    @property
    def photo_total(self) -> int:
        """F."""
        return self.seen_by.shape[1]


def mask_table(photos: Sequence[PhotoVoxels], min_voxels: int) -> MaskTable:
    """The masks of all photos that have at least so many voxels."""
    solid = solid_part(sparse.csr_matrix(sparse.vstack([photo.masks for photo in photos], format="csr")))
    photo_of_mask = np.repeat(np.arange(len(photos)), [size_of(photo.masks)[0] for photo in photos])
    quality = np.concatenate([photo.predicted_iou for photo in photos]).astype(np.float32)
    keep = np.diff(solid.indptr) >= min_voxels
    seen_by = np.stack([photo.seen for photo in photos], axis=1)
    weight = np.ones(len(seen_by), dtype=np.float32)
    return MaskTable(solid[keep], photo_of_mask[keep].astype(np.int64), seen_by, weight, quality[keep])


def sample_voxels(table: MaskTable, per_mask: int) -> MaskTable:
    """The same masks on fewer voxels: some `per_mask` in masks of the size that covers a voxel, in the harmonic mean.

    A small thing keeps all its voxels, the bare table few, and a stray small mask on it changes little. Sampling is
    systematic (every so many voxels in their order), so it repeats, and near voxels do not clump.
    """
    size = np.diff(table.inside.indptr)
    masks_of_voxel = np.asarray(table.inside.sum(axis=0)).reshape(-1)
    covered = np.flatnonzero(masks_of_voxel)
    inverse_size = np.asarray(table.inside.T @ (1.0 / np.maximum(size, 1)))[covered] / masks_of_voxel[covered]
    chance = np.minimum(1.0, per_mask * inverse_size)
    ticks = np.floor(np.cumsum(chance) + 1e-9)
    taken = np.diff(ticks, prepend=0.0) > 0
    voxels = covered[taken]
    inside = sparse.csr_matrix(table.inside[:, voxels])
    inside.sort_indices()
    weight = (1.0 / chance[taken]).astype(np.float32)
    return MaskTable(inside, table.photo, table.seen_by[voxels], weight, table.quality)


def visible_sizes(sets: sparse.csr_matrix, table: MaskTable) -> Float32[np.ndarray, "k f"]:
    """Of sets of voxels (K, V), how many voxels each photo shows."""
    return np.asarray(sets.multiply(table.weight).tocsr() @ table.seen_by.astype(np.float32), dtype=np.float32)


def agreeing_masks(table: MaskTable, min_iou: float, min_visible: float) -> sparse.csr_matrix:
    """(N, N): per mask and photo the mask that agrees most with it, as their IoU on the voxels that both photos show.

    Each mask agrees with itself. Zeros, masks that do not agree, are not stored.

    Args:
        table: the masks, on a sample of voxels.
        min_iou: from which IoU on two masks agree.
        min_visible: the share of each mask that the other's photo must show at least.
    """
    visible = visible_sizes(table.inside, table)
    size = visible[np.arange(len(table)), table.photo]
    best: list[sparse.csr_matrix] = []
    for first, shared in _shared_rows(table):
        row = np.repeat(np.arange(size_of(shared)[0]), np.diff(shared.indptr))
        i, j = first + row, shared.indices
        seen_i, seen_j = visible[i, table.photo[j]], visible[j, table.photo[i]]
        iou = shared.data / np.maximum(seen_i + seen_j - shared.data, 1e-6)
        keep = (iou >= min_iou) & (seen_i >= min_visible * size[i]) & (seen_j >= min_visible * size[j])
        row, j, iou = row[keep], j[keep], iou[keep]
        order = np.lexsort((j, -iou, row * table.photo_total + table.photo[j]))
        key = (row * table.photo_total + table.photo[j])[order]
        top = order[np.diff(key, prepend=-1) != 0]
        best.append(sparse.csr_matrix((iou[top], (row[top], j[top])), shape=shared.shape))
    return sparse.csr_matrix(sparse.vstack(best, format="csr"))


def _shared_rows(table: MaskTable) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """Blocks of rows of the (N, N) matrix of voxels that masks share, with the first row's index."""
    weighted = table.inside.multiply(table.weight).tocsr()
    transposed = table.inside.T.tocsr()
    for first in range(0, len(table), ROWS_AT_ONCE):
        yield first, sparse.csr_matrix(weighted[first : first + ROWS_AT_ONCE] @ transposed)
