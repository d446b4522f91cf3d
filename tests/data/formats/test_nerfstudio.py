"""Reading `transforms.json`: what is written comes back, in all the spellings that nerfstudio and instant-ngp use."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.scenes import BALLS, NOTHING, arc_cameras, draw, opengl_matrix, write_ball_scene

from langfield.core.cameras import Cameras
from langfield.core.errors import DataError, UsageError
from langfield.core.transforms import opencv_from_opengl
from langfield.data.images import decode_image
from langfield.data.scene import open_scene


def rewrite(folder: Path, change) -> None:
    """Change the JSON of a written scene."""
    meta = json.loads((folder / "transforms.json").read_text())
    change(meta)
    (folder / "transforms.json").write_text(json.dumps(meta))


@pytest.fixture
def balls(tmp_path):
    return write_ball_scene(tmp_path / "balls", n_views=10)


def refused(folder: Path, change) -> str:
    rewrite(folder, change)
    with pytest.raises(DataError) as caught:
        open_scene(folder)
    return str(caught.value)


def test_what_was_written_comes_back(balls):
    scene = open_scene(balls.folder)
    assert [view.name for view in scene.views] == balls.names
    assert scene.kind == "nerfstudio"
    assert scene.test == (0, 8)
    assert scene.train == (1, 2, 3, 4, 5, 6, 7, 9)
    for view, camera in zip(scene.views, balls.cameras, strict=True):
        np.testing.assert_allclose(view.camera.world_from_camera, camera.world_from_camera, atol=1e-12)
        assert view.size_px == (camera.width_px, camera.height_px)
        assert (view.camera.fx_px, view.camera.cy_px) == (camera.fx_px, camera.cy_px)
    assert scene.points is not None
    assert len(scene.points) == 300
    assert scene.notes[0] == "nerfstudio: 10 views, 8 to train on, 2 to test (the files' own split), 300 points"


def test_the_same_rays_come_back(balls):
    scene = open_scene(balls.folder)
    index, xy = torch.full((7,), 3), torch.rand(7, 2, generator=torch.Generator().manual_seed(0)) * 40
    read, drawn = Cameras.from_list([v.camera for v in scene.views]), Cameras.from_list(balls.cameras)
    torch.testing.assert_close(read.rays(index, xy).directions, drawn.rays(index, xy).directions)
    torch.testing.assert_close(read.rays(index, xy).origins, drawn.rays(index, xy).origins)


def test_points_fall_on_their_colours(tmp_path):
    """Poses, axes, pixel centres and the point cloud agree: visible points have the photo's colour."""
    balls = write_ball_scene(tmp_path, n_views=5, width_px=320, height_px=240, suffix=".png", n_points=3000)
    scene = open_scene(tmp_path)
    assert scene.points is not None
    cameras = Cameras.from_list([view.camera for view in scene.views])
    for i, view in enumerate(scene.views):
        rgb = decode_image(view.image_path)
        _, ids, depth = draw(balls.cameras[i])
        xy, z = cameras.project(i, torch.from_numpy(scene.points.xyz).float())
        column, row = xy.floor().long().numpy().T
        inside = (column >= 0) & (column < 320) & (row >= 0) & (row < 240)
        column, row, z = column[inside], row[inside], z.numpy()[inside]
        seen = (np.abs(depth[row, column] - z) < 0.005) & (ids[row, column] != NOTHING)
        error = np.abs(rgb[row, column][seen].astype(int) - scene.points.rgb[inside][seen]).max(axis=-1)
        assert seen.sum() > 500
        assert np.percentile(error, 90) < 25  # the rest lies within a pixel of a square's edge


def test_opengl_matrices_are_what_opencv_from_opengl_undoes():
    camera = arc_cameras(3, 8, 6)[1]
    np.testing.assert_array_equal(opencv_from_opengl(opengl_matrix(camera)), camera.world_from_camera)


