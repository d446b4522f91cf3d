"""What is projected once and drawn often; several cameras at once, and where Gaussians fall in their pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.ops.gaussian_scenes import (
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

from langfield.ops.gaussians import rasterize as rasterize_module
from langfield.ops.gaussians.rasterize import blend_all, project

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


def test_pulled_back_is_the_transpose_of_blend():
    gaussians, camera = random_scene(40, 3)
    projected = project(*trainable(gaussians)[:4], camera)
    values = torch.randn(camera.height_px, camera.width_px, 3, dtype=torch.float64)
    blended, alpha = projected.blend(gaussians[4])
    pulled = projected.pulled_back(values)
    assert pulled.shape == (40, 3)
    torch.testing.assert_close((blended * values).sum(), (pulled.double() * gaussians[4]).sum(), rtol=1e-5, atol=1e-5)
    light = projected.light()
    assert light.shape == (40,)
    torch.testing.assert_close(light.double().sum(), alpha.sum(), rtol=1e-5, atol=1e-5)
    assert (light > 0).sum() < 40  # some are out of view


def test_only_some_are_the_picture_of_those():
    gaussians, camera = random_scene(60, 3)
    projected = project(*gaussians[:4], camera)
    for kept in (torch.arange(1, 60, 3), torch.tensor([50, 7, 30, 8]), projected.in_view(), torch.arange(60)):
        some = [x[kept] for x in gaussians]
        fewer = projected.only(kept)
        assert fewer.count == len(kept)
        same(fewer.splat(some[4]), draw(some, camera), 1e-12)
    assert projected.only(torch.arange(1, 60, 3)).pairs < projected.pairs
    assert nothing_seen(projected.only(torch.arange(0)).splat(gaussians[4][:0]))
    seen = projected.in_view()
    assert 0 < len(seen) < 60
    assert set(torch.nonzero(projected.light())[:, 0].tolist()) <= set(seen.tolist())
    same(projected.only(seen).splat(gaussians[4][seen]), draw(gaussians, camera), 1e-12)


# Several cameras, and where Gaussians fall


def test_several_pictures_at_once_are_those_one_by_one():
    gaussians, cameras = several()
    together, alone = trainable(gaussians), trainable(gaussians)
    pictures = blend_all(*together, cameras)
    expected = [without_depth(draw([*alone[:4], alone[4][i]], camera)) for i, camera in enumerate(cameras)]
    for a, b in zip(pictures, expected, strict=True):
        same(a, b)
        assert a.footprints is None
    torch.stack([weighed(picture) for picture in pictures]).mean().backward()
    torch.stack([weighed(picture) for picture in expected]).mean().backward()
    for x, y in zip(together, alone, strict=True):
        torch.testing.assert_close(x.grad, y.grad)


def test_footprints_change_no_picture_and_no_gradient():
    gaussians, cameras = several()
    with_them, without = trainable(gaussians), trainable(gaussians)
    pictures = blend_all(*with_them, cameras, footprints=True)
    expected = blend_all(*without, cameras)
    for a, b in zip(pictures, expected, strict=True):
        same(a, b, 0)
    torch.stack([weighed(picture) for picture in pictures]).sum().backward()
    torch.stack([weighed(picture) for picture in expected]).sum().backward()
    for x, y in zip(with_them, without, strict=True):
        assert torch.equal(x.grad, y.grad)


def test_slopes_are_what_moving_a_centre_in_the_picture_changes():
    """Finite differences by the centre alone: a Gaussian that moves across the picture at its depth, seen from so far
    away that its shape stays. Half a picture is the unit."""
    camera = replace(AHEAD, fx_px=1e6, fy_px=1e6, width_px=40)
    scene = one((0.0, 0.0, 1e4), 0.7, scale=(0.02, 0.03, 0.01))
    target = torch.randn(33, 40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def loss(x_px: float, y_px: float) -> Tensor:
        gaussians = trainable(scene)
        moved = gaussians[0] + torch.tensor([[x_px, y_px, 0.0]], dtype=torch.float64) / 100
        (picture,) = blend_all(moved, *gaussians[1:4], gaussians[4][None], [camera], footprints=True)
        loss.footprints = picture.footprints
        return (picture.features * target).sum()

    step = 1e-4
    by_x = (loss(step, 0) - loss(-step, 0)) / (2 * step)
    by_y = (loss(0, step) - loss(0, -step)) / (2 * step)
    loss(0, 0).backward()
    expected = torch.stack([by_x * 20, by_y * 16.5]).norm().item()
    assert loss.footprints.slopes().tolist() == pytest.approx([expected], rel=1e-3)
    assert loss.footprints.size_px == (40, 33)


def test_footprints_lie_where_gaussians_are_seen_and_only_there():
    gaussians, cameras = several(60)
    pictures = blend_all(*trainable(gaussians), cameras, footprints=True)
    torch.stack([weighed(picture) for picture in pictures]).sum().backward()
    for i, (picture, camera) in enumerate(zip(pictures, cameras, strict=True)):
        prints = picture.footprints
        assert prints is not None
        shown = draw(gaussians, camera, torch.eye(60, dtype=torch.float64)).features.amax(dim=(0, 1)) > 0
        assert (prints.radius_px[shown] > 0).all()
        assert not prints.slopes()[prints.radius_px == 0].any()
        assert (prints.slopes()[shown] > 0).float().mean() > 0.8
        # A radius reaches to where the Gaussian is last seen.
        own = draw(gaussians, camera, torch.eye(60, dtype=torch.float64)).features[..., shown]
        away = (camera.pixel_centres()[:, :, None].double() - prints.centres_px[prints.picture, shown]).abs().amax(-1)
        assert (torch.where(own > 0, away, 0).amax(dim=(0, 1)) <= prints.radius_px[shown]).all(), i
    assert 0 < shown.sum() < 60


def test_without_a_gradient_there_are_no_slopes():
    gaussians, cameras = several()
    with torch.no_grad():
        for picture in blend_all(*gaussians, cameras, footprints=True):
            assert picture.footprints is not None
            assert not picture.footprints.slopes().any()
    empty = [x[:0] for x in gaussians[:4]] + [gaussians[4][:, :0]]
    (picture, *_) = blend_all(*trainable(empty), cameras, footprints=True)
    picture.features.sum().backward()
    assert picture.footprints is not None
    assert picture.footprints.slopes().shape == (0,)


def test_a_gaussian_too_wide_behind_one_camera_is_drawn_by_another():
    """What is drawn together is judged by every camera; but where a Gaussian is behind one, that one has no say."""
    front, back = AHEAD, replace(AHEAD, world_from_camera=np.diag([-1.0, 1.0, -1.0, 1.0]))
    gaussians = one((0.0, 0.0, 1e6), 0.7, scale=(1e5, 1e5, 1e5))
    shape, features = gaussians[:4], gaussians[4]
    assert rasterize_module.well_formed(*shape, features[None], [front, back]).all()
    near = one((0.0, 0.0, 0.02), 0.7, scale=(1e5, 1e5, 1e5))
    assert not rasterize_module.well_formed(*near[:4], features[None], [front]).any()
