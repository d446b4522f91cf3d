"""Typical distances of points to photos."""

import torch

from langfield.core.observed_scales import ObservedScales

SCALES = ObservedScales.between(0.04, 0.4, torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [-0.5, 0.0, 0.0]]))


def test_typical_distance_is_the_median_and_finite_everywhere():
    points = torch.tensor([[0.0, 0.0, 4.0], [torch.inf, 0.0, 0.0]])
    found = SCALES.typical_distance(points)
    torch.testing.assert_close(found[0], torch.tensor([4.0, 16.25**0.5, 16.25**0.5]).median())
    assert found.isfinite().all()


def test_typical_distance_of_no_points_is_empty():
    assert SCALES.typical_distance(torch.zeros(0, 3)).shape == (0,)