def test_scene_frame_holds_the_cameras(balls):
    scene = open_scene(balls.folder)
    centres = np.stack([camera.world_from_camera[:3, 3] for camera in scene.cameras_scene()])
    assert np.abs(centres).max() == pytest.approx(1.0)
    back = scene.scene_from_world.inverse().points(centres)
    np.testing.assert_allclose(back, [c.world_from_camera[:3, 3] for c in balls.cameras], atol=1e-12)


def test_depths_and_masks_are_found(tmp_path):
    write_ball_scene(tmp_path, n_views=3, masks=True, depths=True)
    view = open_scene(tmp_path).views[1]
    assert view.mask_path == tmp_path / "masks" / "frame_00002.png"
    assert view.depth_path == tmp_path / "depths" / "frame_00002.png"
    assert view.depth_unit == 1e-3


@given(
    angle=st.floats(0.05, 3.0),
    angle_y=st.none() | st.floats(0.05, 3.0),
    per_frame=st.booleans(),
    as_float=st.booleans(),
)
@settings(deadline=None, max_examples=20)
def test_field_of_view_gives_the_focal_length(tmp_path_factory, angle, angle_y, per_frame, as_float):
    folder = tmp_path_factory.mktemp("fov")
    write_ball_scene(folder, n_views=2)

    def change(meta):
        for key in ("fl_x", "fl_y", "cx", "cy"):
            del meta[key]
        meta["w"], meta["h"] = (64.0, 48.0) if as_float else (64, 48)
        target = meta["frames"][0] if per_frame else meta
        meta["camera_angle_x"] = 1.0
        target["camera_angle_x"] = angle
        if angle_y is not None:
            target["camera_angle_y"] = angle_y

    rewrite(folder, change)
    camera = open_scene(folder).views[0].camera
    assert camera.fx_px == pytest.approx(32 / math.tan(angle / 2))
    assert camera.fy_px == pytest.approx(camera.fx_px if angle_y is None else 24 / math.tan(angle_y / 2))
    assert (camera.cx_px, camera.cy_px) == (32, 24)


def test_what_a_frame_says_wins(balls):
    def change(meta):
        meta["frames"][2] |= {"fl_x": 70.0, "fl_y": 71.0, "cx": 30.0, "cy": 20.0, "k1": 0.1, "p2": 0.02}
        meta["k2"] = 0.3

    rewrite(balls.folder, change)
    first, third = open_scene(balls.folder).views[0].camera, open_scene(balls.folder).views[2].camera
    assert (third.fx_px, third.fy_px, third.cx_px, third.cy_px) == (70, 71, 30, 20)
    assert third.distortion == (0.1, 0.3, 0, 0.02, 0, 0, 0, 0)  # each key by itself: k2 stands in the file only
    assert first.distortion == (0, 0.3, 0, 0, 0, 0, 0, 0)


@given(st.lists(st.sampled_from(["frame", "file", "both", "neither"]), min_size=7, max_size=7))
@settings(deadline=None, max_examples=25)
def test_each_key_of_a_camera_is_looked_for_by_itself(tmp_path_factory, places):
    """In the frame first, then in the file."""
    folder = tmp_path_factory.mktemp("keys")
    keys = {"fl_y": (71.0, 81.0), "cx": (30.0, 31.0), "cy": (20.0, 21.0), "k1": (0.01, 0.02), "k2": (0.03, 0.04),
            "p1": (1e-3, 2e-3), "k3": (3e-3, 4e-3)}  # fmt: skip
    meta = json.loads((write_ball_scene(folder, n_views=2).folder / "transforms.json").read_text())
    expected = {"fl_y": 70.0, "cx": 32.0, "cy": 24.0, "k1": 0.0, "k2": 0.0, "p1": 0.0, "k3": 0.0}
    for key, place in zip(keys, places, strict=True):
        meta.pop(key, None)
        if place in ("file", "both"):
            meta[key] = expected[key] = keys[key][1]
        if place in ("frame", "both"):
            meta["frames"][0][key] = expected[key] = keys[key][0]
    meta["frames"][0]["fl_x"], meta["fl_x"] = 70.0, 60.0
    (folder / "transforms.json").write_text(json.dumps(meta))
    camera = open_scene(folder).views[0].camera
    k1, k2, p1, _, k3, *_ = camera.distortion
    found = {"fl_y": camera.fy_px, "cx": camera.cx_px, "cy": camera.cy_px, "k1": k1, "k2": k2, "p1": p1, "k3": k3}
    assert found == expected
    assert camera.fx_px == 70.0


