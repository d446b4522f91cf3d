"""PLY files out: what is read again is what was written, whole files only, and the header that others expect."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.splats import columns_of, random_splats, write_rows

from langfield.core.errors import RunError
from langfield.data.formats.ply import read_ply, read_vertices
from langfield.data.formats.splat_files import read_splats
from langfield.export.ply import float32_offset, write_points_ply, write_splat_ply

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
    np.testing.assert_array_equal(found.xyz.astype(np.float32), xyz.astype(np.float32))
    np.testing.assert_array_equal(found.rgb, rgb)


UTM = np.array([448262.25, 5411932.5, 412.0])


@settings(deadline=None, max_examples=30)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 100), times=st.floats(0, 1e6))
def test_points_keep_their_digits_wherever_they_are(tmp_path_factory, scale: float, seed: int, times: float):
    """Neighbours a thousandth of the extent apart stay apart by that."""
    path = tmp_path_factory.getbasetemp() / "far.ply"
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=3)
    xyz = scale * (rng.integers(0, 1000, (200, 3)) / 1000 + times * direction / np.linalg.norm(direction))
    write_points_ply(path, xyz, np.zeros((200, 3), np.uint8))
    np.testing.assert_allclose(read_ply(path).xyz, xyz, rtol=0, atol=3e-5 * scale)


def test_small_points_files_stay_floats_and_far_ones_become_doubles(tmp_path: Path):
    xyz, rgb = np.random.default_rng(0).normal(size=(100, 3)), np.zeros((100, 3), np.uint8)
    for offset, kind, bytes_of_each in ((0.0, b"float", 15), (50.0, b"float", 15), (UTM, b"double", 27)):
        write_points_ply(tmp_path / "a.ply", xyz + offset, rgb)
        header, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)
        assert b"property " + kind + b" x" in header
        assert len(body) == 100 * bytes_of_each


def test_far_gaussians_are_floats_relative_to_an_offset_that_reading_adds(tmp_path: Path):
    near = random_splats(500, 1)
    splats = replace(near, means=near.means + UTM)
    offset = float32_offset(splats.means)
    assert offset is not None
    np.testing.assert_allclose(offset, UTM, atol=1.5)
    assert float32_offset(near.means) is None
    parts = np.arange(500) < 30
    for name, selection in (("all.ply", None), ("some.ply", parts), ("others.ply", ~parts)):
        write_splat_ply(tmp_path / name, splats, selection)
        x, y, z = offset
        assert f"comment offset {x!r} {y!r} {z!r}\n".encode() in (tmp_path / name).read_bytes()
        assert read_vertices(tmp_path / name).dtype["x"] == np.float32
        found = read_splats(tmp_path / name).splats
        expected = splats.means if selection is None else splats.means[selection]
        np.testing.assert_allclose(found.means, expected, rtol=0, atol=1e-6)


def test_a_few_gaussians_far_away_are_no_reason_for_an_offset():
    means = np.random.default_rng(0).normal(size=(1000, 3))
    means[:15] *= 1e7
    assert float32_offset(means) is None
    assert float32_offset(np.full((5, 3), 1e6)) is None
    assert float32_offset(means[:1] + 1e6) is None


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
