"""The encoder of masks that comes with langfield: a small SAM in transformers' own format inside the package."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from langfield.core.errors import UsageError, WeightsError
from langfield.core.json_files import Json, read_json
from langfield.encoders.masks.base import EverythingSettings
from langfield.encoders.masks.sam import SamProposer, load_sam
from langfield.encoders.masks.sam_weights import WEIGHTS


def builtin_masks_folder() -> Path:
    """Where the encoder lies. Raises WeightsError where its weights are missing."""
    folder = Path(str(files("langfield.encoders").joinpath("builtin_weights", "masks")))
    if not (folder / WEIGHTS).is_file():
        raise WeightsError(
            "builtin:masks is not in this copy of langfield; install one that has it, or give another encoder of "
            "masks, such as sam:facebook/sam-vit-base, or superpixels, which needs no weights",
            folder / WEIGHTS,
        )
    return folder


def load_builtin_masks(spec: str, device: torch.device) -> SamProposer:
    """Load "builtin:masks". Raises as `load_sam_with_card`; UsageError for another name."""
    if spec != "builtin:masks":
        raise UsageError(f"{spec} is no encoder of masks; there is builtin:masks")
    return load_sam_with_card(builtin_masks_folder(), spec, device)


def load_sam_with_card(folder: Path, spec: str, device: torch.device) -> SamProposer:
    """A SAM folder through the same code as any other, and what its `langfield_card.json` says of it: the licence,
    under "everything" fields of `EverythingSettings`, and the "prompt_zoom", see `SamProposer`.

    On a CPU no crops are searched. It is the same encoder to runs: what was begun on a GPU goes on on a CPU.

    Raises as `load_sam`, and DataError for a card that cannot be read.
    """
    card = read_json(folder / "langfield_card.json")
    proposer = load_sam(f"sam:local-dir:{folder}", device, _settings(card.get("everything")))
    if device.type == "cpu":  # crops take three times as long again: half a minute a photo on two cores
        proposer.settings = replace(proposer.settings, crop_layers=0)
    zoom = card.get("prompt_zoom")
    proposer.prompt_zoom = None if zoom is None else zoom.number(low=1.2, high=10)
    proposer.card = replace(proposer.card, spec=spec, licence=card.need("licence").text())
    return proposer


def _settings(given: Json | None) -> EverythingSettings:
    if given is None:
        return EverythingSettings()
    values: Mapping[str, Any] = given.value
    try:
        return EverythingSettings(**values)
    except (TypeError, ValueError) as error:
        raise given.error(f"must be settings of everything mode ({error})") from error