def test_a_size_may_stand_in_two_places(balls):
    def change(meta):
        del meta["w"]
        for frame in meta["frames"]:
            frame["w"] = 64

    rewrite(balls.folder, change)
    assert open_scene(balls.folder).views[0].size_px == (64, 48)


@pytest.mark.parametrize(("in_file", "in_frame", "radius"), [(20.0, None, 20.0), (None, 15, 15.0), (20.0, 15.0, 15.0)])
def test_a_fisheyes_circle_is_of_the_file_or_the_frame(balls, in_file, in_frame, radius):
    def change(meta):
        meta["fisheye_crop_radius"] = in_file
        meta["frames"][1]["fisheye_crop_radius"] = in_frame

    rewrite(balls.folder, change)
    scene = open_scene(balls.folder, max_side_px=32)
    assert scene.views[1].camera.valid_radius_px == radius / 2
    assert scene.views[0].camera.valid_radius_px == (None if in_file is None else in_file / 2)


def test_distortion_goes_to_its_places(balls):
    rewrite(balls.folder, lambda meta: meta.update(k1=1e-1, k2=2e-1, k3=3e-1, p1=1e-2, p2=2e-2))
    assert open_scene(balls.folder).views[0].camera.distortion == (0.1, 0.2, 0.01, 0.02, 0.3, 0, 0, 0)

    def fisheye(meta):
        for key in ("p1", "p2"):
            del meta[key]
        meta.update(camera_model="OPENCV_FISHEYE", k4=0.4)

    rewrite(balls.folder, fisheye)
    camera = open_scene(balls.folder).views[0].camera
    assert camera.lens == "fisheye"
    assert camera.distortion == (0.1, 0.2, 0, 0, 0.3, 0.4, 0, 0)


@pytest.mark.parametrize("name", ["SIMPLE_FISHEYE", "FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"])
def test_colmaps_other_fisheyes_are_read_by_their_names(balls, name):
    rewrite(balls.folder, lambda meta: meta.update(camera_model=name, k1=0.1))
    camera = open_scene(balls.folder).views[0].camera
    assert (camera.lens, camera.distortion) == ("fisheye", (0.1, 0, 0, 0, 0, 0, 0, 0))


def test_instant_ngp_names_without_suffix(balls):
    def change(meta):
        for frame in meta["frames"]:
            frame["file_path"] = ".\\" + frame["file_path"].removesuffix(".jpg").replace("/", "\\")
        meta["aabb_scale"] = 4
        for key in ("camera_model", "w", "h", "train_filenames", "val_filenames", "test_filenames"):
            del meta[key]

    rewrite(balls.folder, change)
    scene = open_scene(balls.folder / "transforms.json")
    assert scene.kind == "instant-ngp"
    assert [view.name for view in scene.views] == balls.names
    assert scene.test == (0, 8)
    assert scene.views[0].size_px == (64, 48)


def test_missing_photos_are_left_out_and_said(balls):
    for name in balls.names[3:5]:
        (balls.folder / name).unlink()
    scene = open_scene(balls.folder)
    assert len(scene.views) == 8
    assert scene.notes[1] == (
        "2 of 10 photos listed in transforms.json are not there and are left out (first: frame_00004.jpg)"
    )
    assert [scene.views[i].name for i in scene.test] == [balls.names[0], balls.names[8]]
    for name in balls.names[1:]:
        (balls.folder / name).unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"lists 10 photos, of which 1 are there \(first missing: .*frame_00002.jpg\)"):
        open_scene(balls.folder)


