"""A phrase that is typed, on a GPU: recorded as CUDA graphs, its answer is that of the kernels one by one."""

import numpy as np
import torch
from tests.query.index.test_smoothing import laplacian
from tests.query.index.test_voxel_search import surface

from langfield.models.relevancy import EncodedPhrases
from langfield.query.index.coarse_cells import CoarseCells
from langfield.query.index.scene_index import SceneIndex
from langfield.query.index.smoothing import GraphSmoother
from langfield.query.index.surface_graph import SurfaceGraph
from langfield.query.index.voxel_embeddings import VoxelEmbeddings

DEVICE = torch.device("cuda")


def index(levels: int = 3, embed_dim: int = 8) -> SceneIndex:
    """A surface whose voxels are embedded at random, some not at every level."""
    voxels = surface(3000, 0.05, 2.0)
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(levels, len(voxels), embed_dim, generator=generator)
    observed = torch.rand(levels, len(voxels), generator=generator) > 0.2
    unit = (torch.nn.functional.normalize(vectors, dim=-1) * observed[..., None]).half().to(DEVICE)
    embeddings = VoxelEmbeddings(unit, observed.to(DEVICE), torch.zeros(levels, len(voxels), device=DEVICE))
    return SceneIndex(
        voxels=voxels,
        graph=SurfaceGraph(voxels, observed.any(dim=0).numpy(), DEVICE),
        cells=CoarseCells(voxels.centres_scene, voxels.point_counts, embeddings.observed, 0.2),
        embeddings=embeddings,
        typical_distance_scene=np.ones(len(voxels)),
        crop_angles=np.linspace(0.1, 0.4, levels),
    )


def test_one_phrase_scores_as_among_others():
    made, generator = index(), torch.Generator().manual_seed(1)
    unit = torch.nn.functional.normalize(torch.randn(6, 8, generator=generator), dim=-1).to(DEVICE)
    every = EncodedPhrases(("a", "b", "c"), unit[:3], unit[3:], 10.0)
    expected = made.score(every)
    for repeat in range(3):  # the second call is recorded, the third one is the recording
        for number in range(3):
            alone = made.score(every[number : number + 1])
            assert alone.crop_level[0] == expected.crop_level[number], repeat
            np.testing.assert_allclose(alone.cell_relevancy[0], expected.cell_relevancy[number], rtol=0, atol=1e-4)
            np.testing.assert_allclose(alone.voxel_relevancy[0], expected.voxel_relevancy[number], rtol=0, atol=5e-3)
    other = EncodedPhrases(("a",), unit[:1], unit[4:5], 10.0)  # other negatives, and fewer
    both = EncodedPhrases(("a", "a"), unit[[0, 0]], unit[4:5], 10.0)
    np.testing.assert_allclose(
        made.score(other).cell_relevancy[0], made.score(both).cell_relevancy[0], rtol=0, atol=1e-4
    )


def test_smoothing_one_column_is_smoothing_several():
    rng = np.random.default_rng(1)
    matrix, data_weight = laplacian(rng), rng.uniform(0.05, 0.2, 400)
    values = torch.from_numpy(rng.normal(size=(400, 3))).float().to(DEVICE)
    smoother = GraphSmoother(matrix, data_weight, DEVICE)
    exact = np.linalg.solve(matrix.toarray() + np.diag(data_weight), data_weight[:, None] * values.cpu().numpy())
    np.testing.assert_allclose(smoother(values).cpu().numpy(), exact, atol=5e-3)
    for _ in range(3):
        for column in range(3):
            alone = smoother(values[:, column : column + 1])
            np.testing.assert_allclose(alone[:, 0].cpu().numpy(), exact[:, column], atol=5e-3)
