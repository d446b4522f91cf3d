"""The index of a scene: what it answers to phrases, and at which scales."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.query.fake_world import PHRASES, SIZE, THING, Wall, camera_at, observed_scales

from langfield.core.cameras import Camera
from langfield.core.observed_scales import ObservedScales
from langfield.models.base import Rendered
from langfield.models.geometry import distance_and_points
from langfield.query.index.coarse_cells import CoarseCells
from langfield.query.index.raster import RasterSurface, without_what_others_look_through
from langfield.query.index.scene_index import SceneIndex
from langfield.query.index.surface_graph import SurfaceGraph
from langfield.query.index.voxel_embeddings import VoxelEmbeddings
from langfield.renderers.volume import SurfaceSamples

CENTRES = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]])


def best(index: SceneIndex) -> tuple[torch.Tensor, float, torch.Tensor]:
    """Where the first phrase is, at which scale, and the score of all."""
    level = index.score(PHRASES).crop_level
    score = index.embeddings.aggregate_levels(index.embeddings.relevancy(PHRASES), torch.from_numpy(level))
    voxel = int(score[0].argmax())
    scale = index.crop_height_scene(int(level[0]), np.array([voxel]))
    return torch.from_numpy(index.voxels.centres_scene[voxel]).float(), scale, score.amax(dim=1)


class Curtain(Wall):
    """The wall; but cameras near the middle show something in the air before it, through which the others look."""

    def surface(self, camera: Camera) -> tuple[Rendered, SurfaceSamples]:
        rendered, samples = super().surface(camera)
        assert rendered.depth_scene is not None
        if abs(camera.world_from_camera[0, 3]) < 0.2:
            at_air = rendered.depth_scene * 0.75
            _, points = distance_and_points(at_air, camera)
            in_air = (points[:, :2].norm(dim=-1) < 0.3).reshape(at_air.shape)
            rendered.depth_scene = torch.where(in_air, at_air, rendered.depth_scene)
        return rendered, samples


def test_what_more_views_look_through_than_see_is_no_surface():
    """Two pictures show it, as a voxel needs, and four look through: two things on either side stay two."""
    views = [Curtain().view(camera_at(x, 0, 64, 48)) for x in (-0.1, 0.1, -0.6, -0.4, 0.4, 0.6)]
    index = SceneIndex.from_views(views, observed_scales())
    assert index.voxels.centres_scene[:, 2].min() > 3.9
    alone = SceneIndex.from_views(views[:2], observed_scales())  # nobody contradicts
    assert alone.voxels.centres_scene[:, 2].min() < 3.1


def test_where_views_leave_nothing_of_each_other_all_is_kept():
    """Two views of which each looks through what the other shows."""
    walls = [Wall().view(camera_at(0, 0, 32, 24)) for _ in range(3)]
    rasters = [RasterSurface.from_view(view, 1) for view in walls]
    assert [len(raster.kept) for raster in without_what_others_look_through(rasters)] == [32 * 24] * 3
    lost = [replace(r, points_scene=r.points_scene * 0.5) for r in rasters]
    assert [len(raster.kept) for raster in without_what_others_look_through(lost)] == [32 * 24] * 3


def test_a_raster_keeps_what_the_lens_shows():
    camera = replace(camera_at(0, 0, 32, 24), valid_radius_px=8.0)
    raster = RasterSurface.from_view(Wall().view(camera), 1)
    valid = camera.valid_pixels()
    assert valid is not None
    assert sorted(raster.pixels[raster.kept].tolist()) == np.flatnonzero(valid).tolist()


def test_scales_that_no_photo_had_are_not_asked():
    """Where LERF's search takes the bait: see `test_scale_search`."""
    view = Wall().view(camera_at(0, 0))
    where, scale, score = best(SceneIndex.from_views([view], observed_scales()))
    assert (where - THING).norm() < 0.2
    assert score[0] > 0.9
    assert abs(scale - SIZE) < 0.3
    assert score[2] < 0.5


