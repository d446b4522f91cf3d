"""PLY files out: what is read again is what was written, whole files only, and the header that others expect."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.splats import columns_of, random_splats, write_rows

from langfield.core.errors import RunError
from langfield.data.formats.ply import read_ply, read_vertices
from langfield.data.formats.splat_files import read_splats
from langfield.export.ply import write_points_ply, write_splat_ply

FIELDS = ("means", "rotations", "log_scales", "opacity_logits", "harmonics")


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(0, 3), st.integers(0, 1000))
def test_what_is_written_is_read_again(tmp_path_factory, n: int, degree: int, seed: int):
    path = tmp_path_factory.getbasetemp() / "round.ply"
    splats = random_splats(n, degree, seed)
    selection = np.random.default_rng(seed).random(n) < 0.7
    selection[seed % n] = True
    assert write_splat_ply(path, splats) == n
    read = read_splats(path)
    whole, left_out = read.splats, read.left_out
    assert left_out == 0
    assert write_splat_ply(path, splats, selection) == selection.sum()
    some = read_splats(path).splats
    for name in FIELDS:
        expected = getattr(splats, name).astype(np.float32)
        np.testing.assert_array_equal(getattr(whole, name), expected)
        np.testing.assert_array_equal(getattr(some, name), expected[selection])


def test_properties_are_where_readers_that_count_columns_look_for_them(tmp_path: Path):
    splats = random_splats(3, 3)
    write_splat_ply(tmp_path / "a.ply", splats)
    rest = [f"f_rest_{i}" for i in range(45)]
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *rest, "opacity"]
    names += ["scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 3\n"
    header += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    content = (tmp_path / "a.ply").read_bytes()
    assert content.startswith(header.encode())
    assert len(content) == len(header) + 3 * 62 * 4
    theirs = read_vertices(write_rows(tmp_path / "b.ply", columns_of(splats)))
    ours = read_vertices(tmp_path / "a.ply")
    for name in theirs.dtype.names:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_many_are_in_their_places(tmp_path: Path):
    splats = random_splats(20_001, 1)
    write_splat_ply(tmp_path / "a.ply", splats)
    found = read_splats(tmp_path / "a.ply").splats
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(splats, name).astype(np.float32))


def test_nothing_chosen_is_an_empty_file(tmp_path: Path):
    assert write_splat_ply(tmp_path / "a.ply", random_splats(3, 1), np.zeros(3, bool)) == 0
    assert len(read_vertices(tmp_path / "a.ply")) == 0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 20), st.integers(0, 100))
def test_points_are_read_again(tmp_path_factory, n: int, seed: int):
    path = tmp_path_factory.getbasetemp() / "points.ply"
    rng = np.random.default_rng(seed)
    xyz, rgb = rng.normal(size=(n, 3)), rng.integers(0, 256, (n, 3)).astype(np.uint8)
    write_points_ply(path, xyz, rgb)
    found = read_ply(path)
    np.testing.assert_array_equal(found.xyz, xyz.astype(np.float32))
    np.testing.assert_array_equal(found.rgb, rgb)


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path, monkeypatch):
    path = tmp_path / "a.ply"
    path.write_text("old")

    def full(*args) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(RunError, match=r"a.ply: could not be written: No space left on device; \d+ bytes are needed"):
        write_splat_ply(path, random_splats(3, 1))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_may_be_text(tmp_path: Path):
    points, splats = str(tmp_path / "points.ply"), str(tmp_path / "splats.ply")
    write_points_ply(points, np.zeros((2, 3)), np.full((2, 3), 7, dtype=np.uint8))
    assert len(read_ply(points)) == len(read_vertices(points)) == 2
    assert write_splat_ply(splats, random_splats(3, 0)) == len(read_splats(splats).splats) == 3
