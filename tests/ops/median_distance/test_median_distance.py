"""The median distance: numpy's for an odd number of places, and the Triton kernel (interpreted, on a CPU)."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from langfield.ops.median_distance import median_distance


@pytest.mark.parametrize("places", [1, 3, 7, 31, 65])
def test_it_is_numpys_median(places: int):
    rng = np.random.default_rng(places)
    points, where = rng.normal(size=(50, 3)), rng.normal(size=(places, 3))
    expected = np.median(np.linalg.norm(points[:, None] - where, axis=-1), axis=1)
    found = median_distance(torch.from_numpy(points), torch.from_numpy(where))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_of_two_it_is_the_lower_one():
    found = median_distance(torch.zeros(1, 3), torch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    assert found.tolist() == [1.0]


def test_no_points_have_none_and_no_places_are_refused():
    assert median_distance(torch.zeros(0, 3), torch.zeros(2, 3)).shape == (0,)
    with pytest.raises(ValueError, match="at least one place"):
        median_distance(torch.zeros(2, 3), torch.zeros(0, 3))


INTERPRETED = """
import torch
from langfield.ops.median_distance import reference, triton_kernel

generator = torch.Generator().manual_seed(0)
for points, places in [(1, 1), (64, 2), (65, 3), (130, 31), (100, 32), (70, 64)]:
    given = torch.randn(points, 3, generator=generator), torch.randn(places, 3, generator=generator)
    given[1][places // 2] = given[1][0]  # two of one distance
    expected = reference.median_distance(*(values.double() for values in given)).float()
    torch.testing.assert_close(triton_kernel.median_distance(*given), expected, rtol=1e-5, atol=1e-6)
"""


def test_the_kernel_is_the_reference_in_tritons_interpreter():
    """In a process of its own: Triton reads the variable when it is imported. The GPU's arithmetic is in tests/gpu."""
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
