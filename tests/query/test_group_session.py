"""Answers of a run that has groups: hits, objects, clicks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack
from tests.query.fake_session import WORLD_FROM_SCENE
from tests.query.fake_session import session as plain_session
from tests.query.fake_world import THING
from tests.query.grouped_wall import DISC, HALF, LARGE, RADIUS, scene_groups, session

from langfield.core.errors import UsageError
from langfield.groups.base import Groups
from langfield.groups.scene_groups import SceneGroups
from langfield.groups.surface import GroupSurface
from langfield.query.boxes import GROUP_ENDS
from langfield.query.objects import seen_often
from langfield.query.session import Session


@pytest.fixture(scope="module")
def grouped():
    return session()


def world(*offset_scene: float) -> np.ndarray:
    return WORLD_FROM_SCENE.points(THING.double().numpy()[None] + np.array([offset_scene]))


def test_a_hit_becomes_the_group_that_explains_it(grouped):
    (answer,) = grouped.query(["thing"])
    (hit,) = answer.hits
    np.testing.assert_allclose(hit.position, world(0, 0, 0)[0], atol=0.15)  # half a voxel
    found = scene_groups()
    points = WORLD_FROM_SCENE.points(found.surface.centres_scene.double().numpy()[found.groups.voxels_of(DISC)])
    low, high = np.percentile(points, (GROUP_ENDS, 100 - GROUP_ENDS), axis=0)
    size, side = sorted(hit.box.size), 3 * float(found.surface.sides_scene[0])  # the world is three times as large
    np.testing.assert_allclose([hit.box.low, hit.box.high], [low - side / 2, high + side / 2], atol=1e-5)
    assert 2 * RADIUS * 3 - side < size[1] <= size[2] < 2 * RADIUS * 3 + side
    np.testing.assert_allclose(size[0], side, atol=1e-5)  # a flat thing is as thick as a voxel
    np.testing.assert_allclose(sorted(hit.upright_box.size), size, atol=0.15)


def test_masks_end_where_the_group_does(grouped):
    camera = grouped.views[0].camera
    answers = grouped.ask_view(camera, ["thing"])
    x, y = np.meshgrid(np.arange(64) + 0.5, np.arange(48) + 0.5)
    centre = THING[:2].numpy() / 4 * 0.9 * 64 + np.array([32, 24])
    away = np.hypot(x - centre[0], y - centre[1]) / (0.9 * 64) * 4
    mask = answers.masks[0]
    truth = away < RADIUS
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8  # discs of 100 pixels
    assert not mask[away > RADIUS + 0.1].any()
    np.testing.assert_array_equal(grouped.hit_masks(camera, "thing")[0], mask)
    column, row = answers.best_xy_px[0].astype(int)
    assert mask[row, column]


def test_elements_of_a_hit_lie_in_the_group(grouped):
    (chosen,) = grouped.elements("thing")
    points, _ = grouped.surface()
    away = np.linalg.norm(points - world(0, 0, 0), axis=1) / 3
    assert chosen.any()
    assert away[chosen].max() < RADIUS + 0.1
    assert chosen[away < RADIUS - 0.1].mean() > 0.95


def test_what_is_not_there_stays_away(grouped):
    (answer,) = grouped.query(["nothing"])
    assert not answer.present
    assert not grouped.ask_view(grouped.views[0].camera, ["nothing"]).masks.any()


def test_objects_are_the_things_and_all_levels_all_groups(grouped):
    (thing,) = grouped.objects(["thing", "nothing"])
    assert thing.shape.group == DISC
    assert thing.name == "thing"
    assert thing.parent == LARGE
    assert thing.parts == (HALF,)
    np.testing.assert_allclose(thing.shape.position, world(0, 0, 0)[0], atol=0.15)
    assert {found.shape.group for found in grouped.objects(["thing"], all_levels=True)} == {DISC, HALF, LARGE}
    assert set(thing.to_json()) >= {"position", "box", "obb", "name", "score", "view", "photos", "parent", "elements"}


def test_what_is_longer_than_its_distance_surrounds_and_is_listed_on_demand():
    found = scene_groups()
    groups, voxels = found.groups, len(found.surface)
    members = vstack([groups.members, csr_matrix(np.ones((1, voxels), np.float32))], format="csr")
    parent = np.array([LARGE, DISC, LARGE + 1, -1])
    counts = np.append(groups.photo_count, 4)
    with_wall = Groups(members, parent, counts, np.full(4, 4), (counts / 4).astype(np.float32))
    run = session(SceneGroups(found.surface, with_wall))
    wall = run.objects(["thing"], all_levels=True)
    assert max(thing.shape.extent for thing in wall) / WORLD_FROM_SCENE.scale > 4.2  # from 4 away
    assert LARGE + 1 in {thing.shape.group for thing in wall}
    assert LARGE + 1 not in {thing.shape.group for thing in run.objects(["thing"])}


def test_a_click_gives_the_thing_and_grows_with_the_scale(grouped):
    left = world(-0.1, 0, 0)
    at_scales = [grouped.segment(left, scale_world=scale) for scale in (1.0, 2.1, 6.0)]
    assert [found.group for found in at_scales] == [HALF, DISC, LARGE]
    assert grouped.segment(left).group == DISC
    assert grouped.segment(world(0.1, 0, 0), scale_world=1.0).group == DISC  # no half there


def test_clicks_that_are_not_of_the_thing_exclude_what_holds_them(grouped):
    left, right = world(-0.1, 0, 0), world(0.1, 0, 0)
    assert grouped.segment(left, not_at_world=right).group == HALF
    assert grouped.segment(np.concatenate([left, world(0, 0.6, 0)])).group == LARGE
    assert grouped.segment(left, not_at_world=left) is None
    assert grouped.segment(world(0, 0, -1.0)) is None  # in the air


def ring_groups() -> SceneGroups:
    """The wall's groups with a hole of .2 about the thing's middle, so that the thing is hollow."""
    whole = scene_groups()
    kept = np.linalg.norm((whole.surface.centres_scene - THING).numpy(), axis=1) > 0.2
    arrays = whole.surface.arrays()
    ring = GroupSurface.from_arrays(arrays | {name: arrays[name][kept] for name in ("keys", "centres_scene")})
    return SceneGroups(ring, replace(whole.groups, members=whole.groups.members[:, kept]))


def test_the_middle_of_a_hollow_thing_is_of_it():
    """As an object's position may be, which is the middle of its box."""
    run = session(ring_groups())
    middle, left, right = world(-0.05, 0, 0), world(-0.27, 0, 0), world(0.27, 0, 0)
    assert run.segment(middle).group == DISC
    assert run.segment(middle, scale_world=6.0).group == LARGE
    assert run.segment(np.concatenate([middle, left])).group == DISC
    assert run.segment(world(-0.12, 0, 0), not_at_world=right).group == HALF
    assert run.segment(np.array(run.objects(["thing"])[0].shape.position)).group == DISC
    assert run.segment(world(0, 0, -1.0)) is None
    assert run.segment(middle, not_at_world=world(0.05, 0, 0)).group == DISC  # off the surface: says nothing


