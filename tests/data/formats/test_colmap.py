"""Reading COLMAP: text and binary say the same, axes and lenses are right, the largest sub-model is taken."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.colmap_writer import Model, quaternion_wxyz, write_binary, write_text
from tests.data.scenes import arc_cameras, draw, surface_points, write_ply

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import DataError
from langfield.core.transforms import Similarity
from langfield.data.formats.colmap_files import count_images, read_cameras, read_images, read_points
from langfield.data.scene import open_scene
from langfield.features.photos import TrainingPhotos

WIDTH, HEIGHT = 32, 24


def model_of(
    cameras: list[Camera], names: list[str], lens: str = "PINHOLE", params: list[float] | None = None
) -> Model:
    focal = [cameras[0].fx_px, cameras[0].fy_px, cameras[0].cx_px, cameras[0].cy_px]
    images = []
    for name, camera in zip(names, cameras, strict=True):
        camera_from_world = np.linalg.inv(camera.world_from_camera)
        images.append((name, 7, quaternion_wxyz(camera_from_world[:3, :3]), camera_from_world[:3, 3].tolist()))
    xyz, rgb = surface_points(50)
    return Model({7: (lens, WIDTH, HEIGHT, params or focal)}, images, xyz, rgb)


def write_photos(folder: Path, cameras: list[Camera], names: list[str]) -> None:
    for name, camera in zip(names, cameras, strict=True):
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(camera)[0]).save(folder / "images" / name)


@pytest.fixture
def cameras():
    return arc_cameras(9, WIDTH, HEIGHT)


NAMES = [f"left/photo {i}.png" for i in range(9)]


@pytest.mark.parametrize("write", [write_binary, write_text])
@pytest.mark.parametrize("place", ["sparse/0", "sparse", "colmap/sparse/0", "."])
def test_what_was_written_comes_back(tmp_path, cameras, write, place):
    write_photos(tmp_path, cameras, NAMES)
    model = model_of(cameras, NAMES)
    write(tmp_path / place, model)
    scene = open_scene(tmp_path)
    assert scene.kind == "colmap"
    assert scene.root == tmp_path
    assert [view.name for view in scene.views] == NAMES
    assert scene.test == (0, 8)
    for view, camera in zip(scene.views, cameras, strict=True):
        np.testing.assert_allclose(view.camera.world_from_camera, camera.world_from_camera, atol=1e-12)
        assert (view.camera.fx_px, view.camera.cx_px) == (camera.fx_px, camera.cx_px)
    assert scene.points is not None
    np.testing.assert_array_equal(scene.points.xyz, model.xyz)
    np.testing.assert_array_equal(scene.points.rgb, model.rgb)


def test_the_models_own_folder_opens_too(tmp_path, cameras):
    write_photos(tmp_path, cameras, NAMES)
    write_binary(tmp_path / "sparse" / "0", model_of(cameras, NAMES))
    assert open_scene(tmp_path / "sparse" / "0").fingerprint() == open_scene(tmp_path).fingerprint()


@given(data=st.data(), count=st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_binary_and_text_say_the_same(tmp_path_factory, data, count):
    numbers = st.floats(-1e6, 1e6, allow_nan=False)
    folder = tmp_path_factory.mktemp("model")
    four = st.lists(numbers, min_size=4, max_size=4)
    three = st.lists(numbers, min_size=3, max_size=3)
    model = Model(
        {i: ("RADIAL", 10 + i, 20, data.draw(st.lists(numbers, min_size=5, max_size=5))) for i in range(count)},
        [(f"é {i}.jpg", i, data.draw(four), data.draw(three)) for i in range(count)],
        np.array([data.draw(three) for _ in range(count)]),
        np.random.default_rng(count).integers(0, 256, (count, 3)).astype(np.uint8),
    )
    write_binary(folder / "bin", model)
    write_text(folder / "txt", model)
    assert read_cameras(folder / "bin") == read_cameras(folder / "txt")
    assert read_images(folder / "bin") == read_images(folder / "txt")
    one, other = read_points(folder / "bin"), read_points(folder / "txt")
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.xyz, other.xyz)
    np.testing.assert_array_equal(one.rgb, other.rgb)


EIGHT = (0.1, 0.2, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08)
LENSES = {
    "SIMPLE_PINHOLE": ([30.0, 15, 11], (30, 30, 15, 11), (0, 0, 0, 0, 0, 0, 0, 0), "opencv"),
    "PINHOLE": ([30.0, 31, 15, 11], (30, 31, 15, 11), (0, 0, 0, 0, 0, 0, 0, 0), "opencv"),
    "SIMPLE_RADIAL": ([30.0, 15, 11, 0.1], (30, 30, 15, 11), (0.1, 0, 0, 0, 0, 0, 0, 0), "opencv"),
    "RADIAL": ([30.0, 15, 11, 0.1, 0.2], (30, 30, 15, 11), (0.1, 0.2, 0, 0, 0, 0, 0, 0), "opencv"),
    "OPENCV": (
        [30.0, 31, 15, 11, 0.1, 0.2, 0.03, 0.04],
        (30, 31, 15, 11),
        (0.1, 0.2, 0.03, 0.04, 0, 0, 0, 0),
        "opencv",
    ),
    "FULL_OPENCV": ([30.0, 31, 15, 11, *EIGHT], (30, 31, 15, 11), EIGHT, "opencv"),
    "OPENCV_FISHEYE": (
        [30.0, 31, 15, 11, 0.1, 0.2, 0.3, 0.4],
        (30, 31, 15, 11),
        (0.1, 0.2, 0, 0, 0.3, 0.4, 0, 0),
        "fisheye",
    ),
    "SIMPLE_FISHEYE": ([30.0, 15, 11], (30, 30, 15, 11), (0, 0, 0, 0, 0, 0, 0, 0), "fisheye"),
    "FISHEYE": ([30.0, 31, 15, 11], (30, 31, 15, 11), (0, 0, 0, 0, 0, 0, 0, 0), "fisheye"),
    "SIMPLE_RADIAL_FISHEYE": ([30.0, 15, 11, 0.1], (30, 30, 15, 11), (0.1, 0, 0, 0, 0, 0, 0, 0), "fisheye"),
    "RADIAL_FISHEYE": ([30.0, 15, 11, 0.1, 0.2], (30, 30, 15, 11), (0.1, 0.2, 0, 0, 0, 0, 0, 0), "fisheye"),
}


# COLMAP 4's other models, and how many parameters they have.
NOT_READ = {
    "FOV": 5, "THIN_PRISM_FISHEYE": 12, "RAD_TAN_THIN_PRISM_FISHEYE": 16, "SIMPLE_DIVISION": 4, "DIVISION": 5,
    "EUCM": 6, "EQUIRECTANGULAR": 2,
}  # fmt: skip


@pytest.mark.parametrize("lens", NOT_READ)
@pytest.mark.parametrize("write", [write_binary, write_text])
def test_a_lens_that_is_not_read_is_named_where_a_photo_uses_it(tmp_path, cameras, lens, write):
    """A lone camera of two parameters, which is a short file; and one that no photo uses stops nothing."""
    write_photos(tmp_path, cameras[:2], NAMES[:2])
    params = [float(i + 1) for i in range(NOT_READ[lens])]
    write(tmp_path / "sparse/0", model_of(cameras[:2], NAMES[:2], lens, params))
    way_out = "cut the panoramas into perspective pictures" if lens == "EQUIRECTANGULAR" else "run `colmap image_undist"
    with pytest.raises(
        DataError, match=rf"cameras\.\w+: has the camera model {lens}, read are SIMPLE_PINHO.*{way_out}"
    ):
        open_scene(tmp_path)
    used = model_of(cameras[:2], NAMES[:2])
    unused = {3: (lens, WIDTH, HEIGHT, params)}
    write(tmp_path / "sparse/0", Model(unused | used.cameras, used.images, used.xyz, used.rgb))
    assert open_scene(tmp_path).views[0].camera.fx_px == cameras[0].fx_px


def test_a_lens_of_another_program_is_named(tmp_path, cameras):
    write_photos(tmp_path, cameras[:2], NAMES[:2])
    write_text(tmp_path / "sparse/0", model_of(cameras[:2], NAMES[:2], "SPHERE", [1.0, 2.0]))
    with pytest.raises(DataError, match=r"has the camera model 'SPHERE', read are SIMPLE_PINHOLE"):
        open_scene(tmp_path)


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("write", [write_binary, write_text])
def test_every_lens_goes_to_its_places(tmp_path, cameras, lens, write):
    params, pinhole, distortion, kind = LENSES[lens]
    write_photos(tmp_path, cameras[:2], NAMES[:2])
    write(tmp_path / "sparse/0", model_of(cameras[:2], NAMES[:2], lens, params))
    camera = open_scene(tmp_path).views[0].camera
    assert (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px) == pinhole
    assert camera.distortion == distortion
    assert camera.lens == kind


HEADERS = [f"{i + 1} 1 0 0 0 {i} 0 0 7 {name}" for i, name in enumerate(["a.jpg", "b c.jpg", "12", "13 14 15"])]
POINTS = "10.5 20 -1 30 40 5 50 60 70"
NUMBERED = "10 20 -1 30 40 5 50 60 70 80 90 6"  # it could be a pose but for its quaternion
LAYOUTS = {
    "pairs": "\n".join(f"{header}\n{POINTS}" for header in HEADERS),
    "pairs of whole numbers": "\n".join(f"{header}\n{NUMBERED}" for header in HEADERS),
    "empty second lines": "\n\n".join(HEADERS) + "\n\n",
    "one line a photo": "\n".join(HEADERS),
    "some second lines": f"{HEADERS[0]}\n{POINTS}\n{HEADERS[1]}\n{HEADERS[2]}\n\n{HEADERS[3]}",
    "empty lines anywhere": "\n\n\n".join(HEADERS) + "\n\n\n\n",
    "comments anywhere": "# 1\n" + "\n# 2\n".join(f"{header}\n# 3\n{POINTS}" for header in HEADERS) + "\n# 4",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_images_txt_gives_every_photo_once(tmp_path, layout, newline):
    (tmp_path / "images.txt").write_bytes(LAYOUTS[layout].replace("\n", newline).encode())
    images = read_images(tmp_path)
    assert [image.name for image in images] == ["a.jpg", "b c.jpg", "12", "13 14 15"]
    assert [image.translation[0] for image in images] == [0, 1, 2, 3]
    assert count_images(tmp_path) == 4


def test_texts_may_begin_with_a_byte_order_mark(tmp_path, cameras):
    write_photos(tmp_path, cameras[:2], NAMES[:2])
    write_text(tmp_path / "sparse/0", model_of(cameras[:2], NAMES[:2]))
    plain = open_scene(tmp_path)
    for file in (tmp_path / "sparse/0").iterdir():
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        file.write_text("\n".join(lines), encoding="utf-8-sig")
    assert open_scene(tmp_path).fingerprint() == plain.fingerprint()


@pytest.mark.parametrize("line", ["2 1 0 0 0 1 0 0 seven b.jpg", "2 1 0 0 0 1 0 0", "10.5 20 -1 30", "what is this"])
def test_a_damaged_line_of_images_txt_is_named_wherever_it_stands(tmp_path, line):
    for before in ("", f"{HEADERS[0]}\n"):
        (tmp_path / "images.txt").write_text(f"{before}{line}\n{HEADERS[3]}\n")
        with pytest.raises(DataError, match=rf"images.txt: has the line '{line}', expected is IMAGE_ID QW") as caught:
            read_images(tmp_path)
        assert ("X Y POINT3D_ID" in str(caught.value)) == bool(before)


def test_numbers_of_text_files_may_have_decimals(tmp_path):
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 640.0 480.0 500 500 320 240\n")
    assert read_cameras(tmp_path)[1].width_px == 640
    for size in ("640.5", "-640", "nan", "1e9"):
        (tmp_path / "cameras.txt").write_text(f"1 PINHOLE {size} 480 500 500 320 240\n")
        with pytest.raises(DataError, match="expected is CAMERA_ID MODEL WIDTH HEIGHT PARAMS"):
            read_cameras(tmp_path)


@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        (["200 0 255", "1 1 1"], [[200, 0, 255], [1, 1, 1]]),
        (["200.0 0.0 255.0", "99.6 1.0 1"], [[200, 0, 255], [100, 1, 1]]),
        (["0.2 0.0 1.0", "1.0 0.5 0"], [[51, 0, 255], [255, 128, 0]]),
        (["51400 0 65535", "257 257 257"], [[200, 0, 255], [1, 1, 1]]),
    ],
)
def test_colours_of_points_txt_are_of_the_range_that_they_show(tmp_path, colours, expected):
    """Error and track may be anything, or missing."""
    lines = [f"7 1 2 3 {colours[0]}", f"8 4 5 6 {colours[1]} -1 1 0"]
    (tmp_path / "points3D.txt").write_text("\n".join(lines))
    points = read_points(tmp_path)
    assert points is not None
    np.testing.assert_array_equal(points.rgb, expected)
    np.testing.assert_array_equal(points.xyz, [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize("colour", ["-1", "nan", "70000", "red", ""])
def test_colours_that_are_none_are_named(tmp_path, colour):
    (tmp_path / "points3D.txt").write_text(f"7 1 2 3 0 0 {colour}")
    with pytest.raises(DataError, match=r"points3D.txt: has the line '7 1 2 3 0 0"):
        read_points(tmp_path)


@pytest.mark.parametrize(("own", "lacking"), [(None, "no points3D.bin or points3D.txt"), (0, "no points of its own")])
def test_a_ply_gives_points_where_the_model_has_none(tmp_path, cameras, own, lacking):
    write_photos(tmp_path, cameras, NAMES)
    model = model_of(cameras, NAMES)
    folder = tmp_path / "sparse/0"
    write_binary(folder, Model(model.cameras, model.images, model.xyz[:0], model.rgb[:0]))
    if own is None:
        (folder / "points3D.bin").unlink()
    write_ply(folder / "points3D.ply", model.xyz, model.rgb)
    scene = open_scene(tmp_path)
    assert scene.points is not None
    np.testing.assert_allclose(scene.points.xyz, model.xyz, atol=1e-6)
    assert scene.notes[1] == f"the points of points3D.ply are used: the model has {lacking}"
    write_binary(folder, Model(model.cameras, model.images, model.xyz[:7], model.rgb[:7]))
    scene = open_scene(tmp_path)
    assert len(scene.points or ()) == 7
    assert not any("points3D.ply" in note for note in scene.notes)


def test_the_largest_sub_model_is_taken_and_said(tmp_path, cameras):
    write_photos(tmp_path, cameras, NAMES)
    write_binary(tmp_path / "sparse/0", model_of(cameras[:2], NAMES[:2]))
    write_text(tmp_path / "sparse/1", model_of(cameras, NAMES))
    scene = open_scene(tmp_path)
    assert len(scene.views) == 9
    assert scene.notes[1] == "2 sub-models: 1 is taken, it registers most photos (9; 0 has 2)"


def test_rigs_and_frames_are_ignored(tmp_path, cameras):
    write_photos(tmp_path, cameras, NAMES)
    write_binary(tmp_path / "sparse/0", model_of(cameras, NAMES))
    for name in ("rigs.bin", "frames.bin"):
        (tmp_path / "sparse/0" / name).write_bytes(b"\xff" * 9)
    assert len(open_scene(tmp_path).views) == 9


def test_missing_photos_are_left_out_and_said(tmp_path, cameras):
    write_photos(tmp_path, cameras, NAMES)
    write_binary(tmp_path / "sparse/0", model_of(cameras, NAMES))
    (tmp_path / "images" / NAMES[2]).unlink()
    scene = open_scene(tmp_path)
    assert len(scene.views) == 8
    note = "1 of 9 photos listed in images.bin are not there and are left out (first: photo 2.png)"
    assert scene.notes[1] == note


def test_projection_agrees_with_colmaps_formula(tmp_path, cameras):
    """K (R x + t), written out, is where `Cameras` puts the points."""
    write_photos(tmp_path, cameras[:2], NAMES[:2])
    model = model_of(cameras[:2], NAMES[:2])
    write_binary(tmp_path / "sparse/0", model)
    scene = open_scene(tmp_path)
    assert scene.points is not None
    xy, z = Cameras.from_list([v.camera for v in scene.views]).project(1, torch.from_numpy(scene.points.xyz).float())
    camera_from_world = np.linalg.inv(cameras[1].world_from_camera)
    local = model.xyz @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    expected = local[:, :2] / local[:, 2:] * cameras[1].fx_px + [cameras[1].cx_px, cameras[1].cy_px]
    np.testing.assert_allclose(xy.numpy(), expected, atol=1e-3)
    np.testing.assert_allclose(z.numpy(), local[:, 2], atol=1e-5)


def with_first(model: Model, **change) -> Model:
    name, camera, q, t = model.images[0]
    entry = {"name": name, "camera": camera, "q": q, "t": t} | change
    return Model(model.cameras, [tuple(entry.values()), *model.images[1:]], model.xyz, model.rgb)


MISTAKES = {
    "traversal": (
        {"name": "../../../etc/passwd"},
        'image 1 leaves {folder}/images, found "../../../etc/passwd": '
        "move the file into the scene, or allow paths outside it (--allow-outside)",
    ),
    "no camera": ({"camera": 9}, "has camera 9, which is not in the model's cameras: export it again"),
}


@pytest.mark.parametrize("write", [write_binary, write_text])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_hostile_images_get_one_clear_line(tmp_path, cameras, mistake, write):
    change, message = MISTAKES[mistake]
    write_photos(tmp_path, cameras, NAMES)
    write(tmp_path / "sparse/0", with_first(model_of(cameras, NAMES), **change))
    with pytest.raises(DataError) as caught:
        open_scene(tmp_path)
    assert str(caught.value).endswith(message.replace("{folder}", str(tmp_path)))
    assert "\n" not in str(caught.value)


FAULTS = {
    "NaN pose": ({"q": [float("nan")] * 4}, "has a quaternion of length nan, 1 is right: export the model again"),
    "long quaternion": ({"q": [9.0, 0, 0, 0]}, "has a quaternion of length 9, 1 is right: export the model again"),
    "infinite place": (
        {"t": [float("inf"), 0, 0]},
        "holds numbers that are not finite or beyond 1e+12: solve it again",
    ),
    "NaN focal length": ({"camera": 8}, "the focal length must be positive and finite, found nan pixels"),
}


@pytest.mark.parametrize("write", [write_binary, write_text])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_image_whose_camera_cannot_be_is_left_out_and_named(tmp_path, cameras, fault, write):
    change, message = FAULTS[fault]
    write_photos(tmp_path, cameras, NAMES)
    model = model_of(cameras, NAMES)
    model.cameras[8] = ("PINHOLE", WIDTH, HEIGHT, [float("nan"), 30.0, 16.0, 12.0])
    write(tmp_path / "sparse/0", with_first(model, **change))
    scene = open_scene(tmp_path)
    assert [view.name for view in scene.views] == NAMES[1:]
    assert scene.notes[1].startswith(f"image 1 ({NAMES[0]}) is left out: ")
    assert scene.notes[1].endswith(message)
    images = [(name, 8 if i < 3 else 7, q, t) for i, (name, _, q, t) in enumerate(model.images)]
    write(tmp_path / "sparse/0", Model(model.cameras, images, model.xyz, model.rgb))
    with pytest.raises(DataError, match=r"found nan pixels \(left/photo 0.png, the first of 3 such photos of 9\)"):
        open_scene(tmp_path)


@pytest.mark.parametrize("write", [write_binary, write_text])
def test_a_scene_in_utm_coordinates_is_the_same_in_the_scene_frame(tmp_path, cameras, write):
    utm = Similarity(np.eye(3), np.array([448262.25, 5411932.5, 412.0]))
    scenes = []
    for name, moved in (("near", Similarity.identity()), ("far", utm)):
        write_photos(tmp_path / name, cameras, NAMES)
        model = model_of([camera.moved(moved) for camera in cameras], NAMES)
        write(tmp_path / name / "sparse/0", Model(model.cameras, model.images, moved.points(model.xyz), model.rgb))
        scenes.append(open_scene(tmp_path / name))
    near, far = ([camera.world_from_camera for camera in scene.cameras_scene()] for scene in scenes)
    np.testing.assert_allclose(far, near, rtol=0, atol=2e-8)
    near, far = (TrainingPhotos(scene, scene.train).points() for scene in scenes)
    assert near is not None
    assert far is not None
    np.testing.assert_allclose(far[0], near[0], rtol=0, atol=2e-8)


@pytest.mark.parametrize("write", [write_binary, write_text])
def test_an_image_that_is_listed_twice_with_one_pose_is_used_once(tmp_path, cameras, write):
    write_photos(tmp_path, cameras, NAMES)
    model = model_of(cameras, NAMES)
    write(tmp_path / "sparse/0", Model(model.cameras, [*model.images, model.images[3]], model.xyz, model.rgb))
    scene = open_scene(tmp_path)
    assert [view.name for view in scene.views] == NAMES
    assert scene.notes[1] == f"listed more than once with the same pose, used once: {NAMES[3]}"


@pytest.mark.parametrize("write", [write_binary, write_text])
def test_points_keep_their_digits_and_those_that_are_none_are_left_out(tmp_path, write):
    xyz = np.array([448262.25, 5411932.5, 412.0]) + 1e-3 * np.arange(24).reshape(8, 3)
    xyz[5, 1] = np.nan
    write(tmp_path, Model({}, [], xyz, np.full((8, 3), 7, np.uint8)))
    points = read_points(tmp_path)
    assert points is not None
    np.testing.assert_array_equal(points.xyz, np.delete(xyz, 5, axis=0))
    assert (len(points.rgb), points.left_out) == (7, 1)
    xyz[:3] = np.inf
    write(tmp_path, Model({}, [], xyz, np.full((8, 3), 7, np.uint8)))
    with pytest.raises(DataError, match=r"holds 4 of 8 points that are not finite or beyond 1e\+12 \(first: point 0\)"):
        read_points(tmp_path)


def test_unknown_lenses_and_torn_files_are_named(tmp_path, cameras):
    write_photos(tmp_path, cameras, NAMES)
    folder = tmp_path / "sparse/0"
    write_binary(folder, model_of(cameras, NAMES, "OF THE FUTURE", [1.0, 2, 3, 4, 5]))
    with pytest.raises(
        DataError, match=r"cameras.bin: has the camera model number 18, read are SIMPLE_PINHOLE, .*undist"
    ):
        open_scene(tmp_path)
    write_binary(folder, model_of(cameras, NAMES))
    (folder / "images.bin").write_bytes((folder / "images.bin").read_bytes()[:-30])
    with pytest.raises(DataError, match=r"images.bin: ends early \(at byte \d+\): it is torn, export the model again"):
        open_scene(tmp_path)
    (folder / "images.bin").write_bytes(struct.pack("<Q", 2**62) + b"\0" * 100)
    with pytest.raises(DataError, match=r"promises 4611686018427387904 images of at least 73 bytes in 108 bytes"):
        open_scene(tmp_path)


def test_many_points_are_read_fast(tmp_path):
    """200,000 points with tracks in well under 6 s: 2 M of them do not take a minute."""
    count = 200_000
    rng = np.random.default_rng(0)
    record = np.zeros(count, dtype=[("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("e", "<f8"), ("n", "<u8"),
                                    ("track", "<u4", 4)])  # fmt: skip
    record["xyz"], record["rgb"], record["n"] = rng.normal(size=(count, 3)), rng.integers(0, 256, (count, 3)), 2
    (tmp_path / "points3D.bin").write_bytes(struct.pack("<Q", count) + record.tobytes())
    start = time.perf_counter()
    points = read_points(tmp_path)
    seconds = time.perf_counter() - start
    assert points is not None
    np.testing.assert_array_equal(points.xyz, record["xyz"])
    np.testing.assert_array_equal(points.rgb, record["rgb"])
    assert seconds < 6


def test_other_folders_are_explained(tmp_path):
    with pytest.raises(DataError, match=r"holds no scene: supported are transforms.json"):
        open_scene(tmp_path)
    (tmp_path / "transforms_train.json").write_text("{}")
    with pytest.raises(DataError, match=r"is a Blender scene \(transforms_train.json\), which is not read: supported"):
        open_scene(tmp_path)
    with pytest.raises(DataError, match=r"does not exist: give the scene's folder"):
        open_scene(tmp_path / "nowhere")
    write_binary(tmp_path / "sparse/0", model_of(arc_cameras(2, 8, 6), ["a", "b"]))
    with pytest.raises(DataError, match=r"holds a COLMAP model but no folder `images`: put the photos there"):
        open_scene(tmp_path)
