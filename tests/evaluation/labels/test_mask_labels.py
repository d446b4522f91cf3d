"""Folders of masks: what is read is what was drawn, photos are known by their exact names, and the rest is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.literature_scenes import HEIGHT, N_VIEWS, WIDTH, write_3d_ovs_scene, write_lerf_mask_scene
from tests.data.scenes import BALLS, arc_cameras, draw

from langfield.core.errors import DataError
from langfield.data.scene import Scene, open_scene
from langfield.evaluation.labels.base import ViewLabels
from langfield.evaluation.labels.layouts import find_labels, label_layout, open_labels
from langfield.evaluation.labels.mask_labels import component_boxes

CLASSES = "red ball\ngreen ball\nblue ball\n"


def lerf_mask(folder: Path) -> Scene:
    write_lerf_mask_scene(folder)
    return open_scene(folder)


def three_d_ovs(folder: Path, labelled: dict[str, int] | None = None) -> Scene:
    write_3d_ovs_scene(folder, CLASSES, {"00": 0, "05": 5} if labelled is None else labelled)
    return open_scene(folder)


def read(path: Path, scene: Scene) -> list[ViewLabels]:
    labels = open_labels(path, scene.views)
    return [seen for view in scene.views if (seen := labels.of_view(view)) is not None]


def refused(path: Path, scene: Scene) -> str:
    with pytest.raises(DataError) as error:
        read(path, scene)
    return str(error.value)


@pytest.mark.parametrize(
    ("write", "place", "layout", "photos"),
    [
        (lerf_mask, "test_mask", "LERF-Mask", {"test_0.jpg": 6, "test_2.jpg": 8}),
        (three_d_ovs, "segmentations", "3D-OVS", {"00.jpg": 0, "05.jpg": 5}),
    ],
)
def test_masks_are_those_that_were_drawn(tmp_path: Path, write, place: str, layout: str, photos: dict[str, int]):
    scene = write(tmp_path)
    assert label_layout(tmp_path / place) == layout
    assert find_labels(tmp_path, every_layout=True) == tmp_path / place
    assert find_labels(tmp_path, every_layout=False) is None
    labels = open_labels(tmp_path / place, scene.views)
    assert {(phrase.text, phrase.kind) for phrase in labels.phrases} == {(ball.name, "object") for ball in BALLS}
    assert {view.name for view in scene.views if labels.covers(view)} == set(photos)
    for view in scene.views:
        seen = labels.of_view(view)
        assert (seen is None) == (view.name not in photos)
        if seen is None:
            continue
        assert (seen.view, seen.width_px, seen.height_px) == (view.name, WIDTH, HEIGHT)
        _, ids, _ = draw(arc_cameras(N_VIEWS, WIDTH, HEIGHT)[photos[view.name]])
        shown = {ball.name: ids == index for index, ball in enumerate(BALLS) if (ids == index).any()}
        assert {label.phrase for label in seen.labels} == set(shown)
        for label in seen.labels:
            assert (label.mask == shown[label.phrase]).all()
            assert (label.boxes == component_boxes(shown[label.phrase])).all()


def test_a_box_for_each_part_that_hangs_together():
    mask = np.zeros((6, 9), bool)
    mask[1:3, 0:2] = mask[3, 2] = True  # touch at a corner
    mask[5, 8] = True
    assert component_boxes(mask).tolist() == [[0, 1, 3, 4], [8, 5, 9, 6]]
    assert component_boxes(np.zeros((2, 2), bool)).shape == (0, 4)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
def test_boxes_hold_every_pixel_and_none_is_larger_than_its_pixels(rows: list[list[bool]]):
    mask = np.array(rows)
    boxes = component_boxes(mask).astype(int)
    covered = np.zeros_like(mask)
    for x0, y0, x1, y1 in boxes:
        inside = mask[y0:y1, x0:x1]
        assert inside.any(axis=0).all() or inside.any(axis=1).all()
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        covered[y0:y1, x0:x1] = True
    assert not (mask & ~covered).any()


def test_a_number_is_a_name_and_never_a_place_in_a_list(tmp_path: Path):
    """3D-OVS's folder 3 is the photo 3.jpg and not the third or fourth; LERF-Mask's 0 is test_0 and not the first."""
    scene = three_d_ovs(tmp_path / "ovs", {"3": 3, "05": 5})
    labels = open_labels(tmp_path / "ovs" / "segmentations", scene.views)
    assert [view.name for view in scene.views if labels.covers(view)] == ["05.jpg"]  # 03.jpg is another name than 3
    only = three_d_ovs(tmp_path / "only", {"3": 3})
    folder = tmp_path / "only" / "segmentations"
    assert refused(folder, only) == (
        f"{folder}: holds no masks of the photos that are asked: its folders must be named as a photo"
    )
    scene = lerf_mask(tmp_path / "lerf")
    (tmp_path / "lerf" / "test_mask" / "0").rename(tmp_path / "lerf" / "test_mask" / "a")
    labels = open_labels(tmp_path / "lerf" / "test_mask", scene.views)
    assert [view.name for view in scene.views if labels.covers(view)] == ["a.jpg", "test_2.jpg"]


def test_masks_of_views_that_are_not_asked_are_left_aside(tmp_path: Path):
    scene = lerf_mask(tmp_path)
    views = [view for view in scene.views if view.name != "test_0.jpg"]
    labels = open_labels(tmp_path / "test_mask", views)
    assert [view.name for view in scene.views if labels.covers(view)] == ["test_2.jpg"]
    with pytest.raises(DataError) as error:
        open_labels(tmp_path / "test_mask", [scene.views[0]])
    assert str(error.value) == (
        f"{tmp_path / 'test_mask'}: holds no masks of the photos that are asked: its folders must be named as a photo, "
        "or <n> for the photo test_<n>"
    )


def test_folders_that_could_mean_two_photos_or_the_same_are_refused(tmp_path: Path):
    scene = lerf_mask(tmp_path)
    masks = tmp_path / "test_mask"
    (masks / "test_2").mkdir()
    assert refused(masks, scene) == (
        f"{masks / 'test_2'}: labels the photo 'test_2.jpg', which another folder labels too: drop one"
    )
    (masks / "test_2").rmdir()
    (tmp_path / "images" / "a.jpg").rename(tmp_path / "images" / "0.jpg")
    for name in ("images", "cameras", "points3D"):
        file = tmp_path / "sparse" / "0" / f"{name}.bin"
        file.write_bytes(file.read_bytes().replace(b"a.jpg\0", b"0.jpg\0"))
    assert refused(masks, open_scene(tmp_path)) == (
        f"{masks / '0'}: could label the photo '0.jpg' or 'test_0.jpg': rename the folder or a photo"
    )


def save(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT), mode: str = "L", colour: int | str = 255) -> None:
    Image.new(mode, size, colour).save(path)


@pytest.mark.parametrize(
    ("damage", "place", "message"),
    [
        (lambda f: save(f / "0" / "mug.png", (9, 9)), "0/mug.png", "is of 9 by 9 pixels, other masks of the photo of"),
        (
            lambda f: [save(path, (HEIGHT, WIDTH)) for path in (f / "0").iterdir()],
            "0/blue ball.png",
            "is of 24 by 32 pixels, the photo test_0.jpg of 32 by 24: labels must cover the same picture",
        ),
        (lambda f: save(f / "0" / "mug.png", colour=1), "0/mug.png", "is a mask without white"),
        (lambda f: save(f / "0" / "mug.png", mode="RGB", colour="red"), "0/mug.png", "is a picture in colour"),
        (lambda f: (f / "0" / "mug.png").write_bytes(b"no"), "0/mug.png", "is no picture of a kind that is read"),
        (lambda f: (f / "0" / "mug.png").mkdir(), "0/mug.png", "cannot be decoded"),
        (lambda f: save(f / "0" / " red ball .png"), "0", "has two masks of 'red ball', ' red ball .png' and 'red"),
        (lambda f: save(f / "0" / "a\nb.png"), "0", r"holds a mask named 'a\nb.png': masks are"),
        (lambda f: save(f / "0" / "  .png"), "0", "holds a mask named ' .png': masks are named <phrase>.png"),
    ],
)
def test_masks_that_cannot_be_are_refused(tmp_path: Path, damage, place: str, message: str):
    scene = lerf_mask(tmp_path)
    damage(tmp_path / "test_mask")
    line = refused(tmp_path / "test_mask", scene)
    assert line.startswith(f"{tmp_path / 'test_mask' / place}: {message}")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("damage", "place", "message"),
    [
        (
            lambda f: (f / "05" / "red ball.png").unlink(),
            "05",
            "has no mask of 'red ball', a class of classes.txt: add",
        ),
        (lambda f: save(f / "05" / "cat.png"), "05", "has a mask of 'cat', which classes.txt does not name: add it"),
        (
            lambda f: (f / "classes.txt").write_text("\n"),
            "classes.txt",
            "must hold 1 to 1000 phrases, one on each line",
        ),
        (lambda f: (f / "classes.txt").write_bytes(b"\xff"), "classes.txt", "is no UTF-8 text"),
        (lambda f: (f / "classes.txt").write_text("../red ball\n"), "00", "has no mask of '../red ball', a class of"),
    ],
)
def test_classes_and_masks_must_agree(tmp_path: Path, damage, place: str, message: str):
    scene = three_d_ovs(tmp_path)
    damage(tmp_path / "segmentations")
    assert refused(tmp_path / "segmentations", scene).startswith(f"{tmp_path / 'segmentations' / place}: {message}")


def test_what_other_systems_leave_lying_about_is_no_label(tmp_path: Path):
    scene = lerf_mask(tmp_path)
    masks = tmp_path / "test_mask"
    (masks / ".DS_Store").write_bytes(b"x")
    (masks / "0" / "._red ball.png").write_bytes(b"x")
    (masks / "0" / "notes.txt").write_text("x")
    (masks / "1").mkdir()  # no mask in it, as of teatime's test_1
    labels = open_labels(masks, scene.views)
    assert [view.name for view in scene.views if labels.covers(view)] == ["test_0.jpg", "test_2.jpg"]


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_damaged_masks_are_refused_in_one_line_or_read(tmp_path_factory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("fuzz")
    scene = three_d_ovs(folder)
    files = sorted(path for path in (folder / "segmentations").rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    refusal, seen = None, []
    try:
        seen = read(folder / "segmentations", scene)
    except DataError as error:
        refusal = error
    assert refusal is None or (refusal.file is not None and "\n" not in str(refusal))
    assert all(label.mask.any() and len(label.boxes) for view in seen for label in view.labels)
