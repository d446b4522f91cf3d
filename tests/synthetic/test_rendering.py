"""Pictures of scenes whose picture is known: a ball on a table, a sheet, a printed box."""

from dataclasses import replace

import numpy as np
import pytest
from tests.synthetic import small_scenes
from tests.synthetic.small_scenes import CENTRE, RADIUS

from langfield_synthetic.meshes import box_sides, ellipsoid, grid_mesh, lathe, merged, rounded_box, vessel
from langfield_synthetic.rendering import FIRST_THING_ID, Renderer, Rendering, TruthRenderer, use_mitsuba
from langfield_synthetic.rooms import LightPanel
from langfield_synthetic.scenes import TableScene, look_at
from langfield_synthetic.things import Part, Surface

pytest.importorskip("mitsuba")
EYE = np.array([0.3, -0.6, 0.4])


@pytest.fixture(scope="module")
def mitsuba():
    return use_mitsuba("scalar_rgb")


def picture(mitsuba, scene: TableScene, eye: np.ndarray, target: np.ndarray, samples: int = 4, **how) -> Rendering:
    camera = look_at(eye, target, 32, 24, 45.0)
    return next(Renderer(mitsuba, scene).render([camera], samples, **how))


@pytest.fixture(scope="module")
def ball(mitsuba):
    return picture(mitsuba, small_scenes.scene(small_scenes.red_ball()), EYE, CENTRE)


@pytest.fixture(scope="module")
def truth():
    return small_scenes.closed_form(look_at(EYE, CENTRE, 32, 24, 45.0))


def inside(ids: np.ndarray) -> np.ndarray:
    """Pixels all of whose neighbours show the same: a truth sampled anywhere in them is the same."""
    padded = np.pad(ids, 1, mode="edge")
    around = [
        padded[1 + i : 1 + i + ids.shape[0], 1 + j : 1 + j + ids.shape[1]] for i in (-1, 0, 1) for j in (-1, 0, 1)
    ]
    return np.all([neighbour == ids for neighbour in around], axis=0)


def test_ids_and_depth_agree_with_the_closed_form(ball, truth):
    sure = inside(truth.ids)
    assert set(np.unique(truth.ids[sure])) >= {1, FIRST_THING_ID}
    np.testing.assert_array_equal(ball.ids[sure], truth.ids[sure])
    assert ball.depth.dtype == np.float32
    on_ball = sure & (truth.ids == FIRST_THING_ID)
    np.testing.assert_allclose(
        ball.depth[on_ball], truth.depth[on_ball], atol=0.03
    )  # within a pixel, where it is steep
    middle = np.linalg.norm(EYE - CENTRE) - RADIUS
    np.testing.assert_allclose(ball.depth[11:13, 15:17], middle, atol=0.003)
    on_table = sure & (truth.ids == 1)
    np.testing.assert_allclose(ball.depth[on_table], truth.depth[on_table], rtol=0.06)


def test_where_nothing_is_there_is_no_depth(mitsuba):
    shown = picture(mitsuba, small_scenes.scene(), EYE, EYE + np.array([0.0, 1.0, 0.3]))
    assert (shown.ids == 0).all()
    assert (shown.depth == 0).all()


def test_colours_are_those_of_the_surfaces(ball):
    red = ball.rgb[ball.ids == FIRST_THING_ID].mean(axis=0)
    assert red[0] > 120
    assert red[0] > 2.5 * max(red[1], red[2])
    table = ball.rgb[ball.ids == 1].mean(axis=0)
    assert table.min() > 150
    assert np.ptp(table) < 25


def test_a_white_sheet_gets_the_value_that_was_asked_for(mitsuba):
    panel = LightPanel((0.3, 0.2, 2.0), (0.0, 0.0, 0.0), 0.8, 0.8, (9.0, 9.0, 9.0))
    scene = small_scenes.scene(panels=[panel], ambient=1e-4)
    for white in (0.6, 0.9):
        shown = picture(mitsuba, scene, np.array([0.0, -0.25, 0.3]), np.zeros(3), samples=64, white=white)
        assert shown.rgb[8:16, 12:20].mean() / 255 == pytest.approx(white * small_scenes.WHITE[0], abs=0.03)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_textures_are_upright_and_not_mirrored(mitsuba, degrees):
    rgb = np.array([[(200, 10, 10), (10, 180, 10)], [(10, 10, 200), (220, 200, 10)]], dtype=np.uint8)
    texture = rgb.repeat(16, axis=0).repeat(16, axis=1)
    texture.setflags(write=False)  # as pictures that PIL gives are
    walls = merged([box_sides(0.2, 0.2, 0.2)[side] for side in ("front", "back", "left", "right")])
    box = small_scenes.thing(walls, Surface(texture=texture))
    angle = np.radians(degrees - 90)
    eye = np.array([0.5 * np.cos(angle), 0.5 * np.sin(angle), 0.1])
    shown = picture(mitsuba, small_scenes.scene(box), eye, np.array([0.0, 0.0, 0.1]))
    for row, column, expected in ((8, 12, rgb[0, 0]), (8, 19, rgb[0, 1]), (15, 12, rgb[1, 0]), (15, 19, rgb[1, 1])):
        assert shown.ids[row, column] == FIRST_THING_ID
        far = np.abs(shown.rgb[row, column].astype(float)[None, None] - rgb).sum(axis=-1)
        assert (rgb.reshape(4, 3)[far.argmin()] == expected).all()