def test_a_crop_is_averaged_at_its_own_size_from_near_and_far():
    """A camera at half the typical distance sees crops twice as large: the place and scale found stay the same."""
    far = Wall().view(camera_at(0, 0, 128, 96))
    near_camera = camera_at(0, 0, 128, 96)
    near_camera.world_from_camera[2, 3] = 2.0
    near = Wall().view(near_camera)
    (far_where, far_scale, far_score), (near_where, near_scale, near_score) = (
        best(SceneIndex.from_views([v], observed_scales())) for v in (far, near)
    )
    assert (far_where - near_where).norm() < 0.2
    assert abs(far_scale - near_scale) < 0.05
    torch.testing.assert_close(far_score[0], near_score[0], rtol=0, atol=0.02)


def test_questions_are_what_the_embeddings_give_however_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch):
    seen = ObservedScales(torch.tensor([0.04, 0.1, 0.3]), CENTRES)
    index = SceneIndex.from_views([Wall().view(camera_at(x, 0, 64, 48)) for x in (0.0, 0.3)], seen)
    every = index.embeddings.relevancy(PHRASES)
    in_cells = torch.stack([index.cells.means(values, level) for level, values in enumerate(every)])
    best = in_cells.amax(dim=2).argmax(dim=0)
    in_cells[0] = (in_cells[0] + in_cells[1]) / 2
    whole = index.score(PHRASES)
    assert whole.crop_level.tolist() == best.tolist()
    np.testing.assert_allclose(whole.cell_relevancy, in_cells.amax(dim=0), atol=1e-6)
    np.testing.assert_allclose(index.cell_relevancy(PHRASES), whole.cell_relevancy)
    smoothed = index.graph.smoothed(index.embeddings.aggregate_levels(every, best))
    np.testing.assert_allclose(whole.voxel_relevancy, smoothed, atol=1e-4)
    monkeypatch.setattr("langfield.query.index.scene_index._NUMBERS_AT_ONCE", 1)
    one_by_one = index.score(PHRASES)
    np.testing.assert_allclose(one_by_one.cell_relevancy, whole.cell_relevancy, atol=1e-6)
    np.testing.assert_allclose(one_by_one.voxel_relevancy, whole.voxel_relevancy, atol=2e-3)  # the solver stops at 1e-3
    assert one_by_one.crop_level.tolist() == whole.crop_level.tolist()


def observed_as(index: SceneIndex, observed: torch.Tensor) -> SceneIndex:
    """The index as if so much of it had been observed, (L, V)."""
    cells = CoarseCells(index.voxels.centres_scene, index.voxels.point_counts, observed, 1.0)
    graph = replace(index.graph, observed=observed.any(dim=0).numpy())
    return replace(index, cells=cells, graph=graph, embeddings=replace(index.embeddings, observed=observed))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_voxels_that_nobody_observed_at_a_level_change_no_score(level: int):
    """Half of the wall was not observed at a level: there the cells and the best level are those of a wall that ends
    at that half, whatever lies in the same cells."""
    wall = [Wall().view(camera_at(0, 0, 64, 48))]
    index = SceneIndex.from_views(wall, ObservedScales(torch.tensor([0.04, 0.1, 0.3]), CENTRES))
    seen = torch.ones_like(index.embeddings.observed)
    seen[level, ::2] = False
    partly = observed_as(index, seen)
    every = torch.zeros(3, 2, len(index.voxels))
    every[level] = torch.tensor([0.99995, 0.7])[:, None] * seen[level]
    in_cells, best_level = partly._pooled_in_cells(every)
    assert best_level.tolist() == [level, level]
    counted = 1.0 if level else 0.5  # the next size says 0 of all
    torch.testing.assert_close(in_cells, counted * torch.tensor([0.99995, 0.7])[:, None].expand_as(in_cells))


