"""Scenes: things beside each other on the table, the same for the same seed, and cameras that look at them."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from tests.synthetic import small_scenes

from langfield.core.errors import UsageError
from langfield_synthetic.scenes import compose, look_at, random_cameras, ring_cameras

SEEDS = range(4)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scenes():
    return [compose(seed) for seed in SEEDS]


def test_things_do_not_overlap(scenes):
    for scene in scenes:
        for one, other in itertools.combinations(scene.things, 2):
            apart = np.hypot(one.position[0] - other.position[0], one.position[1] - other.position[1])
            assert apart > 0.92 * (one.radius + other.radius)


def test_things_stand_on_the_table_where_they_say(scenes):
    for scene in scenes:
        for thing in scene.things:
            points = np.concatenate([part.mesh.vertices for part in thing.parts])
            away = np.linalg.norm(points[:, :2] - thing.position[:2], axis=1)
            assert points[:, 2].min() == pytest.approx(0, abs=1e-5)
            assert points[:, 2].max() == pytest.approx(thing.height, abs=1e-5)
            assert thing.position[2] == pytest.approx(thing.height / 2)
            assert away.max() == pytest.approx(thing.radius, abs=1e-5)
            assert np.linalg.norm(points[:, :2], axis=1).max() < scene.room.table_radius


def test_a_scene_holds_many_kinds_some_of_them_twice(scenes):
    assert all(8 <= len(scene.things) <= 20 for scene in scenes)
    assert all(len({thing.kind.noun for thing in scene.things}) > 6 for scene in scenes)
    assert any(len({thing.kind.noun for thing in scene.things}) < len(scene.things) for scene in scenes)


def test_things_look_as_their_kind_offers(scenes):
    for thing in itertools.chain.from_iterable(scene.things for scene in scenes):
        assert thing.look.colour in (thing.kind.colours or ("",))
        assert thing.look.material in (thing.kind.materials or ("",))
        assert thing.kind.noun in thing.name


def test_a_seed_determines_a_scene():
    one, again, other = compose(5), compose(5), compose(6)
    assert [thing.name for thing in one.things] == [thing.name for thing in again.things]
    assert [thing.name for thing in one.things] != [thing.name for thing in other.things]
    for thing, same in zip(one.things, again.things, strict=True):
        assert thing.position == same.position
        for part, other_part in zip(thing.parts, same.parts, strict=True):
            np.testing.assert_array_equal(part.mesh.vertices, other_part.mesh.vertices)


def test_wishes_are_put_there_in_their_look():
    wishes = [("mug", "red", "ceramic"), ("mug", "blue", ""), ("banana", "", "")]
    things = compose(1, wishes).things
    assert [(thing.kind.noun, thing.look.colour) for thing in things] == [
        ("mug", "red"),
        ("mug", "blue"),
        ("banana", "yellow"),
    ]
    assert things[0].name == "red ceramic mug"


def test_what_finds_no_place_is_left_out():
    many = compose(1, [("lamp", "", "")] * 60)
    assert 0 < len(many.things) < 60


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        (("unicorn", "", ""), "unicorn"),
        (("mgu", "", ""), "'mgu'; did you mean 'mug'"),
        (("mug", "mauve", ""), "mauve"),
        (("mug", "blu", ""), "'blu'; did you mean 'blue'"),
    ],
)
def test_unknown_wishes_are_refused_by_name(wish, named):
    with pytest.raises(UsageError, match=named):
        compose(1, [wish])


def test_a_given_room_is_used():
    room = small_scenes.room()
    assert compose(1, [("egg", "", "")], room=room).room is room


def test_a_camera_looks_level_at_its_target():
    eye, target = np.array([0.4, -0.7, 0.5]), np.array([0.1, 0.2, 0.03])
    camera = look_at(eye, target, 40, 30, 50.0)
    right, down, forward, at = camera.world_from_camera[:3].T
    np.testing.assert_allclose(at, eye)
    np.testing.assert_allclose(forward, (target - eye) / np.linalg.norm(target - eye))
    assert right[2] == pytest.approx(0)
    assert down[2] < 0
    assert 2 * np.degrees(np.arctan(camera.width_px / 2 / camera.fx_px)) == pytest.approx(50)
    assert camera.fx_px == camera.fy_px
    assert (camera.cx_px, camera.cy_px) == (20, 15)


def test_cameras_are_rigid_above_the_table_and_see_its_middle(scenes):
    cameras = ring_cameras(12, 40, 30)
    for scene in scenes:
        cameras += random_cameras(np.random.default_rng(scene.seed), scene, 20, 40, 30)
    for camera in cameras:
        rotation, eye = camera.world_from_camera[:3, :3], camera.world_from_camera[:3, 3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert 0.05 < eye[2] < 1.6
        assert np.linalg.norm(eye[:2]) < 1.9
        middle = rotation.T @ (0 - eye)
        assert middle[2] > 0


def test_ring_cameras_go_all_around_at_their_distance():
    cameras = ring_cameras(24, 40, 30, distance=0.9)
    eyes = np.stack([camera.world_from_camera[:3, 3] for camera in cameras])
    np.testing.assert_allclose(np.linalg.norm(eyes, axis=1), 0.9, atol=0.05)
    around = np.sort(np.arctan2(eyes[:, 1], eyes[:, 0]))
    assert np.diff(around, append=around[0] + 2 * np.pi).max() < np.radians(45)


def test_random_cameras_of_a_seed_are_the_same(scenes):
    one, again = (random_cameras(np.random.default_rng(3), scenes[0], 5, 40, 30) for _ in range(2))
    for camera, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(camera.world_from_camera, same.world_from_camera)


@pytest.fixture(scope="module")
def scenes_with_sets():
    return [compose(seed, alike=1.0) for seed in SEEDS]


def sets_of(scene):
    numbers = sorted({thing.alike for thing in scene.things} - {None})
    return [[thing for thing in scene.things if thing.alike == number] for number in numbers]


def test_a_set_is_of_two_to_six_things_of_one_shape_and_look(scenes_with_sets):
    for scene in scenes_with_sets:
        assert 1 <= len(sets_of(scene)) <= 2
        for first, *others in sets_of(scene):
            assert 1 <= len(others) <= 5
            for other in others:
                assert other.kind is first.kind
                assert other.look == first.look
                assert other.yaw_degrees != first.yaw_degrees
                for part, same in zip(first.parts, other.parts, strict=True):
                    assert same.surface is part.surface
                shapes = [
                    np.concatenate([part.mesh.turned("z", -thing.yaw_degrees).vertices for part in thing.parts])
                    for thing in (first, other)
                ]
                np.testing.assert_allclose(shapes[0] - shapes[0][0], shapes[1] - shapes[1][0], atol=1e-5)


def test_the_things_of_a_set_stand_side_by_side(scenes_with_sets):
    for scene in scenes_with_sets:
        for things in sets_of(scene):
            at = np.array([thing.position[:2] for thing in things])
            apart = np.linalg.norm(at[:, None] - at, axis=-1) + np.diag(np.full(len(at), np.inf))
            assert apart.min(axis=1).max() < 2 * max(thing.radius for thing in things) + 0.03


def test_scenes_with_sets_keep_the_laws_of_scenes(scenes_with_sets):
    test_things_do_not_overlap(scenes_with_sets)
    test_things_stand_on_the_table_where_they_say(scenes_with_sets)
    test_things_look_as_their_kind_offers(scenes_with_sets)


def test_no_thing_outside_of_a_set_has_its_name():
    for seed in SEEDS:
        scene = compose(seed, alike=1.0, nouns=["mug", "apple", "egg"], count=(30, 30))
        names = {things[0].name for things in sets_of(scene)}
        assert not names & {thing.name for thing in scene.things if thing.alike is None}


def test_a_scene_without_sets_is_the_one_that_its_seed_always_gave(scenes):
    how = {"count": (3, 4), "room": small_scenes.room()}
    drawn = [compose(seed, alike=0.5, **how) for seed in range(8)]
    without = [scene for scene in drawn if not sets_of(scene)]
    assert 0 < len(without) < len(drawn)
    for scene in without:
        plain = compose(scene.seed, **how)
        assert [(thing.name, thing.position) for thing in scene.things] == [
            (thing.name, thing.position) for thing in plain.things
        ]
    assert all(thing.alike is None for scene in scenes for thing in scene.things)


def test_the_bundled_scene_is_still_what_its_seed_gives():
    """`training/demo/README.md` has the command that made it."""
    wishes = [(a, b, c) for a, b, c in json.loads((ROOT / "training" / "demo" / "things.json").read_text())]
    bundled = json.loads((ROOT / "src" / "langfield" / "bundled" / "table" / "queries.json").read_text())["instances"]
    things = compose(9003, wishes, spread=0.78).things
    assert [thing.name for thing in things] == [thing["name"] for thing in bundled]
    np.testing.assert_allclose([thing.position for thing in things], [thing["position"] for thing in bundled])
    np.testing.assert_allclose([thing.radius for thing in things], [thing["radius"] for thing in bundled])


def test_random_things_are_still_what_their_seed_gives():
    """As the pictures that `builtin:mini` was trained on had them."""
    first = [(thing.name, *np.round(thing.position[:2], 4)) for thing in compose(5).things[:4]]
    assert first == [
        ("orange", 0.1930, 0.5125),
        ("yellow lemon", -0.2015, 0.4856),
        ("white basket", 0.1007, 0.1957),
        ("pineapple", -0.2443, -0.4267),
    ]
