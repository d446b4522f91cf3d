"""Straightened photos: a picture bent by a lens comes back, and what the lens did not see is marked."""

from dataclasses import replace

import numpy as np
import torch

from langfield.core.cameras import Camera, Cameras
from langfield.data.undistort import undistorted_photo

PINHOLE = Camera(np.eye(4), 96, 72, 80.0, 78.0, 50.0, 34.0)


def waves(direction: torch.Tensor) -> np.ndarray:
    """A smooth picture of the directions (n, 3)."""
    plane = direction[:, :2] / direction[:, 2:]
    values = [0.5 + 0.5 * torch.sin(9 * plane[:, 0] + k) * torch.cos(7 * plane[:, 1] - k) for k in range(3)]
    return (torch.stack(values, dim=-1) * 255).round().byte().numpy()


def photo_of(camera: Camera) -> np.ndarray:
    pixels = camera.pixel_centres().reshape(-1, 2)
    rays = Cameras.from_list([camera]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
    return waves(rays.directions).reshape(camera.height_px, camera.width_px, 3)


def test_a_bent_photo_is_what_the_pinhole_would_have_seen():
    for camera in (
        replace(PINHOLE, distortion=(-0.2, 0.05, 0.002, -0.003, 0.0, 0.0, 0.0, 0.0)),
        replace(PINHOLE, distortion=(0.02, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), lens="fisheye"),
    ):
        straight, used = undistorted_photo(photo_of(camera), None, camera)
        assert used is not None
        expected = photo_of(camera.undistorted())
        assert used.mean() > 0.8
        apart = np.abs(straight.astype(int) - expected)[used]
        assert apart.max() <= 6  # bilinear reading of waves
        assert apart.mean() < 1.0


def test_a_pinhole_is_left_alone():
    photo = photo_of(PINHOLE)
    mask = np.ones(photo.shape[:2], bool)
    same, used = undistorted_photo(photo, mask, PINHOLE)
    assert same is photo
    assert used is mask


def test_what_is_outside_or_masked_is_not_used():
    barrel = replace(PINHOLE, distortion=(0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    mask = np.ones((72, 96), bool)
    mask[:, :48] = False
    _, used = undistorted_photo(photo_of(barrel), mask, barrel)
    _, unmasked = undistorted_photo(photo_of(barrel), None, barrel)
    assert used is not None
    assert unmasked is not None
    assert not unmasked[0, 0]  # the lens looks past it
    assert unmasked[34, 50]
    assert not used[:, :40].any()
    assert used[34, 60]
