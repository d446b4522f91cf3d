"""Embeddings of voxels: means over what pictures show, and relevancy of phrases there."""

import torch
from tests.query.fake_world import PHRASES, Wall, camera_at

from langfield.core.observed_scales import ObservedScales
from langfield.models.relevancy import relevancy
from langfield.query.index.raster import raster_pixels
from langfield.query.index.scene_index import SceneIndex
from langfield.query.index.voxel_embeddings import VoxelEmbeddings

CENTRES = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]])


def test_means_are_those_of_a_loop_over_voxels():
    seen = ObservedScales(torch.tensor([0.002, 0.3]), CENTRES)  # at the first, less than a pixel is averaged over
    views = [Wall().view(camera_at(x, 0, 32, 24)) for x in (0.0, 0.3)]
    index = SceneIndex.from_views(views, seen)
    voxels = index.voxels
    points, embedded = [], []
    for view in views:
        pixels, _ = raster_pixels(view, 1)
        points.append(view.points_scene[pixels])
        embedded.append(view.of_pixels(pixels).embedding(0.002 * seen.typical_distance(points[-1])))
    every = torch.cat(embedded)
    for voxel in range(0, len(voxels), 7):
        inside = torch.from_numpy(voxels.voxel_of_input == voxel)
        mean = every[inside].mean(dim=0)
        torch.testing.assert_close(index.embeddings.vectors[0, voxel].float(), mean / mean.norm(), rtol=0, atol=1e-3)


def test_a_phrase_has_a_relevancy_at_each_level_and_is_0_where_nothing_was_observed():
    means = torch.zeros(2, 3, 4)
    means[0, 0], means[1, 0] = torch.tensor([0.6, 0, 0.8, 0]), torch.tensor([1.0, 0, 0, 0])
    means[0, 1] = torch.tensor([0.0, 1, 0, 0])
    known = (means != 0).any(dim=-1).float()
    every = VoxelEmbeddings.from_means(means, known).relevancy(PHRASES)
    for level in (0, 1):
        expected = relevancy(means[level, :1], PHRASES.embeddings, PHRASES.negatives, PHRASES.temperature)[0]
        torch.testing.assert_close(every[level, :, 0], expected, rtol=0, atol=1e-3)
    assert every[1, :, 1].tolist() == every[0, :, 2].tolist() == every[1, :, 2].tolist() == [0, 0, 0]


def test_levels_up_to_the_best_count_alike_where_they_observed_anything():
    seen = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    embeddings = VoxelEmbeddings.from_means(seen[..., None] * torch.ones(4), seen)
    every = torch.rand(3, 3, 3) * seen[:, None]
    aggregated = embeddings.aggregate_levels(every, torch.tensor([0, 1, 2]))
    of_two = [torch.stack([every[:2, p, 0].mean(), every[0, p, 1], every[2, p, 2]]) for p in (0, 1)]
    of_three = torch.stack([every[:, 2, 0].mean(), every[[0, 2], 2, 1].mean(), every[2, 2, 2]])
    torch.testing.assert_close(aggregated, torch.stack([*of_two, of_three]))  # best or not, two count


def test_where_pictures_contradict_each_other_relevancy_is_lowered():
    means = torch.tensor([[[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0.5, 0, 0, 0]]])
    embeddings = VoxelEmbeddings.from_means(means, torch.ones(1, 3))
    torch.testing.assert_close(embeddings.disagreement_penalty, torch.tensor([[0.0, 0.0, 1.0]]))
    odds = torch.logit(embeddings.relevancy(PHRASES)[0, 0].double())
    torch.testing.assert_close(odds[0] - odds[2], torch.tensor(1.0).double(), rtol=0, atol=1e-2)


def test_nothing_seen_is_no_embeddings():
    embeddings = VoxelEmbeddings.from_means(torch.zeros(8, 0, 4), torch.zeros(8, 0))
    every = embeddings.relevancy(PHRASES)
    assert every.shape == (8, 3, 0)
    assert embeddings.aggregate_levels(every, torch.zeros(3, dtype=torch.int64)).shape == (3, 0)
