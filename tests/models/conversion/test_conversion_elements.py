"""Elements cover the true surfaces of the ball scene, lie flat on them, and keep the samples of their rays."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree
from tests.data.scenes import draw
from tests.models.conversion.ball_field import BallField, cameras, observed_scales, to_surface

from langfield.models.conversion.elements import SurfaceElements, _nearest_element, gather_elements, gaussians_of
from langfield.models.conversion.surface_observations import CropSizedVoxels, SurfaceObservations, observe_surface
from langfield.renderers.splat import splat
from langfield.renderers.volume import SurfaceSamples


@pytest.fixture(scope="module")
def voxels() -> CropSizedVoxels:
    return CropSizedVoxels(observed_scales())


@pytest.fixture(scope="module")
def observations(voxels: CropSizedVoxels) -> SurfaceObservations:
    return observe_surface(BallField(), cameras(), voxels)


@pytest.fixture(scope="module")
def elements(observations: SurfaceObservations, voxels: CropSizedVoxels) -> SurfaceElements:
    return gather_elements(observations, voxels, 10**6)[0]


def _apart(points: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Distance of each point to the nearest of the others."""
    return torch.from_numpy(KDTree(others.numpy()).query(points.numpy())[0]).float()


def test_elements_are_on_the_surfaces(elements: SurfaceElements):
    away = to_surface(elements.points).amin(dim=-1) / elements.sides
    assert away.max() < 1  # a voxel where a ball touches the table holds both
    assert away.quantile(0.99) < 0.15
    wanted = observed_scales().typical_distance(elements.points)
    torch.testing.assert_close(elements.distance, wanted)


def test_every_observation_has_an_element_near_and_a_surface_is_covered_once(
    observations: SurfaceObservations, elements: SurfaceElements
):
    sides = CropSizedVoxels(observed_scales()).sides(observations.points)
    nearest = _apart(observations.points, elements.points) / sides
    assert nearest.max() < 3
    assert nearest.quantile(0.99) < 1
    # On the free part of the table, about one element for each square of a voxel's side.
    table = (to_surface(elements.points)[:, :-1] > 0.08).all(dim=-1) & (elements.points[:, :2].abs() < 0.7).all(-1)
    area = (1 / elements.sides[table] ** 2).mean() * 1.4**2
    assert 0.6 < table.sum() / area < 2  # the balls take a quarter


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_noise_in_depth_makes_no_second_layer(observations: SurfaceObservations, voxels: CropSizedVoxels, noise: float):
    ray = torch.nn.functional.normalize(observations.points - observations.camera_centres[observations.view], dim=-1)
    away = torch.randn(len(observations), 1, generator=torch.Generator().manual_seed(1)) * noise
    moved = replace(observations, points=observations.points + ray * away * voxels.sides(observations.points)[:, None])
    exact, noisy = (len(gather_elements(given, voxels, 10**6)[0]) for given in (observations, moved))
    assert noisy < 2 * exact
    assert noisy < len(voxels.keys(moved.points)[0].unique()) or noise == 0


@pytest.mark.parametrize("most", [1, 200, 1500])
def test_no_more_than_wanted(observations: SurfaceObservations, voxels: CropSizedVoxels, most: int):
    found, grown = gather_elements(observations, voxels, most)
    assert most / 4 <= len(found) <= most
    assert grown.factor > 1
    nearest = _apart(observations.points, found.points)
    assert (nearest <= grown.sides(observations.points) * 4).all()


def test_an_observation_is_of_the_element_behind_its_pixel_or_of_none():
    eye = np.array([[0.0, 0.0, 2.0]])
    turned = np.array([0.0, np.sin(0.01), np.cos(0.01)]) * 2
    aside = np.array([0.0, np.sin(0.1), np.cos(0.1)]) * 2
    side = np.array([0.1])
    known = partial(_nearest_element, eye, side)
    assert known(np.array([turned])) == 0  # 0.02 to the side, of voxels of 0.1
    assert known(np.array([aside])) == -1  # 0.2 to the side
    assert known(1.12 * eye) == 0  # deeper by less than three sides
    assert known(1.2 * eye) == -1
    assert known(-eye) == -1
    assert known(np.array([aside, turned, eye[0]])) == 2
    assert known(np.zeros((0, 3))) == -1


