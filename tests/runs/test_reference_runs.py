"""Runs that earlier versions made open, and show what they showed."""

from pathlib import Path

import numpy as np
import pytest
from tests.runs.make_reference import FOLDER, shown

RUNS = sorted(path for path in FOLDER.iterdir() if path.is_dir())


def test_there_is_one_of_each_model():
    assert {run.name for run in RUNS} >= {"splat", "lerf", "lift"}


@pytest.mark.parametrize("run", RUNS, ids=lambda path: path.name)
def test_a_reference_run_shows_what_it_showed(run: Path):
    with np.load(run / "shown.npz", allow_pickle=False) as reference:
        expected = dict(reference)
    found = shown(run)
    assert found.keys() == expected.keys()
    assert expected["rgb"].std() > 5
    assert expected["relevancy"].std() > 0.02
    assert np.abs(found["rgb"].astype(int) - expected["rgb"]).max() <= 2
    there = np.isfinite(expected["depth_world"])
    assert np.array_equal(np.isfinite(found["depth_world"]), there)
    np.testing.assert_allclose(found["depth_world"][there], expected["depth_world"][there], rtol=1e-3)
    np.testing.assert_allclose(found["relevancy"], expected["relevancy"], atol=5e-3)
