"""Masks against the rules written out pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from langfield.evaluation.masks import (
    boundaries,
    box_filtered,
    half_smoothed,
    ious,
    lerf_ovs_masks,
    lerf_ovs_threshold,
    majority_filter,
)

FUZZ = settings(deadline=None, max_examples=40)
SMALL_MASKS = hnp.arrays(bool, st.tuples(st.integers(2, 12), st.integers(2, 12)))


def mirrored(i: int, n: int) -> int:
    """OpenCV's reflect 101: … 2 1 0 1 2 … n−2 n−1 n−2 …"""
    while not 0 <= i < n:
        i = -i if i < 0 else 2 * (n - 1) - i
    return i


def slow_box(values: np.ndarray) -> np.ndarray:
    """A 30 × 30 kernel with its anchor at (15, 15), as a double loop."""
    height, width = values.shape
    out = np.zeros(values.shape)
    for i in range(height):
        for j in range(width):
            rows = [mirrored(i + k - 15, height) for k in range(30)]
            columns = [mirrored(j + k - 15, width) for k in range(30)]
            out[i, j] = values[np.ix_(rows, columns)].astype(np.float64).sum() / 900
    return out


def slow_majority(kept: np.ndarray) -> np.ndarray:
    """Each pixel's window as the slice that LERF-OVS's evaluation takes, and the more frequent value in it."""
    height, width = kept.shape
    out = np.zeros(kept.shape, bool)
    for i in range(height):
        for j in range(width):
            window = kept[max(0, i - 3) : min(i + 4, height - 1), max(0, j - 3) : min(j + 4, width - 1)]
            out[i, j] = np.bincount(window.ravel().astype(int), minlength=2).argmax() == 1
    return out


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values[None].copy())


@pytest.mark.parametrize("shape", [(40, 50), (31, 7), (2, 3)])
def test_the_box_filter_is_a_direct_double_loop(shape: tuple[int, int]):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    np.testing.assert_allclose(box_filtered(tensor(values))[0].numpy(), slow_box(values), atol=1e-6)


def test_a_single_row_is_mirrored_into_itself():
    row = np.linspace(0, 1, 20, dtype=np.float32)
    twice = slow_box(np.stack([row, row]))[:1]
    np.testing.assert_allclose(box_filtered(tensor(row[None]))[0].numpy(), twice, atol=1e-6)


def test_a_point_spreads_over_the_pixels_whose_windows_hold_it():
    values = np.zeros((80, 90), np.float32)
    values[40, 50] = 900
    found = box_filtered(tensor(values))[0].numpy()
    rows, columns = np.nonzero(found)
    # A window reaches from 15 before to 14 after: 40 lies in those of rows 40 − 14 … 40 + 15.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (26, 55, 36, 65)
    assert set(found[26:56, 36:66].ravel()) == {1.0}


def test_ties_stay_ties():
    values = np.zeros((100, 120), np.float32)
    values[40:60, 50:70] = np.random.default_rng(1).random((20, 20))
    found = box_filtered(tensor(values))[0].numpy()
    # All windows that hold the whole 20 × 20 patch: 11 × 11 of them.
    assert (found == found.max()).sum() == 121


def test_maps_of_a_batch_do_not_mix():
    values = torch.rand(3, 20, 25)
    together = lerf_ovs_masks(values)
    assert all(torch.equal(together[i : i + 1], lerf_ovs_masks(values[i : i + 1])) for i in range(3))


@FUZZ
@given(SMALL_MASKS)
def test_the_majority_is_the_evaluations_slice_pixel_by_pixel(kept: np.ndarray):
    np.testing.assert_array_equal(majority_filter(tensor(kept))[0].numpy(), slow_majority(kept))


def test_the_last_row_and_column_never_vote_and_a_tie_is_false():
    kept = np.zeros((10, 10), bool)
    kept[:, 9] = True
    assert not majority_filter(tensor(kept)).any()
    kept[:, 7:] = True  # at the last column, windows hold columns 6, 7, 8: two of three are true
    assert majority_filter(tensor(kept))[0, :, 9].all()
    kept = np.zeros((3, 3), bool)
    kept[:, 0] = True  # every window is columns 0 and 1 of rows 0 and 1: half of it
    assert not majority_filter(tensor(kept)).any()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lerf_ovs_masks_are_the_rule_step_by_step(seed: int):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :50]
    bump = np.exp(-((x - rng.uniform(5, 45)) ** 2 + (y - 20) ** 2) / 90)
    relevancy = (bump + 0.1 * rng.random((40, 50))).astype(np.float32)
    smooth = 0.5 * (slow_box(relevancy) + relevancy)
    normal = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    expected = slow_majority(np.clip(normal * 2 - 1, 0, 1) > 0.4)
    found = lerf_ovs_masks(tensor(relevancy))[0].numpy()
    assert expected.any()
    assert (found == expected).mean() > 0.999  # float32 may tip a pixel


def test_what_is_cut_is_above_seven_tenths_of_the_range():
    # Quarters from 2 to 3: the rule keeps what is above 2.7 (2 · 0.7 − 1 = 0.4), wherever the range lies.
    steps = torch.linspace(2, 3, 5)[None, :, None].repeat_interleave(8, dim=1).repeat(1, 1, 20)
    kept = lerf_ovs_threshold(steps)[0, :, 10]
    assert kept.nonzero().flatten().tolist() == list(range(24, 40))


def test_a_flat_map_has_no_mask():
    assert not lerf_ovs_masks(torch.full((1, 20, 20), 0.7)).any()
    assert half_smoothed(torch.full((1, 20, 20), 0.5)).unique().tolist() == [0.5]


@FUZZ
@given(hnp.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))), st.sampled_from([0.02, 0.05, 0.1]))
def test_boundaries_are_what_repeated_erosion_takes(mask: np.ndarray, share: float):
    times = max(1, round(share * float(np.hypot(*mask.shape))))
    eroded = ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=times, border_value=0)
    np.testing.assert_array_equal(boundaries(tensor(mask), share)[0].numpy(), mask & ~eroded)


def test_a_boundary_is_as_wide_as_two_hundredths_of_the_diagonal():
    mask = np.zeros((300, 400), bool)  # diagonal 500: 10 erosions
    mask[100:200, 100:200] = True
    edge = boundaries(tensor(mask))[0].numpy()
    assert edge.sum() == 100**2 - 80**2
    mask[:] = True  # the picture's border is an edge, too
    assert boundaries(tensor(mask))[0].sum() == 300 * 400 - 280 * 380


@FUZZ
@given(hnp.arrays(bool, (2, 6, 7)), hnp.arrays(bool, (2, 6, 7)))
def test_ious_count_pixels(one: np.ndarray, other: np.ndarray):
    found = ious(torch.from_numpy(one), torch.from_numpy(other)).tolist()
    for a, b, iou in zip(one, other, found, strict=True):
        left, right = {*map(tuple, np.argwhere(a))}, {*map(tuple, np.argwhere(b))}
        assert iou == (len(left & right) / len(left | right) if left | right else 0)
