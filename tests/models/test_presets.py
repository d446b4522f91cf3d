"""Which preset is taken where none is named, and what it says."""

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from langfield.core.errors import UsageError
from langfield.models.presets import NANO, PRESETS, TrainingRecipe, default_preset
from langfield.pipelines.run_making import chosen_recipe


@pytest.mark.parametrize(
    ("method", "on_gpu", "has_gsplat", "name"),
    [
        ("auto", False, False, "nano"),
        ("auto", False, True, "nano"),
        ("auto", True, False, "lerf"),
        ("auto", True, True, "splat"),
        ("lerf", False, True, "nano"),
        ("lerf", True, True, "lerf"),
        ("voxel_lift", True, True, "lift"),
        ("voxel_lift", False, False, "lift"),
        ("splat", True, False, "splat"),
        ("splat", False, False, "splat"),
    ],
)
def test_the_preset_follows_from_method_and_hardware(method: str, on_gpu: bool, has_gsplat: bool, name: str):
    chosen, why = default_preset(method, on_gpu, has_gsplat)
    assert chosen == name
    assert why
    assert method in ("auto", PRESETS[chosen].config.model)


def choose(method: str = "auto", preset: str | None = None, device: str = "cuda") -> tuple[str, list[str]]:
    said: list[str] = []
    name, recipe = chosen_recipe(method, preset, torch.device(device), None, None, said.append)
    assert recipe == PRESETS[name]
    return name, said


def test_the_choice_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gsplat", None)
    assert choose(device="cpu") == ("nano", ["preset nano, because no GPU is used; --preset chooses another one"])
    assert choose() == (
        "lerf",
        [
            "preset lerf, because a GPU is there, but not gsplat: pip install 'langfield[gpu]' gives splat; "
            "--preset chooses another one"
        ],
    )
    monkeypatch.setitem(sys.modules, "gsplat", ModuleType("gsplat"))
    assert choose() == ("splat", ["preset splat, because a GPU is there, and gsplat; --preset chooses another one"])


def test_what_is_asked_for_wins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gsplat", ModuleType("gsplat"))
    assert choose(preset="lerf-lite") == ("lerf-lite", [])
    assert choose(method="splat", preset="splat-fast", device="cpu") == ("splat-fast", [])
    assert choose(method="voxel_lift") == (
        "lift",
        ["preset lift, because the method voxel_lift is asked for; --preset chooses another one"],
    )
    with pytest.raises(UsageError, match="preset nano is of the method lerf, not splat; leave one out"):
        choose(method="splat", preset="nano")
    with pytest.raises(UsageError, match=r"unknown method 'nerf'; did you mean 'lerf'. known are auto, lerf, splat, "):
        choose(method="nerf")


@pytest.mark.parametrize("name", ["steps", "rays", "head_rays", "feature_views"])
def test_a_recipe_of_nothing_is_refused_where_it_is_made(name: str):
    """Heads without rays would have losses that are not finite."""
    with pytest.raises(ValueError, match=f"TrainingRecipe.{name} must be a whole number of at least 1, got 0"):
        TrainingRecipe("own", NANO, **{name: 0})
    with pytest.raises(ValueError, match=f"TrainingRecipe.{name} must be a whole number of at least 1, got -3"):
        replace(PRESETS["nano"], **{name: -3})
    assert replace(PRESETS["nano"], head_rays=1, feature_views=1, rays=1, steps=1).head_rays == 1
