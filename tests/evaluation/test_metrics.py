"""Metrics against closed forms and brute force."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from langfield.evaluation.metrics import (
    Lpips,
    auroc,
    auroc_error,
    in_any_box,
    in_mask,
    psnr,
    resized_maps,
    ssim,
)

FUZZ = settings(deadline=None, max_examples=50)
SCORES = hnp.arrays(np.float64, st.integers(1, 12), elements=st.integers(0, 6).map(float))


def grey(value: int, height: int = 16, width: int = 20) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_psnr_of_a_constant_difference_is_its_closed_form():
    assert psnr(grey(100), grey(110)) == pytest.approx(-20 * math.log10(10 / 255), abs=1e-4)
    assert psnr(grey(7), grey(7)) == math.inf


def test_pixels_that_are_not_used_do_not_count():
    photo, picture, used = grey(90), grey(90), np.ones((16, 20), bool)
    picture[:, :8], used[:, :8] = 200, False
    picture[:, 8:] = 95
    assert psnr(picture, photo, used) == pytest.approx(-20 * math.log10(5 / 255), abs=1e-4)
    assert psnr(picture, photo) < psnr(picture, photo, used)
    assert ssim(picture, photo, used) > ssim(picture, photo)


def test_ssim_of_constant_pictures_is_its_luminance_term():
    a, b, c1 = 100 / 255, 140 / 255, 0.01**2
    assert ssim(grey(100), grey(140)) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-4)
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert ssim(noise, noise) == pytest.approx(1.0, abs=1e-6)
    assert ssim(noise, noise, np.ones((24, 24), bool)) == pytest.approx(ssim(noise, noise), abs=1e-6)


def test_lpips_is_left_out_without_its_weights(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert Lpips()(grey(1), grey(2)) is None
    assert "alexnet-owt-7be5be79.pth" in caplog.text


@FUZZ
@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order(positive: np.ndarray, negative: np.ndarray):
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert auroc(positive, negative) == pytest.approx(sum(pairs) / len(pairs))


def test_auroc_needs_both_sorts():
    assert auroc(np.array([0.5]), np.array([])) is None
    assert auroc(np.array([]), np.array([0.5])) is None


@FUZZ
@given(st.floats(-2, 9), st.floats(-2, 8), hnp.arrays(bool, (6, 7)))
def test_a_point_hits_the_pixel_it_lies_in(x: float, y: float, mask: np.ndarray):
    inside = any(c <= x < c + 1 and r <= y < r + 1 for r, c in np.argwhere(mask))
    assert in_mask(np.array([x, y]), mask) == inside


def test_a_point_hits_any_of_the_boxes_edges_included():
    boxes = np.array([[0.0, 0, 4, 4], [10, 10, 12, 11]])
    assert in_any_box(np.array([12.0, 11.0]), boxes)
    assert in_any_box(np.array([0.5, 3.5]), boxes)
    assert not in_any_box(np.array([9.9, 10.5]), boxes)
    assert not in_any_box(np.array([4.1, 3.0]), boxes)


def test_maps_keep_their_ramps_when_resized():
    ramp = torch.linspace(0, 1, 40).repeat(2, 30, 1)
    twice = resized_maps(ramp, 80, 60)
    assert twice.shape == (2, 60, 80)
    torch.testing.assert_close(twice[:, :, 4:-4].diff(dim=2), torch.full((2, 60, 71), 1 / 39 / 2), atol=1e-5, rtol=0)
    assert resized_maps(ramp, 40, 30) is ramp


@FUZZ
@given(SCORES, SCORES)
def test_the_error_of_auroc_is_delongs_sum_over_pairs(positive: np.ndarray, negative: np.ndarray):
    error = auroc_error(positive, negative)
    if min(len(positive), len(negative)) < 2:
        assert error is None
        return
    area = auroc(positive, negative)
    above = [[(p > n) + 0.5 * (p == n) for n in negative] for p in positive]
    of_positive = sum((sum(row) / len(negative) - area) ** 2 for row in above) / (len(positive) - 1)
    of_negative = sum((sum(column) / len(positive) - area) ** 2 for column in zip(*above, strict=True))
    expected = of_positive / len(positive) + of_negative / (len(negative) - 1) / len(negative)
    assert error == pytest.approx(math.sqrt(expected), abs=1e-12)
