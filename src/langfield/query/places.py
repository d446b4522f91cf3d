"""Cubes of a scene as large as its smallest crops: what several pictures say of a place, taken together."""

import hashlib

import numpy as np
from jaxtyping import Float, Int64

from langfield.query.surface import FEWEST_VIEWS


class Cells:
    """Surface points that several pictures show, sorted into cubes of the scene once; then asked phrase by phrase.

    Cost: a sort of N points when made, then a pass over them for each phrase.
    """

    def __init__(
        self, points_scene: Float[np.ndarray, "n 3"], view: Int64[np.ndarray, " n"], cell_scene: float
    ) -> None:
        """Args: points_scene: finite. view: which picture each is from. cell_scene: side of a cube."""
        corner = np.floor(points_scene / cell_scene).astype(np.int64)
        corner -= corner.min(axis=0, initial=0)
        extent = corner.max(axis=0, initial=0) + 1
        keys = (corner[:, 0] * extent[1] + corner[:, 1]) * extent[2] + corner[:, 2]
        _, first, self._of_point = np.unique(keys, return_index=True, return_inverse=True)
        self._cubes = corner[first]
        self._counts = np.bincount(self._of_point, minlength=len(first))
        views = int(view.max(initial=0)) + 1
        pairs = np.unique(self._of_point * views + view)
        seen_by = np.bincount(pairs // views, minlength=len(first))
        self._seen = seen_by >= min(FEWEST_VIEWS, views)
        if not self._seen.any():
            self._seen[:] = True

    def __len__(self) -> int:
        """How many cells several pictures show."""
        return int(self._seen.sum())

    @property
    def digest(self) -> str:
        """Of which cells these are: the same for the same surface."""
        return hashlib.sha256(self._cubes[self._seen].tobytes()).hexdigest()[:16]

    def means(self, score: Float[np.ndarray, " n"]) -> Float[np.ndarray, " s"]:
        """A phrase's mean score in each cell that several pictures show (in all, if none is): a place must look right
        from everywhere."""
        means = np.bincount(self._of_point, weights=score, minlength=len(self._cubes)) / self._counts
        return means[self._seen]
