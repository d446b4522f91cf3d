"""Which pixels of a photo may be used: masks of what is used and of what is ignored, a fisheye's circle, together."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.scenes import write_ball_scene

from langfield.core.errors import DataError
from langfield.data.lenses import check_lenses
from langfield.data.masks import used_pixels
from langfield.data.pixels import PixelPool
from langfield.data.scene import open_scene
from langfield.data.undistort import undistorted_photo
from langfield.features.photos import TrainingPhotos

WIDTH, HEIGHT = 32, 24


def view_with(tmp_path, mask: bool, ignored: bool, circle: bool):
    write_ball_scene(tmp_path, 3, WIDTH, HEIGHT)
    view = open_scene(tmp_path).views[1]
    left, top = np.full((2, HEIGHT, WIDTH), 255, np.uint8)
    left[:, : WIDTH // 4] = 0  # must not be used
    top[HEIGHT // 4 :] = 0  # the rest is to be ignored
    Image.fromarray(left).save(tmp_path / "mask.png")
    Image.fromarray(top).save(tmp_path / "ignored.png")
    return replace(
        view,
        mask_path=tmp_path / "mask.png" if mask else None,
        ignored_path=tmp_path / "ignored.png" if ignored else None,
        camera=replace(view.camera, valid_radius_px=9.0 if circle else None),
    )


@pytest.mark.parametrize(("mask", "ignored", "circle"), product([False, True], repeat=3))
@pytest.mark.parametrize("scale", [1, 2])
def test_all_that_is_said_counts(tmp_path, mask, ignored, circle, scale):
    view = view_with(tmp_path, mask, ignored, circle)
    size = WIDTH * scale, HEIGHT * scale
    used = used_pixels(view, size)
    y, x = np.mgrid[: size[1], : size[0]]
    expected = np.ones((size[1], size[0]), bool)
    if mask:
        expected &= x >= size[0] // 4
    if ignored:
        expected &= y >= size[1] // 4
    if circle:
        expected &= np.hypot(x + 0.5 - size[0] / 2, y + 0.5 - size[1] / 2) <= 9 * scale - np.sqrt(0.5)
    assert view.is_masked == any((mask, ignored, circle)) == (used is not None)
    np.testing.assert_array_equal(np.ones_like(expected) if used is None else used, expected)


def masked_scene(tmp_path, **masks):
    scene = open_scene(write_ball_scene(tmp_path, 3, WIDTH, HEIGHT).folder)
    view = view_with(tmp_path, **({"mask": False, "ignored": False, "circle": False} | masks))
    return replace(scene, views=(scene.views[0], view, scene.views[2]))


@pytest.mark.parametrize("what", ["mask", "ignored", "circle"])
def test_training_draws_what_may_be_used(tmp_path, what):
    scene = masked_scene(tmp_path, **{what: True})
    used = used_pixels(scene.views[1])
    assert used is not None
    with PixelPool(scene, [0, 1], "cpu", 1 << 20, seed=0) as pool:
        pool.prepare(0)
        sample = pool.sample(20_000, torch.Generator().manual_seed(0))
    drawn = np.zeros((2, HEIGHT, WIDTH), bool)
    column, row = sample.xy_px.floor().long().numpy().T
    drawn[sample.view_index.numpy(), row, column] = True
    np.testing.assert_array_equal(drawn[1], used)
    assert drawn[0].all()


@pytest.mark.parametrize("what", ["mask", "ignored", "circle"])
def test_models_get_it_with_the_photos_and_photos_of_other_masks_apart(tmp_path, what):
    scene = masked_scene(tmp_path, **{what: True})
    photos = TrainingPhotos(scene, [0, 1, 2])
    np.testing.assert_array_equal(photos.mask(1, (16, 12)), used_pixels(scene.views[1], (16, 12)))
    assert photos.mask(0) is None
    assert photos.optics(0) == photos.optics(2) != photos.optics(1)


def test_fingerprints_follow_masks_and_those_of_scenes_without_stay(tmp_path):
    every = [masked_scene(tmp_path, **masks) for masks in ({}, {"mask": True}, {"ignored": True}, {"circle": True})]
    fingerprints = [scene.fingerprint() for scene in every]
    assert len(set(fingerprints)) == 4
    assert fingerprints[0] == open_scene(tmp_path).fingerprint()
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "ignored.png")
    assert every[2].fingerprint() != fingerprints[2]
    wider = replace(every[3].views[1].camera, valid_radius_px=9.5)
    views = (every[3].views[0], replace(every[3].views[1], camera=wider), every[3].views[2])
    assert replace(every[3], views=views).fingerprint() != fingerprints[3]


@pytest.mark.parametrize(
    ("ignored", "radius", "line"),
    [
        (True, None, r"white\.png: leaves no pixel to train on: it is nonzero where the photo is ignored"),
        (
            False,
            0.5,
            r"frame_00002\.jpg: has no pixel within fisheye_crop_radius: give it in pixels of the file's w and h",
        ),
    ],
)
def test_what_leaves_nothing_is_named(tmp_path, ignored, radius, line):
    scene = masked_scene(tmp_path)
    Image.new("L", (WIDTH, HEIGHT), 255).save(tmp_path / "white.png")
    camera = replace(scene.views[1].camera, valid_radius_px=radius)
    view = replace(scene.views[1], camera=camera, ignored_path=tmp_path / "white.png" if ignored else None)
    with pytest.raises(DataError, match=line):
        PixelPool(replace(scene, views=(view,)), [0], "cpu", 1 << 20, seed=0).prepare(0)


# -- lenses that have an inverse only within the circle


def bent_scene(folder, **keys):
    """r = θ − 0.3 θ³ never exceeds 0.703, which is 21.1 pixels here; the picture's corner is at 30 pixels."""
    balls = write_ball_scene(folder, 4, 48, 36)
    meta = json.loads((folder / "transforms.json").read_text())
    meta.update({"camera_model": "OPENCV_FISHEYE", "k1": -0.3, "fl_x": 30.0, "fl_y": 30.0}, **keys)
    (folder / "transforms.json").write_text(json.dumps(meta))
    return balls


