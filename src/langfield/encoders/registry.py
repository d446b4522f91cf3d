"""Encoders by spec."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from langfield.core.choices import hint
from langfield.core.errors import UsageError
from langfield.encoders.base import DenseEncoder, ImageTextEncoder
from langfield.encoders.masks.base import MaskProposer

E = TypeVar("E")
Loader = Callable[[str, torch.device], E]


# OpenCLIP, timm and transformers take seconds to import: only who needs an encoder waits for them.
def _openclip(spec: str, device: torch.device) -> ImageTextEncoder:
    from langfield.encoders.openclip import load_openclip

    return load_openclip(spec, device)


def _builtin(spec: str, device: torch.device) -> ImageTextEncoder:
    from langfield.encoders.builtin import load_builtin

    return load_builtin(spec, device)


def _timm(spec: str, device: torch.device) -> DenseEncoder:
    from langfield.encoders.dense import load_timm

    return load_timm(spec, device)


def _sam(spec: str, device: torch.device) -> MaskProposer:
    from langfield.encoders.masks.sam import load_sam

    return load_sam(spec, device)


def _builtin_masks(spec: str, device: torch.device) -> MaskProposer:
    from langfield.encoders.masks.builtin import load_builtin_masks

    return load_builtin_masks(spec, device)


def _superpixels(spec: str, device: torch.device) -> MaskProposer:
    from langfield.encoders.masks.superpixels import load_superpixels

    return load_superpixels(spec, device)


_IMAGE_TEXT: Mapping[str, tuple[Loader[ImageTextEncoder], str]] = {
    "openclip": (_openclip, "openclip:NAME/TAG, openclip:hf-hub:ORG/NAME, openclip:local-dir:PATH"),
    "builtin": (_builtin, "builtin:mini"),
}
_DENSE: Mapping[str, tuple[Loader[DenseEncoder], str]] = {
    "timm": (_timm, "timm:NAME, timm:NAME@FILE.safetensors"),
}
_MASKS: Mapping[str, tuple[Loader[MaskProposer], str]] = {
    "sam": (_sam, "sam:ORG/NAME, sam:local-dir:PATH"),
    "sam2": (_sam, "sam2:ORG/NAME, sam2:local-dir:PATH"),
    "builtin": (_builtin_masks, "builtin:masks"),
    "superpixels": (_superpixels, "superpixels"),
}


def load_image_text(spec: str, device: torch.device | str = "cpu") -> ImageTextEncoder:
    """The image-text encoder of a spec such as "openclip:ViT-B-16/laion2b_s34b_b88k".

    Raises:
        UsageError: a spec of no known kind, or a model name that does not exist.
        WeightsError: the weights are missing, torn, or another model's.
    """
    return _load(_IMAGE_TEXT, "image-text", spec, device)


def load_dense(spec: str, device: torch.device | str = "cpu") -> DenseEncoder:
    """The dense encoder of a spec such as "timm:vit_small_patch8_224.dino". Raises as `load_image_text`."""
    return _load(_DENSE, "dense", spec, device)


def load_masks(spec: str, device: torch.device | str = "cpu") -> MaskProposer:
    """The encoder of masks of a spec such as "sam:facebook/sam-vit-base" or "superpixels".

    Raises as `load_image_text`; UsageError, too, where the extra `masks` is not installed.
    """
    return _load(_MASKS, "mask", spec, device)


def check_image_text_spec(spec: str) -> None:
    """Raise UsageError for a spec of no known kind of image-text encoder. Nothing is loaded."""
    _check(_IMAGE_TEXT, "image-text", spec)


def check_dense_spec(spec: str) -> None:
    """Raise UsageError for a spec of no known kind of dense encoder. Nothing is loaded."""
    _check(_DENSE, "dense", spec)


def check_masks_spec(spec: str) -> None:
    """Raise UsageError for a spec of no known kind of encoder of masks. Nothing is loaded."""
    _check(_MASKS, "mask", spec)


def _check(table: Mapping[str, tuple[Loader[Any], str]], kind: str, spec: str) -> None:
    prefix, colon, rest = spec.partition(":")
    is_named = prefix in table and ":" in table[prefix][1]
    if not (is_named and colon and rest) and spec not in (form for _, form in table.values()):
        forms = "; ".join(form for _, form in table.values())
        raise UsageError(f"{spec!r} names no {kind} encoder: {hint(prefix, table)}a spec is one of {forms}")


def _load(table: Mapping[str, tuple[Loader[E], str]], kind: str, spec: str, device: torch.device | str) -> E:
    _check(table, kind, spec)
    loader, _ = table[spec.partition(":")[0]]
    return loader(spec, torch.device(device))
