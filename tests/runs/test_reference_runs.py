"""Runs that earlier versions made open, and show what they showed. One of each model, of schema 1."""

from pathlib import Path

import numpy as np
import pytest
import torch

from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.session import Session

FOLDER = Path(__file__).parent / "reference"
RUNS = sorted(path for path in FOLDER.iterdir() if path.is_dir())


def shown(run: Path) -> dict[str, np.ndarray]:
    """The first view of a run: its picture, its z-depth in world units, and relevancy of two phrases at each level."""
    session = Session.open(run, device="cpu")
    camera = session.views[0].camera.fit_within(32)
    rgb, depth_world = session.picture(camera)
    dim = session.model.context.target_dims.get("embedding", 0)
    generator = torch.Generator().manual_seed(0)
    said = torch.nn.functional.normalize(torch.randn(4, dim, generator=generator), dim=-1)
    phrases = session.model.prepare_phrases(EncodedPhrases(("a", "b"), said[:2], said[2:], 10.0))
    # The levels of `observed_scales`, of Gaussians too, which have levels of their own.
    maps = AskableView.crop_level_relevancy(session._scene.view(camera), phrases, session.observed_scales())
    return {"rgb": rgb, "depth_world": depth_world, "relevancy": maps.half().cpu().numpy()}


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