def test_what_nobody_observed_at_all_changes_no_answer():
    """Voxels far away that no picture observed: presence, levels, relevancy and hits of the others stay as they are."""
    views = [Wall().view(camera_at(x, 0, 64, 48)) for x in (0.0, 0.3)]
    index = SceneIndex.from_views(views, observed_scales())
    voxels, unseen = index.voxels, 500
    away = np.random.default_rng(0).uniform(20, 30, (unseen, 3)).astype(voxels.centres_scene.dtype)
    more = replace(
        voxels,
        centres_scene=np.concatenate([voxels.centres_scene, away]),
        mean_rgb=np.concatenate([voxels.mean_rgb, np.zeros((unseen, 3), voxels.mean_rgb.dtype)]),
        normals=np.concatenate([voxels.normals, np.zeros((unseen, 3), voxels.normals.dtype)]),
        point_counts=np.concatenate([voxels.point_counts, np.full(unseen, 9)]),
    )
    embeddings = index.embeddings
    levels, _, dim = embeddings.vectors.shape
    padded = VoxelEmbeddings(
        torch.cat([embeddings.vectors, torch.zeros(levels, unseen, dim).half()], dim=1),
        torch.cat([embeddings.observed, torch.zeros(levels, unseen, dtype=torch.bool)], dim=1),
        torch.cat([embeddings.disagreement_penalty, torch.zeros(levels, unseen)], dim=1),
    )
    side = 0.4
    alone = replace(index, cells=CoarseCells(voxels.centres_scene, voxels.point_counts, embeddings.observed, side))
    beside = replace(
        index,
        voxels=more,
        graph=SurfaceGraph(more, padded.observed.any(dim=0).numpy(), torch.device("cpu")),
        cells=CoarseCells(more.centres_scene, more.point_counts, padded.observed, side),
        embeddings=padded,
    )
    ours, theirs = alone.score(PHRASES), beside.score(PHRASES)
    np.testing.assert_array_equal(ours.crop_level, theirs.crop_level)
    np.testing.assert_allclose(ours.cell_relevancy, theirs.cell_relevancy, atol=1e-6)
    np.testing.assert_allclose(ours.voxel_relevancy, theirs.voxel_relevancy[:, : len(voxels)], atol=2e-3)
    for row, longer in zip(ours.voxel_relevancy, theirs.voxel_relevancy, strict=True):
        hits, others = alone.graph.regions(row), beside.graph.regions(np.concatenate([row, longer[len(voxels) :]]))
        assert [hit.voxels.tolist() for hit in hits] == [hit.voxels.tolist() for hit in others]


def test_what_only_the_smallest_crops_show_counts_half_where_others_saw_the_place():
    wall = [Wall().view(camera_at(0, 0, 64, 48))]
    index = SceneIndex.from_views(wall, ObservedScales(torch.tensor([0.04, 0.1, 0.3]), CENTRES))
    every = torch.zeros(3, 3, len(index.voxels))
    every[0, 0], every[2, 1] = 0.8, 0.8
    every[:, 2] = torch.tensor([0.8, 0.3, 0.6])[:, None]
    seen = torch.ones_like(index.embeddings.observed)
    seen[1, ::2] = False
    every[1] *= seen[1]
    partly = observed_as(index, seen)
    in_cells, level = partly._pooled_in_cells(every)
    share = partly.cells.means(seen[1:2].float(), 0)[0]
    assert 0 < float(share.mean()) < 1
    torch.testing.assert_close(in_cells[0], 0.8 - 0.4 * share)
    torch.testing.assert_close(in_cells[1], torch.full_like(share, 0.8))
    torch.testing.assert_close(in_cells[2], (0.8 - 0.25 * share).clamp_min(0.6))
    assert level.tolist() == [0, 2, 0]  # the size that fits best is what was seen, confirmed or not


def test_a_scale_is_of_the_voxels_that_are_meant():
    seen = ObservedScales(torch.tensor([0.1, 0.2]), torch.zeros(1, 3))
    index = SceneIndex.from_views([Wall().view(camera_at(0, 0, 32, 24))], seen)
    far = np.argsort(index.typical_distance_scene)[-3:]
    assert index.crop_height_scene(1, far) == pytest.approx(
        0.2 * float(np.sort(index.typical_distance_scene)[-2]), rel=1e-5
    )
