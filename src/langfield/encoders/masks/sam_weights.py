"""SAM and SAM 2 of transformers by spec: where their files are, and the model that they make."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from langfield.core.errors import UsageError, WeightsError
from langfield.core.json_files import parse_json
from langfield.encoders.weights import RANDOM, RANDOM_SEED, hub_file, readable

Family = Literal["sam", "sam2"]

WEIGHTS, CONFIG = "model.safetensors", "config.json"
PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LOCAL_DIR = "local-dir:"
# The first kind of each is the family's own; a video's configuration has the same parts for single pictures.
_KINDS: Mapping[Family, tuple[str, ...]] = {"sam": ("sam",), "sam2": ("sam2", "sam2_video")}

# Sizes as published, for random weights. SAM's own spread of first weights is 1e-10: that would give no features.
_SAM_SIZES: Mapping[str, dict[str, Any]] = {
    "sam-vit-base": {},
    "sam-vit-large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    | {"global_attn_indexes": [5, 11, 17, 23]},
    "sam-vit-huge": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16}
    | {"global_attn_indexes": [7, 15, 23, 31]},
}
_SAM2_SIZES: Mapping[str, dict[str, Any]] = {
    "sam2.1-hiera-tiny": {},
    "sam2.1-hiera-small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "sam2.1-hiera-base-plus": {
        "hidden_size": 112,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 3, 16, 3],
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "sam2.1-hiera-large": {
        "hidden_size": 144,
        "num_attention_heads": 2,
        "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43],
    },
}


@dataclass(frozen=True)
class SamSource:
    """Where everything of one model comes from.

    Attributes:
        config: the architecture, as its `config.json` says it.
        preprocessing: of pictures, as its `preprocessor_config.json` says it.
        weights: the file; None for random ones.
    """

    family: Family
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    weights: Path | None

    def colours(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Mean and standard deviation of colours in [0, 1]."""
        mean = self.preprocessing.get("image_mean", _IMAGENET_MEAN)
        std = self.preprocessing.get("image_std", _IMAGENET_STD)
        return (mean[0], mean[1], mean[2]), (std[0], std[1], std[2])


def find_sam(spec: str) -> SamSource:
    """What a spec names: "sam:ORG/NAME", "sam:local-dir:PATH", "sam:NAME/random"; "sam2:…" alike.

    Raises:
        UsageError: random weights of a size that is not known.
        WeightsError: files that are missing or no configuration of such a model.
    """
    prefix, _, name = spec.partition(":")
    family: Family = "sam2" if prefix == "sam2" else "sam"
    if name.startswith(_LOCAL_DIR):
        folder = Path(name.removeprefix(_LOCAL_DIR)).expanduser().resolve()
        return _in_folder(family, folder)
    if name.endswith("/" + RANDOM):
        return _random(family, name.removesuffix("/" + RANDOM), spec)
    if name.count("/") != 1:
        raise UsageError(f"{spec}: {name!r} is no repository of the Hugging Face hub; write {prefix}:ORG/NAME")
    advice = f"put {WEIGHTS}, {CONFIG} and {PREPROCESSING[0]} into a folder and use {prefix}:{_LOCAL_DIR}FOLDER"
    hub_file(name, (CONFIG,), spec, advice)
    hub_file(name, PREPROCESSING, spec, advice)
    return _in_folder(family, hub_file(name, (WEIGHTS,), spec, advice).parent)


def build_sam(source: SamSource, spec: str) -> Any:
    """The model in float32 with its weights, random ones seeded.

    Raises:
        UsageError: transformers is not installed.
        WeightsError: a configuration that makes no model, weights that are torn or another model's.
    """
    config_class, model_class = _classes(source.family, spec)
    try:
        config = config_class.from_dict(dict(source.config))
        with _quiet_transformers(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(RANDOM_SEED)
            if source.weights is None:
                return model_class(config)
            with torch.device("meta"):
                model_class(config)
    except Exception as error:  # transformers checks its configurations in many ways
        raise WeightsError(f"{spec}: its configuration makes no model ({error})") from error
    with readable(source.weights, spec), _quiet_transformers():
        model, found = model_class.from_pretrained(
            source.weights.parent,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
        if found["missing_keys"]:
            raise KeyError(f"it lacks {sorted(found['missing_keys'])[0]}")
    return model


def _classes(family: Family, spec: str) -> tuple[Any, Any]:
    try:
        from transformers import Sam2Config, Sam2Model, SamConfig, SamModel
    except ImportError as error:
        raise UsageError(f"{spec} needs the package transformers: pip install 'langfield[masks]'") from error
    return (Sam2Config, Sam2Model) if family == "sam2" else (SamConfig, SamModel)


def _in_folder(family: Family, folder: Path) -> SamSource:
    if not folder.is_dir():
        raise WeightsError(f"no such folder; it must hold {WEIGHTS}, {CONFIG} and {PREPROCESSING[0]}", folder)
    config = _json(folder / CONFIG)
    kinds = _KINDS[family]
    if config.get("model_type") not in kinds:
        said = config.get("model_type")
        raise WeightsError(f"its model_type is {said!r}; a {family} folder says {kinds[0]!r}", folder / CONFIG)
    given = next((folder / name for name in PREPROCESSING if (folder / name).is_file()), None)
    preprocessing = {} if given is None else _json(given)
    if not (folder / WEIGHTS).is_file():
        raise WeightsError(f"no {WEIGHTS} in this folder; only whole .safetensors files are read", folder)
    # transformers 5 writes a processor's file with the image processor's inside.
    return SamSource(family, config, preprocessing.get("image_processor", preprocessing), folder / WEIGHTS)


def _json(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise WeightsError(f"no {path.name} in this folder; copy it from where the weights come from", path) from error
    except ValueError as error:
        raise WeightsError(f"no JSON ({error}); fetch it again", path) from error
    if not isinstance(document, dict):
        raise WeightsError("not a JSON object; fetch it again", path)
    return document


def _random(family: Family, name: str, spec: str) -> SamSource:
    sizes = _SAM2_SIZES if family == "sam2" else _SAM_SIZES
    size = sizes.get(name.rpartition("/")[2])
    if size is None:
        raise UsageError(f"{spec}: random weights are for the sizes {', '.join(sizes)}, not {name!r}")
    if family == "sam":
        return SamSource(family, {"model_type": "sam", "vision_config": {"initializer_range": 0.02, **size}}, {}, None)
    vision: dict[str, Any] = {"backbone_config": {"model_type": "sam2_hiera_det_model", **size}}
    if "embed_dim_per_stage" in size:
        vision["backbone_channel_list"] = size["embed_dim_per_stage"][::-1]
    return SamSource(family, {"model_type": "sam2", "vision_config": vision}, {}, None)


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """transformers draws a bar and lists what it did not load, the memory of videos among it."""
    from transformers.utils import logging

    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()
