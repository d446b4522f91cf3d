"""Multiresolution hash-grid encoding (Müller et al. 2022, §3): `hash_encode`, and the layout of its table.

Level l has resolution N_l; a point in [0, 1]³ lies in one of its N_l³ cells, and its features are the trilinear mix of
the features at the cell's 8 corners. Levels whose (N_l + 1)³ corners fit into the table are stored densely; corners of
finer levels share rows through a spatial hash.

Cost per point: 8 · levels · features reads, and as many atomic adds in the backward pass. Positions get no gradient.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.checks import check_counts
from langfield.ops.hash_grid import reference

_ROW_ALIGNMENT = 8


@dataclass(frozen=True)
class HashGridSpec:
    """The shape of a hash grid.

    Attributes:
        levels: number of resolutions, growing geometrically from `min_resolution` to `max_resolution`.
        features: numbers stored per corner, a power of two.
        log2_rows: a level holds at most 2^log2_rows corners; finer levels hash into that many.
    """

    levels: int
    features: int
    log2_rows: int
    min_resolution: int
    max_resolution: int

    def __post_init__(self) -> None:
        check_counts(self, "levels", "features", "min_resolution", "max_resolution")
        check_counts(self, "log2_rows", least=0, most=30)
        if self.features & (self.features - 1):
            raise ValueError(f"features must be a power of two, got {self.features}")
        if self.min_resolution > self.max_resolution:
            raise ValueError(f"need min_resolution <= max_resolution, got {self}")

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        if self.levels == 1:
            return (self.max_resolution,)
        growth = (self.max_resolution / self.min_resolution) ** (1 / (self.levels - 1))
        # The tiny number keeps the last level at max_resolution in spite of rounding.
        return tuple(int(self.min_resolution * growth**level + 1e-6) for level in range(self.levels))

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Stored corners per level."""
        most = 2**self.log2_rows
        aligned = [-(-((n + 1) ** 3) // _ROW_ALIGNMENT) * _ROW_ALIGNMENT for n in self.resolutions]
        return tuple(min(rows, most) for rows in aligned)

    @cached_property
    def first_rows(self) -> tuple[int, ...]:
        """Where each level starts in the table."""
        return tuple(sum(self.rows[:level]) for level in range(self.levels))

    @cached_property
    def dense(self) -> tuple[bool, ...]:
        """Which levels are stored without hashing."""
        return tuple((n + 1) ** 3 <= rows for n, rows in zip(self.resolutions, self.rows, strict=True))

    @property
    def table_shape(self) -> tuple[int, int]:
        return sum(self.rows), self.features

    @property
    def out_features(self) -> int:
        return self.levels * self.features


def hash_encode(
    positions: Float[Tensor, "n 3"], table: Float[Tensor, "rows f"], spec: HashGridSpec
) -> Float[Tensor, "n out"]:
    """Features of points in [0, 1]³ (outside is clamped), level after level: (n, levels · features), float32.

    Runs a Triton kernel on CUDA and `reference.hash_encode` elsewhere. Gradients flow to `table` only.

    Raises:
        ValueError: a table that is not of `spec.table_shape`.
    """
    if tuple(table.shape) != spec.table_shape:
        raise ValueError(f"table of {spec} must have shape {spec.table_shape}, got {tuple(table.shape)}")
    if positions.is_cuda:
        from langfield.ops.hash_grid import triton_kernels

        return triton_kernels.hash_encode(positions, table, spec)
    return reference.hash_encode(positions, table, spec)


def initial_table(spec: HashGridSpec, generator: torch.Generator | None = None) -> Float[Tensor, "rows f"]:
    """Uniform in ±1e-4, as in the paper (§4)."""
    return (torch.rand(spec.table_shape, generator=generator) * 2 - 1) * 1e-4
