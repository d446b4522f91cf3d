"""Textures: size and type, the colour that was asked for, and what is written on labels."""

import numpy as np
import pytest

from langfield_synthetic import textures
from langfield_synthetic.things import COLOURS

RED, WHITE = (0.78, 0.08, 0.07), (0.92, 0.92, 0.90)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mean(picture: np.ndarray) -> np.ndarray:
    return picture.mean(axis=(0, 1)) / 255


def steps(picture: np.ndarray) -> np.ndarray:
    """How much neighbouring rows and columns differ, and how much the last differs from the first."""
    values = picture.astype(np.float64)
    inside = [np.abs(np.diff(values, axis=axis)).mean(axis=(1 - axis, 2)).max() for axis in (0, 1)]
    return np.array([inside, [np.abs(values[0] - values[-1]).mean(), np.abs(values[:, 0] - values[:, -1]).mean()]])


@pytest.mark.parametrize("make", [textures.wood, textures.marble, textures.noise, textures.weave, textures.planks])
@pytest.mark.parametrize("colour", COLOURS)
def test_textures_of_one_colour_have_it_in_the_mean(make, colour):
    picture = make(rng(), COLOURS[colour])
    assert picture.dtype == np.uint8
    assert picture.shape[0] == picture.shape[1]
    assert picture.shape[2] == 3
    np.testing.assert_allclose(mean(picture), COLOURS[colour], atol=0.04)
    assert picture.std(axis=(0, 1)).max() > 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: textures.stripes(rng(3), RED, WHITE, size=64),
        lambda: textures.dots(rng(3), RED, WHITE, size=64),
        lambda: textures.tiles(rng(3), RED, WHITE, size=64),
        lambda: textures.bricks(rng(3), RED, WHITE, size=64),
    ],
)
def test_patterns_of_two_colours_are_mostly_of_the_first(make):
    picture = make()
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    share = (mean(picture)[1] - RED[1]) / (WHITE[1] - RED[1])
    assert 0.05 < share < 0.42


def test_a_checker_has_as_much_of_both_colours():
    picture = textures.checker(RED, WHITE, count=8, size=64)
    np.testing.assert_allclose(mean(picture), (np.array(RED) + WHITE) / 2, atol=0.01)
    assert (picture[0, 0] != picture[0, 8]).any()
    assert (picture[0, 0] == picture[8, 8]).all()


@pytest.mark.parametrize("make", [textures.wood, textures.marble, textures.noise, textures.weave])
def test_textures_continue_at_their_borders(make):
    inside, over = steps(make(rng(1), (0.5, 0.4, 0.3)))
    assert (over <= 1.5 * inside + 1).all()


def test_a_gradient_runs_from_the_bottom_to_the_top():
    picture = textures.gradient(RED, WHITE, size=32)
    np.testing.assert_allclose(picture[-1, 0] / 255, RED, atol=0.01)
    np.testing.assert_allclose(picture[0, 0] / 255, WHITE, atol=0.01)


def test_pages_are_lines_from_left_to_right():
    picture = textures.pages(rng())
    assert picture.shape == (128, 128, 3)
    red = picture[..., 0]
    assert red.mean(axis=1).std() > 3 * red.mean(axis=0).std()


def test_the_same_seed_gives_the_same_texture_and_another_seed_another_one():
    one, again, other = (textures.wood(rng(seed), (0.5, 0.3, 0.2)) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_label_shows_its_text_large_on_its_colour(seed):
    picture = textures.label(rng(seed), "TEA", WHITE, RED, width=120, height=160)
    assert picture.shape == (160, 120, 3)
    ink = np.abs(picture / 255 - RED).max(axis=-1) < 0.02
    middle = ink[40:120]
    columns = np.flatnonzero(middle.any(axis=0))
    assert np.ptp(columns[(columns > 5) & (columns < 114)]) > 80
    assert (np.abs(picture / 255 - WHITE).max(axis=-1) < 0.02).mean() > 0.5


def test_labels_differ_by_their_text_and_by_their_small_lines():
    tea = textures.label(rng(), "TEA", WHITE, RED)
    assert (tea != textures.label(rng(), "SOAP", WHITE, RED)).any()
    assert (tea != textures.label(rng(), "TEA", WHITE, RED, small=("300 g",))).any()
    assert (tea == textures.label(rng(), "TEA", WHITE, RED)).all()


def test_a_label_without_text_is_blank_but_for_its_ornaments():
    picture = textures.label(rng(), "", WHITE, RED)
    assert (np.abs(picture / 255 - WHITE).max(axis=-1) < 0.02).mean() > 0.6


def test_many_words_are_broken_into_lines():
    picture = textures.label(rng(), "A SHORT HISTORY OF THE SEA", WHITE, RED, width=128, height=128)
    ink = (np.abs(picture / 255 - RED).max(axis=-1) < 0.02)[20:108, 12:116]
    rows = ink.any(axis=1).astype(int)
    assert np.count_nonzero(np.diff(rows) == -1) + rows[-1] >= 2
