"""From evidence in several pictures to places in space: positions, boxes and scores."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

FEWEST_VIEWS = 2
MOST_HITS = 8


@dataclass(frozen=True)
class Place:
    """A connected part of the scene that answers a phrase, in the scene frame.

    Attributes:
        points_scene: (k, 3) its surface points.
        weight: (k,) how far each is above the threshold.
        score: mean relevancy of its best cell over the pictures that see it.
        scale_scene: the scale of that cell.
    """

    points_scene: Float[np.ndarray, "k 3"]
    weight: Float[np.ndarray, " k"]
    score: float
    scale_scene: float

    @property
    def centre(self) -> Float[np.ndarray, "3"]:
        return np.average(self.points_scene, axis=0, weights=self.weight)


class Cells:
    """Surface points that several pictures show, sorted into cubes of the scene once; then asked phrase by phrase.

    Cost: a sort of N points when made, then a few passes over them for each phrase.
    """

    def __init__(
        self, points_scene: Float[np.ndarray, "n 3"], view: Int64[np.ndarray, " n"], cell_scene: float
    ) -> None:
        """Args: points_scene: finite. view: which picture each is from. cell_scene: side of a cube."""
        self._points = points_scene
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

    def places(
        self, score: Float[np.ndarray, " n"], scale_scene: Float[np.ndarray, " n"], threshold: float = 0.5
    ) -> list[Place]:
        """Where a phrase is, best first: connected cells over half way from `threshold` to the best cell.

        A cell's score is the mean over its points, from all pictures: a place must look right from everywhere. Cells
        that one picture alone shows do not count (unless there is nothing else). Empty if no cell passes `threshold`.

        Args:
            score: the phrase's smoothed relevancy at each point.
            scale_scene: the scale it was found at.
        """
        means = self._means(score)
        peak = float(means.max(initial=0.0))
        if peak <= threshold:
            return []
        labels = self._components(means >= (threshold + peak) / 2)
        found = []
        for label in range(labels.max(initial=-1) + 1):
            best = int(np.where(labels == label, means, -1).argmax())
            inside = np.nonzero(labels[self._of_point] == label)[0]
            weight = np.maximum(score[inside] - threshold, 1e-3)
            scale = float(np.median(scale_scene[self._of_point == best]))
            found.append(Place(self._points[inside], weight, float(means[best]), scale))
        return sorted(found, key=lambda place: -place.score)[:MOST_HITS]

    def peak(self, score: Float[np.ndarray, " n"]) -> float:
        """The score of a phrase's best cell."""
        return float(self._means(score).max(initial=0.0))

    def _means(self, score: Float[np.ndarray, " n"]) -> Float[np.ndarray, " c"]:
        means = np.bincount(self._of_point, weights=score, minlength=len(self._cubes)) / self._counts
        return np.where(self._seen, means, 0.0)

    def _components(self, chosen: Bool[np.ndarray, " c"]) -> Int64[np.ndarray, " c"]:
        """A number from 0 for each connected group of chosen cubes (26 neighbours), −1 for the others."""
        labels = np.full(len(chosen), -1, dtype=np.int64)
        index = np.nonzero(chosen)[0]
        touching = KDTree(self._cubes[index]).query_pairs(1.5, p=np.inf, output_type="ndarray")
        ones = np.ones(len(touching), dtype=bool)
        graph = coo_array((ones, (touching[:, 0], touching[:, 1])), shape=(len(index), len(index)))
        labels[index] = connected_components(graph, directed=False)[1]
        return labels
