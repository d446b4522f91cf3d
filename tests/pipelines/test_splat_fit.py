"""Whether Gaussians belong to photos: those of the place do, those elsewhere cover nothing, wrong ones look wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.data.scenes import write_ball_scene
from tests.data.splats import ball_splats

from langfield.core.errors import DataError
from langfield.data.scene import open_scene
from langfield.fields.gaussians import GaussianConfig
from langfield.models.config import ModelContext
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.pipelines.splat_fit import SplatFit, check_fit, splat_fit

FILE = Path("theirs.ply")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory):
    return open_scene(write_ball_scene(tmp_path_factory.mktemp("balls"), n_views=6, width_px=48, height_px=36).folder)


def fit(scene, splats) -> SplatFit:
    config = SplatConfig(GaussianConfig(capacity=len(splats), sh_degree=splats.degree))
    model = Splat(config, ModelContext(photos=len(scene.train)))
    model.gaussians.load_splats(splats, scene.scene_from_world)
    told = []
    found = splat_fit(model, scene, scene.train, told.append)
    assert told[-1].done == told[-1].total == len(told) == 5
    return found


def test_gaussians_of_the_place_fit(scene):
    found = fit(scene, ball_splats())
    assert found.covered > 0.5
    assert found.better_than_flat
    assert check_fit(found, FILE) == []


def test_gaussians_elsewhere_are_refused(scene):
    splats = ball_splats()
    with pytest.raises(DataError) as caught:
        check_fit(fit(scene, replace(splats, means=splats.means + np.array([0, 0, 90.0]))), FILE)
    assert str(caught.value) == (
        "theirs.ply: covers 0.0 % of the photos' pixels: its Gaussians lie nowhere in front of the scene's cameras, "
        "probably in another frame or scale than the photos' poses; export it in their frame"
    )


def test_gaussians_of_another_look_or_of_a_part_are_warned_about(scene):
    splats = ball_splats()
    inverted = fit(scene, replace(splats, harmonics=-splats.harmonics))
    assert not inverted.better_than_flat
    (warning,) = check_fit(inverted, FILE)
    assert warning.startswith("warning: theirs.ply looks less like the photos than their mean colours do (PSNR ")
    part = fit(scene, splats.chosen(splats.means[:, 2] > 0.02))
    assert 0.005 < part.covered < 0.3
    assert any("covers only" in line for line in check_fit(part, FILE))


def test_pixels_that_may_not_be_used_do_not_count(scene, tmp_path: Path):
    written = write_ball_scene(tmp_path / "masked", n_views=6, width_px=48, height_px=36, masks=True)
    masked = open_scene(written.folder)
    left = ball_splats()
    whole, without = fit(scene, left), fit(masked, left)
    assert without.covered != whole.covered
    assert without.error != whole.error