def test_a_lens_needs_its_inverse_within_the_circle_only(tmp_path):
    for keys in ({}, {"fisheye_crop_radius": 22.0}):
        with pytest.raises(DataError, match=r"the lens of images/frame_00001\.jpg bends too much"):
            open_scene(bent_scene(tmp_path, **keys).folder)
    scene = open_scene(bent_scene(tmp_path, fisheye_crop_radius=20.5).folder)
    assert scene.views[0].camera.valid_radius_px == 20.5
    at_half = open_scene(tmp_path, max_side_px=24)
    assert at_half.views[0].camera.valid_radius_px == 10.25
    check_lenses([replace(scene.views[0], camera=replace(scene.views[0].camera, cx_px=3.0))], tmp_path)


def test_beyond_the_circle_a_straightened_photo_shows_nothing(tmp_path):
    """The pinhole's corner looks 45° aside, where this lens, with k1 = −0.6, has fallen again: to half-way inside."""
    view = open_scene(bent_scene(tmp_path, fisheye_crop_radius=14.0, k1=-0.6).folder).views[0]
    photo = np.full((36, 48, 3), 90, np.uint8)
    _, seen = undistorted_photo(photo, used_pixels(view), view.camera)
    assert seen is not None
    camera = view.camera.undistorted()
    aside = np.arctan(np.hypot(*(camera.pixel_centres().numpy() - [24.0, 18.0]).transpose(2, 0, 1)) / 30.0)
    turns = np.sqrt(1 / 1.8)  # where r stops rising
    assert not seen[aside > turns].any()
    assert (aside > turns).any()
    assert seen[aside < 0.4].all()
