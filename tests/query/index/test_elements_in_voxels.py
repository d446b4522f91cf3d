"""Which elements belong to a hit: the definition point by point, and a session's hits taken apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.query.fake_session import WORLD_FROM_SCENE, session
from tests.query.fake_world import SIZE, THING

from langfield.core.errors import UsageError
from langfield.query.index.elements_in_voxels import ElementVoxels
from langfield.query.index.regions import Region
from langfield.query.index.scene_index import MAX_HITS, PhraseMatch
from langfield.query.index.surface_voxels import SurfaceVoxels, voxelise_surface
from langfield.query.view_answers import hit_masks_in_view


def region_of(voxels: np.ndarray, peak: float = 1.0) -> Region:
    return Region(voxels, voxels, peak, 0.5)


def some_voxels(seed: int, points: int = 60) -> SurfaceVoxels:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-1, 1, (points, 3)) * [1, 1, 0.2]
    twice = np.concatenate([xyz, xyz])
    return voxelise_surface(twice, np.abs(twice), np.zeros_like(twice), np.repeat([0, 1], points), 0.3)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_a_point_belongs_to_the_region_of_its_nearest_voxel_if_that_is_near(seed: int):
    voxels = some_voxels(seed)
    rng = np.random.default_rng(seed + 1)
    region = region_of(np.flatnonzero(rng.random(len(voxels)) < 0.4))
    points = rng.uniform(-1.5, 1.5, (50, 3)) * [1, 1, 0.4]
    elements = ElementVoxels.nearest(points, voxels)
    expected = []
    for point in points:
        distance = np.linalg.norm(voxels.centres_scene - point, axis=1)
        expected.append(bool(distance.min() <= 1.5 * 0.3 and distance.argmin() in region.voxels))
    assert elements.mask_of(region).tolist() == expected
    assert elements.count_in(region) == sum(expected)


def test_without_a_surface_nothing_belongs_anywhere():
    nothing = np.zeros((0, 3))
    voxels = voxelise_surface(nothing, nothing, nothing, np.zeros(0, np.int64), 1.0)
    assert ElementVoxels.nearest(np.zeros((4, 3)), voxels).voxel.tolist() == [-1] * 4


def test_a_sessions_elements_are_the_surfaces_points_at_its_hits():
    made = session()
    (answer,) = made.query(["thing"])
    xyz, rgb = made.surface()
    assert len(xyz) == len(rgb)
    assert (rgb == 128).all()
    (chosen,) = made.elements("thing")
    (hit,) = answer.hits
    assert hit.elements == len(hit.points_world) == answer.to_json()["hits"][0]["elements"] > 0
    assert 0 < chosen.sum() < len(xyz)
    np.testing.assert_allclose(xyz[chosen].mean(axis=0), hit.points_world.mean(axis=0), atol=0.1)
    away = np.linalg.norm(xyz[chosen] - WORLD_FROM_SCENE.points(THING.double().numpy()), axis=1)
    assert away.max() < 3 * 2 * SIZE
    assert made.elements("nothing") == []
    assert not made.has_splats
    with pytest.raises(UsageError, match="has no Gaussians"):
        made.splats()


def test_a_hits_mask_is_the_phrases_mask_if_it_is_the_only_one():
    made = session()
    camera = made.views[1].camera
    masks = made.ask_view(camera, ["thing", "nothing"]).masks
    assert masks[0].any()
    assert not masks[1].any()
    np.testing.assert_array_equal(made.hit_masks(camera, "thing"), masks[:1])
    assert made.hit_masks(camera, "nothing").shape == (0, camera.height_px, camera.width_px)


@pytest.mark.parametrize("regions", [2, 3, MAX_HITS + 2])
def test_masks_of_hits_share_no_pixel_and_are_together_the_phrases_mask(regions: int):
    """The wall in stripes: neighbouring hits, whose border goes through pixels."""
    made = session()
    voxels = made._scene.index().voxels
    stripe = np.digitize(voxels.centres_scene[:, 0], np.quantile(voxels.centres_scene[:, 0], np.arange(1, 11) / 11))
    parts = [region_of(np.flatnonzero(stripe == number), 1.0 - number / 100) for number in range(regions)]
    values = np.full(len(voxels), 0.7, np.float32)
    found = PhraseMatch(0.9, values, 0, parts)
    made._matcher._matches["stripes", tuple(made._phrase_encoder.negatives(None))] = found
    camera = made.views[0].camera
    whole = made.ask_view(camera, ["stripes"]).masks[0]
    each = made.hit_masks(camera, "stripes")
    assert len(each) == min(regions, MAX_HITS)
    np.testing.assert_array_equal(each.sum(axis=0), whole)
    assert each[1:].any(axis=(1, 2)).all()
    columns = [np.flatnonzero(mask.any(axis=0)).mean() for mask in each if mask.any()]
    assert columns == sorted(columns)
    chosen = made.elements("stripes")
    assert len(chosen) == len(each)
    assert np.sum(chosen, axis=0).max() == 1
    absent = PhraseMatch(0.4, values, 0, parts)
    assert hit_masks_in_view(made._scene.interpolator(made._scene.view(camera)), absent).shape[0] == 0
