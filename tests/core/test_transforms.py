"""Frames: similarities form a group, cameras keep orthonormal axes, and scenes are normalised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.transforms import Similarity, normalising_similarity, opencv_from_opengl, rotation_between

seeds = st.integers(0, 2**32 - 1)
cases = settings(deadline=None, max_examples=50)
close = np.testing.assert_allclose


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.linalg.det(q)


def similarity(rng: np.random.Generator) -> Similarity:
    return Similarity(rotation(rng), rng.uniform(-3, 3, 3), float(np.exp(rng.uniform(-2, 2))))


def pose(rng: np.random.Generator) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation(rng), rng.uniform(-3, 3, 3)
    return out


def unit(rng: np.random.Generator) -> np.ndarray:
    v = rng.normal(size=3)
    return v / np.linalg.norm(v)


@cases
@given(seeds)
def test_similarities_are_a_group(seed):
    rng = np.random.default_rng(seed)
    a, b, c = (similarity(rng) for _ in range(3))
    x = rng.uniform(-5, 5, (7, 3))
    close((a @ b).points(x), a.points(b.points(x)), atol=1e-10)
    close((a @ b).matrix, a.matrix @ b.matrix, atol=1e-10)
    close(((a @ b) @ c).matrix, (a @ (b @ c)).matrix, atol=1e-9)
    close((a @ Similarity.identity()).matrix, a.matrix, atol=0)
    for neutral in (a @ a.inverse(), a.inverse() @ a):
        close(neutral.matrix, np.eye(4), atol=1e-10)
    close(a.inverse().points(a.points(x)), x, atol=1e-10)
    close((a @ b).inverse().matrix, (b.inverse() @ a.inverse()).matrix, atol=1e-9)


@cases
@given(seeds)
def test_points_are_what_the_matrix_does(seed):
    rng = np.random.default_rng(seed)
    a, x = similarity(rng), rng.uniform(-5, 5, (2, 4, 3))
    homogeneous = np.concatenate([x, np.ones((2, 4, 1))], axis=-1) @ a.matrix.T
    close(a.points(x), homogeneous[..., :3], atol=1e-12)
    close(a.points(x[0, 0]), homogeneous[0, 0, :3], atol=1e-12)


@cases
@given(seeds)
def test_what_a_camera_sees_is_where_its_moved_camera_sees_it(seed):
    """Camera coordinates of a moved point in the moved camera: the old ones, scaled."""
    rng = np.random.default_rng(seed)
    a, camera, local = similarity(rng), pose(rng), rng.uniform(-2, 2, 3)
    moved = a.pose(camera)
    close(moved[:3, :3].T @ moved[:3, :3], np.eye(3), atol=1e-12)
    point = a.points(camera[:3, :3] @ local + camera[:3, 3])
    close(moved[:3, :3].T @ (point - moved[:3, 3]), a.scale * local, atol=1e-10)
    close(a.inverse().pose(moved), camera, atol=1e-10)


@cases
@given(seeds)
def test_a_matrix_splits_into_its_similarity(seed):
    a = similarity(np.random.default_rng(seed))
    again = Similarity.from_matrix(a.matrix)
    close(again.rotation, a.rotation, atol=1e-12)
    close(again.translation, a.translation)
    assert again.scale == pytest.approx(a.scale)


@pytest.mark.parametrize(
    ("linear", "line"),
    [
        (np.diag([1.0, 1.0, -1.0]), "determinant of a similarity must be positive, got -1"),
        (np.diag([1.0, 0.0, 1.0]), "determinant of a similarity must be positive, got 0"),
        (np.diag([1.0, 1.0, 1.001]), "not a similarity: its axes are not orthogonal or not equally scaled"),
        (np.eye(3) + np.eye(3, k=1) * 1e-3, "not a similarity: its axes are not orthogonal or not equally scaled"),
    ],
)
def test_other_matrices_are_refused(linear, line):
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    with pytest.raises(ValueError, match=f"^{line}$"):
        Similarity.from_matrix(matrix)


def test_opengl_axes_change_to_opencv_and_back():
    camera = pose(np.random.default_rng(0))
    changed = opencv_from_opengl(camera)
    right, up, backward = camera[:3, :3].T
    close(changed[:3, :3].T, [right, -up, -backward], atol=0)
    close(changed[:3, 3], camera[:3, 3], atol=0)
    close(opencv_from_opengl(changed), camera, atol=0)


def assert_turns(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    turn = rotation_between(source, target)
    close(turn @ source, target, atol=1e-14)
    close(turn.T @ turn, np.eye(3), atol=1e-14)
    assert np.linalg.det(turn) == pytest.approx(1)
    return turn


@cases
@given(seeds)
def test_the_smallest_rotation_between_two_directions(seed):
    rng = np.random.default_rng(seed)
    source, target = unit(rng), unit(rng)
    turn = assert_turns(source, target)
    axis = np.cross(source, target)
    close(turn @ axis, axis, atol=1e-14)  # no rotation about anything else
    assert (np.trace(turn) - 1) / 2 == pytest.approx(source @ target, abs=1e-12)


@cases
@given(seeds, st.floats(0, 17))
def test_nearly_opposite_directions_too(seed, digits):
    rng = np.random.default_rng(seed)
    source = unit(rng)
    off = -source + 10**-digits * unit(rng)
    assert_turns(source, off / np.linalg.norm(off))
    close(rotation_between(source, source), np.eye(3), atol=1e-15)


@pytest.mark.parametrize("source", [*np.eye(3), *-np.eye(3)])
def test_opposite_axes(source):
    assert np.trace(assert_turns(source, -source)) == pytest.approx(-1)


@cases
@given(seeds, st.sampled_from(["cameras", "none"]), st.integers(2, 9))
def test_normalised_scenes(seed, up, count):
    """The mean of the centres at 0, the farthest coordinate at 1, and the mean up direction at +z."""
    rng = np.random.default_rng(seed)
    poses = np.stack([pose(rng) for _ in range(count)])
    scene_from_world = normalising_similarity(poses, up)
    moved = np.stack([scene_from_world.pose(p) for p in poses])
    centres = moved[:, :3, 3]
    close(centres.mean(axis=0), np.zeros(3), atol=1e-10)
    assert np.abs(centres).max() == pytest.approx(1)
    if up == "none":
        close(scene_from_world.rotation, np.eye(3), atol=0)
    else:
        mean_up = -moved[:, :3, 1].mean(axis=0)
        close(mean_up / np.linalg.norm(mean_up), [0, 0, 1], atol=1e-10)


def test_scenes_without_extent_or_up_are_not_blown_up():
    one = pose(np.random.default_rng(1))
    assert normalising_similarity(np.stack([one, one])).scale == 1
    other = one.copy()
    other[:3, :2] *= -1  # rolled by half a turn: the two up directions cancel
    close(normalising_similarity(np.stack([one, other])).rotation, np.eye(3), atol=0)
