"""What the consensus reads (`PhotoVoxels`, one a photo) and what it gives (`Groups`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy import sparse

from langfield.core.errors import DataError

SOLID_SHARE = 0.5  # a voxel belongs to a group, or to a mask, where at least this share says so


@dataclass(frozen=True)
class PhotoVoxels:
    """One photo's masks, seen as sets of the scene's V surface voxels.

    Attributes:
        masks: (M, V) float32: the share of a voxel in this photo that is inside the mask.
        seen: the voxels that the photo shows.
        predicted_iou: how good the proposer thinks each mask is, 0 to 1.
    """

    masks: sparse.csr_matrix
    seen: Bool[np.ndarray, " v"]
    predicted_iou: Float[np.ndarray, " m"]

    def __post_init__(self) -> None:
        expected = (len(self.predicted_iou), len(self.seen))
        if self.masks.shape != expected:
            raise ValueError(
                f"masks of shape {self.masks.shape} do not fit {expected[0]} masks of {expected[1]} voxels"
            )


@dataclass(frozen=True)
class Groups:
    """G groups of V surface voxels, the best supported first (by photos with a mask of it); the order is deterministic.

    Attributes:
        members: (G, V) float32: of the photos that have a mask of the group and show the voxel, the weighted share in
            which the voxel was inside the mask. A voxel belongs to the group from 0.5; less is its soft rim.
        parent: the smallest group that contains it, -1 for none.
        photo_count: photos with a mask of it.
        visible_count: photos in which enough of it is visible.
        support: photo_count / visible_count.
    """

    members: sparse.csr_matrix
    parent: Int64[np.ndarray, " g"]
    photo_count: Int64[np.ndarray, " g"]
    visible_count: Int64[np.ndarray, " g"]
    support: Float[np.ndarray, " g"]

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def voxel_count(self) -> int:
        """V: the scene's surface voxels, in groups or not."""
        return int(size_of(self.members)[1])

    def solid(self) -> sparse.csr_matrix:
        """(G, V) float32 of ones: the voxels that belong to each group, without the soft rim."""
        return solid_part(self.members)

    def voxels_of(self, group: int) -> Int64[np.ndarray, " n"]:
        """Indices of the voxels that belong to a group, ascending."""
        row = self.members[[group]]
        return np.sort(row.indices[row.data >= SOLID_SHARE]).astype(np.int64)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as named arrays, for safetensors."""
        return {
            "member_share": self.members.data.astype(np.float32),
            "member_voxel": self.members.indices.astype(np.int64),
            "member_start": self.members.indptr.astype(np.int64),
            "voxel_count": np.array([self.voxel_count], dtype=np.int64),
            "parent": self.parent,
            "photo_count": self.photo_count,
            "visible_count": self.visible_count,
            "support": self.support,
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> "Groups":
        """The inverse of `arrays`.

        Raises:
            DataError: arrays that are missing or do not fit together.
        """
        names = {"member_share", "member_voxel", "member_start", "voxel_count", "parent", "photo_count"}
        missing = sorted((names | {"visible_count", "support"}) - set(arrays))
        if missing:
            raise DataError(f"the groups lack {', '.join(missing)}: make them again from the photos' masks")
        share, voxel, start = (np.asarray(arrays[f"member_{name}"]) for name in ("share", "voxel", "start"))
        per_group = [np.asarray(arrays[name]) for name in ("parent", "photo_count", "visible_count")]
        support = np.asarray(arrays["support"])
        group_count, voxel_count = len(support), int(np.asarray(arrays["voxel_count"]).reshape(-1)[0])
        fits = (
            all(len(counts) == group_count for counts in per_group)
            and len(start) == group_count + 1
            and start[0] == 0
            and bool((np.diff(start) >= 0).all())
            and start[-1] == len(voxel) == len(share)
            and (len(voxel) == 0 or (voxel.min() >= 0 and voxel.max() < voxel_count))
            and (group_count == 0 or (per_group[0].min() >= -1 and per_group[0].max() < group_count))
        )
        if not fits:
            raise DataError("the groups' arrays do not fit together: make them again from the photos' masks")
        members = sparse.csr_matrix((share.astype(np.float32), voxel, start), shape=(group_count, voxel_count))
        parent, photo_count, visible_count = (counts.astype(np.int64) for counts in per_group)
        return Groups(members, parent, photo_count, visible_count, support.astype(np.float32))


def no_groups(voxel_count: int) -> Groups:
    """No groups of so many voxels."""
    none = np.zeros(0, dtype=np.int64)
    members = sparse.csr_matrix((0, voxel_count), dtype=np.float32)
    return Groups(members, none, none, none, np.zeros(0, dtype=np.float32))


def size_of(matrix: sparse.csr_matrix) -> tuple[int, int]:
    """Rows and columns; scipy's own annotation allows None."""
    rows, columns = matrix.shape  # pyright: ignore[reportGeneralTypeIssues]
    return int(rows), int(columns)


def solid_part(shares: sparse.csr_matrix) -> sparse.csr_matrix:
    """Ones where a share is at least `SOLID_SHARE`, nothing elsewhere; indices are sorted."""
    keep = shares.data >= SOLID_SHARE
    start = np.concatenate([[0], np.cumsum(keep)])[shares.indptr]
    ones = np.ones(int(keep.sum()), dtype=np.float32)
    solid = sparse.csr_matrix((ones, shares.indices[keep], start), shape=shares.shape)
    solid.sort_indices()
    return solid
