"""What an encoder is: its card, and the two protocols everything else knows."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Interpolation = Literal["bicubic", "bilinear"]
RGB = tuple[float, float, float]
LERF_NEGATIVES = ("object", "things", "stuff", "texture")


@dataclass(frozen=True)
class EncoderCard:
    """Where an encoder comes from, and everything a picture must be for it.

    Attributes:
        spec: what the person asked for, unchanged ("openclip:ViT-B-16/laion2b_s34b_b88k").
        weights_sha256: SHA-256 of the weights file; "random" for random weights.
        config_sha256: SHA-256 of the architecture and preprocessing as JSON.
        embed_dim: D, the width of an embedding.
        input_size_px: side of the square crops of an image-text encoder; shorter side of the pictures of a dense one.
        mean: of each colour channel, of pictures in [0, 1]: what is taken from them.
        std: of each colour channel: what pictures are divided by after that.
        interpolation: how the model was shown resized pictures.
        licence: of the weights; "unknown" where nothing says it.
        parameters: how many numbers the model has.
        temperature: the factor on cosines in relevancy (LERF: 10).
        negatives: the phrases a phrase competes with in relevancy (LERF §3.4).
    """

    spec: str
    weights_sha256: str
    config_sha256: str
    embed_dim: int
    input_size_px: int
    mean: RGB
    std: RGB
    interpolation: Interpolation
    licence: str
    parameters: int
    temperature: float = 10.0
    negatives: tuple[str, ...] = LERF_NEGATIVES

    def identity(self) -> dict[str, Any]:
        """The part that decides what an encoder makes of a picture; what caches are keyed by."""
        names = ("weights_sha256", "config_sha256", "embed_dim", "input_size_px", "mean", "std", "interpolation")
        card = self.to_json()
        return {name: card[name] for name in names}

    def to_json(self) -> dict[str, Any]:
        """The card as what `json` can write."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, card: Mapping[str, Any]) -> "EncoderCard":
        """The inverse of `to_json`; keys that are missing take their defaults, for older cards knew fewer.

        Raises ValueError naming the key that is unknown, of a wrong kind, or missing and without a default. Unknown
        ones are refused, not passed over: they may say how the encoder is to be used.
        """
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(card.keys() - known.keys())
        if unknown:
            raise ValueError(f"an encoder card has unknown keys: {', '.join(unknown)}")
        lacking = sorted(name for name, field in known.items() if field.default is MISSING and name not in card)
        if lacking:
            raise ValueError(f"an encoder card lacks keys: {', '.join(lacking)}")
        whole = {name: card.get(name, field.default) for name, field in known.items()}
        for name, field in known.items():
            if field.type in (str, int, float) and not _is_a(whole[name], field.type):
                raise ValueError(f"{name} of an encoder card must be {field.type.__name__}, got {whole[name]!r}")
        if whole["interpolation"] not in ("bicubic", "bilinear"):
            raise ValueError(f"interpolation must be bicubic or bilinear, got {whole['interpolation']!r}")
        if not all(isinstance(phrase, str) for phrase in whole["negatives"]):
            raise ValueError(f"negatives of an encoder card must be phrases, got {whole['negatives']!r}")
        tuples = {"mean": _rgb(whole["mean"]), "std": _rgb(whole["std"]), "negatives": tuple(whole["negatives"])}
        return cls(**{**whole, **tuples})


@runtime_checkable
class ImageTextEncoder(Protocol):
    """Pictures and phrases in one space of unit embeddings."""

    @property
    def card(self) -> EncoderCard: ...

    @property
    def device(self) -> torch.device: ...

    def encode_images(self, crops: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """Unit float32 embeddings of crops with colours in [0, 1], already `input_size_px` square. No gradient."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Float[Tensor, "p d"]:
        """Unit float32 embeddings of phrases. No gradient."""
        ...


@runtime_checkable
class DenseEncoder(Protocol):
    """A grid of features over a whole picture."""

    @property
    def card(self) -> EncoderCard: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def patch_px(self) -> int: ...

    def encode(self, image: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "gh gw s"]:
        """Features of the cells of a grid spread evenly over the picture (float32, not normalised). No gradient."""
        ...

    def grid(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of the grid over a picture of this size."""
        ...


def compute_dtype(device: torch.device) -> torch.dtype:
    """The number format an image encoder runs in: half precision wherever the hardware is faster in it."""
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and torch.cpu._is_amx_tile_supported():
        return torch.bfloat16
    return torch.float32


def _is_a(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float)) if kind is float else isinstance(value, kind)


def _rgb(values: Sequence[float]) -> RGB:
    if len(values) != 3 or not all(_is_a(value, float) for value in values):
        raise ValueError(f"mean and std of an encoder card must be three numbers each, got {values!r}")
    red, green, blue = (float(value) for value in values)
    return red, green, blue
