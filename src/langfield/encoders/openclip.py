"""Any OpenCLIP model as an `ImageTextEncoder`.

Model, preprocessing and tokenizer always come from the same source: a built-in name with a pretrained tag, a
repository of the Hugging Face hub, or a folder in OpenCLIP's own layout.
"""

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import open_clip
import torch
from jaxtyping import Float
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from langfield.core.errors import UsageError, WeightsError
from langfield.core.files import file_sha256
from langfield.core.json_files import parse_json
from langfield.encoders.base import EncoderCard, compute_dtype
from langfield.encoders.recorded import Recorded
from langfield.encoders.weights import (
    RANDOM,
    RANDOM_SEED,
    hub_file,
    hub_only_if_it_answers,
    json_sha256,
    missing,
    readable,
)

_CONFIG = "open_clip_config.json"
_HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_LOCAL_WEIGHTS = (*_HUB_WEIGHTS, "open_clip_pytorch_model.safetensors", "model.safetensors")
_ALTERNATIVE = f"put {_HUB_WEIGHTS[0]} and {_CONFIG} into a folder and use openclip:local-dir:FOLDER"
_LICENCES = {
    "laion": "MIT",
    "openai": "MIT",
    "datacomp": "MIT",
    "commonpool": "MIT",
    "merged2b": "MIT",
    "webli": "Apache-2.0",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Source:
    """Where everything of one model comes from; `name` is what OpenCLIP calls it."""

    name: str
    weights: Path | None
    tag: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "unknown"


class OpenClipEncoder:
    """An OpenCLIP model: the image half in half precision where that is faster, the text half in float32.

    Its towers are frozen and in evaluation mode.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, card: EncoderCard, device: torch.device) -> None:
        self.card = card
        self.device = device
        self._dtype = compute_dtype(device)
        self._model = model.eval().requires_grad_(False).to(device)
        # On two CPU cores a ResNet of 96 px is twice as fast so; a ViT has one convolution only, and does not care.
        convolutions = sum(isinstance(module, nn.Conv2d) for module in self._visual.modules())
        last = device.type == "cpu" and convolutions > 1
        self._layout = torch.channels_last if last else torch.contiguous_format
        if last:
            _fold_batch_norms(self._visual)
        self._visual.to(self._dtype).to(memory_format=self._layout)
        self._tokenizer = tokenizer
        self._encode = partial(_encode_tokens, self._model)
        self._encode_one = Recorded(self._encode)
        mean, std = (torch.tensor(rgb, device=device)[:, None, None] for rgb in (card.mean, card.std))
        self._gain, self._shift = 1 / std, -mean / std

    @property
    def _visual(self) -> nn.Module:
        return self._model.get_submodule("visual")

    @torch.no_grad()
    def encode_images(self, crops: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """Unit float32 embeddings of crops with colours in [0, 1], already `card.input_size_px` square.

        No host–device synchronisation.
        """
        if crops.shape[-1] != self.card.input_size_px:
            raise ValueError(f"crops must be {self.card.input_size_px} px square, got {tuple(crops.shape[-2:])}")
        x = torch.addcmul(self._shift.to(crops.dtype), crops, self._gain.to(crops.dtype))
        encode: Any = self._model.encode_image
        x = x.to(self._dtype, memory_format=self._layout)
        return nn.functional.normalize(encode(x).float(), dim=-1)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "p d"]:
        """Unit float32 embeddings of phrases; what exceeds the tokenizer's length is cut."""
        if not texts:
            return torch.zeros(0, self.card.embed_dim, device=self.device)
        tokens = self._tokenizer(list(texts)).to(self.device)
        # One phrase is what a person types and waits for.
        return self._encode_one(tokens) if self.device.type == "cuda" and len(texts) == 1 else self._encode(tokens)


def _fold_batch_norms(visual: nn.Module) -> None:
    """Let the convolutions of OpenCLIP's ResNets do what the normalisations behind them do, which on a CPU take a fifth
    of the time. The normalisation of conv1 is called bn1; in an `nn.Sequential` it stands behind its convolution.
    """
    for module in list(visual.modules()) if isinstance(visual, ModifiedResNet) else ():
        names = list(dict(module.named_children()))
        in_sequence = pairwise(names) if isinstance(module, nn.Sequential) else ()
        for conv_name, norm_name in [*in_sequence, *((name, name.replace("conv", "bn")) for name in names)]:
            conv, norm = getattr(module, conv_name), getattr(module, norm_name, None)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, nn.utils.fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())


