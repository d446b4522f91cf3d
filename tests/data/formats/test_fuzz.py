"""Whatever bytes a scene's files hold, the readers return or raise one-line DataErrors, and take little memory."""

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.colmap_writer import Model, quaternion_wxyz, write_binary, write_text
from tests.data.deep_writers import write_deep_png, write_deep_tiff
from tests.data.scenes import surface_points, write_ball_scene, write_ply
from tests.data.splat_writers import spz_body, write_compressed_ply, write_records, write_spz
from tests.data.splats import columns_of, random_splats, write_rows

from langfield.core.errors import DataError
from langfield.data.formats.ply import read_ply
from langfield.data.formats.splat_files import read_splats
from langfield.data.images import decode_image, deep_kind, largest_deep_value
from langfield.data.scene import open_scene

FUZZ = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
MEMORY_BYTES = 16 << 20
HOSTILE_NUMBERS = [0, 1, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]


@st.composite
def mutations(draw, original: bytes) -> bytes:
    """The original with bytes changed, cut, doubled, put in, or replaced by counts that lie."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "number", "random", "double", "text"]))
        if kind == "flip" and content:
            content[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 200))]
        elif kind == "insert":
            content[at:at] = draw(st.binary(max_size=20))
        elif kind == "number":
            content[at : at + 8] = draw(st.sampled_from(HOSTILE_NUMBERS)).to_bytes(8, "little")
        elif kind == "random":
            content[:] = draw(st.binary(max_size=300))
        elif kind == "double":
            content[at:at] = content[at : at + draw(st.integers(1, 60))]
        else:
            content[at:at] = draw(st.sampled_from([b"nan", b"1e999", b"-", b"[", b"9" * 400, b"\n", b"\0", b"\xff"]))
    return bytes(content)


def reads_or_refuses(read, path: Path) -> None:
    """Return, or raise a one-line DataError, within the memory budget."""
    message = ""
    tracemalloc.start()
    try:
        read(path)
    except DataError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert message.isprintable()  # so it is one line, too
    assert peak < MEMORY_BYTES


@pytest.fixture(scope="module")
def scene_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "balls"
    write_ball_scene(folder, n_views=3, width_px=16, height_px=12, masks=True)
    return folder


@pytest.fixture(scope="module")
def colmap_folder(tmp_path_factory, scene_folder):
    folder = tmp_path_factory.mktemp("fuzz") / "colmap"
    folder.mkdir()
    (folder / "images").symlink_to(scene_folder / "images")
    names = [f"frame_0000{i}.jpg" for i in (1, 2, 3)]
    images = [(name, 1, quaternion_wxyz(np.eye(3)), [0.0, i, 0.0]) for i, name in enumerate(names)]
    model = Model({1: ("OPENCV", 16, 12, [10.0, 10, 8, 6, 0, 0, 0, 0])}, images, *surface_points(10))
    write_binary(folder / "bin" / "sparse" / "0", model)
    write_text(folder / "txt" / "sparse" / "0", model)
    for kind in ("bin", "txt"):
        (folder / kind / "images").symlink_to(scene_folder / "images")
        assert len(open_scene(folder / kind).views) == 3
    return folder


@given(data=st.data())
@FUZZ
def test_mutated_transforms(scene_folder, data):
    path = scene_folder / "fuzzed.json"
    path.write_bytes(data.draw(mutations((scene_folder / "transforms.json").read_bytes())))
    reads_or_refuses(open_scene, path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("images/frame_00001.jpg"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "frames", "fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k4", "p1", "camera_model", "camera_angle_x", "ply_file_path",
    "train_filenames", "test_filenames", "applied_transform", "applied_scale", "depth_unit_scale_factor", "is_fisheye",
    "distortion_params", "aabb_scale", "file_path", "transform_matrix", "mask_path", "depth_file_path",
    "fisheye_crop_radius",
]  # fmt: skip


@given(changes=st.lists(st.tuples(st.sampled_from(KEYS), JSON_VALUES, st.integers(-1, 2)), min_size=1, max_size=3))
@FUZZ
def test_wrong_values_in_transforms(scene_folder, changes):
    meta = json.loads((scene_folder / "transforms.json").read_text())
    frames = meta["frames"]
    for key, value, frame in changes:
        (meta if frame < 0 else frames[frame])[key] = value
    path = scene_folder / "wrong.json"
    path.write_text(json.dumps(meta))
    reads_or_refuses(open_scene, path)


@pytest.mark.parametrize("kind", ["bin", "txt"])
@pytest.mark.parametrize("stem", ["cameras", "images", "points3D"])
@given(data=st.data())
@FUZZ
def test_mutated_colmap_models(colmap_folder, kind, stem, data):
    path = colmap_folder / kind / "sparse" / "0" / f"{stem}.{kind}"
    original = path.read_bytes()
    try:
        path.write_bytes(data.draw(mutations(original)))
        reads_or_refuses(open_scene, colmap_folder / kind)
    finally:
        path.write_bytes(original)


@given(data=st.data(), ascii_form=st.booleans())
@FUZZ
def test_mutated_ply(tmp_path, data, ascii_form):
    path = tmp_path / "a.ply"
    xyz, rgb = surface_points(8)
    write_ply(path, xyz, rgb)
    content = path.read_bytes()
    if ascii_form:
        header = content[: content.index(b"end_header\n") + 11].replace(b"binary_little_endian", b"ascii")
        rows = [" ".join(map(str, [*p, *c])) for p, c in zip(xyz.tolist(), rgb.tolist(), strict=True)]
        content = header + "\n".join(rows).encode()
    path.write_bytes(data.draw(mutations(content)))
    reads_or_refuses(read_ply, path)


@pytest.fixture(scope="module")
def splat_contents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splats")
    splats = random_splats(20, 1)
    flat = {name: values for name, values in columns_of(splats).items() if name != "scale_2"}
    paths = [
        write_rows(folder / "a.ply", columns_of(splats)),
        write_rows(folder / "flat.ply", flat),
        write_compressed_ply(folder / "c.ply", splats),
        write_spz(folder / "2.spz", splats, 2),
        write_spz(folder / "3.spz", splats, 3),
        write_records(folder / "a.splat", splats),
    ]
    return [path.read_bytes() for path in paths]


@given(data=st.data())
@settings(FUZZ, max_examples=200)
def test_mutated_gaussians(tmp_path, splat_contents, data):
    path = tmp_path / "gaussians"
    path.write_bytes(data.draw(mutations(data.draw(st.sampled_from(splat_contents)))))
    reads_or_refuses(read_splats, path)


@given(data=st.data(), version=st.sampled_from([2, 3]))
@FUZZ
def test_mutated_within_gzip(tmp_path, data, version):
    path = tmp_path / "a.spz"
    path.write_bytes(gzip.compress(data.draw(mutations(spz_body(random_splats(20, 1), version)))))
    reads_or_refuses(read_splats, path)


@given(data=st.data(), kind=st.sampled_from([".png", ".tif"]))
@FUZZ
def test_mutated_deep_pictures(tmp_path, data, kind):
    path = tmp_path / f"a{kind}"
    values = np.arange(6 * 5 * 3).reshape(6, 5, 3) * 700
    (write_deep_png if kind == ".png" else write_deep_tiff)(path, values)
    content = path.read_bytes()
    path.write_bytes(data.draw(mutations(content)))
    reads_or_refuses(deep_kind, path)
    reads_or_refuses(lambda path: decode_image(path, (3, 2), white_level=4095.0), path)
    reads_or_refuses(lambda path: largest_deep_value(path) if deep_kind(path) else 0, path)


@pytest.mark.parametrize("stem", ["images", "points3D", "cameras"])
@given(data=st.data())
@FUZZ
def test_lines_of_colmaps_texts_in_any_order(colmap_folder, stem, data):
    path = colmap_folder / "txt" / "sparse" / "0" / f"{stem}.txt"
    original = path.read_bytes()
    lines = st.sampled_from([*original.split(b"\n"), b"", b"# a", b"1 1 0 0 0 0 0 0 1 2", b"1 2 -1 4 5 6 7 8 9 1 2 3"])
    try:
        path.write_bytes(data.draw(st.sampled_from([b"\n", b"\r\n"])).join(data.draw(st.lists(lines, max_size=9))))
        reads_or_refuses(open_scene, colmap_folder / "txt")
    finally:
        path.write_bytes(original)
