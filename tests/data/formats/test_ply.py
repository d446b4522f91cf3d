"""PLY: both forms, extra properties and elements, colours of either kind, and headers that lie."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.scenes import write_ply

from langfield.core.errors import DataError
from langfield.data.formats.ply import read_ply, read_point_cloud

XYZ = np.array([[1.0, 2, 3], [-4, 5.5, 6], [0, 0, 1e6]], dtype=np.float32)
RGB = np.array([[0, 128, 255], [1, 2, 3], [9, 8, 7]], dtype=np.uint8)


def test_binary_round_trip(tmp_path):
    write_ply(tmp_path / "a.ply", XYZ, RGB)
    points = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(points.xyz, XYZ)
    np.testing.assert_array_equal(points.rgb, RGB)


ASCII = """ply
format ascii 1.0
comment made by hand
element camera 2
property float f
element vertex 2
property double x
property float nx
property double y
property double z
property float red
property float green
property float blue
element face 1
property list uchar int vertex_index
end_header
1.0
2.0
1 9 2 3 0.0 0.5 1.0
4 9 5 6 1.0 2.0 -1.0
3 0 1 0
"""


def test_ascii_with_other_elements_and_float_colours(tmp_path):
    (tmp_path / "a.ply").write_text(ASCII)
    points = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(points.xyz, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(points.rgb, [[0, 128, 255], [255, 255, 0]])


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order_is_read(tmp_path, order):
    fields = [("id", "u2"), *((axis, "f8") for axis in "xyz"), *((name, "u2") for name in ("red", "green", "blue"))]
    rows = np.zeros(3, dtype=[(name, order + kind) for name, kind in fields])
    for i, axis in enumerate("xyz"):
        rows[axis] = XYZ[:, i]
    for i, name in enumerate(("red", "green", "blue")):
        rows[name] = RGB[:, i].astype(int) * 257
    words = {"u2": "ushort", "f8": "double"}
    kind = {"<": "little", ">": "big"}[order]
    header = f"ply\r\nformat binary_{kind}_endian 1.0\r\ncomment its end_header is below\r\nelement vertex 3\r\n"
    header += "".join(f"property {words[kind]} {name}\r\n" for name, kind in fields) + "end_header\r\n"
    (tmp_path / "a.ply").write_bytes(header.encode() + rows.tobytes())
    points = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(points.xyz, XYZ)
    np.testing.assert_array_equal(points.rgb, RGB)


def ascii_cloud(names: str, kind: str, rows: list[str]) -> str:
    properties = "".join(f"property {kind} {name}\n" for name in names.split())
    places = "".join(f"property float {axis}\n" for axis in "xyz")
    header = f"ply\nformat ascii 1.0\nelement vertex {len(rows)}\n{places}{properties}end_header\n"
    return header + "".join(f"1 2 3 {row}\n" for row in rows)


@pytest.mark.parametrize("names", ["red green blue", "r g b", "diffuse_red diffuse_green diffuse_blue"])
@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("uchar", ["0 51 255", "1 1 1"]),
        ("int", ["0 51 255", "1 1 1"]),
        ("float", ["0 0.2 1.0", "0.004 0.004 0.004"]),
        ("float", ["0 51 255.0", "1 1 1"]),
        ("double", ["0 0.2 1.5", "0.004 0.004 0.004"]),
        ("ushort", ["0 13107 65535", "257 257 257"]),
        ("float", ["0 13107 65535", "257 257 257"]),
        ("ushort", ["0 51 255", "1 1 1"]),
    ],
)
def test_colours_are_of_the_range_that_they_show(tmp_path, names, kind, rows):
    (tmp_path / "a.ply").write_text(ascii_cloud(names, kind, rows))
    points, notes = read_point_cloud(tmp_path / "a.ply")
    np.testing.assert_array_equal(points.rgb, [[0, 51, 255], [1, 1, 1]])
    assert notes == []


def test_one_bright_point_darkens_no_others(tmp_path):
    rows = ["0.5 0.5 0.5"] * 400 + ["9 0 nan"]
    (tmp_path / "a.ply").write_text(ascii_cloud("red green blue", "float", rows))
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").rgb[[0, -1]], [[128, 128, 128], [255, 0, 0]])


def test_points_without_colours_are_grey_and_it_is_said(tmp_path):
    (tmp_path / "a.ply").write_text(ascii_cloud("red green nx", "float", ["1 1 1"]))
    points, notes = read_point_cloud(tmp_path / "a.ply")
    np.testing.assert_array_equal(points.rgb, [[127, 127, 127]])
    assert notes == ["a.ply has points without colours: they are taken as grey"]


def test_no_colours_is_grey_and_no_points_is_empty(tmp_path):
    text = (
        "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (tmp_path / "a.ply").write_text(text.format(1) + "1 2 3\n")
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").rgb, [[127, 127, 127]])
    for kind in ("ascii", "binary_little_endian"):
        (tmp_path / "a.ply").write_text(text.format(0).replace("ascii", kind))
        assert len(read_ply(tmp_path / "a.ply")) == 0


def test_doubles_keep_their_digits_and_points_that_are_none_are_left_out(tmp_path):
    rows = [f"{448262.25 + i / 1000} 0 5411932.5 {'nan' if i == 2 else 412} 0.1 0.2 0.3" for i in range(5)]
    text = ASCII.replace("vertex 2", "vertex 5").replace("1 9 2 3 0.0 0.5 1.0\n4 9 5 6 1.0 2.0 -1.0", "\n".join(rows))
    (tmp_path / "a.ply").write_text(text)
    points = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(points.xyz[:, 0], [448262.25 + i / 1000 for i in (0, 1, 3, 4)])
    assert (len(points.rgb), points.left_out) == (4, 1)


MISTAKES = {
    "x 1\nend": ("is no PLY file", "x 1\nend"),
    "odd form": (
        "has the format 'binary_middle_endian 1.0': ascii, binary_little_endian and binary_big_endian are read",
        ASCII.replace("ascii", "binary_middle_endian"),
    ),
    "no format": ("does not say its format", ASCII.replace("format ascii 1.0\n", "")),
    "no vertices": ("has no element `vertex`", ASCII.replace("element vertex", "element point")),
    "no z": ("has vertices without z: x, y and z are needed", ASCII.replace("double z", "double w")),
    "list first": (
        "has a list in or before its vertices: write the vertices first",
        ASCII.replace("property float f", "property list uchar int f"),
    ),
    "twice": ("has a vertex property twice", ASCII.replace("float nx", "float x")),
    "odd type": ("has a property that cannot be read: 'quad x'", ASCII.replace("double x", "quad x")),
    "odd count": ("has an element with the count '-2'", ASCII.replace("vertex 2", "vertex -2")),
    "short": ("must have 4 vertex lines of 7 numbers each, found others", ASCII.replace("vertex 2", "vertex 4")),
    "word": ("must have 2 vertex lines of 7 numbers each, found others", ASCII.replace("1 9 2", "1 nine 2")),
    "half of them nan": (
        "holds 1 of 2 points that are not finite or beyond 1e+12 (first: point 0)",
        ASCII.replace("1 9 2", "nan 9 2"),
    ),
    "three billion": (
        "promises 3000000000 vertices of at least 14 bytes, but",
        ASCII.replace("vertex 2", "vertex 3000000000"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_one_clear_line(tmp_path, mistake):
    message, content = MISTAKES[mistake]
    (tmp_path / "a.ply").write_text(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_ply(tmp_path / "a.ply")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{tmp_path}/a.ply: {message}")


@given(n=st.integers(0, 40), seed=st.integers(0, 1000), cut=st.integers(1, 14))
@settings(deadline=None, max_examples=30)
def test_any_torn_binary_file_is_refused(tmp_path_factory, n, seed, cut):
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    rng = np.random.default_rng(seed)
    xyz = rng.normal(size=(n + 1, 3)).astype(np.float32)
    write_ply(path, xyz, rng.integers(0, 256, (n + 1, 3)).astype(np.uint8))
    np.testing.assert_array_equal(read_ply(path).xyz, xyz)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match="it is torn"):
        read_ply(path)