@pytest.mark.parametrize("degrees", [0, 30, 45])
def test_places_in_the_box_that_is_told_are_of_the_thing_however_the_frame_is_turned(degrees):
    plain = session()
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cosine, 0, sine, 0], [0, 1, 0, 0], [-sine, 0, cosine, 0], [0, 0, 0, 1]])
    info = replace(plain.info, scene_from_world=np.array(plain.info.scene_from_world) @ turn)
    run = Session(info, plain.model, plain.device, plain._phrase_encoder, ring_groups())
    (found,) = run.objects(["thing"])
    low, high = np.array(found.shape.box.low), np.array(found.shape.box.high)
    for share in np.random.default_rng(0).uniform(0.02, 0.98, (20, 3)):
        at = run.segment(low + share * (high - low))
        assert at is not None
        assert at.group in (DISC, HALF, LARGE)
        answers = run._scene.groups()
        _, weight = answers._around(run._scene.scene_from_world.points((low + share * (high - low))[None]))
        assert at.group == DISC or weight.any()  # on the surface it may be of what is around the ring


def test_what_hardly_any_photo_shows_is_listed_on_demand():
    found = scene_groups()
    away = np.linalg.norm((found.surface.centres_scene - THING).numpy() - [1.2, 0, 0], axis=1)
    members = vstack([found.groups.members, csr_matrix((away < 0.2).astype(np.float32)[None])], format="csr")
    support = np.array([1, 0.5, 0.5, 1], dtype=np.float32)
    for count, listed in ((3, False), (30, True)):
        counts = np.array([40, 20, 20, count])
        groups = Groups(members, np.array([LARGE, DISC, -1, -1]), counts, np.full(4, 40), support)
        run = session(SceneGroups(found.surface, groups))
        assert (3 in {thing.shape.group for thing in run.objects(["thing"])}) == listed
        assert 3 in {thing.shape.group for thing in run.objects(["thing"], all_levels=True)}


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ([100, 100, 100, 12, 9], [0, 1, 2, 3]),
        ([30, 28, 27, 5, 3], [0, 1, 2, 3]),
        ([4, 3, 2, 2], [0, 1, 2, 3]),
        ([], []),
    ],
)
def test_few_photos_are_fewer_than_ten_and_than_is_usual(counts, kept):
    members, number = csr_matrix(np.ones((len(counts), 5), np.float32)), np.array(counts, dtype=np.int64)
    groups = Groups(members, np.full(len(counts), -1), number, number, np.ones(len(counts), np.float32))
    assert seen_often(list(range(len(counts))), groups) == kept