def test_mixed_sizes_and_lenses_in_one_scene(balls):
    Image.fromarray(draw(balls.cameras[1])[0]).resize((32, 24)).save(balls.folder / balls.names[1])
    big = Image.new("RGB", (120, 200))
    big.save(balls.folder / balls.names[2])
    rewrite(balls.folder, lambda meta: meta["frames"][2].update(w=120, h=200, fl_x=150.0, cx=60.0, cy=100.0))
    scene = open_scene(balls.folder, max_side_px=100)
    assert [view.size_px for view in scene.views[:4]] == [(64, 48), (32, 24), (60, 100), (64, 48)]
    assert scene.views[1].camera.fx_px == pytest.approx(balls.cameras[1].fx_px / 2)
    assert scene.views[2].camera.fx_px == pytest.approx(75.0)
    assert scene.views[2].camera.cy_px == pytest.approx(50.0)
    assert scene.notes[1:] == (
        "1 photos are of another size than transforms.json says: intrinsics scaled "
        "(first: images/frame_00002.jpg is 32x24, not 64x48)",
        "1 photos are used resized, longest side 100 pixels (first: 120x200 to 60x100)",
    )
    assert open_scene(balls.folder, max_side_px=None).views[2].size_px == (120, 200)


def test_applied_transform_changes_nothing_but_is_said(balls):
    before = open_scene(balls.folder)
    matrix = np.array([[0.0, 1, 0, 3], [-1, 0, 0, 0], [0, 0, 1, 0]]).tolist()
    rewrite(balls.folder, lambda meta: meta.update(applied_transform=matrix))
    after = open_scene(balls.folder)
    np.testing.assert_array_equal(after.views[0].camera.world_from_camera, before.views[0].camera.world_from_camera)
    assert after.notes[-1].endswith("(applied_transform): positions are in the file's frame")


def test_split_lists(balls):
    def only_train(meta):
        del meta["test_filenames"], meta["val_filenames"]
        meta["train_filenames"] = balls.names[:6]

    rewrite(balls.folder, only_train)
    scene = open_scene(balls.folder)
    assert scene.train == (0, 1, 2, 3, 4, 5)
    assert scene.test == (6, 7, 8, 9)

    rewrite(balls.folder, lambda meta: meta.update(test_filenames=balls.names[5:7]))
    scene = open_scene(balls.folder)
    assert scene.test == (5, 6)
    assert scene.notes[1:] == (
        "1 photos are in both train_filenames and the test list: their scores flatter",
        "3 photos are in no list of the split and are not used to train or test",
    )
    assert refused(balls.folder, lambda meta: meta.update(test_filenames=["images/no.jpg"])) == (
        f"{balls.folder}/transforms.json: test_filenames[0] names 'images/no.jpg', which no frame has: correct it"
    )


def test_fingerprint_follows_content_not_place(tmp_path):
    write_ball_scene(tmp_path / "a", n_views=4)
    write_ball_scene(tmp_path / "b", n_views=4)
    first, second = open_scene(tmp_path / "a"), open_scene(tmp_path / "b")
    assert first.fingerprint() == second.fingerprint()
    assert first.views[0].digest() == second.views[0].digest() != first.views[1].digest()
    assert open_scene(tmp_path / "a", max_side_px=32).fingerprint() != first.fingerprint()
    rewrite(tmp_path / "b", lambda meta: meta["frames"][1]["transform_matrix"][0].__setitem__(3, 0.5))
    assert open_scene(tmp_path / "b").fingerprint() != first.fingerprint()
    photo = first.views[2].image_path
    Image.new("RGB", (64, 48)).save(photo)
    assert first.fingerprint() != second.fingerprint()


