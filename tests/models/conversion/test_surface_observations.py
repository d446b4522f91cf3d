"""What views see of the ball scene: points of its true surfaces, thinned by the same voxels from everywhere."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.conversion.ball_field import ANGLES, BallField, cameras, observed_scales, to_surface

from langfield.core.errors import RunError
from langfield.core.observed_scales import ObservedScales
from langfield.core.transforms import Similarity
from langfield.models.conversion.surface_observations import (
    SIDE_SHARE_OF_CROP,
    CropSizedVoxels,
    observation_cameras,
    observe_surface,
)


@pytest.fixture(scope="module")
def voxels() -> CropSizedVoxels:
    return CropSizedVoxels(observed_scales())


def test_observations_are_on_the_surfaces_in_their_colours(voxels: CropSizedVoxels):
    field = BallField()
    found = observe_surface(field, cameras(), voxels)
    assert len(found) > 1000
    assert to_surface(found.points).amin(dim=-1).max() < 1e-4
    red = to_surface(found.points)[:, 0] < 1e-4
    assert red.sum() > 50
    middle = found.rgb[red].mean(dim=0)
    assert middle[0] > 2 * middle[1:].max()
    # Each one's samples are its own ray's.
    assert found.samples.rays == len(found)
    torch.testing.assert_close(found.samples.points, found.points, atol=1e-4, rtol=0)


def test_a_view_gives_a_voxel_one_point_and_every_voxel_it_shows(voxels: CropSizedVoxels):
    camera = cameras()[2]
    found = observe_surface(BallField(), [camera], voxels)
    _, all_samples = BallField().surface(camera)
    assert all_samples is not None
    keys, _ = voxels.keys(found.points)
    every, centres = voxels.keys(all_samples.points[all_samples.weights > 0])
    assert len(keys.unique()) == len(keys)
    # The odd key differs: the picture's points are made of z-depths, the samples' of distances.
    assert len(set(keys.tolist()) ^ set(every.tolist())) < 0.01 * len(keys)
    nearest = defaultdict(lambda: float("inf"))
    for key, away in zip(
        every.tolist(), (all_samples.points[all_samples.weights > 0] - centres).norm(dim=-1).tolist(), strict=True
    ):
        nearest[key] = min(nearest[key], away)
    own = (found.points - voxels.keys(found.points)[1]).norm(dim=-1)
    wanted = torch.tensor([nearest[key] for key in keys.tolist()])
    assert ((own - wanted).abs() < 1e-4).float().mean() > 0.99


def test_what_others_look_through_is_dropped(voxels: CropSizedVoxels):
    """One view sees everything at 0.8 of its distance: in front of what the others see there."""
    honest, wrong = (observe_surface(BallField(wrong=views), cameras(), voxels) for views in ((), (3,)))
    of_wrong = to_surface(wrong.points).amin(dim=-1)[wrong.view == 3]
    assert (honest.view == 3).sum() > 300
    assert len(of_wrong) < 100
    assert of_wrong.quantile(0.9) < 0.1  # what is left lies on something by chance
    assert len(wrong) > 0.8 * len(honest)


def test_no_surface_is_said(voxels: CropSizedVoxels):
    below = Similarity(np.eye(3), np.array([0.0, 0.0, -50.0]))
    away = [camera.moved(below) for camera in cameras(2)]
    with pytest.raises(RunError, match="shows no surface to its training photos' cameras"):
        observe_surface(BallField(), away, voxels)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(-20, 20, width=32)] * 3), min_size=1, max_size=60),
    st.floats(0.5, 8, width=32),
)
def test_voxels_are_a_partition_of_wanted_size(places: list[tuple[float, float, float]], factor: float):
    points = torch.tensor(places, dtype=torch.float32)
    voxels = CropSizedVoxels(observed_scales(), factor)
    keys, centres = voxels.keys(points)
    sides = voxels.sides(points)
    wanted = factor * SIDE_SHARE_OF_CROP * ANGLES[0] * voxels.observed.typical_distance(points)
    assert ((sides / wanted).log2().abs() <= 0.5 + 1e-4).all()
    assert ((points - centres).abs() <= sides[:, None] * (0.5 + 1e-4)).all()
    twin = [(float(side), *(point / side).floor().tolist()) for point, side in zip(points, sides, strict=True)]
    same = torch.tensor([[a == b for b in twin] for a in twin])
    assert torch.equal(keys[:, None] == keys, same)


def test_rasters_have_two_pixels_a_side_and_no_more_than_asked():
    photos = cameras(4, 4000, 3000)
    ample = observation_cameras(photos, ANGLES[0], 10**7)
    assert [camera.fy_px for camera in ample] == pytest.approx([2 * 8 / ANGLES[0]] * 4, rel=0.02)
    few = observation_cameras(photos, ANGLES[0], 1000)
    pixels = sum(camera.width_px * camera.height_px for camera in few)
    assert pixels == pytest.approx(16_000, rel=0.05)
    assert observation_cameras(cameras(4, 32, 24), ANGLES[0], 10**7)[0].width_px == 32


def test_sides_follow_the_distance_that_photos_saw_from():
    seen = ObservedScales.between(0.1, 0.5, torch.zeros(1, 3))
    sides = CropSizedVoxels(seen).sides(torch.tensor([[1.0, 0, 0], [2.0, 0, 0], [8.0, 0, 0]]))
    torch.testing.assert_close(sides / sides[0], torch.tensor([1.0, 2, 8]))
