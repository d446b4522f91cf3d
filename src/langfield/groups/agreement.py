"""Masks of different photos, compared on the voxels that both photos show.

All sums run over a sample of the voxels, weighted so that they estimate the sums over all: a mask of thirty thousand
voxels needs no more of them to be recognised than one of two hundred. Weights are whole numbers, so that sums are exact
and a CPU and a GPU find the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from scipy import sparse
from torch import Tensor

from langfield.core.devices import to_device_async
from langfield.groups.base import PhotoVoxels, size_of, solid_part
from langfield.groups.incidence import Incidence, shared_sums

CELLS_AT_ONCE = {"cpu": 2**23, "cuda": 2**26}  # float64 numbers of a matrix that are in memory at once
ONE = 2**20  # the weight of a voxel that stands for itself
_INVERSE = 2.0**52  # what inverse sizes are counted in


@dataclass(frozen=True, eq=False)
class MaskTable:
    """All photos' N masks as sets of voxels, photo after photo; V is of all voxels or of a sample of them.

    Attributes:
        inside: the voxels of each mask, (N, V).
        photo: which of the F photos each mask is of, ascending.
        seen_by: which photos show a voxel.
        weight: how many voxels each one stands for, in 2^-20.
        quality: how good the proposer thinks each mask is.
        is_sample: whether V is of a sample: else all weights are 1.
    """

    inside: Incidence
    photo: Int64[Tensor, " n"]
    seen_by: Bool[Tensor, "v f"]
    weight: Int64[Tensor, " v"]
    quality: Float64[np.ndarray, " n"]
    is_sample: bool = False

    def __len__(self) -> int:
        return len(self.quality)

    @property
    def photo_total(self) -> int:
        """F."""
        return self.seen_by.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the table is."""
        return self.photo.device

    @classmethod
    def of_photos(cls, photos: Sequence[PhotoVoxels], device: torch.device | str = "cpu") -> "MaskTable":
        """The masks of photos of the same V voxels."""
        device = torch.device(device)
        solid = solid_part(sparse.csr_matrix(sparse.vstack([photo.masks for photo in photos], format="csr")))
        photo_of_mask = np.repeat(np.arange(len(photos)), [size_of(photo.masks)[0] for photo in photos])
        seen_by = torch.from_numpy(np.stack([photo.seen for photo in photos], axis=1)).to(device)
        return cls(
            inside=Incidence.of_csr(solid, device),
            photo=to_device_async(photo_of_mask, device, np.int64),
            seen_by=seen_by,
            weight=torch.full((len(seen_by),), ONE, dtype=torch.int64, device=device),
            quality=np.concatenate([photo.predicted_iou for photo in photos]).astype(np.float64),
        )

    @classmethod
    def of_sets(
        cls, photos: Sequence[tuple[Incidence, Bool[Tensor, " v"]]], quality: Float[np.ndarray, " n"]
    ) -> "MaskTable":
        """The masks of photos, of each photo as sets of the same V voxels, and the voxels that it shows."""
        sizes = [sets.shape[0] for sets, _ in photos]
        firsts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        device, voxels = photos[0][1].device, len(photos[0][1])
        inside = Incidence(
            torch.cat([sets.row + first for (sets, _), first in zip(photos, firsts, strict=False)]),
            torch.cat([sets.column for sets, _ in photos]),
            (firsts[-1], voxels),
        )
        return cls(
            inside=inside,
            photo=to_device_async(np.repeat(np.arange(len(photos)), sizes), device, np.int64),
            seen_by=torch.stack([seen for _, seen in photos], dim=1),
            weight=torch.full((voxels,), ONE, dtype=torch.int64, device=device),
            quality=quality.astype(np.float64),
        )

    def of_size(self, min_voxels: int) -> "MaskTable":
        """The masks that have at least so many voxels."""
        kept = (self.inside.sizes >= min_voxels).nonzero()[:, 0]
        return replace(
            self, inside=self.inside.of_rows(kept), photo=self.photo[kept], quality=self.quality[kept.cpu().numpy()]
        )


