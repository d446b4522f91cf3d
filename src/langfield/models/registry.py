"""Methods by name, so that a run directory can say what it holds."""

import difflib
from collections.abc import Mapping
from typing import Any

from langfield.core.config import config_from_json
from langfield.core.errors import UsageError
from langfield.models.base import Method, MethodContext
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.models.nerf.lerf import Lerf, LerfConfig
from langfield.models.presets import PRESETS, Preset
from langfield.models.voxels.voxel_lift import Lift, LiftConfig

METHODS: dict[str, tuple[type[Any], type[Any]]] = {
    "lerf": (Lerf, LerfConfig),
    "lift": (Lift, LiftConfig),
    "splat": (Splat, SplatConfig),
}


def create_method(name: str, config: Any, context: MethodContext) -> Method:
    """A new method with fresh parameters.

    Args:
        name: among `METHODS`.
        config: the method's config object, or its JSON form as run.json keeps it.

    Raises:
        UsageError: for an unknown name; ValueError for a config that is not the method's.
    """
    if name not in METHODS:
        raise UsageError(f"unknown method {name!r}; {_choices(name, METHODS)}")
    kind, config_kind = METHODS[name]
    if isinstance(config, Mapping):
        config = config_from_json(config_kind, dict(config))
    return kind(config, context)


def method_name(config: Any) -> str:
    """The registered name of the method that a config belongs to."""
    return next(name for name, (_, kind) in METHODS.items() if isinstance(config, kind))


def preset(name: str) -> Preset:
    """A preset by name; UsageError names the nearest ones."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}; {_choices(name, PRESETS)}")
    return PRESETS[name]


def _choices(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known are {', '.join(sorted(known))}"
