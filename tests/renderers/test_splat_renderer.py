"""Gaussians projected once and drawn often, by cameras with and without distortion."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import random_scene

from langfield.core.cameras import Camera, Cameras
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.renderers.splat import lens_warp, project_gaussians, splat

DISTORTION = (-0.2, 0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def scene(count: int = 80) -> tuple[Gaussians, Camera]:
    (means, rotations, scales, opacities, _), camera = random_scene(count, 0, seed=3, dtype=torch.float32)
    gaussians = Gaussians(GaussianConfig(capacity=count + 5, sh_degree=0))
    gaussians.count = count
    with torch.no_grad():
        gaussians.means[:count] = means
        gaussians.rotations[:count] = rotations
        gaussians.log_scales[:count] = scales.log()
        gaussians.opacity_logits[:count] = opacities.clamp(0.01, 0.99).logit()
    return gaussians, camera


def features(count: int, channels: int) -> torch.Tensor:
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("distortion", [None, DISTORTION])
def test_one_projection_is_drawn_with_any_features(distortion):
    gaussians, camera = scene()
    camera = camera if distortion is None else replace(camera, distortion=distortion)
    seen = project_gaussians(gaussians, camera)
    for channels in (3, 1):
        values = features(80, channels)
        whole = splat(gaussians, camera, values)
        again = seen.splat(values)
        torch.testing.assert_close(again.features, whole.features)
        blended, alpha = seen.blend(values)
        torch.testing.assert_close(blended, whole.features)
        torch.testing.assert_close(alpha, whole.alpha)
        assert blended.shape == (camera.height_px, camera.width_px, channels)


@pytest.mark.parametrize("distortion", [None, DISTORTION])
def test_backprojecting_is_the_transpose_of_blending(distortion):
    gaussians, camera = scene()
    camera = camera if distortion is None else replace(camera, distortion=distortion)
    seen, values = project_gaussians(gaussians, camera), features(80, 2)
    picture = torch.randn(camera.height_px, camera.width_px, 2, generator=torch.Generator().manual_seed(2))
    there = (seen.blend(values)[0] * picture).sum()
    torch.testing.assert_close((seen.backproject(picture) * values).sum(), there, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (61, 47)])
@pytest.mark.parametrize("distortion", [DISTORTION, (0.15, 0.02, 0.001, -0.002, 0.0, 0.0, 0.0, 0.0)])
def test_a_ramp_over_the_undistorted_picture_is_read_where_the_lens_looks(distortion, width, height):
    """The undistorted picture's value is its plane's x and y; a distorted pixel reads those of its own ray."""
    camera = Camera(np.eye(4), width, height, 55.0, 54.0, width / 2 + 1.3, height / 2 - 0.7, distortion)
    warp = lens_warp(camera, torch.device("cpu"))
    pinhole = warp.undistorted_camera
    focal, centre = torch.tensor([pinhole.fx_px, pinhole.fy_px]), torch.tensor([pinhole.cx_px, pinhole.cy_px])
    ramp = ((pinhole.pixel_centres() - centre) / focal).float()
    read = torch.nn.functional.grid_sample(ramp.permute(2, 0, 1)[None], warp.grid[None], align_corners=False)[0]
    pixels = camera.pixel_centres().reshape(-1, 2)
    rays = Cameras.from_list([camera]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
    expected = (rays.directions[:, :2] / rays.directions[:, 2:]).T.reshape(2, height, width)
    torch.testing.assert_close(read, expected, rtol=0, atol=1e-4)


def test_contributing_gaussians_draw_the_same_from_fewer():
    """Five opaque walls: three of them are hidden by the nearest two."""
    count = 60
    gaussians, camera = scene(5 * count)
    pose = torch.tensor(camera.world_from_camera, dtype=torch.float32)
    across = torch.rand(5 * count, 2, generator=torch.Generator().manual_seed(4)) * 1.6 - 0.8
    depth = 2 + torch.arange(5).repeat_interleave(count).float()[:, None]
    with torch.no_grad():
        local = torch.cat([across * depth, depth], dim=1)
        gaussians.means[: 5 * count] = local @ pose[:3, :3].T + pose[:3, 3]
        gaussians.log_scales[: 5 * count] = (0.2 * depth).log()
        gaussians.opacity_logits[: 5 * count] = 4.0
    seen = project_gaussians(gaussians, camera)
    contributing = seen.contributing()
    assert len(contributing) < 0.7 * len(seen.in_view())
    values = features(5 * count, 3)
    whole = seen.blend(values)
    for numbers, error in (
        (contributing, 0.01),
        (seen.in_view(), 1e-6),
        (seen.contributing(min_contribution_px=0.0), 1e-6),
    ):
        for one, other in zip(seen.subset(numbers).blend(values[numbers]), whole, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=error)
