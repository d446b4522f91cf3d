"""Meshes by laws: closed, the volume of their closed form, facing outwards, textures upright."""

import numpy as np
import pytest
from tests.synthetic.mesh_laws import is_closed, volume

from langfield_synthetic.meshes import (
    Mesh,
    box_sides,
    cylinder,
    ellipsoid,
    extruded,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    smooth_curve,
    sweep,
    torus,
    vessel,
)

CUP = [(0.02, 0.0), (0.03, 0.04), (0.035, 0.09)]
CLOSED = {
    "lathe": lathe([(0, 0), (0.03, 0), (0.02, 0.05), (0, 0.06)]),
    "vessel": vessel(CUP, 0.003),
    "ellipsoid": ellipsoid(0.03, 0.02, 0.05),
    "torus": torus(0.05, 0.01),
    "sweep": sweep(smooth_curve([(0, 0, 0), (0.1, 0.02, 0.03), (0.15, 0.1, 0.0)]), 0.01),
    "upright sweep": sweep([(0, 0, 0), (0, 0, 0.1)], [0.01, 0.004]),
    "cylinder": cylinder(0.03, 0.1),
    "cone": cylinder(0.03, 0.1, 0.0),
    "rounded box": rounded_box(0.1, 0.06, 0.04),
    "extruded": extruded([(0, 0), (0.1, 0), (0.1, 0.05), (0, 0.05)], 0.02),
}


def rounded_box_volume(x: float, y: float, z: float, r: float) -> float:
    a, b, c = x - 2 * r, y - 2 * r, z - 2 * r
    return a * b * c + 2 * r * (a * b + b * c + c * a) + np.pi * r**2 * (a + b + c) + 4 / 3 * np.pi * r**3


@pytest.mark.parametrize("name", CLOSED)
def test_bodies_are_closed_and_look_outwards(name):
    mesh = CLOSED[name]
    assert is_closed(mesh)
    assert volume(mesh) > 0


def test_an_open_sheet_and_a_missing_face_are_not_closed():
    box = rounded_box(0.1, 0.06, 0.04)
    assert not is_closed(grid_mesh(np.array([[[0, 0, 0], [0, 1, 0]], [[1, 0, 0], [1, 1, 0]]], dtype=float)))
    assert not is_closed(Mesh(box.vertices, box.faces[1:], box.uv))


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (cylinder(0.03, 0.1, bevel=1e-5), np.pi * 0.03**2 * 0.1),
        (cylinder(0.03, 0.1, 0.01, bevel=1e-5), np.pi * 0.1 / 3 * (0.03**2 + 0.03 * 0.01 + 0.01**2)),
        (ellipsoid(0.03, 0.02, 0.05, segments=80), 4 / 3 * np.pi * 0.03 * 0.02 * 0.05),
        (torus(0.05, 0.01), 2 * np.pi**2 * 0.05 * 0.01**2),
        (rounded_box(0.1, 0.06, 0.04, 0.01), rounded_box_volume(0.1, 0.06, 0.04, 0.01)),
        (rounded_box(0.1, 0.06, 0.04, 0.0005), rounded_box_volume(0.1, 0.06, 0.04, 0.0005)),
        (sweep([(0, 0, 0), (0.05, 0, 0), (0.1, 0, 0)], 0.01, segments=48), np.pi * 0.01**2 * 0.1),
        (extruded([(0, 0), (0.1, 0), (0, 0.05)], 0.02), 0.1 * 0.05 / 2 * 0.02),
    ],
)
def test_the_volume_is_that_of_the_closed_form(mesh, expected):
    assert volume(mesh) == pytest.approx(expected, rel=0.02)


def test_a_vessels_volume_is_that_of_its_wall():
    outer = volume(lathe([(0, 0), *CUP, (0, 0.09)]))
    assert 0 < volume(vessel(CUP, 0.001)) < volume(vessel(CUP, 0.003)) < 0.6 * outer


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("degrees", [-130, 37.5, 90])
def test_turning_keeps_volume_and_outside(axis, degrees):
    mesh = CLOSED["vessel"]
    assert volume(mesh.turned(axis, degrees)) == pytest.approx(volume(mesh), rel=1e-4)


