"""Rasters of views: which pixels, normals of what they show, and means over boxes."""

import numpy as np
import torch
from tests.query.fake_world import Wall, camera_at

from langfield.query.index.raster import box_mean, normals_towards_camera, raster_pixels


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
