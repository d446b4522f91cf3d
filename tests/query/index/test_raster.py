"""Rasters of views: which pixels, normals of what they show, and means over boxes."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.query.fake_world import Wall, camera_at

from langfield.query.index.raster import at_every_pixel, box_mean, normals_towards_camera, raster_pixels


def test_box_mean_is_the_mean_over_what_lies_in_the_picture():
    maps = torch.rand(2, 7, 9)
    out = box_mean(maps, 5.0)
    torch.testing.assert_close(out[1, 3, 4], maps[1, 1:6, 2:7].mean())
    torch.testing.assert_close(out[0, 0, 0], maps[0, :3, :3].mean())
    assert torch.equal(box_mean(maps, 1.0), maps)


def test_a_raster_has_every_strideth_pixel():
    pixels, shape = raster_pixels(Wall().view(camera_at(0, 0)), 4)
    assert shape == (12, 16)
    assert pixels[0] == 2 * 64 + 2
    assert pixels[17] == 6 * 64 + 2 + 4


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([1, 2, 3, 4, 26]),
    st.integers(1, 140),
    st.integers(1, 140),
    st.floats(-3, 3),
    st.floats(-3, 3),
)
def test_a_ramp_over_the_picture_comes_back_as_a_ramp(stride: int, width: int, height: int, dx: float, dy: float):
    """Within the raster's outermost pixels at every pixel, whatever the size; outside of them as at the nearest one."""
    x, y = torch.meshgrid(torch.arange(float(width)), torch.arange(float(height)), indexing="xy")
    pixels, shape = raster_pixels(Wall().view(camera_at(0, 0, width, height)), stride)
    assert shape == (max(1, -(-(height - stride // 2) // stride)), max(1, -(-(width - stride // 2) // stride)))
    again = at_every_pixel((dx * x + dy * y).reshape(-1)[pixels].reshape(1, *shape), stride, height, width)[0]
    inside_x, inside_y = (t.clamp(t.ravel()[pixels].min(), t.ravel()[pixels].max()) for t in (x, y))
    torch.testing.assert_close(again, dx * inside_x + dy * inside_y, rtol=0, atol=1e-3)


def test_normals_of_a_sphere_point_at_the_camera():
    ys, xs = np.meshgrid(np.linspace(-0.8, 0.8, 33), np.linspace(-0.8, 0.8, 33), indexing="ij")
    inside = xs**2 + ys**2 < 0.6
    z = np.where(inside, 4 - np.sqrt(np.maximum(1 - xs**2 - ys**2, 0)), np.inf)
    points = np.stack([xs, ys, z], axis=-1)
    normals = normals_towards_camera(points, np.zeros(3))
    truth = points - [0, 0, 4]
    core = xs**2 + ys**2 < 0.5
    np.testing.assert_allclose(normals[core], truth[core], atol=0.02)
    assert not normals[~inside].any()
