"""Fields of heads: the feature grid that all read, and the networks of LERF's heads (Kerr et al. 2023, §3.2–3.4)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.checks import check_that
from langfield.fields.encodings import HashGrid, contract, mlp
from langfield.ops.hash_grid import HashGridSpec


@dataclass(frozen=True)
class FeatureGridConfig:
    """Hash grids whose features are concatenated.

    Attributes:
        levels: levels of each grid.
        resolutions: of each grid, cells along a side at its first and its last level.
        log2_rows: logarithm of the rows of a level's table, at most.
        features: features of a grid level.
    """

    levels: tuple[int, ...] = (12, 12)
    resolutions: tuple[tuple[int, int], ...] = ((16, 128), (128, 512))
    log2_rows: int = 19
    features: int = 8

    def __post_init__(self) -> None:
        alike = 0 < len(self.levels) == len(self.resolutions)
        check_that(self, "resolutions", alike, f"one (lowest, highest) for each of levels {self.levels}, at least one")
        self.specs()  # which check themselves

    def specs(self) -> list[HashGridSpec]:
        """Those of the grids."""
        return [
            HashGridSpec(levels, self.features, self.log2_rows, low, high)
            for levels, (low, high) in zip(self.levels, self.resolutions, strict=True)
        ]


class FeatureGrid(nn.Module):
    """Several hash grids, whose features are concatenated.

    Attributes:
        out_features: number of features.
    """

    def __init__(self, config: FeatureGridConfig) -> None:
        super().__init__()
        self.grids = nn.ModuleList(HashGrid(spec) for spec in config.specs())
        self.out_features = sum(spec.out_features for spec in config.specs())

    def forward(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n out"]:
        """Features at points of the scene frame."""
        unit = contract(points)
        return torch.cat([grid(unit) for grid in self.grids], dim=-1)


class LanguageField(nn.Module):
    """Grid features and a physical scale → unit embedding."""

    def __init__(self, in_features: int, embed_dim: int, width: int, layers: int) -> None:
        super().__init__()
        self.of_features = nn.Linear(in_features, width)
        self.of_scale = nn.Parameter(torch.empty(width).uniform_(-1, 1) * in_features**-0.5)
        self.network = mlp([*[width] * layers, embed_dim])

    def forward(self, features: Float[Tensor, "n f"], scale_scene: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
        """Unit embeddings that crops about the points would have.

        Args:
            features: of the feature grid at the points.
            scale_scene: the crops' heights at the points, scene units.
        """
        # LERF's first layer takes (features, scale); in two parts, no matrix has an odd number of columns.
        hidden = torch.relu(self.of_features(features) + scale_scene[:, None] * self.of_scale)
        out = self.network(hidden)
        return torch.nn.functional.normalize(out.float(), dim=-1)


class DenseField(nn.Module):
    """Grid features → self-supervised features (LERF's DINO head: one hidden layer)."""

    def __init__(self, in_features: int, out_features: int, width: int = 256) -> None:
        super().__init__()
        self.network = mlp([in_features, width, out_features])

    def forward(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n s"]:
        """Self-supervised features at points, from features of the feature grid."""
        return self.network(features).float()