def test_what_is_to_the_right_and_above_appears_there(mitsuba):
    small = ellipsoid(0.05, segments=24)
    right = small_scenes.thing(small.moved(0.15, 0, 0.1), Surface())
    above = small_scenes.thing(small.moved(0, 0, 0.25), Surface())
    shown = picture(mitsuba, small_scenes.scene(right, above), np.array([0.0, -0.7, 0.12]), np.array([0.0, 0, 0.12]))
    rows, columns = np.nonzero(shown.ids == FIRST_THING_ID)
    assert columns.min() > 16
    assert 8 < rows.mean() < 16
    rows, columns = np.nonzero(shown.ids == FIRST_THING_ID + 1)
    assert rows.max() < 11
    assert 13 < columns.mean() < 19


@pytest.mark.parametrize("kind", ["glass", "mirror", "metal", "brushed metal", "glossy", "glowing"])
def test_every_kind_of_surface_can_be_rendered(mitsuba, kind):
    body = vessel([(0.04, 0.0), (0.06, 0.15)], 0.004)
    shown = picture(mitsuba, small_scenes.scene(small_scenes.thing(body, Surface((0.6, 0.6, 0.6), kind))), EYE, CENTRE)
    on_it = shown.rgb[shown.ids == FIRST_THING_ID]
    assert len(on_it) > 20
    assert on_it.mean() > 20


def test_flat_and_degenerate_faces_do_no_harm(mitsuba):
    cone = lathe([(0.0, 0.0), (0.08, 0.0), (0.0, 0.15)])  # its tip and its foot's middle are many faces without area
    sheet = grid_mesh(np.array([[[-1, -1, 0], [-1, 1, 0]], [[1, -1, 0], [1, 1, 0]]]) * 0.1).moved(0.3, 0, 0.001)
    box = rounded_box(0.05, 0.05, 0.05).moved(-0.2)
    things = [small_scenes.thing(mesh, Surface()) for mesh in (cone, sheet, box)]
    shown = picture(mitsuba, small_scenes.scene(*things), np.array([0.0, -0.9, 0.5]), np.zeros(3))
    assert set(np.unique(shown.ids)) >= {FIRST_THING_ID, FIRST_THING_ID + 1, FIRST_THING_ID + 2}


def test_a_seed_determines_a_picture(mitsuba):
    scene = small_scenes.scene(small_scenes.red_ball())
    one, again, other = (picture(mitsuba, scene, EYE, CENTRE, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.rgb, again.rgb)
    assert (one.rgb != other.rgb).any()


def test_parts_are_numbered_within_their_thing(mitsuba):
    ball = small_scenes.thing(ellipsoid(0.05, segments=24).moved(0.2, 0, 0.05), Surface())
    low, high = (rounded_box(0.1, 0.1, 0.1).moved(z=z) for z in (0.0, 0.1))
    tower = replace(ball, parts=(Part(low, Surface(kind="glass")), Part(high, Surface())))
    shown = picture(mitsuba, small_scenes.scene(ball, tower), np.array([0.0, -0.7, 0.1]), np.array([0.0, 0, 0.1]))
    of_ball, of_tower = (shown.parts[shown.ids == FIRST_THING_ID + k] for k in (0, 1))
    assert set(of_ball) == {1}
    assert set(of_tower) == {1, 2}
    assert np.nonzero(shown.parts == 2)[0].max() < 12  # the upper box, in the upper half of the picture
    assert (shown.parts[shown.ids < FIRST_THING_ID] == 0).all()


def test_truth_alone_is_the_truth_of_the_pictures(mitsuba):
    scene = small_scenes.scene(small_scenes.red_ball())
    cameras = [look_at(eye, CENTRE, 32, 24, 45.0) for eye in (EYE, EYE * [-1, 1, 1])]
    pictures, truths = Renderer(mitsuba, scene).render(cameras, 1), TruthRenderer(mitsuba, scene).render(cameras)
    for shown, truth in zip(pictures, truths, strict=True):
        for name, values in vars(truth).items():
            np.testing.assert_array_equal(getattr(shown, name), values)
