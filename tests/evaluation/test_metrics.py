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
    in_any_box,
    in_mask,
    iou,
    lerf_ovs_mask,
    psnr,
    resized_map,
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
@given(hnp.arrays(bool, (6, 7)), hnp.arrays(bool, (6, 7)))
def test_iou_counts_pixels(one: np.ndarray, other: np.ndarray):
    a, b = {*map(tuple, np.argwhere(one))}, {*map(tuple, np.argwhere(other))}
    assert iou(one, other) == (len(a & b) / len(a | b) if a | b else 0)


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


def slow_lerf_ovs_mask(relevancy: np.ndarray) -> np.ndarray:
    """The rule, pixel by pixel."""
    height, width = relevancy.shape

    def mirrored(i: int, n: int) -> int:
        period = 2 * n - 2
        i = i % period
        return i if i < n else period - i

    box = np.zeros(relevancy.shape)
    for i in range(height):
        for j in range(width):
            rows = [mirrored(i + k, height) for k in range(-15, 15)]
            columns = [mirrored(j + k, width) for k in range(-15, 15)]
            box[i, j] = relevancy[np.ix_(rows, columns)].mean()
    smooth = 0.5 * (box + relevancy)
    normal = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    kept = np.clip(2 * normal - 1, 0, 1) > 0.4
    out = np.zeros(kept.shape, bool)
    for i in range(height):
        for j in range(width):
            around = kept[max(0, i - 3) : i + 4, max(0, j - 3) : j + 4]
            out[i, j] = 2 * around.sum() > around.size
    return out


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lerf_ovs_masks_are_those_of_the_rule_pixel_by_pixel(seed: int):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :50]
    relevancy = (np.exp(-((x - rng.uniform(5, 45)) ** 2 + (y - 20) ** 2) / 90) + 0.1 * rng.random((40, 50))).astype(
        np.float32
    )
    mask = lerf_ovs_mask(relevancy)
    assert mask.any()
    assert (mask == slow_lerf_ovs_mask(relevancy)).mean() > 0.999  # sums in another order may tip a pixel


def test_a_flat_map_has_no_mask():
    assert not lerf_ovs_mask(np.full((20, 20), 0.7, np.float32)).any()


def test_maps_keep_their_ramps_when_resized():
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))
    twice = resized_map(ramp, 80, 60)
    assert twice.shape == (60, 80)
    assert np.allclose(np.diff(twice[:, 4:-4], axis=1), (1 / 39) / 2, atol=1e-5)
    assert resized_map(ramp, 40, 30) is ramp
