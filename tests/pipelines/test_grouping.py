"""Masks of photos to groups of a surface, on a wall that is known in closed form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tests.query.fake_session import WORLD_FROM_SCENE
from tests.query.fake_world import THING, Wall, camera_at
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.progress import ProgressEvent
from langfield.data.views import Scene, View
from langfield.features.mask_bank import MaskBank, MaskReport, MasksOfPhoto
from langfield.features.run_lengths import encode_runs
from langfield.pipelines.grouping import (
    MAX_PHOTOS,
    at_size,
    find_scene_groups,
    grouped_photos,
    observe_surface,
    shown_voxels,
)

RADIUS = 0.4
CAMERAS = [camera_at(x, y, 128, 96) for x, y in ((0, 0), (0.4, 0), (0, 0.3), (-0.4, 0.1), (0.2, -0.2))]


def away_from_thing(camera: Camera) -> Tensor:
    """(h, w, 2) where a camera's pixels meet the wall, from the thing's middle."""
    pixels = camera.pixel_centres()
    middle = torch.tensor([camera.cx_px, camera.cy_px])
    eye = torch.from_numpy(camera.world_from_camera[:2, 3]).float()
    return (pixels.reshape(camera.height_px, camera.width_px, 2) - middle) / camera.fx_px * 4 + eye - THING[:2]


def disc_and_half(camera: Camera) -> Tensor:
    """The thing's true mask, and that of its left half."""
    away = away_from_thing(camera)
    disc = away.norm(dim=-1) < RADIUS
    return torch.stack([disc, disc & (away[..., 0] < 0)])


def scene_of(cameras: list[Camera], train: range | None = None) -> Scene:
    views = tuple(View(f"{i}.jpg", Path(f"{i}.jpg"), c.moved(WORLD_FROM_SCENE)) for i, c in enumerate(cameras))
    chosen = tuple(range(len(views))) if train is None else tuple(train)
    return Scene(Path("nowhere"), "drawn", views, chosen, (), None, WORLD_FROM_SCENE.inverse())


def bank_of(masks_of: Callable[[Camera], Tensor], embeddings: np.ndarray | None = None) -> MaskBank:
    photos = []
    for camera in CAMERAS:
        masks = masks_of(camera)
        ones = np.ones(len(masks), np.float32)
        photos.append(MasksOfPhoto(encode_runs(masks), ones, ones, embeddings))
    return MaskBank(tuple(photos), tuple(range(len(CAMERAS))), MaskReport(len(CAMERAS), 0.0, 0))


def test_masks_that_agree_become_a_thing_and_its_part():
    events: list[ProgressEvent] = []
    found = find_scene_groups(Wall(), scene_of(CAMERAS), bank_of(disc_and_half), progress=events.append)
    assert len(found) == 2
    disc, half = sorted(range(2), key=lambda group: -len(found.groups.voxels_of(group)))
    assert found.groups.parent[[disc, half]].tolist() == [-1, disc]
    assert found.groups.photo_count.tolist() == [len(CAMERAS)] * 2
    away = found.surface.centres_scene.numpy() - THING.numpy()
    distance, pixel = np.linalg.norm(away[:, :2], axis=1), 4 / CAMERAS[0].fx_px
    for group, inside in ((disc, distance - RADIUS), (half, np.maximum(distance - RADIUS, away[:, 0]))):
        member = np.isin(np.arange(len(away)), found.groups.voxels_of(group))
        assert member[inside < -pixel].all()
        assert not member[inside > pixel].any()
        assert (inside < -pixel).sum() > 20
    assert found.embeddings is None
    assert {"surface", "masks on the surface"} <= {event.stage for event in events}


def test_a_group_looks_like_its_own_masks():
    vectors = np.eye(3, dtype=np.float16)[:2]
    found = find_scene_groups(Wall(), scene_of(CAMERAS), bank_of(disc_and_half, vectors))
    assert found.embeddings is not None
    disc, half = sorted(range(2), key=lambda group: -len(found.groups.voxels_of(group)))
    np.testing.assert_allclose(found.embeddings[[disc, half]], vectors, atol=0.05)  # others' masks hardly count


def test_what_no_mask_shows_is_in_no_group():
    found = find_scene_groups(Wall(), scene_of(CAMERAS), bank_of(lambda camera: disc_and_half(camera)[:0]))
    assert len(found) == 0
    assert len(found.surface) > 100


def test_voxels_are_shown_by_the_pixels_that_their_centres_lie_in():
    surface, depths = observe_surface(Wall(), CAMERAS)
    side = float(surface.sides_scene.max())
    for camera, depth in zip(CAMERAS, depths, strict=True):
        assert depth.shape == (camera.height_px, camera.width_px)
        pixel = shown_voxels(surface, camera, depth)
        shown = pixel >= 0
        assert shown.float().mean() > 0.3
        across = depth / camera.fx_px  # of a pixel, on the wall
        away = surface.centres_scene[shown][:, :2] - THING[:2] - away_from_thing(camera).reshape(-1, 2)[pixel[shown]]
        assert away.abs().max() < side + float(across.max())
        nothing = shown_voxels(surface, camera, torch.zeros_like(depth))
        assert bool((nothing < 0).all())
        behind = shown_voxels(surface, camera, 0.5 * depth)
        assert bool((behind < 0).all())


def test_masks_are_read_at_the_nearest_pixel():
    masks = torch.rand(3, 12, 20, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(at_size(masks, (12, 20)), masks)
    assert torch.equal(at_size(masks, (6, 10)), masks[:, 1::2, 1::2])
    assert torch.equal(at_size(masks, (24, 40)), masks.repeat_interleave(2, 1).repeat_interleave(2, 2))
    for size in ((7, 9), (5, 33)):
        small = at_size(masks, size)
        for row in range(size[0]):
            for column in range(size[1]):
                y, x = int((row + 0.5) * 12 / size[0]), int((column + 0.5) * 20 / size[1])
                assert torch.equal(small[:, row, column], masks[:, y, x])


def test_at_most_so_many_training_photos_are_looked_at():
    few = scene_of([CAMERAS[0]] * 7, range(1, 7))
    assert grouped_photos(few) == list(range(1, 7))
    many = scene_of([CAMERAS[0]] * 450, range(450))
    chosen = grouped_photos(many)
    assert len(chosen) == MAX_PHOTOS
    assert sorted(set(chosen)) == chosen
    assert np.diff(chosen).max() <= 3
