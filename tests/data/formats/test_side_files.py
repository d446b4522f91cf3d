"""What lies beside photos: masks by the conventions of COLMAP and instant-ngp, smaller photos, point clouds."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.colmap_writer import write_text
from tests.data.formats.test_colmap import model_of, write_photos
from tests.data.scenes import arc_cameras, write_ball_scene

from langfield.data.masks import used_pixels
from langfield.data.scene import open_scene
from langfield.data.views import Scene

WIDTH, HEIGHT = 32, 24
NAMES = ["left/a.png", "left/b.png", "right/a.png"]


def told(scene: Scene) -> tuple[str, ...]:
    """What a scene's notes say of its files: not the summary, nor that photos are few."""
    return tuple(note for note in scene.notes[1:] if note not in scene.warnings)


def half_black(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """A mask that is black on the left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.full((size[1], size[0]), 255, np.uint8)
    mask[:, : size[0] // 2] = 0
    Image.fromarray(mask).save(path)


def colmap_scene(root: Path, names: list[str] = NAMES) -> Path:
    cameras = arc_cameras(len(names), WIDTH, HEIGHT)
    write_photos(root, cameras, names)
    write_text(root / "sparse/0", model_of(cameras, names))
    return root


@pytest.mark.parametrize("called", ["{name}.png", "{stem}.png", "{upper}.png"])
def test_colmaps_masks_are_used(tmp_path, called):
    root = colmap_scene(tmp_path)
    before = open_scene(root)
    for name in NAMES:
        stem, upper = name.removesuffix(".png"), name.replace(".png", ".PNG")
        half_black(root / "masks" / called.format(name=name, stem=stem, upper=upper))
    scene = open_scene(root)
    for view in scene.views:
        used = used_pixels(view)
        assert used is not None
        assert not used[:, : WIDTH // 2].any()
        assert used[:, WIDTH // 2 :].all()
    assert told(scene) == ("masks of 3 photos are taken from masks: where they are black is not used",)
    assert scene.fingerprint() != before.fingerprint()


def test_photos_without_a_mask_are_used_whole(tmp_path):
    root = colmap_scene(tmp_path)
    half_black(root / "masks/left/b.png.png")
    half_black(root / "masks/left/a.png.png", (WIDTH, WIDTH))
    half_black(root / "masks/a.png.png")  # of a photo beside those folders, which there is not
    scene = open_scene(root)
    assert [view.mask_path for view in scene.views] == [None, root / "masks/left/b.png.png", None]
    assert told(scene) == (
        "masks of 1 of 3 photos are taken from masks: where they are black is not used",
        "1 masks in masks are of another shape than their photos and are not used (first: of left/a.png)",
    )


def test_masks_of_photos_that_lie_otherwise_are_found(tmp_path):
    """The model says left\\a.png, the photo and its mask lie flat."""
    root = colmap_scene(tmp_path, ["a.png", "b.png"])
    text = (root / "sparse/0/images.txt").read_text()
    (root / "sparse/0/images.txt").write_text(text.replace(" a.png", " left\\a.png").replace(" b.png", " left\\b.png"))
    half_black(root / "masks/b.png.png")
    assert [view.mask_path for view in open_scene(root).views] == [None, root / "masks/b.png.png"]


def test_masks_that_are_not_used_are_named(tmp_path):
    root = colmap_scene(tmp_path / "colmap")
    half_black(root / "masks/left/a_mask.png")
    assert told(open_scene(root))[-1] == (
        "1 pictures in masks are not used as masks: none is called as a photo is (NAME.jpg.png); first: left/a_mask.png"
    )
    balls = write_ball_scene(tmp_path / "balls", n_views=3)
    half_black(balls.folder / "masks/frame_00001.png")
    scene = open_scene(balls.folder)
    assert told(scene)[-1] == (
        "1 pictures in masks are not used as masks: no frame names them (mask_path); first: frame_00001.png"
    )
    assert not any(view.is_masked for view in scene.views)


def test_a_link_to_masks_outside_needs_leave(tmp_path):
    root = colmap_scene(tmp_path / "scene")
    half_black(tmp_path / "elsewhere/left/a.png.png")
    (root / "masks").symlink_to(tmp_path / "elsewhere")
    scene = open_scene(root)
    assert scene.views[0].mask_path is None
    assert told(scene)[-1] == "masks leads out of the scene and is not used (--allow-outside)"
    assert open_scene(root, allow_outside=True).views[0].mask_path == tmp_path / "elsewhere/left/a.png.png"


@pytest.mark.parametrize("colmap", [False, True])
def test_instant_ngps_masks_say_what_is_ignored(tmp_path, colmap):
    if colmap:
        root, photo = colmap_scene(tmp_path), "images/left/b.png"
    else:
        write_ball_scene(tmp_path, 3, WIDTH, HEIGHT, masks=True)
        root, photo = tmp_path, "images/frame_00002.jpg"
    before = open_scene(root)
    mask = (root / photo).with_name(f"dynamic_mask_{Path(photo).stem}.png")
    half_black(mask)
    half_black(mask.with_name("dynamic_mask_nobody.png"))
    scene = open_scene(root)
    assert [view.ignored_path for view in scene.views] == [None, mask, None]
    used = used_pixels(scene.views[1])
    assert used is not None
    assert not used[:, WIDTH // 2 :].any()  # white is ignored
    assert used[:, WIDTH // 4 : WIDTH // 2].all()
    assert used[:, : WIDTH // 4].all() == colmap  # the other scene's own masks count as well
    assert set(scene.notes) - set(before.notes) == {
        "1 photos have a dynamic_mask_NAME.png beside them: what is not black in it is not used",
        "1 dynamic_mask_*.png are of no photo, of another shape, or lead out of the scene, and are not used "
        "(first: dynamic_mask_nobody.png)",
    }
    assert scene.fingerprint() != before.fingerprint()
    half_black(mask, (WIDTH, WIDTH))
    scene = open_scene(root)
    assert scene.views[1].ignored_path is None
    assert scene.fingerprint() == before.fingerprint()


def test_a_link_to_a_mask_of_moving_things_outside_needs_leave(tmp_path):
    root = colmap_scene(tmp_path / "scene")
    half_black(tmp_path / "elsewhere.png")
    mask = root / "images/left/dynamic_mask_a.png"
    mask.symlink_to(tmp_path / "elsewhere.png")
    scene = open_scene(root)
    assert scene.views[0].ignored_path is None
    assert "lead out of the scene" in told(scene)[-1]
    assert open_scene(root, allow_outside=True).views[0].ignored_path == mask


@pytest.mark.parametrize("where", ["", "images/left"])
def test_links_to_themselves_and_pipes_beside_the_photos_do_no_harm(tmp_path, where):
    root = colmap_scene(tmp_path)
    half_black(root / "images/left/dynamic_mask_a.png")
    half_black(root / "masks/right/a.png.png")
    (root / where / "loop").symlink_to("loop")
    os.mkfifo(root / "images/left/dynamic_mask_b.png")  # would be waited for without end
    os.mkfifo(root / "masks/b.png")
    (root / "images/left/b.png").rename(root / "images/left/B.PNG")  # so that the folders are listed
    scene = open_scene(root)
    assert [view.name for view in scene.views] == NAMES
    assert [view.ignored_path is not None for view in scene.views] == [True, False, False]
    assert [view.mask_path is not None for view in scene.views] == [False, False, True]


@pytest.mark.parametrize(
    ("folders", "taken"),
    [
        (["images_4"], "images_4"),
        (["images_8", "images_2"], "images_2"),
        (["Images"], "Images"),
        (["images", "images_4"], None),
    ],
)
def test_photos_lie_in_images_or_in_smaller_copies(tmp_path, folders, taken):
    root = colmap_scene(tmp_path)
    whole = open_scene(root)
    (root / "images").rename(root / "photos")
    for folder in folders:
        shrink = int(folder.partition("_")[2] or 1)
        for name in NAMES:
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.open(root / "photos" / name).resize((WIDTH // shrink, HEIGHT // shrink)).save(path)
    scene = open_scene(root)
    assert {view.image_path.relative_to(root).parts[0] for view in scene.views} == {taken or "images"}
    shrink = int((taken or "images").partition("_")[2] or 1)
    assert scene.views[0].camera.fx_px == pytest.approx(whole.views[0].camera.fx_px / shrink)
    said = [] if taken is None else [f"the photos are taken from {taken}: there is no folder images"]
    assert [note for note in told(scene) if "intrinsics scaled" not in note] == said


def test_a_point_cloud_that_the_file_does_not_name_is_named(tmp_path):
    balls = write_ball_scene(tmp_path, n_views=3)
    meta = json.loads((tmp_path / "transforms.json").read_text())
    del meta["ply_file_path"]
    (tmp_path / "transforms.json").write_text(json.dumps(meta))
    (balls.folder / "points3D.ply").rename(balls.folder / "sparse_pc.ply")
    scene = open_scene(tmp_path)
    assert scene.points is None
    assert told(scene)[-1] == (
        'sparse_pc.ply beside transforms.json is not used, for that does not name it: add "ply_file_path": '
        '"sparse_pc.ply" if it is in the frame of the poses'
    )


def test_photos_to_train_on_may_be_spelled_otherwise(tmp_path):
    root = colmap_scene(tmp_path)
    for name in NAMES[:2]:
        path = root / "images_train" / name.replace("left", "Left").replace(".png", ".PNG")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    scene = open_scene(root)
    assert (scene.train, scene.test) == ((0, 1), (2,))
