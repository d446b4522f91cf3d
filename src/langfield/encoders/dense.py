"""Self-supervised vision transformers of timm as `DenseEncoder`s.

As LERF does it (LERF §3.3 and its code): pictures with a shorter side of 500 px, and of the last block's attention
the keys, without the class token. Where a model has no plain attention, its normalised patch tokens are used.
"""

import difflib
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from langfield.core.errors import UsageError, WeightsError
from langfield.core.files import file_sha256
from langfield.encoders.base import EncoderCard, compute_dtype
from langfield.encoders.weights import RANDOM, RANDOM_SEED, hub_file, json_sha256, readable

SHORT_SIDE_PX = 500


class TimmDenseEncoder:
    """A timm vision transformer that takes pictures of any size; frozen, in evaluation mode."""

    def __init__(self, model: nn.Module, card: EncoderCard, patch_px: int, device: torch.device) -> None:
        self.card = card
        self.device = device
        self.patch_px = patch_px
        self._dtype = compute_dtype(device)
        self._model: Any = model.eval().requires_grad_(False).to(device, self._dtype)
        self._mean, self._std = (torch.tensor(rgb, device=device)[:, None, None] for rgb in (card.mean, card.std))

    @torch.no_grad()
    def encode(self, image: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "gh gw s"]:
        """Features of a grid of cells spread evenly over the picture (float32, not normalised).

        The picture is resized so that its shorter side is about `card.input_size_px` and both sides are multiples of
        the patch: cell (i, j) of gh × gw covers the rows from i·h/gh to (i + 1)·h/gh, and columns alike.
        """
        rows, columns = self.grid(image.shape[0], image.shape[1])
        size = (rows * self.patch_px, columns * self.patch_px)
        picture = image.to(self.device).permute(2, 0, 1)[None].float() / 255
        picture = nn.functional.interpolate(picture, size, mode=self.card.interpolation, antialias=True).clamp(0, 1)
        tokens = self._tokens(((picture - self._mean) / self._std).to(self._dtype))
        return tokens.float().reshape(rows, columns, -1)

    def grid(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of the grid over a picture of this size."""
        scale = self.card.input_size_px / min(height_px, width_px) / self.patch_px
        return max(int(height_px * scale + 1e-6), 1), max(int(width_px * scale + 1e-6), 1)

    def _tokens(self, picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "t s"]:
        qkv = _plain_qkv(self._model)
        if qkv is None:
            return self._model.forward_features(picture)[0, self._model.num_prefix_tokens :]
        seen: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen.append(output)

        handle = qkv.register_forward_hook(keep)
        try:
            self._model.forward_features(picture)
        finally:
            handle.remove()
        return seen[0].chunk(3, dim=-1)[1][0, self._model.num_prefix_tokens :]


def load_timm(spec: str, device: torch.device) -> TimmDenseEncoder:
    """Load "timm:NAME" (from the hub), "timm:NAME@FILE.safetensors" or "timm:NAME/random" (seeded random weights).

    Raises:
        UsageError: a name timm does not have, or one that is no vision transformer.
        WeightsError: the weights are missing, torn, or another model's.
    """
    name, at, file = spec.removeprefix("timm:").partition("@")
    is_random = not at and name.endswith("/" + RANDOM)
    name = name.removesuffix("/" + RANDOM) if is_random else name
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models("*vit*", pretrained=True), n=4, cutoff=0.3)
        raise UsageError(f"{spec}: timm has no model {name!r}; near it are {', '.join(near) or 'none'}")
    weights = None if is_random else _weights(name, file, spec)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        model = _build(name, weights, spec)
    return TimmDenseEncoder(model, _card(spec, name, weights, model), model.patch_embed.patch_size[0], device)


def _weights(name: str, file: str, spec: str) -> Path:
    if file:
        path = Path(file).expanduser().resolve()
        if not path.is_file():
            raise WeightsError(f"no such file; {spec} takes its weights from it", path)
        if path.suffix != ".safetensors":
            raise WeightsError("only .safetensors files are read; convert it first", path)
        return path
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise WeightsError(f"{spec}: timm knows no weights for it; give a file: timm:{name}@FILE.safetensors")
    advice = f"fetch that file elsewhere and use timm:{name}@FILE.safetensors"
    return hub_file(config.hf_hub_id, (config.hf_hub_filename or "model.safetensors",), spec, advice)


def _build(name: str, weights: Path | None, spec: str) -> Any:
    try:
        model: Any = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError as error:
        raise UsageError(f"{spec} takes no pictures of other sizes; choose a vision transformer") from error
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", (0, 1))
    if not hasattr(model, "blocks") or patch[0] != patch[1]:
        raise UsageError(f"{spec} is no vision transformer with square patches; choose one")
    if weights is not None:
        with readable(weights, spec):
            missing, _ = model.load_state_dict(load_file(weights), strict=False)
            if missing:
                raise KeyError(f"it lacks {missing[0]}")
    return model


def _card(spec: str, name: str, weights: Path | None, model: Any) -> EncoderCard:
    config = model.pretrained_cfg
    facet = "tokens" if _plain_qkv(model) is None else "keys"
    return EncoderCard(
        spec=spec,
        weights_sha256=file_sha256(weights) if weights else RANDOM,
        config_sha256=json_sha256({"timm": name, "facet": facet}),
        embed_dim=int(model.embed_dim),
        input_size_px=SHORT_SIDE_PX,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        licence=config.get("license") or "unknown",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def _plain_qkv(model: Any) -> nn.Linear | None:
    """The last block's joint projection to queries, keys and values, if the model has one."""
    qkv = getattr(getattr(model.blocks[-1], "attn", None), "qkv", None)
    return qkv if isinstance(qkv, nn.Linear) and qkv.out_features == 3 * model.embed_dim else None
