"""Configurations survive JSON, and wrong ones are named."""

import json

import pytest

from langfield.core.config import config_from_json, config_to_json
from langfield.models.gaussians.adaptive_density import DensificationConfig
from langfield.models.gaussians.mcmc import GrowthConfig
from langfield.models.gaussians.splat import SplatConfig
from langfield.models.nerf.lerf import LerfConfig
from langfield.models.presets import PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_survives_json(name: str):
    config = PRESETS[name].config
    text = json.dumps(config_to_json(config))
    assert config_from_json(type(config), json.loads(text)) == config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("lr",), "fast", r"config.lr must be float, got 'fast'"),
        (("sampling", "samples"), True, r"config.sampling.samples must be int, got True"),
        (("sampling", "depth"), 3, r"config.sampling has unknown or missing keys: depth"),
        (("proposals",), 3, r"config.proposals must be a list, got 3"),
        (
            ("language", "grid", "resolutions"),
            [[16]],
            r"config.language.grid.resolutions\[0\] must have 2 items, got 1",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_place(path: tuple[str, ...], value: object, message: str):
    values = config_to_json(PRESETS["nano"].config)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        config_from_json(LerfConfig, values)


@pytest.mark.parametrize("growth", [GrowthConfig(start=7), DensificationConfig(slope=1.0)])
def test_of_two_kinds_the_one_with_these_keys_is_read(growth: GrowthConfig | DensificationConfig):
    values = config_to_json(SplatConfig(growth=growth))
    assert config_from_json(SplatConfig, values).growth == growth
    values["growth"]["start"] = "soon"
    with pytest.raises(ValueError, match=r"config.growth.start must be int, got 'soon'"):
        config_from_json(SplatConfig, values)
    values["growth"] = {"start": 3}
    with pytest.raises(ValueError, match=r"config.growth has unknown or missing keys: every, factor, noise, stop"):
        config_from_json(SplatConfig, values)


def test_a_lerf_config_has_the_keys_that_runs_were_saved_with():
    """A run's config must name all keys: another field in this class would shut people out of their runs."""
    assert set(config_to_json(LerfConfig())) == {
        "radiance", "proposals", "sampling", "language", "language_samples", "proposal_weight", "distortion_weight",
        "language_weight", "dense_weight", "lr", "lr_end", "lr_steps", "language_lr", "language_lr_end",
        "language_lr_steps", "proposal_every", "proposal_warmup", "chunk_rays",
    }  # fmt: skip
