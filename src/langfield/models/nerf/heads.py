"""LERF's two heads on its feature grid: language at a physical scale, and self-supervised features (DINO)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.checks import check_counts, check_numbers
from langfield.fields.language import DenseField, LanguageField
from langfield.models.config import ModelContext
from langfield.models.heads import Head, HeadConfig, HeadSamples
from langfield.renderers.volume import SurfaceSamples

CHUNK_SAMPLES = 2**18  # embedded at a time

# A function that reads a slice of the samples in the feature grid.
FeatureReader = Callable[[slice], Float[Tensor, "m f"]]


@dataclass(frozen=True)
class LanguageHeadConfig(HeadConfig):
    """LERF's language head.

    Attributes:
        width: of the hidden layers.
        layers: number of hidden layers.
        weight: weight of the head's loss.
    """

    type: ClassVar[str] = "language"
    target: ClassVar[str] = "embedding"

    width: int = 256
    layers: int = 4
    weight: float = 0.1

    def __post_init__(self) -> None:
        check_counts(self, "width", "layers")
        check_numbers(self, "weight", least=0)

    def build(self, features: int, context: ModelContext) -> "LanguageHead | None":
        """See `HeadConfig.build`."""
        size = context.target_dims.get(self.target)
        return None if size is None else LanguageHead(self, features, size)


class LanguageHead(Head):
    """Unit image-text embeddings as a function of position and scale (LERF, Kerr et al. 2023, §3.2–3.4).

    It learns from "embedding" and is conditioned on "crop_angle": the scale at a sample is that angle times the
    sample's distance.
    """

    def __init__(self, config: LanguageHeadConfig, features: int, embed_dim: int) -> None:
        super().__init__(config)
        self.embed_dim = embed_dim
        self.field = LanguageField(features, embed_dim, config.width, config.layers)

    def at_samples(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> Float[Tensor, "r s d"]:
        """See `Head.at_samples`."""
        scale_scene = (targets["crop_angle"][:, None] * samples.distance_scene).reshape(-1)
        return self.field(samples.features, scale_scene).unflatten(0, samples.weights.shape)

    def composite(self, values: Float[Tensor, "r s d"], weights: Float[Tensor, "r s"]) -> Float[Tensor, "r d"]:
        """The weighted mean on the unit sphere."""
        return torch.nn.functional.normalize(super().composite(values, weights), dim=-1)

    def loss(self, rendered: Float[Tensor, "r d"], targets: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Huber loss with δ = 1.25, summed over the embedding, mean over rays (as in LERF's code, `lerf.py`)."""
        error = torch.nn.functional.huber_loss(rendered, targets["embedding"], delta=1.25, reduction="none")
        return error.sum(dim=-1).nanmean()

    @torch.no_grad()
    def embed(
        self, samples: SurfaceSamples, scale_scene: Float[Tensor, " r"], features: FeatureReader
    ) -> Float[Tensor, "r d"]:
        """Unit embedding of each ray at its own scale (height of a crop there, scene units)."""
        device = samples.points.device
        out = torch.zeros(samples.rays, self.embed_dim, device=device)
        for start in range(0, len(samples.ray), CHUNK_SAMPLES):
            part = slice(start, start + CHUNK_SAMPLES)
            read = features(part)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                embedding = self.field(read, scale_scene[samples.ray[part]])
            out.index_add_(0, samples.ray[part], embedding * samples.weights[part, None])
        return torch.nn.functional.normalize(out, dim=-1)


@dataclass(frozen=True)
class DenseHeadConfig(HeadConfig):
    """LERF's DINO head.

    Attributes:
        width: of the hidden layer.
        weight: weight of the head's loss.
    """

    type: ClassVar[str] = "dense"
    target: ClassVar[str] = "dense"

    width: int = 256
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_counts(self, "width")
        check_numbers(self, "weight", least=0)

    def build(self, features: int, context: ModelContext) -> "DenseHead | None":
        """See `HeadConfig.build`."""
        size = context.target_dims.get(self.target)
        return None if size is None else DenseHead(self, DenseField(features, size, self.width))


class PointHead(Head):
    """A head whose values depend on the position only and not on a scale: it can be rendered as a picture."""

    def __init__(self, config: Any, field: nn.Module) -> None:
        """Args: field: (M, F) features of the feature grid → (M, C) values."""
        super().__init__(config)
        self.field = field

    def at_samples(self, samples: HeadSamples, targets: Mapping[str, Tensor]) -> Float[Tensor, "r s c"]:
        """See `Head.at_samples`."""
        return self.field(samples.features).unflatten(0, samples.weights.shape)

    @torch.no_grad()
    def picture(self, samples: SurfaceSamples, features: FeatureReader) -> Float[Tensor, "r c"]:
        """See `Head.picture`: Σ w v over each ray's samples, as in training."""
        out: Tensor | None = None
        for start in range(0, len(samples.ray), CHUNK_SAMPLES):
            part = slice(start, start + CHUNK_SAMPLES)
            values = self.field(features(part))
            out = torch.zeros(samples.rays, values.shape[1], device=values.device) if out is None else out
            out.index_add_(0, samples.ray[part], values * samples.weights[part, None])
        return torch.zeros(samples.rays, 0, device=samples.points.device) if out is None else out


class DenseHead(PointHead):
    """Self-supervised features, which are similar within a thing (LERF's DINO regularisation). Learns from "dense"."""

    def loss(self, rendered: Float[Tensor, "r c"], targets: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Squared error summed over the features, mean over rays."""
        return ((rendered - targets["dense"]) ** 2).sum(dim=-1).nanmean()
