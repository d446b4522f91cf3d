"""Self-supervised features of a run, read into the voxels of its surface: where they change, a thing ends."""

import numpy as np
import torch
from tests.query.fake_world import PHRASES, SIZE, THING, Wall, camera_at

from langfield.core.observed_scales import ObservedScales
from langfield.query.index.scene_index import SceneIndex
from langfield.renderers.volume import SurfaceSamples

SEEN = ObservedScales(torch.tensor([0.05, 0.15]), torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]]))
BORDER_X = float(THING[0]) + 0.2


class PatternedWall(Wall):
    """A wall of one colour, of two materials that only dense features tell apart; noisy ones."""

    def __init__(self, has_dense: bool = True) -> None:
        super().__init__()
        self.has_dense = has_dense

    def boundary_features(self, samples: SurfaceSamples) -> torch.Tensor | None:
        if not self.has_dense:
            return None
        noise = torch.randn(samples.rays, 6, generator=torch.Generator().manual_seed(samples.rays))
        return torch.where(samples.points[:, :1] < BORDER_X, 5.0, -5.0) + 0.1 * noise


def indexed(wall: Wall) -> SceneIndex:
    return SceneIndex.from_views([wall.view(camera_at(x, 0, 64, 48)) for x in (0.0, 0.3)], SEEN)


def test_dense_features_of_voxels_are_the_means_of_what_their_points_show():
    dense = indexed(PatternedWall()).graph.boundary_features
    assert dense is not None
    plain = indexed(Wall())
    assert dense.shape == (len(plain.voxels), 6)
    x = plain.voxels.centres_scene[:, 0]
    sure = abs(x - BORDER_X) > plain.voxels.side_scene
    np.testing.assert_allclose(dense[sure], np.where(x[sure, None] < BORDER_X, 5, -5) * np.ones(6), atol=0.5)
    assert plain.graph.boundary_features is None
    assert indexed(PatternedWall(has_dense=False)).graph.boundary_features is None


def test_relevancy_stops_where_they_change():
    jumps = []
    for wall in (PatternedWall(), PatternedWall(has_dense=False)):
        around = indexed(wall)
        values = around.score(PHRASES).voxel_relevancy[0]
        x, y = around.voxels.centres_scene[:, 0] - BORDER_X, around.voxels.centres_scene[:, 1] - float(THING[1])
        beside = [(s * x > 0) & (s * x < 1.5 * around.voxels.side_scene) & (abs(y) < SIZE) for s in (-1, 1)]
        assert all(some.sum() > 3 for some in beside)
        jumps.append(values[beside[0]].mean() - values[beside[1]].mean())
    assert jumps[0] > 3 * jumps[1] > 0