def _encode_tokens(model: nn.Module, tokens: Tensor) -> Tensor:
    """No method of the encoder, which keeps it: so that an encoder is gone as soon as it is let go."""
    encode: Any = model.encode_text
    return nn.functional.normalize(encode(tokens).float(), dim=-1)


def load_openclip(spec: str, device: torch.device) -> OpenClipEncoder:
    """Load "openclip:NAME/TAG", "openclip:NAME/random", "openclip:hf-hub:ORG/NAME" or "openclip:local-dir:PATH".

    Random weights are seeded: they cost what real ones cost, and mean nothing.

    Raises:
        UsageError: a name or tag OpenCLIP does not have, or a tokenizer whose package is not installed.
        WeightsError: the weights are missing, torn, or another model's.
    """
    name = spec.removeprefix("openclip:")
    if name.startswith("local-dir:"):
        source = _local_dir(name.removeprefix("local-dir:"))
    elif name.startswith("hf-hub:"):
        source = _hub(name.removeprefix("hf-hub:"), spec)
    else:
        source = _built_in(name, spec)
    repository = _asked_repository(source.name)
    waiting = nullcontext() if repository is None else hub_only_if_it_answers(repository)
    with _quiet_open_clip(), waiting, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        model = _build(source, spec)
        tokenizer = _tokenizer(source.name, spec)
        card = _card(spec, source, model)
    if getattr(model, "logit_bias", None) is not None:
        _log.warning("relevancy is not calibrated for %s (a sigmoid loss): order phrases by it, do not trust 0.5", spec)
    return OpenClipEncoder(model, tokenizer, card, device)


def _built_in(name: str, spec: str) -> _Source:
    model, slash, tag = name.rpartition("/")
    if not slash:
        model, tag = name, ""
    if model not in open_clip.list_models():
        raise UsageError(f"{spec}: OpenCLIP has no model {model!r}; near it are {_near(model)}")
    if tag == RANDOM:
        return _Source(model, None)
    config = open_clip.get_pretrained_cfg(model, tag) if tag else {}
    if not config:
        tags = ", ".join(known for name, known in open_clip.list_pretrained() if name == model) or "no tags"
        raise UsageError(f"{spec}: OpenCLIP's {model} has no weights {tag!r}, only {tags}")
    if config.get("hf_hub"):
        repo_id, _, file = config["hf_hub"].rpartition("/")
        names = (str(Path(file).with_suffix(".safetensors")), file) if file else _HUB_WEIGHTS
        weights = hub_file(repo_id, names, spec, _ALTERNATIVE)
    else:
        try:
            weights = Path(open_clip.download_pretrained(config))
        except (OSError, RuntimeError) as error:
            raise missing(spec, config.get("url", "its weights"), type(error).__name__, _ALTERNATIVE) from error
    licence = next((known for start, known in _LICENCES.items() if tag.lower().startswith(start)), "unknown")
    return _Source(model, weights, config, licence)


def _hub(repo_id: str, spec: str) -> _Source:
    hub_file(repo_id, (_CONFIG,), spec, _ALTERNATIVE)
    return _Source(f"hf-hub:{repo_id}", hub_file(repo_id, _HUB_WEIGHTS, spec, _ALTERNATIVE))


