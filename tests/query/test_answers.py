"""Hits: where a thing is, as its points tell."""

import numpy as np
import pytest
from tests.query.fake_world import camera_at

from langfield.query.answers import Hit, box_centre


def test_the_centre_is_not_drawn_to_the_side_that_more_photos_show():
    rng = np.random.default_rng(0)
    sides = rng.uniform(0, 1, (900, 3)), rng.uniform(1, 2, (100, 3)), np.full((2, 3), 50.0)  # two strays
    points = np.concatenate(sides)
    assert points.mean(axis=0) == pytest.approx(0.6, abs=0.15)
    np.testing.assert_allclose(box_centre(points), 1.0, atol=0.1)


def test_a_hit_lies_in_its_core_and_reaches_over_all_of_its_points():
    rng = np.random.default_rng(1)
    points, core = rng.uniform(0, 4, (2000, 3)), rng.uniform(0, 1, (500, 3))
    hit = Hit.from_points(points, core, 0.9, 0.1, 5, [("photo", camera_at(0, 0))])
    np.testing.assert_allclose(hit.position, 0.5, atol=0.05)
    np.testing.assert_allclose([hit.box.low, hit.box.high], [[0.08] * 3, [3.92] * 3], atol=0.1)
