"""Language features and crop sizes of the surface, in pictures and at elements."""

from dataclasses import replace

import numpy as np
import pytest
from tests.query import fake_session
from tests.query.fake_session import WORLD_FROM_SCENE
from tests.query.fake_world import SIZE, THING, camera_at

from langfield.core.errors import UsageError
from langfield.query.session import Session
from langfield.query.surface_pictures import principal_components


@pytest.fixture(scope="module")
def session() -> Session:
    return fake_session.session()


def pixel_of_thing(x: float, y: float) -> tuple[int, int]:
    """Row and column of the thing in the picture of a camera at (x, y, 0)."""
    camera = camera_at(x, y)
    place = camera.fx_px * (THING[:2].numpy() - (x, y)) / 4 + (camera.cx_px, camera.cy_px)
    return int(place[1]), int(place[0])


def test_a_place_has_the_same_features_whatever_camera_sees_it(session: Session):
    seen = []
    for x, y in ((0.0, 0.0), (0.5, 0.2)):
        picture = session.feature_picture(camera_at(x, y).moved(WORLD_FROM_SCENE))
        assert picture.shape == (48, 64, 3)
        assert np.nanmin(picture) >= 0
        assert np.nanmax(picture) <= 1
        seen.append(picture[pixel_of_thing(x, y)])
    np.testing.assert_allclose(seen[0], seen[1], atol=0.08)


def test_the_thing_is_told_from_the_wall_by_its_features(session: Session):
    picture = session.feature_picture(camera_at(0, 0).moved(WORLD_FROM_SCENE))
    thing, wall = picture[pixel_of_thing(0, 0)], picture[24, 4]
    assert np.abs(thing - wall).max() > 0.5


def test_components_explain_most_of_the_variance_first_and_keep_their_signs(session: Session):
    index = session._scene.index()
    components = principal_components(index)
    np.testing.assert_array_equal(components, principal_components(index))
    assert components.shape == (len(index.voxels), 3)
    vectors = index.embeddings.vectors.float().mean(dim=0).numpy()
    first = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][0]
    along = vectors @ first
    assert abs(np.corrcoef(along, components[:, 0])[0, 1]) > 0.95


def test_the_thing_is_answered_by_crops_of_its_size(session: Session):
    low, high = session.crop_height_range()
    picture = session.crop_height_picture(camera_at(0, 0).moved(WORLD_FROM_SCENE), "thing")
    height = float(picture[pixel_of_thing(0, 0)])
    assert 0.5 < height / (SIZE * WORLD_FROM_SCENE.scale) < 1.6
    assert 0 < low < height < high
    assert np.nanmin(picture) >= 0.9 * low
    assert np.nanmax(picture) <= 1.1 * high


def test_elements_have_what_pictures_show(session: Session):
    points, _ = session.surface()
    features, heights = session.element_features(), session.element_crop_heights("thing")
    assert features.shape == (len(points), 3)
    assert heights.shape == (len(points),)
    nearest = int(np.linalg.norm(points - WORLD_FROM_SCENE.points(THING.numpy().astype(float)), axis=1).argmin())
    camera = camera_at(0, 0).moved(WORLD_FROM_SCENE)
    pixel = pixel_of_thing(0, 0)
    np.testing.assert_allclose(features[nearest], session.feature_picture(camera)[pixel], atol=0.1)
    np.testing.assert_allclose(heights[nearest], session.crop_height_picture(camera, "thing")[pixel], rtol=0.3)


def test_where_no_surface_is_nothing_is_known(session: Session):
    away = camera_at(0, 0).moved(WORLD_FROM_SCENE)
    pose = away.world_from_camera.copy()
    pose[:3, :3] = pose[:3, :3] @ np.diag([1.0, -1, -1])  # looks the other way
    turned = replace(away, world_from_camera=pose)
    assert np.isnan(session.feature_picture(turned)).all()
    assert np.isnan(session.crop_height_picture(turned, "thing")).all()


def test_a_run_without_language_has_neither():
    silent = fake_session.session(language=False)
    with pytest.raises(UsageError):
        silent.feature_picture(camera_at(0, 0).moved(WORLD_FROM_SCENE))
    with pytest.raises(UsageError):
        silent.crop_height_range()
