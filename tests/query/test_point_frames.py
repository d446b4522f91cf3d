"""Frames drawn with points of a field's surface: what the model renders, as sharp as its small pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tests.query.fake_session import WORLD_FROM_SCENE, session
from tests.query.fake_world import camera_at

from langfield.core.cameras import Camera
from langfield.models.base import Rendered
from langfield.query.point_frames import ScenePoints, drawn, smoothed
from langfield.query.quick_frames import Layer


def plane(width: int = 40, height: int = 30, depth: float = 2.0) -> tuple[Camera, Rendered]:
    """A wall across the view whose colour is where in the picture it is."""
    rows, columns = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    rgb = torch.stack([rows, columns, torch.zeros_like(rows)], dim=-1)
    shape = (height, width)
    return camera_at(0, 0, width, height), Rendered(rgb, torch.ones(shape), torch.full(shape, depth))


def test_its_own_camera_sees_the_picture_itself():
    camera, rendered = plane()
    points = ScenePoints.of_pictures([(camera, rendered)])
    shown, depth = points.shown_by(camera)
    torch.testing.assert_close(drawn(points.rgb, shown), rendered.rgb)
    torch.testing.assert_close(depth, rendered.depth_scene)


@pytest.mark.parametrize("times", [2, 3, 5])
def test_a_larger_picture_has_no_gaps(times: int):
    camera, rendered = plane()
    points = ScenePoints.of_pictures([(camera, rendered)])
    shown, depth = points.shown_by(camera.resized(40 * times, 30 * times))
    assert (shown >= 0).all()
    picture = drawn(points.rgb, shown)
    assert rendered.rgb is not None
    expected = rendered.rgb.repeat_interleave(times, dim=0).repeat_interleave(times, dim=1)
    assert (picture - expected).abs().max() < 0.25
    torch.testing.assert_close(depth, torch.full_like(depth, 2.0))


def test_what_is_behind_does_not_show_through_between_points():
    """A near wall of few points hides a far one of many."""
    camera, rendered = plane(16, 12, 2.0)
    near = ScenePoints.of_pictures([(camera, rendered)])
    far = ScenePoints.of_pictures([plane(160, 120, 3.0)])
    both = ScenePoints(*(torch.cat(values) for values in zip(
        (near.xyz, near.rgb, near.spacing), (far.xyz, far.rgb, far.spacing), strict=True)))  # fmt: skip
    _, depth = both.shown_by(camera.resized(64, 48))
    assert (depth[4:-4, 4:-4] < 2.5).float().mean() > 0.99


def test_pixels_of_one_surface_are_averaged_and_those_of_two_are_not():
    depth = torch.full((8, 10), 2.0)
    depth[:, 5:], depth[0] = 3.0, torch.inf
    picture = torch.rand(8, 10, 2, generator=torch.Generator().manual_seed(0))
    found = smoothed(picture, depth)
    torch.testing.assert_close(found[4, 2], picture[3:6, 1:4].mean(dim=(0, 1)))
    torch.testing.assert_close(found[4, 4], picture[3:6, 3:5].mean(dim=(0, 1)))
    torch.testing.assert_close(found[1, 8], picture[1:3, 7:10].mean(dim=(0, 1)))
    assert found.isfinite().all()


def test_where_nothing_is_nothing_is_shown():
    camera, rendered = plane()
    points = ScenePoints.of_pictures([(camera, rendered)])
    away = camera_at(50, 0, 33, 25)
    shown, depth = points.shown_by(away)
    assert shown.shape == (25, 33)
    assert (shown == -1).all()
    assert depth.isinf().all()
    assert not drawn(points.rgb, shown).any()
    assert rendered.depth_scene is not None
    nothing = ScenePoints.of_pictures([(camera, Rendered(rendered.rgb, None, rendered.depth_scene * torch.inf))])
    assert (nothing.shown_by(camera)[0] == -1).all()
    assert not drawn(nothing.rgb, nothing.shown_by(camera)[0]).any()


@pytest.mark.parametrize("layer", ["rgb", "depth", "relevancy", "composited"])
def test_quick_frames_of_a_session_show_what_slow_ones_do(layer: Layer):
    made, camera = session(), camera_at(0, 0, 64, 48).moved(WORLD_FROM_SCENE)
    phrase = None if layer in ("rgb", "depth") else "thing"
    quick = Image.open(io.BytesIO(made.picture_jpeg(camera, layer=layer, phrase=phrase, quick=True)))
    assert quick.size == (64, 48)
    if layer == "rgb":
        assert np.abs(np.asarray(quick).astype(int) - made.picture(camera)[0]).max() <= 3
    if layer == "composited":  # colours within the answer's mask, grey elsewhere
        colourful = np.ptp(np.asarray(quick).astype(int), axis=-1) > 40
        mask = made.ask_view(camera, ["thing"]).masks[0]
        assert mask.any()
        assert (colourful == mask).mean() > 0.9