def test_samples_are_those_of_the_four_nearest_rays_of_the_element():
    # Ten observations of two far places, ray i with i + 1 samples at its point.
    of = torch.tensor([0, 0, 1, 0, 1, 0, 0, 0, 1, 0])
    place = torch.tensor([[0.0, 0, 0], [5.0, 0, 0]])[of]
    place[:, 2] = torch.tensor([0.0, 0.001, 0, 0.002, 0.001, -0.002, 0.004, -0.009, 0.002, 0.009])
    ray = torch.repeat_interleave(torch.arange(10), torch.arange(1, 11))
    samples = SurfaceSamples(place[ray], 1 + ray.float(), ray, 10)
    observations = SurfaceObservations(
        place, torch.zeros(10, 3), samples, torch.arange(10), torch.tensor([[2.0, 0, 4]] * 10)
    )
    found, _ = gather_elements(observations, CropSizedVoxels(observed_scales()), 100)
    assert len(found) == 2
    assert found.samples.rays == 2
    assert (found.samples.ray.diff() >= 0).all()
    for element, wanted in ((0, [0, 1, 3, 5]), (1, [2, 4, 8])):
        assert int(found.points[element, 0].round()) == 5 * element
        weights = found.samples.weights[found.samples.ray == element].int()
        rays, counts = (weights - 1).unique(return_counts=True)
        assert rays.tolist() == wanted
        assert torch.equal(counts, rays + 1)  # whole rays


def test_gaussians_lie_flat_and_close_the_surface(elements: SurfaceElements):
    gaussians = gaussians_of(elements)
    assert gaussians.count == len(elements)
    assert all(parameter.isfinite().all() for parameter in gaussians.parameters())
    normal = gaussians.axes()[:, :, 0]
    flat_table = (to_surface(elements.points)[:, :-1] > 0.08).all(dim=-1) & (elements.points[:, :2].abs() < 0.7).all(-1)
    assert (normal[flat_table, 2].abs() > 0.99).float().mean() > 0.98
    assert (gaussians.scales()[:, 0] <= gaussians.scales()[:, 1] * 1.001).all()
    torch.testing.assert_close(gaussians.means, elements.points)
    camera = cameras()[4]
    seen = splat(gaussians, camera, gaussians.colors(torch.zeros(3)))
    rendered, _ = BallField().surface(camera)
    assert rendered.rgb is not None
    assert rendered.depth_scene is not None
    inner = torch.nn.functional.max_pool2d(1 - rendered.alpha[None], 3, 1, 1)[0] == 0
    assert seen.alpha[inner].mean() > 0.97
    assert seen.alpha[inner].min() > 0.8
    off = (seen.depth - rendered.depth_scene)[inner].abs()
    assert off.median() < elements.sides.median()  # a pixel shows more than that of the slanted table
    assert off.quantile(0.9) < 2 * elements.sides.median()
    colour = seen.features / seen.alpha.clamp_min(0.1)[..., None]
    ids = torch.from_numpy(draw(camera)[1])
    for ball in range(3):
        torch.testing.assert_close(colour[ids == ball].mean(0), rendered.rgb[ids == ball].mean(0), atol=0.12, rtol=0)


def test_lonely_elements_are_round():
    points = torch.tensor([[0.0, 0, 0], [10.0, 0, 0]])
    samples = SurfaceSamples(points, torch.ones(2), torch.arange(2), 2)
    gaussians = gaussians_of(
        SurfaceElements(points, torch.full((2, 3), 0.25), torch.full((2,), 0.5), torch.ones(2), samples)
    )
    torch.testing.assert_close(gaussians.scales(), torch.full((2, 3), 0.3))
    torch.testing.assert_close(gaussians.colors(torch.zeros(3)), torch.full((2, 3), 0.25))
    np.testing.assert_allclose(gaussians.opacities().detach().numpy(), 0.95, atol=1e-6)
