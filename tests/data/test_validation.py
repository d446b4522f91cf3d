"""Paths that stay inside, and numbers that make sense."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.data.scenes import write_ball_scene

from langfield.core.errors import DataError
from langfield.data.scene import open_scene
from langfield.data.validation import checked_pose, plain_name, safe_path

FILE = Path("transforms.json")

OUTSIDE = ["../x.jpg", "a/../../x.jpg", "/etc/passwd", "C:\\x.jpg", "c:/x.jpg", "\\\\host\\share\\x.jpg", "..\\x.jpg"]
UNUSABLE = ["", "  ", "a\0.jpg", "a\nb.jpg", "\ud800.jpg", "a" * 2000]


@pytest.mark.parametrize("name", OUTSIDE + UNUSABLE)
def test_paths_stay_inside(tmp_path, name):
    with pytest.raises(DataError, match="file_path"):
        safe_path(tmp_path, name, FILE, "frames[0].file_path")


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_paths_are_never_allowed(tmp_path, name):
    with pytest.raises(DataError, match="is no usable path"):
        safe_path(tmp_path, name, FILE, "frames[0].file_path", allow_outside=True)


def test_links_are_followed_before_judging(tmp_path):
    root = tmp_path / "scene"
    (root / "images").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"")
    os.symlink(tmp_path / "secret.jpg", root / "images" / "a.jpg")
    os.symlink(root / "loop", root / "loop")
    with pytest.raises(
        DataError, match=r'leaves .*scene, found "images/a.jpg": move the file into the scene, or allow'
    ):
        safe_path(root, "images/a.jpg", FILE, "file_path")
    outside = safe_path(root, "images/a.jpg", FILE, "file_path", allow_outside=True)
    assert outside == tmp_path / "secret.jpg"
    with pytest.raises(DataError, match="cannot be followed"):
        safe_path(root, "loop/a.jpg", FILE, "file_path")


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=50)
def test_any_name_gives_a_path_inside_or_a_data_error(name):
    root, path, message = Path("/some/scene"), None, ""
    try:
        path = safe_path(root, name, FILE, "file_path")
    except DataError as error:
        message = str(error)
    assert message.isprintable()
    assert path is None or (path.is_relative_to(root) and root / plain_name(name) == path)


def test_outside_files_need_leave(tmp_path):
    write_ball_scene(tmp_path / "balls", n_views=3)
    (tmp_path / "balls/images/frame_00001.jpg").rename(tmp_path / "one.jpg")
    path = tmp_path / "balls/transforms.json"
    meta = json.loads(path.read_text())
    meta["frames"][0]["file_path"] = "../one.jpg"
    for key in ("train_filenames", "val_filenames", "test_filenames"):
        del meta[key]
    path.write_text(json.dumps(meta))
    with pytest.raises(DataError, match=r"frames\[0\].file_path leaves"):
        open_scene(tmp_path / "balls")
    assert len(open_scene(tmp_path / "balls", allow_outside=True).views) == 3


@given(seed=st.integers(0, 10_000), noise=st.floats(0, 2e-3))
@settings(deadline=None, max_examples=50)
def test_poses_become_exactly_rigid(seed, noise):
    rng = np.random.default_rng(seed)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(rng.normal(size=4)).as_matrix() + noise * rng.uniform(-1, 1, (3, 3))
    pose[:3, 3] = rng.normal(size=3) * 100
    out = checked_pose(pose, FILE, "pose")
    np.testing.assert_allclose(out[:3, :3].T @ out[:3, :3], np.eye(3), atol=1e-14)
    np.testing.assert_allclose(out, pose, atol=3 * noise + 1e-14)
    np.testing.assert_array_equal(out[:3, 3], pose[:3, 3])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e13])
def test_poses_that_are_not_finite_are_refused(value):
    pose = np.eye(4)
    pose[1, 3] = value
    with pytest.raises(DataError, match="pose holds numbers that are not finite or beyond"):
        checked_pose(pose, FILE, "pose")
