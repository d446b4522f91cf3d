"""The Triton kernel of the nearest voxels, interpreted on a CPU. The reference is tested in tests/query/index."""

import os
import subprocess
import sys

import pytest

INTERPRETED = """
import numpy as np
import torch
from langfield.ops.nearest_voxels import reference, triton_kernel
from langfield.query.index.voxel_search import VoxelSearch

rng = np.random.default_rng(0)
for voxels, points, count in [(1, 1, 1), (2, 9, 2), (300, 61, 4)]:
    cells = np.unique(rng.integers(-6, 6, (voxels, 3)), axis=0)
    grid = VoxelSearch.of_voxels((cells + rng.uniform(0, 1, cells.shape)) * 0.1, 0.1, torch.device("cpu")).grid
    at = torch.from_numpy(rng.uniform(-1, 1, (points, 3))).float()
    at[-1] = torch.tensor([1e30, -1e30, 0.0])
    expected, row = reference.nearest_voxels(at, grid, min(count, len(cells)))
    found, found_row = triton_kernel.nearest_voxels(at, grid, min(count, len(cells)))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert (found_row == row)[found.isfinite()].all()
    assert (found_row[~found.isfinite()] == 0).all()
"""


def test_the_kernel_is_the_reference_in_tritons_interpreter():
    """In a process of its own: Triton reads the variable when it is imported. The GPU's arithmetic is in tests/gpu."""
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
