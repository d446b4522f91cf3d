"""Scales of masks: squares in closed form, and what a point cloud says against exact depth."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.data.scenes import surface_points, write_ball_scene, write_ply
from tests.models.nerf.ball_masks import BallMasks, ball_photos

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.data.scene import open_scene
from langfield.features.mask_scales import CloudScaledMasks, cloud_scales, mask_scales
from langfield.features.photos import ScaledMasks, TrainingPhotos


def test_the_scale_of_a_square_is_its_side_however_it_lies():
    side, n = 0.37, 200
    u, v = torch.meshgrid(*[torch.linspace(-0.5, 0.5, n).double() * side] * 2, indexing="ij")
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double()).Q
    points = torch.stack([u, v, 0 * u], dim=-1) @ turn.T + torch.tensor([5.0, -3.0, 8.0])
    every, half = torch.ones(n, n, dtype=torch.bool), torch.zeros(n, n, dtype=torch.bool)
    half[: n // 2] = True  # half of it: variance h²/12 and h²/48
    found = mask_scales(torch.stack([every, half]), points)
    assert found.tolist() == pytest.approx([side, side * math.sqrt(6 * (1 / 12 + 1 / 48))], rel=0.01)
    # In other units, and with a background that shows through at the border:
    assert mask_scales(every[None], 3 * points).item() == pytest.approx(3 * side, rel=0.01)
    spilt = points.clone()
    spilt[0] += torch.tensor([0.0, 0.0, 5.0])
    assert mask_scales(every[None], spilt).item() == pytest.approx(side, rel=0.02)


def test_scales_of_what_shows_no_surface_are_not_known():
    points = torch.rand(6, 8, 3, generator=torch.Generator().manual_seed(0))
    points[:3] = math.inf
    masks = torch.zeros(4, 6, 8, dtype=torch.bool)
    masks[0, :3] = True  # nothing there
    masks[1, 3, :3] = True  # three points
    masks[2, 2:] = True
    found = mask_scales(masks, points)
    assert found[[0, 1, 3]].tolist() == [math.inf] * 3
    assert found[2].item() == pytest.approx(mask_scales(torch.ones(1, 3, 8, dtype=torch.bool), points[3:]).item())


def test_a_square_that_faces_the_camera_has_its_side_at_the_cloud_s_depth():
    camera = Camera(np.eye(4), 40, 40, 50.0, 50.0, 20.0, 20.0)
    mask = torch.zeros(2, 40, 40, dtype=torch.bool)
    mask[0, 10:30, 10:30] = True  # 20 pixels of 1/50 each
    mask[1, :5] = True
    cloud = torch.tensor([[0.0, 0, 3], [0.1, 0, 3], [0.1, 0.1, 3], [0, 0, 7], [0, 0, -3], [90, 0, 3]])
    found = cloud_scales(mask, camera, cloud)
    assert found[0].item() == pytest.approx(3 * 20 / 50, rel=0.01)
    assert found[1] == math.inf
    assert cloud_scales(mask, camera, cloud[:0]).tolist() == [math.inf] * 2


def test_a_cloud_says_about_the_same_as_exact_depth(tmp_path):
    """Of things that may stand upright; the table lies flat and is seen from aside."""
    write_ball_scene(tmp_path, n_views=3, width_px=64, height_px=48, suffix=".png")
    write_ply(tmp_path / "points3D.ply", *surface_points(4000))
    scene = open_scene(tmp_path)
    exact, photos = BallMasks(scene), TrainingPhotos(scene, scene.train)
    by_cloud = CloudScaledMasks(photos, exact.masks_of_photo)
    assert isinstance(by_cloud, ScaledMasks)
    for view in scene.train:
        assert torch.equal(by_cloud.masks_of_photo(view), exact.masks_of_photo(view))
        ratio = (by_cloud.scales_of_photo(view) / exact.scales_of_photo(view)).numpy()
        assert np.abs(np.log(np.delete(ratio, 1))).max() < math.log(1.45), ratio
        assert 0.4 < ratio[1] < 1.2


def test_without_a_cloud_there_are_no_scales(tmp_path):
    scene, masks = ball_photos(tmp_path, 3)
    bare = replace(scene, points=None)
    with pytest.raises(UsageError, match="the scene has no point cloud"):
        CloudScaledMasks(TrainingPhotos(bare, bare.train), masks.masks_of_photo)
