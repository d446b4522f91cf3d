"""Presence against common nouns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.query.presence import (
    NullDistribution,
    PresenceCalibration,
    common_nouns,
    distinct_texts,
    log_odds,
    uncalibrated_presence,
)


def scene(phrases: int, rng: np.random.Generator, cells: int = 400, level: float = -0.5) -> np.ndarray:
    """Scores of phrases that mean nothing here."""
    return 1 / (1 + np.exp(-(level + 0.2 * rng.standard_normal((phrases, cells)))))


def with_a_thing(scores: np.ndarray, height: float, first: int = 10) -> np.ndarray:
    """The same, with log-odds raised by `height` in a few cells."""
    odds = log_odds(scores)
    odds[:, first : first + 4] += height
    return 1 / (1 + np.exp(-odds))


def test_what_is_there_is_told_from_what_is_not_at_any_level_of_scores():
    rng = np.random.default_rng(0)
    for level in (-2.0, -0.5, 1.5):  # an encoder may find that nearly everything passes 0.5, or that nothing does
        calibration = PresenceCalibration.fit(scene(127, rng, level=level))
        absent = calibration.presence(scene(200, rng, level=level))
        present = calibration.presence(with_a_thing(scene(200, rng, level=level), 1.5))
        assert (absent < 0.5).mean() > 0.95
        assert (present > 0.5).mean() > 0.95


def test_nouns_that_are_there_move_the_scale_little():
    rng = np.random.default_rng(1)
    nouns, asked, absent = scene(127, rng), with_a_thing(scene(200, rng), 1.5), scene(200, rng)
    some = nouns.copy()
    for number in range(10):  # ten of the nouns are there, each at its own place
        some[number] = with_a_thing(nouns[number : number + 1], 3.0, first=20 * number)[0]
    for calibration in (PresenceCalibration.fit(nouns), PresenceCalibration.fit(some)):
        assert (calibration.presence(asked) > 0.5).mean() > 0.95
        assert (calibration.presence(absent) < 0.5).mean() > 0.95


def test_a_null_counts_spreads_by_the_quartile_above_the_median():
    values = np.concatenate([np.linspace(-50, 0, 50), [0.0], np.linspace(0, 2 * 0.6745, 50)])
    null = NullDistribution.fit(values)
    assert null.median == 0
    assert null.spread == pytest.approx(1, rel=0.05)
    np.testing.assert_allclose(null.z_scores(np.array([null.spread])), 1)


def from_odds(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def test_three_spreads_above_the_nouns_are_even_odds():
    """In a scene of one place all three statistics are the phrase's log-odds there, told in spreads of the nouns':
    their upper quartile above their median, over the normal distribution's .6745."""
    nouns = from_odds(np.linspace(-2, 2, 101)[:, None])  # median 0, upper quartile 1
    spread = 1 / 0.6744897501960817
    spreads = np.array([-1.0, 0.0, 2.0, 3.0, 4.0, 5.0])
    presence = PresenceCalibration.fit(nouns).presence(from_odds(spread * spreads[:, None]))
    expected = [0.0179862, 0.0474259, 0.2689414, 0.5, 0.7310586, 0.8807971]  # of a table of the logistic function
    np.testing.assert_allclose(presence, expected, atol=1e-4)


FUZZ = settings(deadline=None, max_examples=30)


@FUZZ
@given(st.integers(0, 2**32 - 1), st.floats(-2, 2), st.floats(0.3, 2))
def test_presence_does_not_depend_on_the_level_and_the_scale_of_the_log_odds(seed: int, level: float, scale: float):
    """An encoder may be surer of everything, or find everything more likely."""
    rng = np.random.default_rng(seed)
    nouns, asked = log_odds(scene(127, rng, cells=50)), log_odds(with_a_thing(scene(20, rng, cells=50), 0.6))
    presence = PresenceCalibration.fit(from_odds(nouns)).presence(from_odds(asked))
    other = PresenceCalibration.fit(from_odds(level + scale * nouns)).presence(from_odds(level + scale * asked))
    np.testing.assert_allclose(other, presence, atol=1e-6)


@FUZZ
@given(st.integers(0, 2**32 - 1))
def test_presence_does_not_depend_on_the_order_of_places_and_nouns(seed: int):
    rng = np.random.default_rng(seed)
    nouns, asked = scene(127, rng, cells=50), with_a_thing(scene(20, rng, cells=50), 0.6)
    presence = PresenceCalibration.fit(nouns).presence(asked)
    places, order = rng.permutation(50), rng.permutation(127)
    other = PresenceCalibration.fit(nouns[order][:, places]).presence(asked[:, places])
    np.testing.assert_allclose(other, presence, atol=1e-9)


@FUZZ
@given(st.integers(0, 2**32 - 1))
def test_presence_rises_with_the_best_place(seed: int):
    rng = np.random.default_rng(seed)
    calibration, asked = PresenceCalibration.fit(scene(127, rng, cells=50)), scene(20, rng, cells=50)
    best = np.arange(50) == asked.argmax(axis=1)[:, None]
    heights = np.linspace(0, 2, 9)
    presences = np.array([calibration.presence(from_odds(log_odds(asked) + height * best)) for height in heights])
    rises, below_one = np.diff(presences, axis=0), presences[:-1] < 1 - 1e-9
    assert (rises >= 0).all()
    assert (rises[below_one] > 0).all()  # nearer to 1 float64 may round both to the same number
    assert below_one[0].any()


def test_nouns_that_all_say_the_same_do_not_divide_by_zero():
    calibration = PresenceCalibration.fit(np.full((5, 7), 0.4))
    presence = calibration.presence(np.stack([np.full(7, 0.4), np.full(7, 0.9), np.full(7, 0.0)]))
    assert np.isfinite(presence).all()
    assert presence[0] < 0.5 < presence[1]
    assert presence[2] < 0.5


def test_the_list_of_nouns_is_a_list_of_different_words():
    nouns = common_nouns()
    assert len(nouns) == len(set(nouns)) > 100
    assert all(noun.strip() == noun and noun for noun in nouns)


def test_words_that_an_encoder_cannot_tell_apart_count_once():
    known = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    words = torch.cat([known[:2], known[3:], known[2:], known[:1]])
    assert distinct_texts(words).tolist() == [0, 1, 2, 3]


def test_without_a_comparison_the_best_place_tells():
    assert uncalibrated_presence(np.array([[0.2, 0.7], [0.1, 0.3]])).tolist() == [0.7, 0.3]
    assert uncalibrated_presence(np.zeros((2, 0))).tolist() == [0, 0]
