"""`langfield render`: videos along photos and camera paths, phrases in groups, and wrong paths in one line."""

import contextlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.transform import Rotation
from tests.cli.conftest import Trained
from tests.data.scenes import arc_cameras

import langfield
from langfield.cli.camera_path import read_camera_path
from langfield.cli.main import main
from langfield.cli.view_selection import chosen_views
from langfield.core.camera_paths import camera_path_document, cameras_between
from langfield.core.cameras import Camera
from langfield.core.errors import DataError, UsageError
from langfield.core.transforms import opencv_from_opengl
from langfield.core.video import Video
from langfield.query.session import Session


def path_entry(camera: Camera) -> dict:
    fov = math.degrees(2 * math.atan(camera.height_px / 2 / camera.fy_px))
    return {"camera_to_world": opencv_from_opengl(camera.world_from_camera).ravel().tolist(), "fov": fov, "aspect": 1}


def path_document(cameras: list[Camera]) -> dict:
    size = {"render_width": cameras[0].width_px, "render_height": cameras[0].height_px}
    return {**size, "fps": 10, "keyframes": [], "camera_path": [path_entry(camera) for camera in cameras]}


def frames(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Every picture of a video, and how long each stands in milliseconds."""
    pictures, ends = [], []
    with Image.open(path) as video:
        for index in range(video.n_frames):
            video.seek(index)
            video.load()
            pictures.append(np.asarray(video.convert("RGB")))
            ends.append(video.info["timestamp"] + video.info["duration"])
    return pictures, np.diff([0, *ends]).tolist()


def rendered(arguments: list[str], out: Path) -> set[str]:
    assert main(["render", *arguments, "--out", str(out), "--no-progress"]) == 0
    return {file.name for file in out.iterdir()}


def test_a_video_along_photos_has_their_pictures_and_those_between(trained: Trained, tmp_path: Path):
    run = str(trained.run)
    outputs = ["--outputs", "rgb", "depth", "relevancy", "composited", "--phrase", "red ball", "mug"]
    ways = ["--views", "train", "--video", "--between", "2", "--fps", "30", "--width", "24"]
    written = rendered([run, *outputs, *ways], tmp_path / "video")
    maps = {f"{output}_{name}.webp" for output in ("relevancy", "composited") for name in ("01-red-ball", "02-mug")}
    assert written == {"rgb.webp", "depth.webp"} | maps
    stills = rendered([run, "--views", "train", "--width", "24", "--outputs", "rgb"], tmp_path / "stills")
    for name in written:
        pictures, times_ms = frames(tmp_path / "video" / name)
        assert len(pictures) == 3 * (len(stills) - 1) + 1 == 19
        assert {picture.shape for picture in pictures} == {(18, 24, 3)}
        assert sum(times_ms) == round(1000 * 19 / 30)
        assert set(times_ms) == {33, 34}
    pictures, _ = frames(tmp_path / "video" / "rgb.webp")
    for picture, name in zip(pictures[::3], sorted(stills), strict=True):
        with Image.open(tmp_path / "stills" / name) as still:
            assert np.abs(picture.astype(float) - np.asarray(still)).mean() < 6  # WebP's own loss


def test_a_path_through_photos_cameras_shows_what_they_show(trained: Trained, tmp_path: Path):
    run = langfield.open(trained.run, device="cpu")
    views = chosen_views(run, ("test",))
    path = tmp_path / "path.json"
    path.write_text(json.dumps(path_document([view.camera for view in views])))
    outputs = ["--outputs", "rgb", "composited", "--phrase", "mug", "--raw"]
    along = rendered([str(trained.run), *outputs, "--camera-path", str(path)], tmp_path / "path")
    stored = rendered([str(trained.run), *outputs], tmp_path / "stored")
    assert sorted(along)[:3] == ["00001_composited_01-mug.png", "00001_raw.npz", "00001_rgb.png"]
    assert len(along) == len(stored) == 3 * len(views)
    for one, other in zip(sorted(along), sorted(stored), strict=True):
        if one.endswith(".png"):
            with Image.open(tmp_path / "path" / one) as a, Image.open(tmp_path / "stored" / other) as b:
                assert np.abs(np.asarray(a).astype(int) - np.asarray(b)).max() <= 1
    rendered([str(trained.run), "--camera-path", str(path), "--video"], tmp_path / "video")
    pictures, times_ms = frames(tmp_path / "video" / "rgb.webp")
    assert [picture.shape for picture in pictures] == [(36, 48, 3)] * len(views)
    assert set(times_ms) == {100}  # the file's 10 pictures a second


def test_a_path_keeps_the_lens_of_each_camera(tmp_path: Path):
    document = path_document(arc_cameras(3, 48, 36))
    document["camera_path"][1]["fov"] = 90
    path = tmp_path / "path.json"
    path.write_text(json.dumps(document))
    read = read_camera_path(path)
    assert [camera.fy_px for camera in read.cameras] == pytest.approx([43.2, 18, 43.2])
    assert all((c.fx_px, c.cx_px, c.cy_px) == (c.fy_px, 24, 18) for c in read.cameras)
    for camera, wanted in zip(read.cameras, arc_cameras(3, 48, 36), strict=True):
        np.testing.assert_allclose(camera.world_from_camera, wanted.world_from_camera, atol=1e-12)


def test_a_written_camera_path_is_read_as_it_was(tmp_path: Path):
    path, cameras = tmp_path / "path.json", arc_cameras(4, 64, 48)
    centred = [replace(camera, fx_px=70.0, fy_px=70.0, cx_px=32.0, cy_px=24.0) for camera in cameras]
    path.write_text(json.dumps(camera_path_document(centred, 12)))
    read = read_camera_path(path)
    assert read.fps == 12
    for one, other in zip(centred, read.cameras, strict=True):
        np.testing.assert_allclose(other.world_from_camera, one.world_from_camera, atol=1e-12)
        assert (other.width_px, other.height_px, other.fy_px) == (64, 48, pytest.approx(70))


def test_phrases_are_asked_in_groups_and_answered_as_alone(trained: Trained, tmp_path: Path, monkeypatch):
    asked: list[int] = []
    ask_view = Session.ask_view

    def counted(session, camera, phrases, **options):
        asked.append(len(phrases))
        return ask_view(session, camera, phrases, **options)

    monkeypatch.setattr(Session, "ask_view", counted)
    phrases = [f"thing {number}" for number in range(35)]
    arguments = [str(trained.run), "--outputs", "relevancy", "--views", "frame_00002", "--width", "16", "--raw"]
    written = rendered([*arguments, "--phrase", *phrases], tmp_path / "many")
    assert asked == [16, 16, 3]
    assert len(written) == 36
    rendered([*arguments, "--phrase", phrases[20]], tmp_path / "one")
    many, one = (np.load(tmp_path / name / "01-images-frame-00002_raw.npz") for name in ("many", "one"))
    assert many["relevancy"].shape == many["scale_world"].shape == (35, 12, 16)
    np.testing.assert_allclose(many["relevancy"][20], one["relevancy"][0], atol=1e-5)
    np.testing.assert_array_equal(many["depth_world"], one["depth_world"])


def test_photos_come_in_the_order_of_their_numbers(trained: Trained):
    run = langfield.open(trained.run, device="cpu")
    names = [view.name for view in chosen_views(run, ("all",))]
    assert names == sorted(names)
    assert len(names) == 9
    train = [view.name for view in chosen_views(run, ("frame_00005", "train"))]
    assert train[0] == "images/frame_00005.jpg"
    assert len(train) == 7


def with_changes(**changes) -> dict:
    return path_document(arc_cameras(2, 48, 36)) | changes


def entry(**changes) -> dict:
    return with_changes(camera_path=[path_entry(arc_cameras(1, 48, 36)[0]) | changes])


MIRRORED = np.diag([1.0, 1, -1, 1]).ravel().tolist()
BY_COLUMNS = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 2, 3, 1]


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ({}, "render_width is missing: add it"),
        (with_changes(render_height=20000), "render_height must be at most 16384 pixels, found 20000"),
        (with_changes(render_width=0), "render_width must be a whole number of pixels from 1 to 65536, found 0"),
        (with_changes(camera_path=None), "camera_path is missing: it must list the cameras"),
        (with_changes(camera_path=[]), "camera_path must list 1 to 100000 cameras, found 0: split the path"),
        (with_changes(camera_path=[7]), "camera_path[0] must be an object {…}, found 7"),
        (with_changes(fps=1000), "fps must be a number between 1 and 90, found 1000"),
        (
            with_changes(camera_type="fisheye"),
            "camera_type must be perspective, found 'fisheye': choose that for the path",
        ),
        (entry(fov=180), "camera_path[0].fov must be a number between 0.1 and 179, found 180"),
        (entry(fov=None), "camera_path[0].fov is missing: add it"),
        (
            entry(camera_to_world=[1, 2]),
            "camera_path[0].camera_to_world must be 16 numbers, row by row, found 2",
        ),
        (
            entry(camera_to_world=["1"] * 16),
            'camera_path[0].camera_to_world[0][0] must be a number, found "1"',
        ),
        (
            entry(camera_to_world=BY_COLUMNS),
            "camera_path[0].camera_to_world must end in the row 0, 0, 0, 1, found a list of 4",
        ),
        (
            entry(camera_to_world=MIRRORED),
            "camera_path[0].camera_to_world mirrors (its determinant is negative): write a rotation, not a reflection",
        ),
    ],
)
def test_a_wrong_path_is_one_line(document: dict, line: str, tmp_path: Path):
    path = tmp_path / "path.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        read_camera_path(path)
    assert str(caught.value) == f"{path}: {line}"


def test_too_many_cameras_are_refused(tmp_path: Path):
    path = tmp_path / "path.json"
    path.write_text(json.dumps(with_changes(camera_path=[0] * 100_001)))
    with pytest.raises(DataError, match="must list 1 to 100000 cameras, found 100001: split the path"):
        read_camera_path(path)
    with pytest.raises(UsageError, match=r"--between 1000 makes 100101 pictures, at most 100000 are made: lower it"):
        cameras_between(arc_cameras(101, 8, 6), 1000)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--camera-path none.json", "none.json: cannot be read (No such file or directory): check the path"),
        ("--between 2", "--between and --fps belong to a video: add --video, or leave them out"),
        ("--fps 2", "--between and --fps belong to a video: add --video, or leave them out"),
        ("--video --fps 0", "--fps must be 1 to 90, got 0"),
        ("--video --between -1", "--between must be 0 to 1000 pictures, got -1"),
        ("--video --width 16384", "a video's sides are at most 16383 pixels, got 16384: lower --width"),
        (
            "--camera-path none.json --views test",
            "--views and --between belong to photos' cameras: leave them out, or --camera-path",
        ),
    ],
)
def test_wrong_options_are_one_line_and_leave_nothing(trained: Trained, tmp_path, monkeypatch, capsys, options, line):
    monkeypatch.chdir(tmp_path)
    assert main(["render", str(trained.run), "--out", "out", *options.split()]) == 2
    assert capsys.readouterr().err.splitlines() == [f"langfield: {line}"]
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5))
def test_the_way_between_cameras_is_even(first: int, second: int, between: int):
    arc = arc_cameras(9, 48, 36)
    way = cameras_between([arc[first], arc[second]], between)
    assert len(way) == between + 2
    np.testing.assert_array_equal(way[0].world_from_camera, arc[first].world_from_camera)
    np.testing.assert_array_equal(way[-1].world_from_camera, arc[second].world_from_camera)
    poses = np.stack([camera.world_from_camera for camera in way])
    steps = np.diff(poses[:, :3, 3], axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-12)
    rotations = Rotation.from_matrix(poses[:, :3, :3])
    turns = (rotations[:-1].inv() * rotations[1:]).as_rotvec()
    np.testing.assert_allclose(turns, np.broadcast_to(turns[0], turns.shape), atol=1e-7)
    products = poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-12)


def test_the_way_has_the_lens_of_the_first_camera():
    wide, narrow = arc_cameras(2, 48, 36)[0], arc_cameras(2, 96, 80)[1]
    assert {(c.width_px, c.height_px, c.fx_px) for c in cameras_between([wide, narrow], 3)} == {(48, 36, wide.fx_px)}


def test_a_zooming_way_goes_from_lens_to_lens():
    first, second = arc_cameras(2, 48, 36)
    second = replace(second, fx_px=2 * first.fx_px, fy_px=2.5 * first.fy_px)
    way = cameras_between([first, second, first], 3, zooming=True)
    shares = np.array([0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose([camera.fx_px for camera in way], first.fx_px * (1 + shares))
    np.testing.assert_allclose([camera.fy_px for camera in way], first.fy_px * (1 + 1.5 * shares))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(1, 90))
def test_any_video_reads_back(tmp_path_factory, width: int, height: int, count: int, fps: int):
    path = tmp_path_factory.mktemp("video") / "video.webp"
    greys = [40 * number for number in range(count)]
    with Video(path, float(fps)) as video:
        for grey in greys:
            video.add(np.full((height, width, 3), grey, dtype=np.uint8))
    pictures, times_ms = frames(path) if count > 1 else (frames(path)[0], [round(1000 / fps)])
    assert sum(times_ms) == round(1000 * count / fps)
    assert int.from_bytes(path.read_bytes()[4:8], "little") == path.stat().st_size - 8
    for picture, grey in zip(pictures, greys, strict=True):
        assert picture.shape == (height, width, 3)
        assert np.abs(picture.astype(int) - grey).max() <= 3


def test_a_video_that_fails_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "video.webp"
    path.write_bytes(b"old")
    video = Video(path, 24.0)
    with contextlib.suppress(KeyboardInterrupt), video:
        video.add(np.zeros((4, 4, 3), dtype=np.uint8))
        raise KeyboardInterrupt
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"video.webp": b"old"}
    lost = tmp_path / "lost" / "video.webp"
    with (
        pytest.raises(DataError, match=r"cannot be written \(No such file or directory\)") as raised,
        Video(lost, 24.0) as video,
    ):
        video.add(np.zeros((4, 4, 3), dtype=np.uint8))
    assert "--out" not in str(raised.value)  # which only the command has


def test_a_video_that_cannot_be_written_says_which_option_to_change(trained: Trained, tmp_path: Path, capsys):
    (tmp_path / "rgb.webp").mkdir()
    options = ["--outputs", "rgb", "--views", "test", "--video", "--width", "16"]
    assert main(["render", str(trained.run), "--out", str(tmp_path), "--no-progress", *options]) == 2
    said = capsys.readouterr().err
    assert "rgb.webp: cannot be written (Is a directory): choose another folder for --out" in said
