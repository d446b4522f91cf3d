"""Batches of photos: each once in an epoch, the same after resuming, true to the files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.scenes import write_ball_scene

from langfield.core.errors import UsageError
from langfield.data.images import decode_image
from langfield.data.scene import open_scene
from langfield.training.photos import PhotoSource


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
                assert batch.used is None
                assert batch.number == number
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
        used = source.batch(0).photos[0].used
    assert used is not None
    assert not used[:, :9].any()
    assert used[:, 11:].all()


def test_without_photos_it_says_so(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=3, width_px=40, height_px=30)
    with pytest.raises(UsageError, match="no photo to learn from"):
        PhotoSource(open_scene(tmp_path), [], "cpu", 0, 0)
