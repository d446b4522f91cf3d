"""The groups of a scene as a run keeps them: the surface, which groups its voxels belong to, what groups look like."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float16, Float32, Int32

from langfield.groups.base import Groups
from langfield.groups.surface import GroupSurface


@dataclass(frozen=True)
class SceneGroups:
    """G groups of the V voxels of a scene's surface.

    Attributes:
        surface: the voxels, scene frame.
        groups: which voxels belong together.
        embeddings: (G, D) unit image embeddings of the groups, each from the photos' crops of its masks, 0 for a group
            without any; or None.
        photo_count: (V,) how many photos show each voxel; None where that is not known.
    """

    surface: GroupSurface
    groups: Groups
    embeddings: Float16[np.ndarray, "g d"] | None = None
    photo_count: Int32[np.ndarray, " v"] | None = None

    def __len__(self) -> int:
        return len(self.groups.parent)

    def to(self, device: torch.device | str) -> "SceneGroups":
        """The same with the surface on another device."""
        return replace(self, surface=self.surface.to(device))

    def shares(self, group: int) -> Float32[np.ndarray, " v"]:
        """(V,) the share of photos by which each voxel belongs to a group."""
        row = np.zeros(len(self.surface), dtype=np.float32)
        start, end = self.groups.members.indptr[group : group + 2]
        row[self.groups.members.indices[start:end]] = self.groups.members.data[start:end]
        return row

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as named arrays."""
        arrays = {f"surface.{name}": array for name, array in self.surface.arrays().items()}
        arrays |= {f"groups.{name}": array for name, array in self.groups.arrays().items()}
        more = {"embeddings": self.embeddings, "photo_count": self.photo_count}
        return arrays | {name: array for name, array in more.items() if array is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "SceneGroups":
        """The inverse of `arrays`. Raises ValueError for arrays that are missing or do not fit together."""

        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        try:
            surface, groups = GroupSurface.from_arrays(part("surface.")), Groups.from_arrays(part("groups."))
        except KeyError as error:
            raise ValueError(f"groups lack the array {error}") from None
        if groups.members.shape != (len(groups.parent), len(surface)):
            raise ValueError(f"groups of shape {groups.members.shape} do not fit {len(surface)} voxels")
        embeddings, photo_count = arrays.get("embeddings"), arrays.get("photo_count")
        if photo_count is not None and (photo_count.shape != (len(surface),) or photo_count.dtype != np.int32):
            raise ValueError(f"photo counts {photo_count.dtype} {photo_count.shape} do not fit {len(surface)} voxels")
        if embeddings is not None and len(embeddings) != len(groups.parent):
            raise ValueError(f"{len(embeddings)} embeddings do not fit {len(groups.parent)} groups")
        return cls(surface, groups, embeddings, photo_count)
