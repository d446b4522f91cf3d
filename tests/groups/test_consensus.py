"""Groups from masks of many photos, on made scenes whose things are known."""

import numpy as np
import pytest
import torch
from scipy import sparse
from tests.groups.made_scenes import Errors, made_photos, made_scene, overlaps

from langfield.groups import GroupSettings, PhotoVoxels, find_groups, mask_sets, things

NO_ERRORS = Errors(border=0, leaks=0, misses=0, splits=0, unions=0, garbage=0)


@pytest.fixture(scope="module")
def scene():
    return made_scene(seed=1, thing_count=6)


def well_seen(photos, at_least=3):
    return np.sum([photo.seen for photo in photos], axis=0) >= at_least


def photo_of(masks, seen, quality=0.9):
    return PhotoVoxels(
        sparse.csr_matrix(np.array(masks, dtype=np.float32)), np.array(seen), np.full(len(masks), quality)
    )


def test_a_voxel_is_in_the_masks_that_have_the_pixel_which_shows_it():
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(20, 24, 32, generator=generator) < 0.4
    pixel_of_voxel = torch.randint(-1, 24 * 32, (60,), generator=generator)
    sets, seen = mask_sets(masks, pixel_of_voxel)
    inside = np.zeros((20, 60), dtype=bool)
    inside[sets.row, sets.column] = True
    for voxel, pixel in enumerate(pixel_of_voxel.tolist()):
        assert seen[voxel] == (pixel >= 0)
        expected = masks[:, pixel // 32, pixel % 32] if pixel >= 0 else torch.zeros(20, dtype=torch.bool)
        np.testing.assert_array_equal(inside[:, voxel], expected)


def test_a_photo_that_shows_nothing_has_masks_of_nothing():
    sets, seen = mask_sets(torch.ones(2, 3, 4, dtype=torch.bool), torch.full((5,), -1))
    assert sets.shape == (2, 5)
    assert len(sets) == 0
    assert not seen.any()


def test_exact_masks_give_exact_things_parts_and_the_table(scene):
    photos = made_photos(scene, 12, NO_ERRORS)
    groups = find_groups(photos)
    seen = well_seen(photos)
    truth = scene.truth()
    assert overlaps(groups, truth["things"], seen).max(axis=1).min() >= 0.95
    assert overlaps(groups, truth["parts"], seen).max(axis=1).min() >= 0.9
    assert overlaps(groups, (scene.thing == -1)[None], seen).max() >= 0.98


def test_errors_of_masks_average_out(scene):
    """Borders that wander, leaks in a quarter of the masks, three of ten missing, unions, splits and stray masks."""
    photos = made_photos(scene, 24, Errors(border=0.4))
    seen = well_seen(photos)
    groups = find_groups(photos)
    things_iou = overlaps(groups, scene.truth()["things"], seen).max(axis=1)
    masks = [overlaps_of_masks(photo, scene.truth()["things"]) for photo in photos]
    assert np.median(things_iou) >= 0.95
    assert things_iou.mean() >= np.mean(np.concatenate(masks)) + 0.1


def overlaps_of_masks(photo, truth):
    """Per thing that the photo shows the best IoU of a mask."""
    true = truth[:, photo.seen].astype(np.float32)
    solid = (photo.masks.toarray()[:, photo.seen] >= 0.5).astype(np.float32)
    shared = true @ solid.T
    iou = shared / np.maximum(true.sum(axis=1)[:, None] + solid.sum(axis=1)[None] - shared, 1)
    return iou.max(axis=1)[true.sum(axis=1) >= 20]


def test_progress_tells_each_step(scene):
    events = []
    find_groups(made_photos(scene, 3, NO_ERRORS), progress=events.append)
    assert [event.done for event in events] == list(range(1, events[0].total + 1))
    assert {event.stage for event in events} == {"groups"}


@pytest.mark.parametrize("sizes", [(), (5, 6)])
def test_photos_must_be_of_one_surface(sizes):
    photos = [photo_of(np.zeros((1, size)), np.ones(size, dtype=bool)) for size in sizes]
    with pytest.raises(ValueError, match="same surface voxels"):
        find_groups(photos)


def test_groups_repeat(scene):
    photos = made_photos(scene, 6, Errors())
    first, second = find_groups(photos), find_groups(photos)
    for name, values in first.arrays().items():
        np.testing.assert_array_equal(values, second.arrays()[name])


def test_two_things_that_one_mask_joins_stay_two():
    one, two = np.zeros(40), np.zeros(40)
    one[:10], two[10:20] = 1, 1
    photos = [photo_of([one, two], np.ones(40, dtype=bool)) for _ in range(9)]
    photos += [photo_of([one + two], np.ones(40, dtype=bool)) for _ in range(3)]
    groups = find_groups(photos, GroupSettings(min_support=0.3))
    assert [list(groups.voxels_of(k)) for k in range(len(groups))] == [list(range(10)), list(range(10, 20))]


def test_a_pair_that_most_photos_join_is_their_parent():
    one, two = np.zeros(40), np.zeros(40)
    one[:10], two[10:20] = 1, 1
    photos = [photo_of([one, two, one + two], np.ones(40, dtype=bool)) for _ in range(12)]
    groups = find_groups(photos)
    sizes = [len(groups.voxels_of(k)) for k in range(len(groups))]
    assert sorted(sizes) == [10, 10, 20]
    pair = sizes.index(20)
    assert [int(parent) for parent in groups.parent] == [-1 if k == pair else pair for k in range(3)]


def test_halves_that_no_photo_shows_at_once_are_one_thing_through_a_photo_between():
    whole = np.zeros(90)
    whole[:60] = 1
    places = np.arange(90)
    photos = []
    for first in (0, 10, 20, 30, 30, 0):
        seen = ((places >= first) & (places < first + 30)) | (places >= 60)
        photos.append(photo_of([whole * seen], seen))
    groups = find_groups(photos)
    assert len(groups) == 1
    assert list(groups.voxels_of(0)) == list(range(60))
    assert groups.support[0] == 1


def test_things_are_a_partition_into_groups(scene):
    photos = made_photos(scene, 12, NO_ERRORS)
    groups = find_groups(photos)
    labels = things(groups)
    assert labels.shape == scene.thing.shape
    for group in np.unique(labels[labels >= 0]):
        assert set(np.flatnonzero(labels == group)) <= set(groups.voxels_of(int(group)))


def test_photos_without_masks_give_no_groups():
    photos = [photo_of(np.zeros((0, 7)), np.ones(7, dtype=bool)) for _ in range(4)]
    groups = find_groups(photos)
    assert len(groups) == 0
    assert groups.voxel_count == 7
    assert (things(groups) == -1).all()
