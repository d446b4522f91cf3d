"""Files of Gaussians: every number in its place, what is left out, and each mistake's one line."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.scenes import write_ply
from tests.data.splats import columns_of, random_splats, write_rows

from langfield.core.errors import DataError
from langfield.core.splats import Splats
from langfield.data.formats.splat_ply import read_splat_ply

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
    found, left_out = read_splat_ply(write_rows(tmp_path / "a.ply", shuffled))
    assert left_out == 0
    assert found.degree == degree
    assert_same(found, splats)


def test_doubles_keep_their_digits(tmp_path: Path):
    splats = random_splats(3, 0)
    columns = columns_of(splats) | {"x": 500_000 + splats.means[:, 0]}
    found, _ = read_splat_ply(write_rows(tmp_path / "a.ply", columns, {"x": "<f8"}))
    np.testing.assert_array_equal(found.means[:, 0], 500_000 + splats.means[:, 0])


@pytest.mark.parametrize("words", ["1 2", "1 2 x", "nan 0 0", "1e13 0 0", ""])
def test_an_offset_that_is_none_is_refused(tmp_path: Path, words: str):
    path = write_rows(tmp_path / "a.ply", columns_of(random_splats(3, 0)))
    path.write_bytes(path.read_bytes().replace(b"ply\n", f"ply\ncomment offset {words}\n".encode(), 1))
    with pytest.raises(DataError, match=r"has the offset '.*': three numbers x y z are needed"):
        read_splat_ply(path)


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
    found, left_out = read_splat_ply(write_rows(tmp_path / "a.ply", columns))
    assert left_out == 6
    kept = np.r_[0:3, 9:20]
    np.testing.assert_array_equal(found.means[:, 2], splats.means[kept, 2].astype(np.float32))
    np.testing.assert_array_equal(found.opacity_logits[3:5], [20, -20])  # opaque, and not to be seen


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_splat_ply(path)
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
    assert refusal(path).startswith("is no PLY file")
    write_ply(path, np.zeros((4, 3)), np.zeros((4, 3), np.uint8))
    assert refusal(path) == (
        "is a point cloud, not Gaussians: its vertices have no f_dc_0, f_dc_1, f_dc_2, opacity, scale_0, scale_1, "
        "scale_2, rot_0, rot_1, rot_2, rot_3; export the scene as Gaussians (a 3DGS or splat PLY)"
    )
    write_rows(path, without("rot_3", "opacity"))
    assert refusal(path) == ("has vertices without opacity, rot_3: Gaussians need them; export the scene again")
    write_rows(path, {"packed_position": np.zeros(3)})
    assert refusal(path) == "holds Gaussians in compressed form: export the scene as an uncompressed PLY"
    for missing in ("f_rest_8", "f_rest_0"):
        write_rows(path, without(missing))
        assert refusal(path) == (
            "has 8 properties f_rest_…: spherical harmonics of degree 0, 1, 2 or 3 have 0, 9, 24 or 45, numbered from "
            "0; export the scene again"
        )
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
        splats, _ = read_splat_ply(path)
    except DataError:
        return
    assert len(splats)
    assert all(np.isfinite(getattr(splats, name)).all() for name in FIELDS)
    assert np.isfinite(np.exp(splats.log_scales)).all()