def sample_voxels(table: MaskTable, per_mask: int) -> MaskTable:
    """The same masks on fewer voxels: some `per_mask` in masks of the size that covers a voxel, in the harmonic mean.

    A small thing keeps all its voxels, the bare table few, and a stray small mask on it changes little. Sampling is
    systematic (every so many voxels in their order), so it repeats, and near voxels do not clump.
    """
    inside = table.inside
    inverse = (_INVERSE / inside.sizes.clamp_min(1).double()).round().long()[inside.row]
    sums = torch.zeros(2, len(table.seen_by), dtype=torch.int64, device=table.device)
    sums[0].index_add_(0, inside.column, torch.ones_like(inside.column))
    sums[1].index_add_(0, inside.column, inverse)
    masks_of_voxel, inverse_sizes = sums.cpu().numpy()
    covered = np.flatnonzero(masks_of_voxel)
    chance = np.minimum(1.0, per_mask * (inverse_sizes[covered] / _INVERSE) / masks_of_voxel[covered])
    ticks = np.floor(np.cumsum(chance) + 1e-9)
    taken = np.diff(ticks, prepend=0.0) > 0
    voxels = to_device_async(covered[taken], table.device, np.int64)
    weight = to_device_async(np.round(ONE / chance[taken]), table.device, np.int64)
    return replace(
        table, inside=inside.of_columns(voxels), seen_by=table.seen_by[voxels], weight=weight, is_sample=True
    )


def visible_sizes(sets: Incidence, table: MaskTable) -> Float64[Tensor, "k f"]:
    """Of K sets of the table's voxels, how many voxels each photo shows, in 2^-20."""
    size = torch.zeros(sets.shape[0], table.photo_total, dtype=torch.float64, device=sets.device)
    step = max(8 * CELLS_AT_ONCE[sets.device.type] // max(sets.shape[1], 1), 1)  # a byte each
    for first in range(0, sets.shape[0], step):
        rows = range(first, min(first + step, sets.shape[0]))
        held = sets.dense(rows)
        for some in column_blocks(len(rows) + table.photo_total, sets.shape[1], sets.device):
            inside, seen = held[:, some], table.seen_by[some]
            if table.is_sample:
                size[first : rows.stop] += (inside * table.weight[some].double()) @ seen.double()
            else:
                size[first : rows.stop] += ONE * (inside.float() @ seen.float()).double()  # exact below 2^24 voxels
    return size


def column_blocks(height: int, columns: int, device: torch.device) -> Iterator[slice]:
    """Blocks of columns of which so many rows of numbers fit the memory; on a CPU, its cache."""
    width = max(CELLS_AT_ONCE[device.type] // 8 // height, 1)
    return (slice(low, min(low + width, columns)) for low in range(0, columns, width))


def agreeing_masks(table: MaskTable, min_iou: float, min_visible: float) -> sparse.csr_matrix:
    """(N, N): per mask and photo the mask that agrees most with it, as their IoU on the voxels that both photos show.

    Each mask agrees with itself. Zeros, masks that do not agree, are not stored.

    Args:
        table: the masks, on a sample of voxels.
        min_iou: from which IoU on two masks agree.
        min_visible: the share of each mask that the other's photo must show at least.
    """
    visible = visible_sizes(table.inside, table)
    least = min_visible * visible.gather(1, table.photo[:, None])  # of each mask, that the other's photo shows of it
    found = []
    step = max(CELLS_AT_ONCE[table.device.type] // len(table), 1)
    for first in range(0, len(table), step):
        rows = range(first, min(first + step, len(table)))
        shared = shared_sums(table.inside, table.inside, table.weight, rows)
        i, j = (shared > 0).nonzero().unbind(1)
        common, i = shared[i, j], i + first
        seen_i, seen_j = visible[i, table.photo[j]], visible[j, table.photo[i]]
        iou = common / (seen_i + seen_j - common).clamp_min(1)
        keep = ((iou >= min_iou) & (seen_i >= least[i, 0]) & (seen_j >= least[j, 0])).nonzero()[:, 0]
        i, j, iou = i[keep], j[keep], iou[keep]
        top = first_best((i - first) * table.photo_total + table.photo[j], iou, len(rows) * table.photo_total)
        found.append((i[top], j[top], iou[top]))
    row, column, value = (torch.cat(part) for part in zip(*found, strict=True))
    return on_host(row, column, value, (len(table), len(table)))


def first_best(key: Int64[Tensor, " n"], value: Float64[Tensor, " n"], keys: int) -> Int64[Tensor, " k"]:
    """Of the entries of each key the first that has the key's largest value, by index; rising with the key."""
    top = torch.full((keys,), -torch.inf, dtype=value.dtype, device=value.device)
    top.scatter_reduce_(0, key, value, "amax")
    place = torch.where(value == top[key], torch.arange(len(key), device=key.device), len(key))
    first = torch.full((keys,), len(key), dtype=torch.int64, device=key.device).scatter_reduce_(0, key, place, "amin")
    return first[first < len(key)]


def on_host(
    row: Int64[Tensor, " n"], column: Int64[Tensor, " n"], value: Float[Tensor, " n"], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Entries, ordered by row and then by column, as a sparse matrix on the host."""
    start = np.searchsorted(row.cpu().numpy(), np.arange(shape[0] + 1))
    return sparse.csr_matrix((value.cpu().numpy(), column.cpu().numpy(), start), shape=shape)
