"""Rasterising nothing, Gaussians that are broken or without extent, and cameras that are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import (
    AHEAD,
    BROKEN,
    brute_force,
    draw,
    nothing_seen,
    one,
    random_scene,
    same,
    stacked,
    trainable,
    weighed,
)

from langfield.core.cameras import NO_DISTORTION, Camera


@pytest.mark.parametrize("case", ["none", "behind", "too near", "transparent", "beside"])
def test_a_picture_of_nothing_is_empty_and_has_no_gradient(case: str):
    gaussians, camera = random_scene(20, 3, dtype=torch.float32)
    means, rotations, scales, opacities, features = gaussians
    if case == "none":
        gaussians = [x[:0] for x in gaussians]
    elif case == "transparent":
        gaussians = [means, rotations, scales, 0 * opacities, features]
    else:
        local = {"behind": (0.0, 0.0, -2.0), "too near": (0.0, 0.0, 0.009), "beside": (-9.0, 0.0, 1.0)}[case]
        place = torch.tensor(camera.world_from_camera @ (*local, 1.0))[:3].float()
        gaussians = [place.expand(20, 3), rotations, 0.01 * scales, opacities, features]
    gaussians = trainable(gaussians)
    picture = draw(gaussians, camera)
    assert picture.features.shape == (21, 37, 3)
    assert nothing_seen(picture)
    (picture.features.sum() + picture.alpha.sum()).backward()
    for x in gaussians:
        assert x.grad is not None
        assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_broken_gaussians_are_left_out_and_get_no_gradient(case: str, dtype: torch.dtype):
    good, camera = random_scene(30, 3, dtype=dtype)
    bad = [x[:10].clone() for x in good]
    BROKEN[case](bad)
    both = trainable(stacked(bad, good))
    alone = trainable(good)
    a, b = draw(both, camera), draw(alone, camera)
    same(a, b, 1e-5)
    weighed(a).backward()
    weighed(b).backward()
    for x, y in zip(both, alone, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        assert torch.equal(x.grad[:10], torch.zeros_like(x[:10]))
        torch.testing.assert_close(x.grad[10:], y.grad, rtol=1e-3, atol=1e-4)


def test_without_extent_a_gaussian_is_a_dot_of_the_blurs_size():
    gaussians = trainable(one((0.0, 0.0, 4.0), 0.8, scale=(0.0, 0.0, 0.0)))
    picture = draw(gaussians, AHEAD)
    assert picture.alpha[16, 17].item() == pytest.approx(0.8 * np.exp(-0.5 / 0.3), rel=1e-12)
    weighed(picture).backward()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in gaussians)
    assert gaussians[0].grad is not None
    assert gaussians[0].grad.any()


def test_a_thin_gaussian_keeps_its_width_in_float32():
    """200 px long and next to no width, at 45°: xx · yy − xy² would be wrong in the second digit."""
    eighth = (np.cos(np.pi / 8), 0.0, 0.0, np.sin(np.pi / 8))
    gaussians = one((0.0, 0.0, 4.0), 0.8, scale=(40.0, 1e-4, 1e-4), rotation=eighth)
    picture = draw([x.float() for x in gaussians], AHEAD)
    # One pixel to the side is 1/√2 px away from the line.
    assert picture.alpha[16, 17].item() == pytest.approx(0.8 * np.exp(-0.5 * 0.5 / 0.3), rel=1e-3)
    assert picture.alpha[17, 17].item() == pytest.approx(0.8, rel=1e-3)


def test_a_picture_of_one_pixel_and_no_channels():
    gaussians, camera = random_scene(40, 3)
    small = camera.resized(1, 1)
    picture = draw(gaussians, small, gaussians[4][:, :0])
    expected, _ = brute_force(gaussians, small)
    assert picture.features.shape == (1, 1, 0)
    torch.testing.assert_close(picture.alpha, expected.alpha)


@pytest.mark.parametrize(
    "camera",
    [replace(AHEAD, distortion=(0.1, *NO_DISTORTION[1:])), replace(AHEAD, lens="fisheye")],
)
def test_other_lenses_are_refused(camera: Camera):
    with pytest.raises(ValueError, match=r"pinhole cameras only, got (opencv|fisheye)"):
        draw(one((0.0, 0.0, 4.0), 0.7), camera)