def _local_dir(given: str) -> _Source:
    folder = Path(given).expanduser().resolve()
    if not folder.is_dir():
        raise WeightsError(f"no such folder; it must hold {_CONFIG} and {_LOCAL_WEIGHTS[0]}", folder)
    config = folder / _CONFIG
    if not config.is_file():
        raise WeightsError(f"no {_CONFIG} in this folder; copy it from where the weights come from", folder)
    try:
        model = parse_json(config.read_bytes())["model_cfg"]
        known = {"embed_dim", "vision_cfg", "text_cfg"} <= set(model)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise WeightsError("not an OpenCLIP configuration: 'model_cfg' needs embed_dim, vision_cfg, text_cfg", config)
    there = sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".pth", ".pt"))
    chosen = next((name for name in _LOCAL_WEIGHTS if name in there), there[0] if len(there) == 1 else None)
    if chosen is None:
        found = f"found {', '.join(there)}" if there else "found no weights file"
        raise WeightsError(f"{found}; name the weights {_LOCAL_WEIGHTS[0]}", folder)
    return _Source(f"local-dir:{folder}", folder / chosen)


def _build(source: _Source, spec: str) -> nn.Module:
    try:
        model: Any = open_clip.create_model(
            source.name,
            load_weights=False,
            pretrained_text=False,
            force_quick_gelu=bool(source.tag.get("quick_gelu", False)),
            force_preprocess_cfg=dict(source.tag),
        )
    except ImportError as error:
        raise UsageError(f"{spec} needs a package that is not installed: {error}") from error
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{spec}: its configuration makes no model ({error})") from error
    if source.weights is not None:
        with readable(source.weights, spec):
            open_clip.load_checkpoint(model, str(source.weights), weights_only=True)
    return model


def _tokenizer(name: str, spec: str) -> Any:
    try:
        return open_clip.get_tokenizer(name)
    except ImportError as error:
        raise UsageError(f"{spec}: its tokenizer needs a package: pip install {error.name or error}") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{spec}: its tokenizer's files could not be read or downloaded ({error})") from error


def _asked_repository(name: str) -> str | None:
    """Of which hub repository OpenCLIP itself will ask for files, beside the weights: configurations, tokenizers."""
    if name.startswith("hf-hub:"):
        return name.removeprefix("hf-hub:")
    text = (open_clip.get_model_config(name) or {}).get("text_cfg") or {}
    return text.get("hf_tokenizer_name")


def _card(spec: str, source: _Source, model: nn.Module) -> EncoderCard:
    config = open_clip.get_model_config(source.name) or {}
    preprocess = open_clip.get_model_preprocess_cfg(model)
    size = preprocess["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise UsageError(f"{spec} wants pictures of {width} by {height} px; crops are square, choose another encoder")
    return EncoderCard(
        spec=spec,
        weights_sha256=file_sha256(source.weights) if source.weights else RANDOM,
        config_sha256=json_sha256(
            {"model": config, "preprocess": preprocess, "quick_gelu": bool(source.tag.get("quick_gelu", False))}
        ),
        embed_dim=int(config["embed_dim"]),
        input_size_px=int(height),
        mean=tuple(preprocess["mean"]),
        std=tuple(preprocess["std"]),
        interpolation="bilinear" if preprocess["interpolation"] == "bilinear" else "bicubic",
        licence=source.licence,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def _near(name: str) -> str:
    models = {model.lower(): model for model in open_clip.list_models()}
    near = difflib.get_close_matches(name.lower(), models, n=4, cutoff=0.3)
    return ", ".join(models[key] for key in near) or "none; `open_clip.list_models()` names all"


@contextmanager
def _quiet_open_clip() -> Iterator[None]:
    """OpenCLIP tells its steps to the root logger, a warning that no weights were loaded (yet) among them."""
    root = logging.getLogger()

    def refuse(record: logging.LogRecord) -> bool:
        return False

    root.addFilter(refuse)
    try:
        yield
    finally:
        root.removeFilter(refuse)