def test_a_pixel_leads_to_the_place_that_it_shows(grouped):
    camera = grouped.views[0].camera
    x, y = (THING[:2].double().numpy() / 4 * 0.9 * 64 + np.array([32, 24])).tolist()
    point = grouped.point_at(camera, (x, y))
    np.testing.assert_allclose(point, world(0, 0, 0)[0], atol=0.2)
    assert grouped.segment(point[None]).group == DISC
    with pytest.raises(UsageError, match="not in the picture"):
        grouped.point_at(camera, (64.0, 3.0))


def test_each_element_is_asked_where_it_lies(grouped):
    """The table of all elements and groups says what `contains` says of each place."""
    answers, positions = grouped._scene.groups(), grouped._scene.element_positions_scene()
    for group in (DISC, HALF, LARGE):
        np.testing.assert_array_equal(grouped.group_elements(group), answers.contains(group, positions))
        assert 0 < grouped.group_elements(group).sum() < len(positions)


def test_elements_are_looked_up_once_for_all_groups(monkeypatch):
    made, asked = session(), []
    monkeypatch.setattr(made._scene, "element_positions_scene", lambda: asked.append(1) or np.zeros((5, 3)))
    for group in (DISC, HALF, LARGE, DISC):
        assert not made.group_elements(group).any()  # the wall is four away
    assert asked == [1]


def test_groups_need_no_language():
    """All but names: they are found without the index, which is made of language."""
    mute = session(language=False)
    camera = mute.views[0].camera
    x, y = (THING[:2].double().numpy() / 4 * 0.9 * 64 + np.array([32, 24])).tolist()
    point = mute.point_at(camera, (x, y))
    assert mute.segment(point).group == DISC
    assert mute.group_masks(camera, [DISC])[0, int(y), int(x)]
    assert mute.group_elements(DISC).any()
    (thing,) = mute.objects()
    assert (thing.shape.group, thing.name, thing.score) == (DISC, "", 0.0)
    with pytest.raises(UsageError, match="without language"):
        mute.objects(["thing"])
    with pytest.raises(UsageError, match="without language"):
        mute.query(["thing"])


@pytest.mark.parametrize("number", [-1, 3, True])
def test_numbers_that_no_group_has_are_refused(grouped, number):
    with pytest.raises(UsageError, match=f"has no group {number}; the numbers of its groups are 0 to 2"):
        grouped.group_elements(number)
    with pytest.raises(UsageError, match=f"has no group {number}; "):
        grouped.group_masks(grouped.views[0].camera, [DISC, number])


def test_one_point_is_a_list_of_one(grouped):
    (left,) = world(-0.1, 0, 0)
    assert grouped.segment(left) == grouped.segment(left[None]) == grouped.segment(left.tolist())
    assert grouped.segment(left, not_at_world=world(0.1, 0, 0)[0]).group == HALF


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (np.zeros((2, 2)), r"shape \(N, 3\), or \(3,\) for one, found the shape \(2, 2\)"),
        (np.zeros((1, 1, 3)), r"found the shape \(1, 1, 3\)"),
        (1.0, r"found the shape \(\)"),
        ([[0.0, 0, 0], [1.0, 0]], "must be points"),
        ("here", "must be points"),
        ([[0.0, np.nan, 0]], "not finite"),
        ([[0.0, np.inf, 0]], "not finite"),
    ],
)
def test_what_are_no_points_is_refused(grouped, points, said):
    with pytest.raises(UsageError, match=f"^points_world .*{said}"):
        grouped.segment(points)
    with pytest.raises(UsageError, match=f"^not_at_world .*{said}"):
        grouped.segment(world(0, 0, 0), not_at_world=points)


def test_another_model_of_the_scene_has_its_groups(grouped):
    other = grouped.beside(grouped.info, grouped.model)
    assert other.segment(world(-0.1, 0, 0)).group == DISC
    assert not plain_session().beside(grouped.info, grouped.model).has_groups


def test_a_run_without_groups_says_how_to_get_them():
    with pytest.raises(UsageError, match="--masks builtin:masks"):
        plain_session().objects()


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scales_that_are_no_lengths_are_refused(grouped, scale):
    with pytest.raises(UsageError, match="scale"):
        grouped.segment(world(0, 0, 0), scale_world=scale)
