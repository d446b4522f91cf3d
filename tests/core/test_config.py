"""Configurations survive JSON, and wrong ones are named."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from langfield.core.config import TypedConfig, config_from_json, config_to_json
from langfield.models.presets import PRESETS


class Shape(TypedConfig): ...


@dataclass(frozen=True)
class Ball(Shape):
    type: ClassVar[str] = "ball"
    radius: float = 1.0


@dataclass(frozen=True)
class Box(Shape):
    type: ClassVar[str] = "box"
    sides: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lid: Ball | None = None


class Paint(TypedConfig): ...


@dataclass(frozen=True)
class Gloss(Paint):
    type: ClassVar[str] = "gloss"


@dataclass(frozen=True)
class Grid:
    levels: int
    resolutions: tuple[tuple[int, int], ...] = ((16, 512),)


@dataclass(frozen=True)
class Scene:
    lr: float = 0.5
    dark: bool = False
    grid: Grid = field(default_factory=lambda: Grid(2))
    first: Shape = field(default_factory=Ball)
    rest: tuple[Shape, ...] = ()
    lid: Ball = field(default_factory=Ball)
    weights: Mapping[str, float] = field(default_factory=dict)


SCENE = Scene(
    lr=1e-3,
    grid=Grid(4, ((8, 24), (16, 128))),
    first=Box((1.0, 2.0, 3.0), Ball(0.5)),
    rest=(Ball(2.0), Box()),
    weights={"rgb": 1.0},
)


def through_json(config: Any) -> Any:
    return json.loads(json.dumps(config_to_json(config)))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_survives_json(name: str):
    config = PRESETS[name].config
    assert config_from_json(type(config), through_json(config)) == config


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_config_written_before_a_setting_existed_opens_with_its_default(name: str):
    config = PRESETS[name].config
    defaults = type(config)()
    for key in config_to_json(config):
        values = through_json(config)
        del values[key]
        opened = config_from_json(type(config), values)
        assert config_to_json(opened) == config_to_json(config) | {key: config_to_json(defaults)[key]}


def test_kinds_of_one_family_and_maps_survive_json():
    values = through_json(SCENE)
    assert config_from_json(Scene, values) == SCENE
    assert values["first"] == {"type": "box", "sides": [1.0, 2.0, 3.0], "lid": {"type": "ball", "radius": 0.5}}
    assert [kind["type"] for kind in values["rest"]] == ["ball", "box"]
    assert values["weights"] == {"rgb": 1.0}


def test_what_is_missing_has_its_default():
    assert config_from_json(Scene, {}) == Scene()
    assert config_from_json(Scene, {"grid": {"levels": 3}, "first": {"type": "box"}}) == Scene(
        grid=Grid(3), first=Box()
    )


def test_a_place_of_one_kind_needs_no_type():
    assert config_from_json(Scene, {"lid": {"radius": 3.0}}).lid == Ball(3.0)


def test_whole_numbers_are_numbers():
    assert config_from_json(Scene, {"lr": 1}).lr == 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (3, "config must be an object, got 3"),
        ({"lr": "fast"}, "config.lr must be float, got 'fast'"),
        ({"lr": True}, "config.lr must be float, got True"),
        ({"dark": 1}, "config.dark must be bool, got 1"),
        ({"lr_end": 1.0, "depth": 3}, "config has unknown keys: depth, lr_end"),
        ({"grid": {}}, "config.grid lacks keys: levels"),
        ({"grid": {"levels": True}}, "config.grid.levels must be int, got True"),
        ({"grid": {"levels": 1, "width": 3}}, "config.grid has unknown keys: width"),
        ({"grid": {"levels": 1, "resolutions": 3}}, "config.grid.resolutions must be a list, got 3"),
        (
            {"grid": {"levels": 1, "resolutions": [[16, 32], [16]]}},
            "config.grid.resolutions[1] must have 2 items, got 1",
        ),
        ({"first": 3}, "config.first must be an object, got 3"),
        (
            {"first": {"radius": 2.0}},
            "config.first.type is None; known are ball, box, and what an imported module adds",
        ),
        (
            {"first": {"type": "gloss"}},
            "config.first.type is 'gloss'; known are ball, box, and what an imported module adds",
        ),
        (
            {"first": {"type": ["box"]}},
            "config.first.type is ['box']; known are ball, box, and what an imported module adds",
        ),
        ({"lid": {"type": "box"}}, "config.lid.type is 'box'; known are ball, and what an imported module adds"),
        ({"first": {"type": "box", "radius": 2.0}}, "config.first has unknown keys: radius"),
        ({"rest": [{"type": "ball"}, {"type": "ball", "radius": "r"}]}, "config.rest[1].radius must be float, got 'r'"),
        ({"weights": [1.0]}, "config.weights must be an object, got [1.0]"),
        ({"weights": {"rgb": "much"}}, "config.weights.rgb must be float, got 'much'"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(values: object, message: str):
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}$"):
        config_from_json(Scene, values)


def test_the_place_of_the_config_itself_is_named():
    with pytest.raises(ValueError, match=r"model.config.lr must be float, got None"):
        config_from_json(Scene, {"lr": None}, "model.config")


def test_two_kinds_of_one_family_have_different_types():
    with pytest.raises(TypeError, match=r"Other has the type 'gloss' of Gloss"):

        class Other(Paint):
            type: ClassVar[str] = "gloss"
