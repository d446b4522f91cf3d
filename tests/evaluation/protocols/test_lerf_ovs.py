"""LERF-OVS's rules by hand: which level, which pixels, which views."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.scenes import write_ball_scene

from langfield.core.errors import DataError
from langfield.data.scene import Scene, open_scene
from langfield.evaluation.labels.layouts import find_labels, open_labels
from langfield.evaluation.masks import box_filtered, half_smoothed, lerf_ovs_masks
from langfield.evaluation.protocols.labelled_views import labelled_views
from langfield.evaluation.protocols.lerf_ovs import choose_levels, hits_a_box

WIDTH, HEIGHT = 64, 48


def bump(row: int, column: int, height: float, width_px: float) -> np.ndarray:
    y, x = np.mgrid[:60, :80]
    return (0.2 + height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / width_px**2)).astype(np.float32)


def test_each_phrase_takes_the_level_of_its_highest_smoothed_value():
    # The first phrase is sharp at level 0 (stretched, its maximum is 1 there as everywhere) and high at level 1.
    maps = np.stack(
        [
            np.stack([bump(20, 20, 0.3, 12), bump(30, 60, 0.7, 12)]),
            np.stack([bump(40, 60, 0.6, 12), bump(10, 10, 0.4, 12)]),
        ]
    )
    tensor = torch.from_numpy(maps)
    found = choose_levels(tensor)
    assert found.level.tolist() == [1, 0]
    assert torch.equal(found.masks[0], lerf_ovs_masks(tensor[1])[0])
    assert torch.equal(found.masks[1], lerf_ovs_masks(tensor[0])[1])
    assert found.masks[0, 40, 60]
    assert not found.masks[0, 20, 20]


def test_segmentation_and_localisation_may_take_different_levels():
    # One bright pixel: half of it stays in the half-smoothed map, a 900th in the box-filtered one.
    sharp, wide = np.full((60, 80), 0.2, np.float32), bump(30, 40, 0.3, 20)
    sharp[10, 10] = 1.0
    found = choose_levels(torch.from_numpy(np.stack([sharp, wide])[:, None]))
    assert found.level.tolist() == [0]
    assert found.located_level.tolist() == [1]
    filtered = box_filtered(torch.from_numpy(wide[None]))[0].numpy()
    pixels = {(int(r), int(c)) for r, c in zip(found.row, found.column, strict=True)}
    assert pixels == {(int(r), int(c)) for r, c in np.argwhere(filtered == filtered.max())}


def test_levels_that_tie_are_the_first_and_pixels_that_tie_are_all():
    flat = np.full((60, 80), 0.2, np.float32)
    flat[25:35, 30:40] = 0.9
    found = choose_levels(torch.from_numpy(np.stack([flat, flat])[:, None]))
    assert found.level.tolist() == found.located_level.tolist() == [0]
    # A window of 30 holds the whole patch of 10 in 21 × 21 places: rows 34 − 14 … 25 + 15, columns 39 − 14 … 30 + 15.
    assert set(found.row.tolist()) == set(range(20, 41))
    assert set(found.column.tolist()) == set(range(25, 46))
    assert len(found.row) == 21 * 21
    assert half_smoothed(torch.from_numpy(flat[None])).amax() < 0.9


def test_one_of_the_pixels_in_one_of_the_boxes_is_a_hit():
    pixels = np.array([[5, 7], [20, 30]])
    assert hits_a_box(pixels, np.array([[0.0, 0, 2, 2], [20, 30, 21, 31]]))  # the pixel (20, 30) alone
    assert not hits_a_box(pixels, np.array([[21.0, 30, 40, 40], [6, 7, 9, 9]]))
    assert hits_a_box(pixels, np.array([[4.5, 6.5, 6.2, 8.0]]))  # a box from 4.5, 6.5 to 5.2, 7: 5 and 7 lie in it
    assert not hits_a_box(pixels, np.array([[5.1, 0, 9, 9]]))
    assert not hits_a_box(np.zeros((0, 2), np.int64), np.array([[0.0, 0, 9, 9]]))


@dataclass(frozen=True)
class Labelled:
    scene: Scene
    folder: Path


@pytest.fixture
def labelled(tmp_path: Path) -> Labelled:
    """Nine views, of which frames 1 and 9 are tests; frames 1, 2, 3 and 9 have labels."""
    write_ball_scene(tmp_path / "balls", n_views=9, width_px=WIDTH, height_px=HEIGHT)
    folder = tmp_path / "label" / "balls"
    folder.mkdir(parents=True)
    for number in (1, 2, 3, 9):
        write_labels(folder, f"frame_{number:05d}.jpg")
    return Labelled(open_scene(tmp_path / "balls"), folder)


def write_labels(folder: Path, photo: str, name: str | None = None) -> Path:
    thing = {"category": "mug", "segmentation": [[2, 2], [20, 2], [20, 20], [2, 20]], "bbox": [2, 2, 20, 20]}
    document = {"info": {"name": photo, "width": WIDTH, "height": HEIGHT}, "objects": [thing]}
    path = folder / f"{name or Path(photo).stem}.json"
    path.write_text(json.dumps(document))
    return path


def trained(scene: Scene) -> list[str]:
    return [scene.views[index].name for index in scene.train]


def test_held_out_views_are_those_never_trained_on(labelled: Labelled):
    scene = labelled.scene
    labels = open_labels(labelled.folder, scene.views)
    every = labelled_views(scene, labels, trained(scene), held_out=False)
    assert [view.name for view in every.asked] == [f"images/frame_{n:05d}.jpg" for n in (1, 2, 3, 9)]
    assert every.trained_on == ("images/frame_00002.jpg", "images/frame_00003.jpg")
    held = labelled_views(scene, labels, trained(scene), held_out=True)
    assert [view.name for view in held.asked] == ["images/frame_00001.jpg", "images/frame_00009.jpg"]
    assert held.left_out == ("images/frame_00002.jpg", "images/frame_00003.jpg")
    assert held.trained_on == ()


def test_names_are_compared_whole(labelled: Labelled):
    """An entry without its ending is another photo: it keeps nothing from being held out, and holds nothing out."""
    scene = labelled.scene
    labels = open_labels(labelled.folder, scene.views)
    stems = [name.removesuffix(".jpg") for name in trained(scene)]
    assert labelled_views(scene, labels, stems, held_out=True).left_out == ()


def test_if_all_were_trained_on_nothing_is_held_out(labelled: Labelled):
    scene = labelled.scene
    labels = open_labels(labelled.folder, scene.views)
    every = [view.name for view in scene.views]
    with pytest.raises(DataError) as error:
        labelled_views(scene, labels, every, held_out=True, advice=", or ask by the protocol lerf-ovs")
    assert str(error.value) == (
        f"{scene.root}: has 4 labelled views and all of them were trained on, so that none is held out: "
        "name some in test_filenames (COLMAP: leave them out of images_train) and train again, or ask by the protocol "
        "lerf-ovs"
    )


def test_labels_of_another_file_of_the_same_stem_are_refused(labelled: Labelled):
    path = write_labels(labelled.folder, "frame_00004.png")
    with pytest.raises(DataError) as error:
        open_labels(labelled.folder, labelled.scene.views)
    expected = "info.name is 'frame_00004.png', but the scene's photo is 'frame_00004.jpg': name the file exactly"
    assert str(error.value) == f"{path}: {expected}"


def test_two_files_that_label_one_photo_are_refused(labelled: Labelled):
    path = write_labels(labelled.folder, "frame_00003.jpg", name="frame_00003b")
    with pytest.raises(DataError) as error:
        open_labels(labelled.folder, labelled.scene.views)
    expected = "labels the photo 'frame_00003.jpg', which frame_00003.json labels too: drop one"
    assert str(error.value) == f"{path}: {expected}"


def test_labels_are_found_where_scenes_have_them(labelled: Labelled):
    root = labelled.scene.root
    assert find_labels(root, every_layout=True) == root / "queries.json"
    (root / "queries.json").unlink()
    assert find_labels(root, every_layout=True) == labelled.folder  # LERF-OVS's own layout: label/<scene>/
    assert find_labels(root, every_layout=False) is None
    (root / "labels").mkdir()
    assert find_labels(root, every_layout=True) == labelled.folder
    write_labels(root / "labels", "frame_00001.jpg")
    assert find_labels(root, every_layout=True) == root / "labels"
