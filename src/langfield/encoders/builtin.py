"""Encoders that come with langfield: OpenCLIP folders inside the package."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import torch

from langfield.core.errors import UsageError, WeightsError
from langfield.core.json_files import read_json
from langfield.encoders.openclip import OpenClipEncoder, load_openclip

BUILTIN = ("mini",)
_WEIGHTS = "open_clip_model.safetensors"


def builtin_folder(name: str) -> Path:
    """Where the encoder of this name lies.

    Raises UsageError for a name that does not exist, WeightsError where its weights are missing.
    """
    if name not in BUILTIN:
        known = ", ".join(f"builtin:{each}" for each in BUILTIN)
        raise UsageError(f"builtin:{name} does not exist; there is {known}")
    folder = Path(str(files("langfield.encoders").joinpath("builtin_weights", name)))
    if not (folder / _WEIGHTS).is_file():
        raise WeightsError(
            f"builtin:{name} is not in this copy of langfield; install one that has it, or give another encoder, such "
            "as --encoder openclip:local-dir:FOLDER",
            folder / _WEIGHTS,
        )
    return folder


def load_builtin(spec: str, device: torch.device) -> OpenClipEncoder:
    """Load "builtin:NAME" through the same code as any other OpenCLIP folder. Raises as `builtin_folder`.

    `langfield_card.json` in the folder says the temperature of relevancy and the licence.
    """
    folder = builtin_folder(spec.removeprefix("builtin:"))
    encoder = load_openclip(f"openclip:local-dir:{folder}", device)
    card = read_json(folder / "langfield_card.json")
    licence, temperature = card.need("licence").text(), card.need("temperature").number()
    encoder.card = replace(encoder.card, spec=spec, licence=licence, temperature=temperature)
    return encoder
