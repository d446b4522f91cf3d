"""PLY: both forms, extra properties and elements, colours of either kind, and headers that lie."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.scenes import write_ply

from langfield.core.errors import DataError
from langfield.data.formats.ply import read_ply

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
    "big endian": (
        "has the format 'binary_big_endian 1.0': ascii and binary_little_endian are read",
        ASCII.replace("ascii", "binary_big_endian"),
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
