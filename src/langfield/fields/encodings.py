"""Inputs of the networks: contracted positions, hash grids, directions."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.ops.hash_grid.encode import HashGridSpec, hash_encode, initial_table


def contract(points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """All of space into [0, 1]³: the identity (scaled) within the unit cube, 1/x beyond it.

    Mip-NeRF 360's contraction (Barron et al. 2022, eq. 10) in the maximum norm, then (x + 2) / 4, as nerfacto and
    LERF do.
    """
    norm = points.abs().amax(dim=-1, keepdim=True).clamp_min(1e-9)
    beyond = (2 - 1 / norm) * (points / norm)
    return (torch.where(norm > 1, beyond, points) + 2) / 4


class HashGrid(nn.Module):
    """A learnt hash grid over [0, 1]³."""

    def __init__(self, spec: HashGridSpec) -> None:
        super().__init__()
        self.spec = spec
        self.table = nn.Parameter(initial_table(spec))

    def forward(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n out"]:
        return hash_encode(positions, self.table, self.spec)


def mlp(sizes: list[int]) -> nn.Sequential:
    """Linear layers without biases (as tiny-cuda-nn's), ReLU between them: sizes = [in, hidden…, out]."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        if i:
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.Linear(a, b, bias=False))
    return nn.Sequential(*layers)


SH_FEATURES = 16


def spherical_harmonics(directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 16"]:
    """Real spherical harmonics up to degree 3 of unit vectors, orthonormal on the sphere."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    return torch.stack(
        [
            torch.full_like(x, 0.28209479177387814),
            -0.4886025119029199 * y,
            0.4886025119029199 * z,
            -0.4886025119029199 * x,
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (3 * zz - 1),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (5 * zz - 1),
            0.3731763325901154 * z * (5 * zz - 3),
            -0.4570457994644658 * x * (5 * zz - 1),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
        ],
        dim=-1,
    )
