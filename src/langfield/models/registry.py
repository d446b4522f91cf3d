"""Models by name, as run.json has it. Only this module and `presets` know the kinds of model."""

from collections.abc import Mapping
from typing import Any

from langfield.core.choices import check_choice
from langfield.core.config import config_from_json
from langfield.models.base import Model
from langfield.models.config import ModelConfig, ModelContext
from langfield.models.gaussians import adaptive_density  # noqa: F401  makes the strategy known to `config_from_json`
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.models.nerf.lerf import Lerf, LerfConfig
from langfield.models.voxels.voxel_lift import VoxelLift, VoxelLiftConfig

MODELS: dict[str, tuple[type[Model], type[ModelConfig]]] = {
    "lerf": (Lerf, LerfConfig),
    "voxel_lift": (VoxelLift, VoxelLiftConfig),
    "splat": (Splat, SplatConfig),
}


def create_model(name: str, config: ModelConfig | Mapping[str, Any], context: ModelContext) -> Model:
    """A new model with fresh parameters.

    Args:
        name: among `MODELS`.
        config: the model's config object, or its JSON form as run.json keeps it.

    Raises:
        UsageError: the name is not known.
        ValueError: the config is not one of the model's.
    """
    kind, _ = _entry(name)
    return kind(read_config(name, config) if isinstance(config, Mapping) else config, context)


def read_config(name: str, document: Mapping[str, Any]) -> ModelConfig:
    """The config of a model from its JSON form; missing keys take their defaults. Errors as in `create_model`."""
    return config_from_json(_entry(name)[1], dict(document))


def _entry(name: str) -> tuple[type[Model], type[ModelConfig]]:
    check_choice("model", name, sorted(MODELS))
    return MODELS[name]
