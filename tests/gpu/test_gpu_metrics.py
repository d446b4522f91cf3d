"""Figures worked out on a GPU: those of the CPU."""

import numpy as np
import pytest

from langfield.evaluation import metrics


def test_the_evaluators_figure_is_the_same_as_on_a_cpu():
    generator = np.random.default_rng(0)
    photo = generator.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    picture = np.clip(photo.astype(int) + generator.integers(-20, 21, photo.shape), 0, 255).astype(np.uint8)
    assert metrics.ssim(picture, photo, device="cuda") == pytest.approx(metrics.ssim(picture, photo), abs=1e-5)
