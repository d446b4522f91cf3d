"""Rooms: the table's place and words, what stands around it, and the light."""

import numpy as np
import pytest

from langfield_synthetic.rooms import make_room
from langfield_synthetic.tables import FLOOR_Z
from langfield_synthetic.things import COLOURS, SURFACES

SEEDS = range(16)


@pytest.fixture(scope="module")
def rooms():
    return [make_room(np.random.default_rng(seed)) for seed in SEEDS]


def test_the_same_seed_makes_the_same_room():
    one, again = (make_room(np.random.default_rng(5)) for _ in range(2))
    assert one.table_words == again.table_words
    assert one.light_panels == again.light_panels
    assert one.ambient == again.ambient
    for part, other in zip(one.table + one.surroundings, again.table + again.surroundings, strict=True):
        np.testing.assert_array_equal(part.mesh.vertices, other.mesh.vertices)
        assert part.surface.rgb == other.surface.rgb


def test_seeds_make_different_rooms(rooms):
    assert len({tuple(room.table_words.items()) for room in rooms}) > len(rooms) / 2
    assert len({room.ambient for room in rooms}) == len(rooms)


def test_the_tables_top_is_at_zero_and_its_legs_reach_the_floor(rooms):
    for room in rooms:
        low = min(part.mesh.bounds[0, 2] for part in room.table)
        high = max(part.mesh.bounds[1, 2] for part in room.table)
        assert high == pytest.approx(0.0, abs=1e-6)
        assert low == pytest.approx(FLOOR_Z, abs=1e-4)


def test_the_table_is_as_large_as_it_says(rooms):
    for room in rooms:
        assert 0.45 < room.table_radius <= 0.8
        top = np.concatenate([part.mesh.vertices for part in room.table])
        top = top[top[:, 2] > -0.006]
        angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
        reach = (top[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])).max(axis=0)
        assert room.table_radius - 0.005 < reach.min() < room.table_radius + 0.02


def test_the_tables_words_are_words_that_things_use(rooms):
    for room in rooms:
        words = room.table_words
        assert set(words) == {"noun", "shape", "colour", "material", "pattern"}
        assert words["noun"][0] == "table"
        assert set(words["colour"]) <= set(COLOURS)
        assert len(words["colour"]) <= 1


def test_the_tables_colour_word_is_the_nearest_or_nearly_so(rooms):
    for room in rooms:
        surface = room.table[1 if "tablecloth" in room.table_words["noun"] else 0].surface
        for word in room.table_words["colour"]:
            far = {name: np.linalg.norm(np.subtract(surface.rgb, rgb)) for name, rgb in COLOURS.items()}
            assert far[word] < min(far.values()) + 0.25, (word, surface.rgb)


def test_the_surroundings_stay_clear_of_the_table_and_of_the_cameras_around_it(rooms):
    for room in rooms:
        assert len(room.surroundings) >= 3
        for part in room.surroundings:
            high = part.mesh.vertices[part.mesh.vertices[:, 2] > FLOOR_Z + 0.05]
            if len(high):
                assert np.abs(high[:, :2]).max(axis=1).min() > 1.1


def test_every_part_is_sound(rooms):
    for room in rooms:
        for part in room.table + room.surroundings:
            mesh, surface = part.mesh, part.surface
            assert np.isfinite(mesh.vertices).all()
            assert np.isfinite(mesh.uv).all()
            assert mesh.faces.max() < len(mesh.vertices) == len(mesh.uv)
            assert surface.kind in SURFACES
            assert 0 <= min(surface.rgb) <= max(surface.rgb) <= 1


def test_walls_and_floor_face_the_table(rooms):
    for room in rooms:
        for part in room.surroundings:
            if len(part.mesh.faces) != 2:
                continue
            a, b, c = part.mesh.vertices[part.mesh.faces[0]]
            assert np.cross(b - a, c - a) @ (np.array([0.0, 0.0, 0.0]) - a) > 0


def test_the_light_comes_from_above(rooms):
    for room in rooms:
        assert 1 <= len(room.light_panels) <= 3
        for panel in room.light_panels:
            assert 1.8 <= panel.centre[2] <= 2.5
            assert min(panel.radiance) > 0
        assert min(room.ambient) > 0
        assert 0.3 < room.white < 3


def test_a_room_is_small_enough_to_build_quickly(rooms):
    for room in rooms:
        assert sum(len(part.mesh.faces) for part in room.table + room.surroundings) < 40_000
