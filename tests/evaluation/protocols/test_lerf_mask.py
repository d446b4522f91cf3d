"""Gaussian Grouping's mIoU and boundary IoU by hand."""

import numpy as np
import pytest
import torch

from langfield.evaluation.protocols.lerf_mask import mask_fit


def square(left: int, size: int) -> np.ndarray:
    mask = np.zeros((300, 400), bool)  # diagonal 500: boundaries are 10 pixels wide
    mask[100 : 100 + size, left : left + size] = True
    return mask


def test_a_square_moved_by_its_half():
    truth, found = torch.from_numpy(square(100, 40)[None]), torch.from_numpy(square(120, 40)[None])
    fit = mask_fit(found, truth)
    assert fit.iou == [pytest.approx(20 * 40 / (60 * 40))]
    # Frames of 40 × 40 around holes of 20 × 20. They share: the upper and lower bars where they overlap, 2 · 10 · 20.
    # Between these, the truth's right bar is columns 130–139 and the other's left one 120–129: nothing shared.
    frame = 40**2 - 20**2
    assert fit.boundary_iou == [pytest.approx(400 / (2 * frame - 400))]


def test_a_missing_mask_counts_zero_and_a_perfect_one_counts_one():
    truth = torch.from_numpy(np.stack([square(100, 40), square(100, 40)]))
    found = torch.from_numpy(np.stack([np.zeros((300, 400), bool), square(100, 40)]))
    fit = mask_fit(found, truth)
    assert fit.iou == fit.boundary_iou == [0.0, 1.0]


def test_a_hole_hurts_the_boundary_more_than_the_mask():
    holed = square(100, 100)
    holed[145:155, 145:155] = False
    fit = mask_fit(torch.from_numpy(holed[None]), torch.from_numpy(square(100, 100)[None]))
    # The hole's own edge: what is within 10 pixels of it, 30 × 30 − 10 × 10.
    assert fit.iou == [pytest.approx(1 - 100 / 10_000)]
    assert fit.boundary_iou == [pytest.approx(3600 / (3600 + 800))]
