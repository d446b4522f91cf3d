"""A session over the wall of `fake_world`: answers in world units, many phrases, nothing to see."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.query.fake_session import WORLD_FROM_SCENE, session
from tests.query.fake_world import THING, Wall, camera_at

from langfield.core.errors import UsageError
from langfield.core.transforms import opencv_from_opengl
from langfield.models.base import Elements, Rendered


def test_positions_boxes_and_scales_are_in_world_units():
    thing, wall, nothing = session().query(["thing", "wall", "nothing"])
    expected = WORLD_FROM_SCENE.points(THING.double().numpy())
    assert thing.present
    assert thing.position is not None
    np.testing.assert_allclose(thing.position, expected, atol=0.15)
    box = thing.hits[0].box
    corners = zip(box.low, thing.position, box.high, strict=True)
    assert all(low - 1e-3 <= p <= high + 1e-3 for low, p, high in corners)
    assert thing.scale_world is not None
    assert 0.6 < thing.scale_world < 3.0  # the thing shows best in crops 0.6 scene units high: 1.8 here
    assert wall.present
    assert not nothing.present
    assert nothing.position is None
    assert nothing.to_json()["hits"] == []


def test_a_picture_answers_at_the_thing_and_its_depth_is_in_world_units():
    made = session()
    answers = made.ask_view(made.views[0].camera, ["thing"])
    x, y = answers.best_xy_px[0]
    camera = camera_at(0, 0)
    expected = THING[:2].numpy() / 4 * 0.9 * 64 + np.array([32, 24])
    np.testing.assert_allclose([x, y], expected, atol=2.5)
    np.testing.assert_allclose(answers.depth_world, 12.0, rtol=1e-5)
    assert answers.relevancy.shape == (1, camera.height_px, camera.width_px)


@pytest.mark.usefixtures("types_unchecked")
@pytest.mark.parametrize("protocol", ["typo", "lerf-ovs", None])
def test_a_protocol_that_is_not_known_is_refused_before_anything_is_rendered(protocol):
    class Unasked(Wall):
        def surface(self, camera):
            raise AssertionError("nothing is rendered")

    made = session(Unasked())
    with pytest.raises(UsageError, match=r"^unknown protocol .*known are langfield, lerf$"):
        made.ask_view(made.views[0].camera, ["thing"], protocol=protocol)


def test_maps_at_levels_hold_the_picture_that_answers():
    made = session()
    camera = made.views[0].camera
    maps = made.level_maps(camera, ["thing", "wall"], raw=True)
    assert maps.shape == (8, 2, camera.height_px, camera.width_px)
    answers = made.ask_view(camera, ["thing", "wall"])
    for number in range(2):
        off = (maps[:, number] - torch.from_numpy(answers.relevancy[number])).abs().amax(dim=(1, 2))
        assert off.min() < 1e-5
    own = made.level_maps(camera, ["thing", "wall"])
    np.testing.assert_array_equal(own[0].numpy(), answers.refined)


def test_fields_have_no_quicker_relevancy_than_their_own():
    made = session()
    camera = made.views[0].camera
    quick = made.quick_relevancy(camera, ["thing", "wall"])
    np.testing.assert_array_equal(quick.numpy(), made.ask_view(camera, ["thing", "wall"]).relevancy)


def test_many_phrases_are_answered_as_one_by_one():
    made = session()
    many = made.query(["thing"] * 130 + ["wall"])
    assert len(many) == 131
    assert many[0] == many[129] == made.query(["thing"])[0]
    assert many[130] == made.query(["wall"])[0]


def test_where_nothing_is_to_be_seen_nothing_is_there():
    class Sky(Wall):
        def surface(self, camera):
            rendered, samples = super().surface(camera)
            assert rendered.depth_scene is not None
            nowhere = torch.full_like(rendered.depth_scene, torch.inf)
            return Rendered(rendered.rgb, rendered.alpha, nowhere), samples

    answer = session(Sky()).query(["thing"])[0]
    assert not answer.present
    assert answer.hits == ()

    class SkyOfGaussians(Sky):
        def elements(self) -> Elements:
            return Elements(torch.zeros(5, 3), lambda _: pytest.fail("they are not asked for"))

    relevancy = session(SkyOfGaussians()).element_relevancy(["thing", "wall"])
    assert relevancy.dtype == np.float32
    np.testing.assert_array_equal(relevancy, np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("phrases", "negatives", "message"),
    [
        ([], None, "no phrase was given"),
        (["thing", " "], None, "a phrase is empty"),
        (["thing"], [""], "a phrase is empty"),
        (["thing"], [], "relevancy needs at least one negative phrase"),
    ],
)
def test_empty_questions_are_refused(phrases, negatives, message):
    with pytest.raises(UsageError, match=message):
        session().query(phrases, negatives=negatives)


def test_a_run_without_language_says_so():
    with pytest.raises(UsageError, match="trained without language"):
        session(language=False).query(["thing"])


def test_a_camera_that_sees_nothing_says_which_axes_are_meant():
    made = session()
    camera = made.views[0].camera
    assert made.ask_view(camera, ["thing"]).note is None
    turned = replace(camera, world_from_camera=opencv_from_opengl(camera.world_from_camera))  # looks away
    answers = made.ask_view(turned, ["thing"])
    assert not answers.masks.any()
    assert answers.note is not None
    assert "x right, y down, z forward" in answers.note
    assert "from_opengl" in answers.note


def test_a_threshold_of_ones_own_gives_what_was_found_of_the_absent():
    made = session()
    camera = made.views[0].camera
    absent = made.query(["nothing"])[0]
    assert not absent.present
    assert made.hit_masks(camera, "nothing").shape[0] == len(made.elements("nothing")) == len(absent.hits) == 0
    found = made.query(["nothing"], min_presence=0)[0]
    assert found.present
    assert found.presence == absent.presence
    assert found.hits
    assert found.box is not None
    assert len(made.elements("nothing", min_presence=0)) == len(found.hits)
    masks = made.hit_masks(camera, "nothing", min_presence=0)
    assert len(masks) == len(found.hits)
    together = made.ask_view(camera, ["nothing"], min_presence=0).masks[0]
    np.testing.assert_array_equal(masks.any(axis=0), together)
    assert made.query(["nothing"])[0] == absent  # a threshold belongs to its question
    thing = made.query(["thing"])[0]
    assert not made.query(["thing"], min_presence=thing.presence)[0].present
    assert made.query(["thing"], min_presence=thing.presence - 1e-6)[0] == thing
