"""Gaussians in another frame: a camera that moves along sees the same picture, colours that depend on the direction
included; and there and back again is where they were."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.data.scenes import camera_looking_at
from tests.data.splats import random_splats

from langfield.core.transforms import Similarity
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.fields.splat_frames import moved
from langfield.renderers.splat import splat

MOTION = Similarity(Rotation.from_euler("xyz", [0.7, -1.1, 2.0]).as_matrix(), np.array([3.0, -2.0, 0.5]), 2.5)


def gaussians_of(splats, scene_from_world: Similarity, room: int = 0) -> Gaussians:
    gaussians = Gaussians(GaussianConfig(capacity=len(splats) + room, sh_degree=splats.degree))
    gaussians.load_splats(splats, scene_from_world)
    return gaussians


def picture(gaussians: Gaussians, camera) -> torch.Tensor:
    eye = torch.tensor(camera.world_from_camera[:3, 3], dtype=torch.float32)
    with torch.no_grad():
        return splat(gaussians, camera, gaussians.colors(eye)).features


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_a_camera_that_moves_along_sees_the_same(degree: int):
    splats = random_splats(40, degree, seed=degree)
    camera = camera_looking_at(np.array([4.0, -3.0, 2.0]), np.zeros(3), 40, 30)
    here = picture(gaussians_of(splats, Similarity.identity()), camera)
    there = picture(gaussians_of(splats, MOTION), camera.moved(MOTION))
    assert here.std() > 0.1
    torch.testing.assert_close(there, here, rtol=0, atol=2e-3)


def test_colours_are_those_that_the_file_means():
    """One Gaussian with one coefficient of one function: −0.4886 x of degree 1, seen from the side."""
    splats = random_splats(1, 1)
    splats.harmonics[:] = 0
    splats.harmonics[0, 3, 1] = 0.5
    gaussians = gaussians_of(splats, Similarity.identity())
    eye = torch.from_numpy(splats.means[0] - (2.0, 0, 0)).float()
    with torch.no_grad():
        torch.testing.assert_close(gaussians.colors(eye), torch.tensor([[0.5, 0.5 - 0.5 * 0.48860251, 0.5]]))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 3), st.integers(0, 1000), st.floats(0.01, 100))
def test_there_and_back_is_where_they_were(degree: int, seed: int, scale: float):
    splats = random_splats(9, degree, seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    motion = Similarity(turn, np.array([1.0, -5.0, 3.0]), scale)
    again = gaussians_of(splats, motion, room=4).splats(motion.inverse())
    assert len(again) == 9
    np.testing.assert_allclose(again.means, splats.means, rtol=0, atol=1e-5 * (1 + 10 / scale))
    np.testing.assert_allclose(again.log_scales, splats.log_scales, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(again.opacity_logits, splats.opacity_logits)
    np.testing.assert_allclose(again.harmonics, splats.harmonics, rtol=0, atol=2e-5)
    unit = splats.rotations / np.linalg.norm(splats.rotations, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs((again.rotations * unit).sum(axis=1)), 1, rtol=0, atol=1e-6)


def test_axes_turn_with_the_frame_and_sizes_grow():
    splats = random_splats(5, 0)
    before = gaussians_of(splats, Similarity.identity())
    after = gaussians_of(splats, MOTION)
    with torch.no_grad():
        axes = torch.from_numpy(MOTION.rotation).float() @ before.axes()
        torch.testing.assert_close(after.axes(), axes, rtol=0, atol=1e-6)
        torch.testing.assert_close(after.scales(), 2.5 * before.scales())


def test_what_does_not_fit_is_refused():
    gaussians = Gaussians(GaussianConfig(capacity=3, sh_degree=1))
    for splats in (random_splats(4, 1), random_splats(3, 2)):
        with pytest.raises(ValueError, match="do not fit 3 of degree 1"):
            gaussians.load_splats(splats, MOTION)


def test_a_rotation_of_length_0_stays_one():
    splats = random_splats(2, 0)
    splats.rotations[1] = 0
    assert (moved(splats, MOTION).rotations[1] == 0).all()
