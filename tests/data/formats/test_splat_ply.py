"""Files of Gaussians: every number in its place, what is left out, and each mistake's one line."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.scenes import write_ply
from tests.data.splats import SH_CONSTANT, columns_of, random_splats, write_rows

from langfield.core.errors import DataError
from langfield.core.splats import Splats
from langfield.data.formats.splat_files import read_splats

FIELDS = ("means", "rotations", "log_scales", "opacity_logits", "harmonics")


def assert_same(found: Splats, expected: Splats) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name).astype(np.float32), name)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_every_number_is_in_its_place(tmp_path: Path, degree: int):
    splats = random_splats(7, degree)
    columns = columns_of(splats)
    assert len(columns) == 14 + (0, 9, 24, 45)[degree]
    shuffled = {name: columns[name] for name in sorted(columns, reverse=True)} | {
        "nx": np.zeros(7),
        "confidence": np.ones(7),
    }
    read = read_splats(write_rows(tmp_path / "a.ply", shuffled))
    found, left_out = read.splats, read.left_out
    assert left_out == 0
    assert found.degree == degree
    assert_same(found, splats)


def test_doubles_keep_their_digits(tmp_path: Path):
    splats = random_splats(3, 0)
    columns = columns_of(splats) | {"x": 500_000 + splats.means[:, 0]}
    found = read_splats(write_rows(tmp_path / "a.ply", columns, {"x": "<f8"})).splats
    np.testing.assert_array_equal(found.means[:, 0], 500_000 + splats.means[:, 0])


@pytest.mark.parametrize("words", ["1 2", "1 2 x", "nan 0 0", "1e13 0 0", ""])
def test_an_offset_that_is_none_is_refused(tmp_path: Path, words: str):
    path = write_rows(tmp_path / "a.ply", columns_of(random_splats(3, 0)))
    path.write_bytes(path.read_bytes().replace(b"ply\n", f"ply\ncomment offset {words}\n".encode(), 1))
    with pytest.raises(DataError, match=r"has the offset '.*': three numbers x y z are needed"):
        read_splats(path)


def test_bad_rows_are_left_out_and_counted(tmp_path: Path):
    splats = random_splats(20, 1)
    columns = {name: np.array(values, dtype=np.float32) for name, values in columns_of(splats).items()}
    columns["f_rest_5"][3] = np.nan
    columns["x"][4] = np.inf
    columns["y"][5] = 1e13
    columns["scale_1"][6] = 200.0
    for i in range(4):
        columns[f"rot_{i}"][7] = 0
    columns["opacity"][8] = np.nan
    columns["opacity"][9], columns["opacity"][10] = np.inf, -np.inf
    read = read_splats(write_rows(tmp_path / "a.ply", columns))
    found, left_out = read.splats, read.left_out
    assert left_out == 6
    kept = np.r_[0:3, 9:20]
    np.testing.assert_array_equal(found.means[:, 2], splats.means[kept, 2].astype(np.float32))
    np.testing.assert_array_equal(found.opacity_logits[3:5], [20, -20])  # opaque, and not to be seen


@pytest.mark.parametrize("kind", ["<f8", ">f4", ">f8"])
def test_any_type_and_byte_order(tmp_path: Path, kind: str):
    splats = random_splats(6, 2)
    columns = {name: values.astype(np.float32) for name, values in columns_of(splats).items()}
    assert_same(read_splats(write_rows(tmp_path / "a.ply", columns, dict.fromkeys(columns, kind))).splats, splats)


def test_ascii(tmp_path: Path):
    splats = random_splats(5, 1)
    columns = columns_of(splats)
    rows = np.stack(list(columns.values()), axis=1, dtype=np.float32, casting="same_kind")
    header = "ply\nformat ascii 1.0\nelement vertex 5\n" + "".join(f"property float {name}\n" for name in columns)
    text = "\n".join(" ".join(repr(float(number)) for number in row) for row in rows)
    (tmp_path / "a.ply").write_text(f"{header}element extra 1\nproperty list uchar int i\nend_header\n{text}\n1 5\n")
    assert_same(read_splats(tmp_path / "a.ply").splats, splats)


def test_two_dimensional_gaussians_get_a_thin_third_axis(tmp_path: Path):
    columns = columns_of(random_splats(6, 3))
    del columns["scale_2"]
    read = read_splats(write_rows(tmp_path / "a.ply", columns))
    scales = np.exp(read.splats.log_scales)
    np.testing.assert_allclose(scales[:, :2], np.exp([columns["scale_0"], columns["scale_1"]]).T, rtol=1e-6)
    np.testing.assert_allclose(scales[:, 2], scales[:, :2].min(axis=1) / 100, rtol=1e-5)
    assert read.notes == ("flat Gaussians of two axes (2DGS): the third axis is made 0.01 of the smaller of the two",)


@pytest.mark.parametrize(("kind", "white"), [("|u1", 255), ("<f4", 1), ("<f4", 255)])
def test_plain_colours_instead_of_harmonics(tmp_path: Path, kind: str, white: float):
    colours = np.array([[0, 51, 255], [255, 102, 0]])
    columns = columns_of(random_splats(2, 0))
    for i, name in enumerate(("red", "green", "blue")):
        del columns[f"f_dc_{i}"]
        columns[name] = colours[:, i] * (white / 255)
    kinds: dict[str, str] = dict.fromkeys(("red", "green", "blue"), kind)
    read = read_splats(write_rows(tmp_path / "a.ply", columns, kinds))
    np.testing.assert_allclose(0.5 + SH_CONSTANT * read.splats.harmonics[:, 0], colours / 255, atol=1e-6)


@pytest.mark.parametrize(("each", "degree"), [(24, 3), (9, 2), (4, 1), (2, 0)])
def test_harmonics_are_used_up_to_a_whole_degree(tmp_path: Path, each: int, degree: int):
    """Such as 72 coefficients, of degree 4; there are `each` of red, then of green, then of blue."""
    columns = columns_of(random_splats(3, 0))
    columns |= {f"f_rest_{i}": np.full(3, float(i)) for i in range(3 * each)}
    read = read_splats(write_rows(tmp_path / "a.ply", columns))
    assert read.splats.degree == degree
    kept = (degree + 1) ** 2 - 1
    expected = np.arange(3) * each + np.arange(kept)[:, None]
    np.testing.assert_array_equal(read.splats.harmonics[0, 1:], expected)
    assert read.notes == (f"its {3 * each} coefficients f_rest_… are used up to degree {degree}: {3 * kept} of them",)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_splats(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


def without(*names: str, n: int = 5) -> dict[str, np.ndarray]:
    return {name: values for name, values in columns_of(random_splats(n, 1)).items() if name not in names}


def test_mistakes_get_one_clear_line(tmp_path: Path):
    path = tmp_path / "a.ply"
    assert refusal(path) == "cannot be read (No such file or directory): check the path, or restore the file"
    path.write_bytes(b"PK\x03\x04 a zip")
    assert refusal(path).startswith("is a zip file, as .sog is: convert it to PLY")
    path.write_bytes(b"ply\nformat ascii 1.0\n")
    assert refusal(path).startswith("is no PLY file")
    write_ply(path, np.zeros((4, 3)), np.zeros((4, 3), np.uint8))
    assert refusal(path) == (
        "is a point cloud, not Gaussians: its vertices have no f_dc_0, f_dc_1, f_dc_2, opacity, scale_0, scale_1, "
        "scale_2, rot_0, rot_1, rot_2, rot_3; export the scene as Gaussians (a 3DGS or splat PLY)"
    )
    write_rows(path, without("rot_3", "opacity"))
    assert refusal(path) == ("has vertices without opacity, rot_3: Gaussians need them; export the scene again")
    write_rows(path, {"packed_position": np.zeros(3)})
    assert refusal(path) == "has no element `chunk`: export it again"
    for missing in ("f_rest_8", "f_rest_0"):
        write_rows(path, without(missing))
        assert refusal(path) == (
            "has 8 properties f_rest_…: spherical harmonics of degree 0, 1, 2 or 3 have 0, 9, 24 or 45, numbered from "
            "0; export the scene again"
        )
    write_rows(path, without(*(f"f_rest_{i}" for i in range(3))))
    assert refusal(path).startswith("has 6 properties f_rest_…: ")
    renumbered = {name.replace("f_rest_8", "f_rest_9"): values for name, values in without().items()}
    write_rows(path, renumbered)
    assert refusal(path).startswith("has 9 properties f_rest_…: ")
    write_rows(path, without(n=0))
    assert refusal(path) == "holds no Gaussian: export the scene again"
    write_rows(path, without() | {"z": np.array([1, np.nan, 1, np.nan, np.nan])})
    assert refusal(path) == (
        "holds 3 of 5 Gaussians with numbers that are not finite or not possible (first: number 1): it is damaged; "
        "export the scene again"
    )


def test_a_header_that_lies_costs_no_memory(tmp_path: Path):
    path = write_rows(tmp_path / "a.ply", without())
    path.write_bytes(path.read_bytes().replace(b"vertex 5", b"vertex 5000000000"))
    tracemalloc.start()
    try:
        assert "promises 5000000000 vertices of at least 92 bytes, but 460 bytes are left" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_torn_and_changed_files_are_refused_or_give_finite_gaussians(tmp_path_factory, data):
    path = write_rows(tmp_path_factory.getbasetemp() / "fuzzed.ply", without(n=3))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        splats = read_splats(path).splats
    except DataError:
        return
    assert len(splats)
    assert all(np.isfinite(getattr(splats, name)).all() for name in FIELDS)
    assert np.isfinite(np.exp(splats.log_scales)).all()
