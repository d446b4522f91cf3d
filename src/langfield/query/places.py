"""From evidence in several pictures to places in space: positions, boxes and scores."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from torch import Tensor

FEWEST_VIEWS = 2
MOST_HITS = 8


@dataclass(frozen=True)
class Evidence:
    """What several pictures say about N surface points of the scene frame.

    Attributes:
        points_scene: (N, 3), finite.
        view: (N,) which picture each is from.
        score: (P, N) smoothed relevancy of P phrases.
        scale_scene: (P, N) the scale it was found at.
    """

    points_scene: Float[Tensor, "n 3"]
    view: Int64[Tensor, " n"]
    score: Float[Tensor, "p n"]
    scale_scene: Float[Tensor, "p n"]


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
    """The evidence's points sorted into cubes of the scene, and which cubes touch."""

    def __init__(self, evidence: Evidence, cell_scene: float) -> None:
        self._evidence = evidence
        points = evidence.points_scene.cpu().numpy()
        keys = np.floor(points / cell_scene).astype(np.int64)
        self._cubes, of_point = np.unique(keys, axis=0, return_inverse=True)
        self._of_point = of_point.reshape(-1)
        self._counts = np.bincount(self._of_point, minlength=len(self._cubes))
        pairs = np.unique(np.stack([self._of_point, evidence.view.cpu().numpy()], axis=1), axis=0)
        views = np.bincount(pairs[:, 0], minlength=len(self._cubes))
        enough = min(FEWEST_VIEWS, int(evidence.view.max()) + 1 if len(evidence.view) else 1)
        self._seen = views >= enough
        if not self._seen.any():
            self._seen[:] = True

    def places(self, phrase: int, threshold: float = 0.5) -> list[Place]:
        """Where a phrase is, best first: connected cells over half way from `threshold` to the best cell.

        A cell's score is the mean over its points, from all pictures: a place must look right from everywhere. Cells
        that one picture alone shows do not count (unless there is nothing else). Empty if no cell passes `threshold`.
        """
        score = self._evidence.score[phrase].cpu().numpy()
        means = self._means(score)
        peak = float(means.max(initial=0.0))
        if peak <= threshold:
            return []
        cut = (threshold + peak) / 2
        labels = self._components(means >= cut)
        scale = self._evidence.scale_scene[phrase].cpu().numpy()
        points = self._evidence.points_scene.cpu().numpy()
        found = []
        for label in range(labels.max(initial=-1) + 1):
            best = int(np.where(labels == label, means, -1).argmax())
            inside = np.nonzero(labels[self._of_point] == label)[0]
            weight = np.maximum(score[inside] - threshold, 1e-3)
            at_best = scale[self._of_point == best]
            found.append(Place(points[inside], weight, float(means[best]), float(np.median(at_best))))
        return sorted(found, key=lambda place: -place.score)[:MOST_HITS]

    def peak(self, phrase: int) -> float:
        """The score of the phrase's best cell."""
        return float(self._means(self._evidence.score[phrase].cpu().numpy()).max(initial=0.0))

    def _means(self, score: Float[np.ndarray, " n"]) -> Float[np.ndarray, " c"]:
        means = np.bincount(self._of_point, weights=score, minlength=len(self._cubes)) / self._counts
        return np.where(self._seen, means, 0.0)

    def _components(self, chosen: np.ndarray) -> np.ndarray:
        """A number from 0 for each connected group of chosen cubes (26 neighbours), −1 for the others."""
        labels = np.full(len(chosen), -1)
        index = np.nonzero(chosen)[0]
        touching = KDTree(self._cubes[index]).query_pairs(1.5, p=np.inf, output_type="ndarray")
        ones = np.ones(len(touching), dtype=bool)
        graph = coo_array((ones, (touching[:, 0], touching[:, 1])), shape=(len(index), len(index)))
        labels[index] = connected_components(graph, directed=False)[1]
        return labels