def test_fingerprint_follows_the_points_that_gaussians_start_from(tmp_path):
    scenes = []
    for name, points in (("a", 300), ("b", 300), ("fewer", 299)):
        write_ball_scene(tmp_path / name, n_views=4, n_points=points)
        scenes.append(open_scene(tmp_path / name))
    a, b, fewer = scenes
    assert a.fingerprint() == b.fingerprint() != fewer.fingerprint()
    assert a.points is not None
    recoloured = replace(a, points=replace(a.points, rgb=255 - a.points.rgb))
    moved = replace(a, points=replace(a.points, xyz=a.points.xyz + np.float32(1e-3)))
    without = replace(a, points=None)
    assert len({scene.fingerprint() for scene in (a, recoloured, moved, without)}) == 4


def test_fingerprint_leaves_out_what_nothing_reads(tmp_path):
    write_ball_scene(tmp_path, n_views=4, depths=True)
    before = open_scene(tmp_path)
    assert all(view.depth_path is not None for view in before.views)
    by_both_rules = [before.fingerprint(version=version) for version in (1, 2)]
    Image.new("I;16", (64, 48)).save(tmp_path / "depths" / "frame_00001.png")
    assert before.fingerprint() == before.fingerprint(version=2) == by_both_rules[1]
    assert before.fingerprint(version=1) != by_both_rules[0]
    with pytest.raises(UsageError, match="fingerprints of version 3 are not known"):
        before.fingerprint(version=3)


