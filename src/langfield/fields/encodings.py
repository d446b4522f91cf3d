"""Encodings of positions: scene contraction and hash grids (directions: `langfield.ops.spherical_harmonics`)."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.ops.hash_grid import HashGridSpec, hash_encode, initial_table


def contract(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """All of space into [0, 1]³: the identity (scaled) within the unit cube, 1/x beyond it.

    Mip-NeRF 360's contraction (Barron et al. 2022, eq. 10) in the maximum norm, then (x + 2) / 4, as nerfacto and
    LERF do.
    """
    norm = points.abs().amax(dim=-1, keepdim=True).clamp_min(1e-9)
    beyond = (2 - 1 / norm) * (points / norm)
    return (torch.where(norm > 1, beyond, points) + 2) / 4


class HashGrid(nn.Module):
    """A learnt hash grid over [0, 1]³ (Instant-NGP, Müller et al. 2022, §3)."""

    def __init__(self, spec: HashGridSpec) -> None:
        super().__init__()
        self.spec = spec
        self.table = nn.Parameter(initial_table(spec))

    def forward(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n out"]:
        """Features of all levels, concatenated, at positions in [0, 1]³."""
        return hash_encode(positions, self.table, self.spec)


def mlp(sizes: list[int]) -> nn.Sequential:
    """Linear layers without biases (as tiny-cuda-nn's), ReLU between them: sizes = [in, hidden…, out]."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        if i:
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.Linear(a, b, bias=False))
    return nn.Sequential(*layers)