@pytest.mark.parametrize(("axis", "start", "end"), [("x", 1, 2), ("y", 2, 0), ("z", 0, 1)])
def test_turning_is_counter_clockwise_when_the_axis_points_at_the_eye(axis, start, end):
    points = np.eye(3, dtype=np.float32)[[start]]
    mesh = Mesh(points, np.zeros((0, 3), np.uint32), np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(mesh.turned(axis, 90).vertices, np.eye(3)[[end]], atol=1e-6)


def test_moving_scaling_and_merging():
    box = rounded_box(0.1, 0.06, 0.04)
    np.testing.assert_allclose(box.moved(1, y=-2).bounds, box.bounds + np.array([1, -2, 0]), atol=1e-6)
    assert volume(box.scaled(2)) == pytest.approx(8 * volume(box), rel=1e-4)
    assert volume(box.scaled(2, 1, 3)) == pytest.approx(6 * volume(box), rel=1e-4)
    both = merged([box, torus(0.05, 0.01).moved(z=1)])
    assert volume(both) == pytest.approx(volume(box) + volume(torus(0.05, 0.01)), rel=1e-3)
    assert is_closed(both)
    assert box.moved(z=-7).on_table().bounds[0, 2] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", CLOSED)
def test_every_vertex_has_its_place_in_the_texture(name):
    mesh = CLOSED[name]
    assert mesh.uv.shape == (len(mesh.vertices), 2)
    assert 0 <= mesh.uv.min() <= mesh.uv.max() <= 1
    assert mesh.vertices.dtype == mesh.uv.dtype == np.float32
    assert mesh.faces.dtype == np.uint32


def test_a_boxes_sides_have_upright_textures_that_are_not_mirrored():
    right_of = {"front": (1, 0, 0), "back": (-1, 0, 0), "left": (0, -1, 0), "right": (0, 1, 0)}
    sides = box_sides(0.1, 0.06, 0.04)
    for name, right in right_of.items():
        mesh = sides[name]
        (left, bottom), (most_right, top) = mesh.uv.min(axis=0), mesh.uv.max(axis=0)
        assert (left, bottom, most_right, top) == (0, 0, 1, 1)
        across = mesh.vertices @ np.array(right)
        assert np.corrcoef(mesh.uv[:, 0], across)[0, 1] > 0.99
        assert np.corrcoef(mesh.uv[:, 1], mesh.vertices[:, 2])[0, 1] > 0.99
        out = np.cross(right, (0, 0, 1))
        assert (mesh.vertices @ out).mean() > 0.015


def test_the_sides_of_a_box_are_its_whole():
    np.testing.assert_allclose(rounded_box(0.1, 0.06, 0.04).bounds, [[-0.05, -0.03, 0], [0.05, 0.03, 0.04]], atol=1e-6)
    assert set(box_sides(0.1, 0.06, 0.04)) == {"front", "back", "left", "right", "top", "bottom"}


def test_a_smooth_curve_passes_through_its_points():
    points = np.array([(0.0, 0.0, 0.0), (1.0, 0.5, 0.0), (2.0, -0.5, 1.0), (3.0, 0.0, 0.0)])
    curve = smooth_curve(points, 31)
    np.testing.assert_allclose(curve[::10], points, atol=1e-12)
    assert np.linalg.norm(np.diff(curve, axis=0), axis=1).max() < 0.3


def test_a_lathes_texture_runs_around_and_up():
    mesh = lathe([(0.03, 0.0), (0.03, 0.1)], 36)
    assert np.corrcoef(mesh.uv[:, 1], mesh.vertices[:, 2])[0, 1] == pytest.approx(1)
    quarter = np.abs(mesh.uv[:, 0] - 0.25) < 1e-6
    np.testing.assert_allclose(mesh.vertices[quarter][:, :2], [[0, 0.03]] * 2, atol=1e-6)
