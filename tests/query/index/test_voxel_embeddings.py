"""The atlas: means of embeddings over cubes, and what phrases find in them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from langfield.query.language_view import render_language_view
from tests.query.fake_world import PHRASES, Wall, camera_at

from langfield.core.observed_scales import ObservedScales
from langfield.models.relevancy import relevancy
from langfield.query.index.scene_index import Outlook
from langfield.query.index.voxel_embeddings import Atlas
from langfield.query.observed_scales import raster

CENTRES = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]])


def test_means_are_those_of_a_loop_over_cubes():
    seen = ObservedScales(torch.tensor([0.002, 0.3]), CENTRES)  # at the first, less than a pixel is averaged over
    views = [render_language_view(Wall(), camera_at(x, 0, 32, 24)) for x in (0.0, 0.3)]
    outlook = Outlook.of_views(views, seen)
    surface = outlook.surface
    points, embedded = [], []
    for view in views:
        pixels, _ = raster(view, 1)
        points.append(view.points_scene[pixels])
        embedded.append(view.of_pixels(pixels).embedding(0.002 * seen.typical_distance(points[-1])))
    embeddings = torch.cat(embedded)
    for cube in range(0, len(surface), 7):
        inside = torch.from_numpy(surface.of_point == cube)
        mean = embeddings[inside].mean(dim=0)
        torch.testing.assert_close(outlook.atlas.embeddings[0, cube].float(), mean / mean.norm(), rtol=0, atol=1e-3)


def test_a_phrase_has_a_relevancy_at_each_level_and_nothing_is_said_where_nothing_was_seen():
    means = torch.zeros(2, 3, 4)
    means[0, 0], means[1, 0] = torch.tensor([0.6, 0, 0.8, 0]), torch.tensor([1.0, 0, 0, 0])
    means[0, 1] = torch.tensor([0.0, 1, 0, 0])
    known = (means != 0).any(dim=-1).float()
    every = Atlas.of_means(means, known).relevancy(PHRASES)
    for level in (0, 1):
        expected = relevancy(means[level, :1], PHRASES.embeddings, PHRASES.negatives, PHRASES.temperature)[0]
        torch.testing.assert_close(every[level, :, 0], expected, rtol=0, atol=1e-3)
    assert every[1, :, 1].tolist() == every[0, :, 2].tolist() == every[1, :, 2].tolist() == [0, 0, 0]


def test_levels_up_to_the_best_count_alike_where_they_saw_anything():
    seen = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    atlas = Atlas.of_means(seen[..., None] * torch.ones(4), seen)
    every = torch.rand(3, 3, 3) * seen[:, None]
    together = atlas.together(every, torch.tensor([0, 1, 2]))
    of_two = [torch.stack([every[:2, p, 0].mean(), every[0, p, 1], every[2, p, 2]]) for p in (0, 1)]
    of_three = torch.stack([every[:, 2, 0].mean(), every[[0, 2], 2, 1].mean(), every[2, 2, 2]])
    torch.testing.assert_close(together, torch.stack([*of_two, of_three]))  # best or not, two count


def test_where_pictures_contradict_each_other_answers_are_doubted():
    means = torch.tensor([[[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0.5, 0, 0, 0]]])
    atlas = Atlas.of_means(means, torch.ones(1, 3))
    torch.testing.assert_close(atlas.doubt, torch.tensor([[0.0, 0.0, 1.0]]))
    odds = torch.logit(atlas.relevancy(PHRASES)[0, 0].double())
    torch.testing.assert_close(odds[0] - odds[2], torch.tensor(1.0).double(), rtol=0, atol=1e-2)


def test_nothing_seen_is_an_empty_atlas():
    atlas = Atlas.of_means(torch.zeros(8, 0, 4), torch.zeros(8, 0))
    every = atlas.relevancy(PHRASES)
    assert every.shape == (8, 3, 0)
    assert atlas.together(every, torch.zeros(3, dtype=torch.int64)).shape == (3, 0)


def test_questions_are_what_the_atlas_says_however_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch):
    seen = ObservedScales(torch.tensor([0.04, 0.1, 0.3]), CENTRES)
    outlook = Outlook.of_views([render_language_view(Wall(), camera_at(x, 0, 64, 48)) for x in (0.0, 0.3)], seen)
    every = outlook.atlas.relevancy(PHRASES)
    in_cells = torch.stack([outlook.cells.means(level) for level in every])
    best = in_cells.amax(dim=2).argmax(dim=0)
    in_cells[0] = (in_cells[0] + in_cells[1]) / 2
    whole = outlook.ask(PHRASES)
    assert whole.level.tolist() == best.tolist()
    np.testing.assert_allclose(whole.in_cells, in_cells.amax(dim=0), atol=1e-6)
    np.testing.assert_allclose(outlook.in_cells(PHRASES), whole.in_cells)
    smoothed = outlook.surface.smoothed(outlook.atlas.together(every, best))
    np.testing.assert_allclose(whole.on_surface, smoothed, atol=1e-4)
    monkeypatch.setattr("langfield.query.index.scene_index._NUMBERS_AT_ONCE", 1)
    one_by_one = outlook.ask(PHRASES)
    np.testing.assert_allclose(one_by_one.in_cells, whole.in_cells, atol=1e-6)
    np.testing.assert_allclose(one_by_one.on_surface, whole.on_surface, atol=2e-3)  # the solver stops at 1e-3
    assert one_by_one.level.tolist() == whole.level.tolist()


def test_what_only_the_smallest_crops_show_counts_half_where_others_saw_the_place():
    wall = [render_language_view(Wall(), camera_at(0, 0, 64, 48))]
    outlook = Outlook.of_views(wall, ObservedScales(torch.tensor([0.04, 0.1, 0.3]), CENTRES))
    every = torch.zeros(3, 3, len(outlook.surface))
    every[0, 0], every[2, 1] = 0.8, 0.8
    every[:, 2] = torch.tensor([0.8, 0.3, 0.6])[:, None]
    seen = torch.ones_like(outlook.atlas.seen)
    seen[1, ::2] = False
    every[1] *= seen[1]
    partly = replace(outlook, atlas=replace(outlook.atlas, seen=seen))
    in_cells, level = partly._of_cells(every)
    share = outlook.cells.means(seen[1:2].float())[0]
    assert 0 < float(share.mean()) < 1
    torch.testing.assert_close(in_cells[0], 0.8 - 0.4 * share)
    torch.testing.assert_close(in_cells[1], torch.full_like(share, 0.8))
    torch.testing.assert_close(in_cells[2], (0.8 - 0.25 * share).clamp_min(0.6))
    assert level.tolist() == [0, 2, 0]  # the size that fits best is what was seen, confirmed or not


def test_a_scale_is_of_the_cubes_that_are_meant():
    seen = ObservedScales(torch.tensor([0.1, 0.2]), torch.zeros(1, 3))
    outlook = Outlook.of_views([render_language_view(Wall(), camera_at(0, 0, 32, 24))], seen)
    far = np.argsort(outlook.distance_scene)[-3:]
    assert outlook.scale_scene(1, far) == pytest.approx(0.2 * float(np.sort(outlook.distance_scene)[-2]), rel=1e-5)
