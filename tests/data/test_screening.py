"""A scene with photos whose poses are wrong, copies, or too few is opened as if they were not there, and says so."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.scenes import BallScene, draw, opengl_matrix, write_ball_scene

from langfield.core.errors import DataError
from langfield.data.scene import open_scene
from langfield.data.views import Scene

SPLIT_KEYS = ("train_filenames", "val_filenames", "test_filenames", "ply_file_path")


def plain_scene(folder: Path, n_views: int) -> BallScene:
    """A scene without a split of its own and without points."""
    written = write_ball_scene(folder, n_views=n_views)
    rewrite(folder, lambda meta: [meta.pop(key) for key in SPLIT_KEYS])
    (folder / "points3D.ply").unlink()
    return written


def rewrite(folder: Path, change) -> None:
    meta = json.loads((folder / "transforms.json").read_text())
    change(meta)
    (folder / "transforms.json").write_text(json.dumps(meta))


def move(folder: Path, frames: list[int], x: float) -> None:
    def change(meta):
        for i in frames:
            meta["frames"][i]["transform_matrix"][0][3] += x

    rewrite(folder, change)


def assert_same_but_for_notes(scene: Scene, expected: Scene) -> None:
    assert scene.scene_from_world.matrix.tobytes() == expected.scene_from_world.matrix.tobytes()
    assert [view.name for view in scene.views] == [view.name for view in expected.views]
    assert (scene.train, scene.test) == (expected.train, expected.test)
    assert scene.fingerprint() == expected.fingerprint()


@pytest.mark.parametrize("wrong", [[5], [0, 7]])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_photos_far_off_are_left_out_as_if_they_were_not_there(tmp_path: Path, wrong: list[int], scale: float):
    def scaled(meta):
        for frame in meta["frames"]:
            matrix = np.array(frame["transform_matrix"])
            matrix[:3, 3] *= scale
            frame["transform_matrix"] = matrix.tolist()

    names = plain_scene(tmp_path / "a", 12).names
    move(tmp_path / "a", wrong, 500)
    plain_scene(tmp_path / "b", 12)
    rewrite(tmp_path / "b", lambda meta: [meta["frames"].pop(i) for i in reversed(wrong)])
    for folder in ("a", "b"):
        rewrite(tmp_path / folder, scaled)
    scene, without = open_scene(tmp_path / "a"), open_scene(tmp_path / "b")
    assert_same_but_for_notes(scene, without)
    (note,) = scene.notes[1:]
    who = f"{names[0]} and {names[7]} stand" if len(wrong) > 1 else f"{names[5]} stands"
    assert note.startswith(f"{who} ")
    assert note.endswith(", in view of nothing that they see: left out, for such a pose must be wrong")
    assert scene.warnings == ()


def test_a_far_photo_that_sees_the_place_is_used_but_does_not_set_the_scale(tmp_path: Path):
    balls = plain_scene(tmp_path, 12)
    pose = balls.cameras[3].world_from_camera.copy()
    pose[:3, 3] -= 20 * pose[:3, 2]  # back, along its line of sight
    there = opengl_matrix(balls.cameras[3])
    there[:3, 3] = pose[:3, 3]
    rewrite(tmp_path, lambda meta: meta["frames"][3].update(transform_matrix=there.tolist()))
    scene = open_scene(tmp_path)
    assert len(scene.views) == 12
    centres = np.abs([camera.world_from_camera[:3, 3] for camera in scene.cameras_scene()]).max(axis=1)
    assert (np.sort(centres)[:-1] <= 1).all()
    assert centres[3] > 10
    assert scene.notes[1].startswith(f"{balls.names[3]} stands ")
    assert "the scene's scale follows the others" in scene.notes[1]


def test_poses_that_fall_apart_in_groups_are_a_warning(tmp_path: Path):
    names = plain_scene(tmp_path, 12).names
    move(tmp_path, [1, 2, 3, 4], 500)
    scene = open_scene(tmp_path)
    assert len(scene.views) == 12
    (warning,) = scene.warnings
    assert warning in scene.notes
    assert warning.startswith(f"the poses fall apart in groups: {names[1]}, {names[2]} and 2 more stand ")
    assert "positions and sizes are guesses" in warning


def test_a_panorama_head_is_a_warning(tmp_path: Path):
    plain_scene(tmp_path, 6)

    def one_place(meta):
        for frame in meta["frames"]:
            for row, value in zip(frame["transform_matrix"], (1.0, 2.0, 3.0), strict=False):
                row[3] = value

    rewrite(tmp_path, one_place)
    scene = open_scene(tmp_path)
    assert scene.warnings == scene.notes[1:]
    assert scene.warnings[0].startswith("all photos were taken from one place: positions and sizes are guesses")


@pytest.mark.parametrize("n_views", [2, 3])
def test_few_photos_are_all_trained_on(tmp_path: Path, n_views: int):
    plain_scene(tmp_path, n_views)
    scene = open_scene(tmp_path)
    assert (scene.train, scene.test) == (tuple(range(n_views)), ())
    assert scene.notes[0] == (
        f"nerfstudio: {n_views} views, {n_views} to train on, 0 to test (photos are few), no point cloud"
    )
    assert scene.warnings == (f"only {n_views} photos to train on: positions and sizes are guesses, add photos",)


def test_four_photos_are_enough_to_test_on_one(tmp_path: Path):
    plain_scene(tmp_path, 4)
    scene = open_scene(tmp_path)
    assert (scene.train, scene.test) == ((1, 2, 3), (0,))


def test_a_copy_of_a_photo_with_the_same_pose_is_left_out(tmp_path: Path):
    balls = plain_scene(tmp_path / "a", 10)
    plain_scene(tmp_path / "b", 10)
    shutil.copy(tmp_path / "a" / balls.names[4], tmp_path / "a/images/zz copy.jpg")
    shutil.copy(tmp_path / "a" / balls.names[4], tmp_path / "a/images/zz moved.jpg")
    Image.fromarray(draw(balls.cameras[5])[0]).rotate(180).save(tmp_path / "a/images/zz other.jpg")
    scale = np.abs(np.array([camera.world_from_camera[:3, 3] for camera in balls.cameras])).max()

    def add(meta, *, copies: bool):
        nearly, moved = (np.array(meta["frames"][4]["transform_matrix"]) for _ in range(2))
        nearly[:3, 3] += 1e-6 * scale
        moved[0, 3] += 0.2
        frames = meta["frames"]
        if copies:
            frames.append({"file_path": "images/zz copy.jpg", "transform_matrix": nearly.tolist()})
        frames.append({"file_path": "images/zz moved.jpg", "transform_matrix": moved.tolist()})
        frames.append({"file_path": "images/zz other.jpg", "transform_matrix": nearly.tolist()})

    for name in ("moved", "other"):
        shutil.copy(tmp_path / f"a/images/zz {name}.jpg", tmp_path / "b/images")
    rewrite(tmp_path / "a", lambda meta: add(meta, copies=True))
    rewrite(tmp_path / "b", lambda meta: add(meta, copies=False))
    scene, without = open_scene(tmp_path / "a"), open_scene(tmp_path / "b")
    assert len(scene.views) == 12
    assert_same_but_for_notes(scene, without)
    assert scene.notes[1:] == (
        f"1 photo is a copy of another with the same pose and left out (images/zz copy.jpg is {balls.names[4]})",
    )


def test_one_photo_twice_is_no_scene(tmp_path: Path):
    balls = plain_scene(tmp_path, 2)
    shutil.copy(tmp_path / balls.names[0], tmp_path / balls.names[1])
    rewrite(tmp_path, lambda meta: meta["frames"][1].update(transform_matrix=meta["frames"][0]["transform_matrix"]))
    with pytest.raises(DataError, match=r"1 photo is a copy .*: a scene needs at least 2 different photos"):
        open_scene(tmp_path)


def test_a_split_that_trains_on_strays_only_is_refused(tmp_path: Path):
    names = write_ball_scene(tmp_path, n_views=9).names
    move(tmp_path, [4, 6], 500)
    rewrite(tmp_path, lambda meta: meta.update(train_filenames=[names[4], names[6]]))
    with pytest.raises(DataError, match=r"leaves no photo to train on"):
        open_scene(tmp_path)


def test_points_that_are_none_are_a_note(tmp_path: Path):
    write_ball_scene(tmp_path, n_views=4)
    path = tmp_path / "points3D.ply"
    content = bytearray(path.read_bytes())
    start = content.index(b"end_header\n") + 11
    content[start : start + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    scene = open_scene(tmp_path)
    assert scene.points is not None
    assert len(scene.points) == 299
    assert "1 of 300 points are not finite and are left out" in scene.notes
