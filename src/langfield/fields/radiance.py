"""Radiance: density and view-dependent colour from hash grids (nerfacto's field; Tancik et al. 2023, §4.1)."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from langfield.core.checks import check_counts
from langfield.fields.encodings import HashGrid, contract, mlp
from langfield.ops.hash_grid import HashGridSpec
from langfield.ops.spherical_harmonics import SH_ENCODING_FEATURES, sh_encoding


@dataclass(frozen=True)
class RadianceConfig:
    """Sizes of a `RadianceField`.

    Attributes:
        levels: levels of the hash grid.
        features: features of a grid level.
        log2_rows: logarithm of the rows of a level's table, at most.
        min_resolution: cells along a side at the first level.
        max_resolution: cells along a side at the last level.
        density_width: width of the density network's hidden layer.
        color_width: width of the colour network's hidden layers.
        color_layers: hidden layers of the colour network.
        geometry_features: features that the density network gives the colour network.
        appearance_features: size of a photo's appearance code.
    """

    levels: int = 16
    features: int = 2
    log2_rows: int = 19
    min_resolution: int = 16
    max_resolution: int = 2048
    density_width: int = 64
    color_width: int = 64
    color_layers: int = 2
    geometry_features: int = 15
    appearance_features: int = 32

    def __post_init__(self) -> None:
        check_counts(self, "density_width", "color_width", "color_layers")
        check_counts(self, "geometry_features", "appearance_features", least=0)
        _ = self.grid  # which checks itself

    @property
    def grid(self) -> HashGridSpec:
        """The hash grid's."""
        return HashGridSpec(self.levels, self.features, self.log2_rows, self.min_resolution, self.max_resolution)


@dataclass(frozen=True)
class DensityConfig:
    """Sizes of a `DensityField`.

    Attributes:
        levels: levels of the hash grid.
        features: features of a grid level.
        log2_rows: logarithm of the rows of a level's table, at most.
        min_resolution: cells along a side at the first level.
        max_resolution: cells along a side at the last level.
        width: width of the network's hidden layer.
    """

    levels: int = 5
    features: int = 2
    log2_rows: int = 17
    min_resolution: int = 16
    max_resolution: int = 256
    width: int = 16

    def __post_init__(self) -> None:
        check_counts(self, "width")
        _ = self.grid  # which checks itself

    @property
    def grid(self) -> HashGridSpec:
        """The hash grid's."""
        return HashGridSpec(self.levels, self.features, self.log2_rows, self.min_resolution, self.max_resolution)


class _TruncatedExp(torch.autograd.Function):
    """exp whose gradient stays finite (Instant-NGP's): clamped to e^15 in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.exp(x.clamp(max=80.0))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grad_outputs
        (x,) = ctx.saved_tensors
        return grad * torch.exp(x.clamp(-15, 15))


def density_activation(raw: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Density σ = exp(raw − 1), in float32, whatever the precision of `raw`."""
    return _TruncatedExp.apply(raw.float() - 1.0)


class DensityField(nn.Module):
    """Position → density: a proposal network (Mip-NeRF 360, §3)."""

    def __init__(self, config: DensityConfig) -> None:
        super().__init__()
        self.grid = HashGrid(config.grid)
        self.network = mlp([config.grid.out_features, config.width, 1])

    def forward(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Density per scene unit at points of the scene frame."""
        return density_activation(self.network(self.grid(contract(points)))[:, 0])


class RadianceField(nn.Module):
    """Position, direction, photo → density and colour.

    Each training photo has an appearance code; other views take the mean of the codes.

    Attributes:
        appearance: (photos, appearance features) the codes.
    """

    def __init__(self, config: RadianceConfig, photos: int) -> None:
        """Args: photos: number of training photos."""
        super().__init__()
        self.config = config
        self.grid = HashGrid(config.grid)
        self.density_network = mlp([config.grid.out_features, config.density_width, 1 + config.geometry_features])
        self.appearance = nn.Parameter(torch.zeros(photos, config.appearance_features))
        # The colour network's first layer in two parts, so that the inputs of a ray are multiplied once for its
        # samples.
        self.color_of_ray = nn.Linear(SH_ENCODING_FEATURES + config.appearance_features, config.color_width)
        self.color_of_sample = nn.Linear(config.geometry_features, config.color_width, bias=False)
        self.color_network = mlp([*[config.color_width] * config.color_layers, 3])

    def density(self, points: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n g"]]:
        """Density per scene unit at points of the scene frame, and the features for `color`."""
        out = self.density_network(self.grid(contract(points)))
        return density_activation(out[:, 0]), out[:, 1:]

    def color(
        self,
        geometry: Float[Tensor, "r s g"],
        directions: Float[Tensor, "r 3"],
        photo: Int64[Tensor, " r"] | None,
    ) -> Float[Tensor, "r s 3"]:
        """Colours in [0, 1] of S samples on each of R rays.

        Args:
            geometry: the features that `density` gave at the samples.
            directions: unit vectors of the rays, scene frame.
            photo: index of each ray's training photo; None for the mean appearance.
        """
        if photo is None:
            appearance = self.appearance.mean(dim=0).expand(len(directions), -1)
        else:
            appearance = self.appearance[photo]
        shared = self.color_of_ray(torch.cat([sh_encoding(directions), appearance], dim=-1))
        hidden = torch.relu(self.color_of_sample(geometry) + shared[:, None])
        return torch.sigmoid(self.color_network(hidden).float())
