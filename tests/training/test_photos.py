"""Batches of photos: each once in an epoch, the same after resuming, true to the files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.scenes import write_ball_scene

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.data.images import decode_image
from langfield.data.scene import open_scene
from langfield.models.batches import Photo
from langfield.training.photos import PhotoSource, half_size


@pytest.mark.parametrize("budget", [2**30, 0])
def test_each_photo_comes_once_in_an_epoch_and_the_order_follows_from_the_seed(tmp_path: Path, budget: int):
    write_ball_scene(tmp_path, n_views=9, width_px=40, height_px=30)
    scene = open_scene(tmp_path)
    cameras = [scene.views[i].camera.moved(scene.scene_from_world) for i in scene.train]

    def numbers(first: int, last: int, seed: int = 3) -> list[int]:
        with PhotoSource(scene, scene.train, "cpu", budget, seed) as source:
            seen = []
            for step in range(first, last):
                (batch,) = source.batch(step).photos
                number = next(
                    i
                    for i, c in enumerate(cameras)
                    if np.array_equal(c.world_from_camera, batch.camera.world_from_camera)
                )
                photo = decode_image(scene.views[scene.train[number]].image_path, (40, 30))
                assert torch.equal((batch.rgb * 255).round().byte(), torch.from_numpy(photo))
                assert batch.mask is None
                assert batch.index == number
                seen.append(number)
            return seen

    count = len(scene.train)
    whole = numbers(0, 3 * count)
    for epoch in range(3):
        assert sorted(whole[epoch * count : (epoch + 1) * count]) == list(range(count))
    assert numbers(5, 2 * count) == whole[5 : 2 * count]
    assert numbers(0, 3 * count, seed=4) != whole


def test_masks_say_what_may_be_used(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=3, width_px=40, height_px=30, masks=True)
    scene = open_scene(tmp_path)
    with PhotoSource(scene, scene.train, "cpu", 2**30, 0) as source:
        used = source.batch(0).photos[0].mask
    assert used is not None
    assert not used[:, :9].any()
    assert used[:, 11:].all()


def test_without_photos_it_says_so(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=3, width_px=40, height_px=30)
    with pytest.raises(UsageError, match="no photo to learn from"):
        PhotoSource(open_scene(tmp_path), [], "cpu", 0, 0)


@pytest.mark.parametrize("budget", [2**30, 0])
def test_a_few_photos_a_step_are_the_same_row_in_fewer_steps(tmp_path: Path, budget: int):
    """Of two training photos four a step: a batch holds each twice, and none is waited for in vain."""
    write_ball_scene(tmp_path, n_views=9, width_px=40, height_px=30)
    scene = open_scene(tmp_path)
    for views in (scene.train, scene.train[:2]):
        with (
            PhotoSource(scene, views, "cpu", budget, 5) as one,
            PhotoSource(scene, views, "cpu", budget, 5, photos_per_step=4) as four,
        ):
            row = [one.batch(step).photos[0] for step in range(24)]
            steps = [four.batch(step).photos for step in range(6)]
        assert [len(photos) for photos in steps] == [4] * 6
        for a, b in zip((photo for photos in steps for photo in photos), row, strict=True):
            assert a.index == b.index
            assert torch.equal(a.rgb, b.rgb)
        with PhotoSource(scene, views, "cpu", budget, 5, photos_per_step=4) as resumed:
            assert [photo.index for photo in resumed.batch(4).photos] == [photo.index for photo in steps[4]]


def test_a_step_needs_a_photo(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=3, width_px=40, height_px=30)
    scene = open_scene(tmp_path)
    with pytest.raises(UsageError, match="photos_per_step = 0"):
        PhotoSource(scene, scene.train, "cpu", 0, 0, photos_per_step=0)


def test_the_first_steps_see_photos_at_half_their_size(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=3, width_px=41, height_px=30, masks=True)
    scene = open_scene(tmp_path)
    with (
        PhotoSource(scene, scene.train, "cpu", 2**30, 1, half_size_until=2) as source,
        PhotoSource(scene, scene.train, "cpu", 2**30, 1) as whole,
    ):
        for step in range(4):
            (photo,), (full,) = source.batch(step).photos, whole.batch(step).photos
            assert photo.rgb.shape == ((15, 20, 3) if step < 2 else (30, 41, 3))
            assert photo.mask is not None
            assert full.mask is not None
            assert photo.mask.shape == photo.rgb.shape[:2]
            if step >= 2:
                assert torch.equal(photo.rgb, full.rgb)
                continue
            corners = torch.stack([full.rgb[y:30:2, x:40:2] for y in (0, 1) for x in (0, 1)])
            torch.testing.assert_close(photo.rgb, corners.mean(dim=0))
            used = torch.stack([full.mask[y:30:2, x:40:2] for y in (0, 1) for x in (0, 1)])
            assert torch.equal(photo.mask, used.all(dim=0))
            assert photo.mask.any()
            assert not photo.mask.all()


def test_at_half_size_a_pixel_looks_where_its_four_looked():
    camera = Camera(np.eye(4), 41, 31, 50.0, 45.0, 19.3, 16.2)
    small = half_size(Photo(3, camera, torch.zeros(31, 41, 3)))
    assert small.index == 3

    def plane(camera: Camera) -> torch.Tensor:
        centre, focal = torch.tensor([camera.cx_px, camera.cy_px]), torch.tensor([camera.fx_px, camera.fy_px])
        return (camera.pixel_centres() - centre) / focal

    full = plane(camera)[:30, :40].reshape(15, 2, 20, 2, 2).mean(dim=(1, 3))
    torch.testing.assert_close(plane(small.camera), full)
    line = Photo(0, replace(camera, height_px=1), torch.zeros(1, 41, 3))
    assert half_size(line) is line