MISTAKES = {
    "lens": (
        lambda meta: meta.update(camera_model="EQUIRECTANGULAR"),
        "camera_model is 'EQUIRECTANGULAR', lenses that are read are OPENCV, OPENCV_FISHEYE, PINHOLE, "
        "SIMPLE_PINHOLE, SIMPLE_RADIAL, RADIAL, SIMPLE_RADIAL_FISHEYE, RADIAL_FISHEYE, SIMPLE_FISHEYE, FISHEYE: "
        "undistort the photos",
    ),
    "r8": (
        lambda meta: meta.update(k4=0.1),
        "the top level has k4 = 0.1 (r⁸), which lenses other than OPENCV_FISHEYE lack: undistort the photos",
    ),
    "no focal": (
        lambda meta: meta.pop("fl_x"),
        "frames[0] has no focal length: add fl_x or camera_angle_x to it or to the file",
    ),
    "negative focal": (lambda meta: meta.update(fl_x=-3), "fl_x must be positive (pixels), found -3"),
    "text focal": (lambda meta: meta.update(fl_x="500"), 'fl_x must be a number, found "500"'),
    "half a pixel": (
        lambda meta: meta.update(w=64.5),
        "w must be a whole number of pixels from 1 to 65536, found 64.5",
    ),
    "no frames": (lambda meta: meta.pop("frames"), "frames is missing: it must list the photos"),
    "no pose": (
        lambda meta: meta["frames"][1].pop("transform_matrix"),
        "frames[1].transform_matrix is missing: add it",
    ),
    "bad pose": (
        lambda meta: meta["frames"][1].update(transform_matrix=[[1, 2], [3, 4]]),
        "frames[1].transform_matrix must be a 4x4 or 3x4 matrix, found rows of [2, 2] numbers",
    ),
    "scaled poses": (
        lambda meta: [f.update(transform_matrix=np.diag([2.0, 2, 2, 1]).tolist()) for f in meta["frames"]],
        "frames[0].transform_matrix is no camera pose: its axes are off from unit length and right angles by 3, "
        "at most 0.01 is allowed: write rotations without scale or shear",
    ),
    "mirrored poses": (
        lambda meta: [f.update(transform_matrix=np.diag([1.0, 1, -1, 1]).tolist()) for f in meta["frames"]],
        "frames[0].transform_matrix mirrors (its determinant is negative): write a rotation, not a reflection",
    ),
    "other shape": (
        lambda meta: meta.update(h=64),
        "images/frame_00001.jpg is 64x48 pixels but its camera is for 64x64: "
        "give w and h of this very photo, or restore the photo",
    ),
    "turned": (
        lambda meta: meta.update(w=48, h=64),
        "images/frame_00001.jpg is 64x48 pixels but its camera is for 48x64: undo the photo's rotation",
    ),
    "twice": (
        lambda meta: meta["frames"].append(meta["frames"][0] | {"transform_matrix": np.eye(4).tolist()}),
        'lists the photo "images/frame_00001.jpg" twice: every photo needs its own name',
    ),
    "case": (
        lambda meta: meta["frames"].append(meta["frames"][0] | {"file_path": "images/FRAME_00001.jpg"}),
        'lists the photo "images/FRAME_00001.jpg" beside "images/frame_00001.jpg", which differs only in case: '
        "every photo needs its own name",
    ),
    "no circle": (
        lambda meta: meta.update(fisheye_crop_radius=0),
        "fisheye_crop_radius must be positive (pixels), found 0",
    ),
    "r8 of a frame": (
        lambda meta: meta["frames"][1].update(k4=0.1),
        "frames[1] has k4 = 0.1 (r⁸), which lenses other than OPENCV_FISHEYE lack: undistort the photos",
    ),
    "masks": (
        lambda meta: [frame.update(mask_path=f"masks/{i}.png") for i, frame in enumerate(meta["frames"])],
        "frames[0].mask_path names a file that is not there ({folder}/masks/0.png) (and so 9 more): restore it, or "
        "take the entry out",
    ),
    "mask": (
        lambda meta: meta["frames"][0].update(mask_path="masks/1.png"),
        "frames[0].mask_path names a file that is not there ({folder}/masks/1.png): restore it, or take the entry out",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_common_mistakes_get_one_clear_line(balls, mistake):
    change, message = MISTAKES[mistake]
    expected = message.replace("{folder}", str(balls.folder))
    assert refused(balls.folder, change) == f"{balls.folder}/transforms.json: {expected}"


NAN, INF = float("nan"), float("inf")
FAULTS = {
    "NaN": (lambda f: put(f, 0, 3, NAN), "transform_matrix[0][3] must be a finite number, found NaN"),
    "infinite": (lambda f: put(f, 2, 1, -INF), "transform_matrix[2][1] must be a finite number, found -Infinity"),
    "null": (lambda f: put(f, 1, 3, None), "transform_matrix[1][3] must be a finite number, found null"),
    "beyond all": (
        lambda f: put(f, 1, 3, 1e13),
        "transform_matrix[1][3] must be a finite number, found 10000000000000.0",
    ),
    "focal": (lambda f: f.update(fl_x=NAN), "fl_x must be a finite number, found NaN"),
    "fisheye's circle": (
        lambda f: f.update(fisheye_crop_radius=NAN),
        "fisheye_crop_radius must be a finite number, found NaN",
    ),
    "centre": (lambda f: f.update(cy=INF), "cy must be a finite number, found Infinity"),
    "distortion": (
        lambda f: f.update(distortion_params=[0, 0, 0, 0, 0, NAN]),
        "distortion_params[5] must be a finite number, found NaN",
    ),
    "scaled": (
        lambda f: f.update(transform_matrix=np.diag([2.0, 2, 2, 1]).tolist()),
        "transform_matrix is no camera pose: its axes are off from unit length and right angles by 3, "
        "at most 0.01 is allowed: write rotations without scale or shear",
    ),
    "all zero": (
        lambda f: f.update(transform_matrix=np.zeros((4, 4)).tolist()),
        "transform_matrix must end in the row 0, 0, 0, 1, found 0, 0, 0, 0: solve it again",
    ),
    "mirrored": (
        lambda f: f.update(transform_matrix=np.diag([1.0, 1, -1, 1]).tolist()),
        "transform_matrix mirrors (its determinant is negative): write a rotation, not a reflection",
    ),
}


def put(frame: dict, row: int, column: int, value: float | None) -> None:
    frame["transform_matrix"][row][column] = value


@pytest.mark.parametrize("fault", FAULTS)
def test_a_frame_whose_camera_cannot_be_is_left_out_and_named(balls, fault):
    change, message = FAULTS[fault]
    rewrite(balls.folder, lambda meta: change(meta["frames"][3]))
    scene = open_scene(balls.folder)
    assert [view.name for view in scene.views] == [*balls.names[:3], *balls.names[4:]]
    assert scene.notes[1:] == (f"frames[3] ({balls.names[3]}) is left out: {message}",)
    assert [scene.views[i].name for i in scene.test] == [balls.names[0], balls.names[8]]


def test_many_frames_whose_cameras_cannot_be_are_named_as_far_as_there_is_room(tmp_path):
    balls = write_ball_scene(tmp_path, n_views=20)
    rewrite(tmp_path, lambda meta: [put(frame, 0, 3, NAN) for frame in meta["frames"][4:9]])
    scene = open_scene(tmp_path)
    assert len(scene.views) == 15
    assert scene.notes[1:] == (
        f"frames[4] ({balls.names[4]}) is left out: transform_matrix[0][3] must be a finite number, found NaN; "
        f"left out likewise: frames[5] ({balls.names[5]}), frames[6] ({balls.names[6]}) and 2 more",
    )
    rewrite(tmp_path, lambda meta: put(meta["frames"][12], 0, 3, NAN))
    with pytest.raises(DataError) as caught:
        open_scene(tmp_path)
    assert caught.value.message == (
        "frames[4].transform_matrix[0][3] must be a finite number, found NaN "
        f"({balls.names[4]}, the first of 6 such photos of 20)"
    )


def test_a_number_that_is_none_elsewhere_is_refused_with_its_place(balls):
    assert refused(balls.folder, lambda meta: meta.update(fl_x=NAN)) == (
        f"{balls.folder}/transforms.json: fl_x is NaN, which is no number that can be used: correct it"
    )


def test_a_frame_that_is_listed_twice_with_one_pose_is_used_once(balls):
    rewrite(balls.folder, lambda meta: meta["frames"].extend([meta["frames"][2], meta["frames"][5]]))
    scene = open_scene(balls.folder)
    assert [view.name for view in scene.views] == balls.names
    assert scene.notes[1:] == (
        f"listed more than once with the same pose, used once: {balls.names[2]} and {balls.names[5]}",
    )


def test_depths_that_are_gone_are_said_and_not_missed(tmp_path):
    balls = write_ball_scene(tmp_path, n_views=4, depths=True)
    whole = open_scene(balls.folder)
    (tmp_path / "depths" / "frame_00002.png").unlink()
    rewrite(balls.folder, lambda meta: meta["frames"][3].update(depth_file_path="C:\\d\\4.png"))
    scene = open_scene(balls.folder)
    assert [view.depth_path is None for view in scene.views] == [False, True, False, True]
    assert scene.notes[1:-1] == ("2 depth files are not there (first: frame_00002.png): nothing needs them",)
    assert scene.fingerprint() == whole.fingerprint()


def test_paths_of_another_computer_open_with_their_masks_and_points(tmp_path):
    balls = write_ball_scene(tmp_path, n_views=4, masks=True, depths=True)
    whole = open_scene(balls.folder)

    def change(meta):
        for frame in meta["frames"]:
            for key in ("file_path", "mask_path", "depth_file_path"):
                frame[key] = "C:\\Users\\me\\table\\" + frame[key].replace("/", "\\")
        for part in ("train", "val", "test"):
            names = meta[f"{part}_filenames"]
            meta[f"{part}_filenames"] = [f"c:/Users/me/table/{name}".replace("/", "\\") for name in names]
        meta["ply_file_path"] = "C:/Users/me/table/points3D.ply"

    rewrite(balls.folder, change)
    scene = open_scene(balls.folder)
    for view, before in zip(scene.views, whole.views, strict=True):
        assert view.name == f"C:/Users/me/table/{before.name}"
        assert (view.image_path, view.mask_path, view.depth_path) == (
            before.image_path,
            before.mask_path,
            before.depth_path,
        )
    assert (scene.train, scene.test) == (whole.train, whole.test)
    assert scene.points is not None
    assert len(scene.notes) == 6  # one a kind of file, after the summary, before that photos are few


def test_the_notes_of_a_messy_scene_fit_on_a_screen(tmp_path):
    """Every kind of fault at once, in many photos: a line each, none longer than two rows of a terminal."""
    balls = write_ball_scene(tmp_path, n_views=40, depths=True)
    for i, name in enumerate(balls.names):
        (tmp_path / name).rename((tmp_path / name).with_suffix(".JPG"))
        (tmp_path / "depths" / f"frame_{i + 1:05d}.png").unlink()
        Image.new("L", (64, 48)).save(tmp_path / "images" / f"dynamic_mask_frame_{i + 2:05d}.png")
    (tmp_path / balls.names[5]).with_suffix(".JPG").unlink()

    def change(meta):
        for i, frame in enumerate(meta["frames"]):
            frame["file_path"] = f"/home/somebody/photos/kitchen/{frame['file_path']}"
            frame[f"key_{i}"] = 1
        for part in ("train", "val", "test"):
            del meta[f"{part}_filenames"]
        del meta["ply_file_path"]
        meta |= {f"more_{i}": i for i in range(50)}

    rewrite(balls.folder, change)
    notes = open_scene(balls.folder, max_side_px=32).notes
    assert 8 <= len(notes) <= 12
    assert max(map(len, notes)) <= 180


def test_names_that_cannot_be_printed_are_escaped(balls):
    line = refused(balls.folder, lambda meta: meta["frames"][0].update(mask_path="masks/\x801\u2028.png"))
    assert "masks/\\x801\\u2028.png" in line
    assert line.isprintable()


def test_a_missing_point_cloud_is_said(balls):
    (balls.folder / "points3D.ply").unlink()
    scene = open_scene(balls.folder)
    assert scene.points is None
    assert scene.notes[-1] == "the point cloud points3D.ply is not there: going on without points"


def test_queries_and_truth_are_written(balls):
    asked = json.loads((balls.folder / "queries.json").read_text())
    ids = np.asarray(Image.open(balls.folder / "gt" / "frame_00009_ids.png")).astype(int) - asked["id_png_offset"]
    np.testing.assert_array_equal(ids, draw(balls.cameras[8])[1])
    assert {query["text"] for query in asked["queries"] if query["kind"] == "object"} == {b.name for b in BALLS}


def test_a_lens_without_an_inverse_is_refused(tmp_path):
    """r − 0.4 r³ never exceeds 0.61, so no ray belongs to the corner at 0.9; k1 = −0.1 reaches 1.2 and is fine."""
    balls = write_ball_scene(tmp_path, n_views=4)
    wide = {"fl_x": 45.0, "fl_y": 45.0, "cx": 32.0, "cy": 24.0}

    def bend(k1, **more):
        return lambda meta: [frame.update(wide, k1=k1, **more) for frame in meta["frames"][2:]]

    rewrite(balls.folder, bend(-0.1))
    assert open_scene(balls.folder).views[3].camera.distortion[0] == -0.1
    line = refused(balls.folder, bend(-0.4))
    found = re.fullmatch(
        rf"{balls.folder}/transforms.json: the lens of {balls.names[2]} bends too much near the picture's border: "
        r"pixels that are straightened and bent again come back ([\d.e+]+|inf) px off, at most 0.1 is allowed: "
        r"calibrate the camera again, or undistort the photos first \(colmap image_undistorter\)",
        line,
    )
    assert found is not None
    assert float(found[1]) > 0.1


def test_a_fisheye_without_an_inverse_is_refused(tmp_path):
    balls = write_ball_scene(tmp_path, n_views=3)
    rewrite(balls.folder, lambda meta: meta.update(camera_model="OPENCV_FISHEYE", k1=-0.05))
    assert open_scene(balls.folder).views[0].camera.lens == "fisheye"
    assert "the lens of " in refused(balls.folder, lambda meta: meta.update(k1=-1.5))
