"""What is projected once and drawn often; several cameras at once, and where Gaussians fall in their pictures."""

from dataclasses import replace

import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import (
    AHEAD,
    draw,
    nothing_seen,
    one,
    random_scene,
    same,
    several,
    trainable,
    weighed,
    without_depth,
)
from torch import Tensor

from langfield.ops.gaussians.rasterize import blend_views, project

# Projected once, drawn often


def test_what_is_projected_once_is_drawn_with_any_features():
    gaussians, camera = random_scene(60, 5)
    shape, features = gaussians[:4], gaussians[4]
    projected = project(*shape, camera)
    assert projected.count == 60
    assert projected.pairs > 60
    for part in (features, features[:, :1], features[:, :0]):
        same(projected.splat(part), draw(gaussians, camera, part), 1e-12)
        blended, alpha = projected.blend(part)
        torch.testing.assert_close(blended, draw(gaussians, camera, part).features)
        torch.testing.assert_close(alpha, draw(gaussians, camera, part).alpha)


def test_backproject_is_the_transpose_of_blend():
    gaussians, camera = random_scene(40, 3)
    projected = project(*trainable(gaussians)[:4], camera)
    values = torch.randn(camera.height_px, camera.width_px, 3, dtype=torch.float64)
    blended, alpha = projected.blend(gaussians[4])
    back = projected.backproject(values)
    assert back.shape == (40, 3)
    torch.testing.assert_close((blended * values).sum(), (back.double() * gaussians[4]).sum(), rtol=1e-5, atol=1e-5)
    contributions = projected.contributions()
    assert contributions.shape == (40,)
    torch.testing.assert_close(contributions.double().sum(), alpha.sum(), rtol=1e-5, atol=1e-5)
    assert (contributions > 0).sum() < 40  # some are out of view


def test_only_some_are_the_picture_of_those():
    gaussians, camera = random_scene(60, 3)
    projected = project(*gaussians[:4], camera)
    for kept in (torch.arange(1, 60, 3), torch.tensor([50, 7, 30, 8]), projected.in_view(), torch.arange(60)):
        some = [x[kept] for x in gaussians]
        fewer = projected.subset(kept)
        assert fewer.count == len(kept)
        same(fewer.splat(some[4]), draw(some, camera), 1e-12)
    assert projected.subset(torch.arange(1, 60, 3)).pairs < projected.pairs
    assert nothing_seen(projected.subset(torch.arange(0)).splat(gaussians[4][:0]))
    seen = projected.in_view()
    assert 0 < len(seen) < 60
    assert set(torch.nonzero(projected.contributions())[:, 0].tolist()) <= set(seen.tolist())
    same(projected.subset(seen).splat(gaussians[4][seen]), draw(gaussians, camera), 1e-12)


# Several cameras, and where Gaussians fall


def test_several_pictures_at_once_are_those_one_by_one():
    gaussians, cameras = several()
    together, alone = trainable(gaussians), trainable(gaussians)
    pictures = blend_views(*together, cameras)
    expected = [without_depth(draw([*alone[:4], alone[4][i]], camera)) for i, camera in enumerate(cameras)]
    for a, b in zip(pictures, expected, strict=True):
        same(a, b)
        assert a.means2d is None
    torch.stack([weighed(picture) for picture in pictures]).mean().backward()
    torch.stack([weighed(picture) for picture in expected]).mean().backward()
    for x, y in zip(together, alone, strict=True):
        torch.testing.assert_close(x.grad, y.grad)


def test_keeping_means2d_changes_no_picture_and_no_gradient():
    gaussians, cameras = several()
    with_them, without = trainable(gaussians), trainable(gaussians)
    pictures = blend_views(*with_them, cameras, keep_means2d=True)
    expected = blend_views(*without, cameras)
    for a, b in zip(pictures, expected, strict=True):
        same(a, b, 0)
    torch.stack([weighed(picture) for picture in pictures]).sum().backward()
    torch.stack([weighed(picture) for picture in expected]).sum().backward()
    for x, y in zip(with_them, without, strict=True):
        assert torch.equal(x.grad, y.grad)


def test_grad2d_is_what_moving_a_centre_in_the_picture_changes():
    """Finite differences by the centre alone: a Gaussian that moves across the picture at its depth, seen from so far
    away that its shape stays. Half a picture is the unit."""
    camera = replace(AHEAD, fx_px=1e6, fy_px=1e6, width_px=40)
    scene = one((0.0, 0.0, 1e4), 0.7, scale=(0.02, 0.03, 0.01))
    target = torch.randn(33, 40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def loss(x_px: float, y_px: float) -> Tensor:
        gaussians = trainable(scene)
        moved = gaussians[0] + torch.tensor([[x_px, y_px, 0.0]], dtype=torch.float64) / 100
        (picture,) = blend_views(moved, *gaussians[1:4], gaussians[4][None], [camera], keep_means2d=True)
        loss.means2d = picture.means2d
        return (picture.features * target).sum()

    step = 1e-4
    by_x = (loss(step, 0) - loss(-step, 0)) / (2 * step)
    by_y = (loss(0, step) - loss(0, -step)) / (2 * step)
    loss(0, 0).backward()
    expected = torch.stack([by_x * 20, by_y * 16.5]).norm().item()
    assert loss.means2d.grad2d().tolist() == pytest.approx([expected], rel=1e-3)
    assert loss.means2d.size_px == (40, 33)


def test_means2d_lie_where_gaussians_are_seen_and_only_there():
    gaussians, cameras = several(60)
    pictures = blend_views(*trainable(gaussians), cameras, keep_means2d=True)
    torch.stack([weighed(picture) for picture in pictures]).sum().backward()
    for i, (picture, camera) in enumerate(zip(pictures, cameras, strict=True)):
        means2d = picture.means2d
        assert means2d is not None
        shown = draw(gaussians, camera, torch.eye(60, dtype=torch.float64)).features.amax(dim=(0, 1)) > 0
        assert (means2d.radii_px[shown] > 0).all()
        assert not means2d.grad2d()[means2d.radii_px == 0].any()
        assert (means2d.grad2d()[shown] > 0).float().mean() > 0.8
        # A radius reaches to where the Gaussian is last seen.
        own = draw(gaussians, camera, torch.eye(60, dtype=torch.float64)).features[..., shown]
        away = (camera.pixel_centres()[:, :, None].double() - means2d.means2d_px[means2d.view, shown]).abs().amax(-1)
        assert (torch.where(own > 0, away, 0).amax(dim=(0, 1)) <= means2d.radii_px[shown]).all(), i
    assert 0 < shown.sum() < 60


def test_without_a_backward_pass_grad2d_is_0():
    gaussians, cameras = several()
    with torch.no_grad():
        for picture in blend_views(*gaussians, cameras, keep_means2d=True):
            assert picture.means2d is not None
            assert not picture.means2d.grad2d().any()
    empty = [x[:0] for x in gaussians[:4]] + [gaussians[4][:, :0]]
    (picture, *_) = blend_views(*trainable(empty), cameras, keep_means2d=True)
    picture.features.sum().backward()
    assert picture.means2d is not None
    assert picture.means2d.grad2d().shape == (0,)
