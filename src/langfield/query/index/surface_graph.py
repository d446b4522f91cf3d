"""Edge-preserving smoothing of relevancy on the surface: neighbours that look alike are given like values.

A crop that shows a mug and much table is about the mug, and so the table beside the mug lights up: relevancy of crops
is a blob, whatever field it is kept in. The surface itself shows where a thing ends: where colour changes; where it
meets what it stands on, for there the surface is concave (Stein et al. 2014, "Object partitioning using local
convexity"); and where self-supervised features (DINO) change, in runs that hold some. Relevancy s of the voxels becomes
the x that minimises

    Σ_i λ_i (x_i − s_i)² + Σ_ij w_ij (x_i − x_j)²

over the voxels i and pairs of neighbours i, j (weighted least squares: Farbman et al. 2008, eq. 2, on a graph in space
instead of a grid of pixels), with

    w_ij = exp(−(Δcolour / 0.1)² − (concavity / 0.5)² − (Δfeatures / (3 · median Δfeatures))²) + 1e-5.

A thing takes the mean of the relevancy all over it, and the table beside it that of the table. λ is 0.2 for voxels
that were observed as something. For the others it is 2e-4: they take their neighbours' values, or the median of the
observed ones where none is like them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import coo_array, csr_array, diags_array
from torch import Tensor

from langfield.query.index.regions import Region, adjacency, find_regions
from langfield.query.index.smoothing import GraphSmoother
from langfield.query.index.surface_voxels import SurfaceVoxels

_OBSERVED_WEIGHT, _UNOBSERVED_WEIGHT = 0.2, 2e-4  # λ
_COLOUR_SCALE = 0.1  # difference of colour, channels in [0, 1], at which a weight falls to 1/e
_CONCAVITY_SCALE = 0.5  # likewise of the normals' difference along the line between two voxels
_FEATURE_SCALE = 3.0  # likewise of features, in medians of all neighbours' differences
_MIN_WEIGHT = 1e-5
_NUMBERS_AT_ONCE = 2**25


@dataclass(frozen=True)
class SurfaceGraph:
    """The V voxels of a surface as a graph of neighbours.

    Attributes:
        voxels: the nodes.
        observed: (V,) which have a relevancy of their own; values of the others do not count in `smoothed`.
        device: where the values to smooth are.
        boundary_features: (V, S) self-supervised features, of any scale, whose changes mark where things end; or None.
    """

    voxels: SurfaceVoxels
    observed: Bool[np.ndarray, " v"]
    device: torch.device
    boundary_features: Float[np.ndarray, "v s"] | None = None

    @torch.no_grad()
    def smoothed(self, values: Float[Tensor, "p v"]) -> Float[Tensor, "p v"]:
        """The minimum x of the module's sum for P rows of values, to a relative error of 1e-3.

        Cost: up to 200 products of a sparse matrix (some 20 V entries) with P columns; the first call makes the matrix.
        """
        if not len(self.voxels):
            return values
        if self.observed.any() and not self.observed.all():
            observed, rows = self._observed_on_device
            values = torch.where(observed, values, values[:, rows].median(dim=1, keepdim=True).values)
        return self._smoother(values.T.contiguous()).T

    def regions(self, values: Float[np.ndarray, " v"]) -> list[Region]:
        """The connected regions where values are high, best first: see `find_regions`. The median that they stand out
        from is that of the observed voxels."""
        median = float(np.median(values[self.observed])) if self.observed.any() else None
        return find_regions(values, self._adjacency, median=median)

    def laplacian(self) -> csr_array:
        """The graph's (V, V) Laplacian: the sum of each voxel's weights on the diagonal, −w_ij elsewhere."""
        i, j = self.voxels.neighbour_pairs.T
        weight = self._affinity(i, j) + _MIN_WEIGHT
        shape = (len(self.voxels), len(self.voxels))
        half = coo_array((weight, (i, j)), shape=shape).tocsr()
        weights = half + half.T
        return csr_array(diags_array(weights.sum(axis=1)) - weights)

    def _affinity(self, i: Int64[np.ndarray, " e"], j: Int64[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
        """w_ij − 1e-5, in [0, 1]."""
        voxels = self.voxels
        colour = np.linalg.norm(voxels.mean_rgb[i] - voxels.mean_rgb[j], axis=1)
        across = voxels.centres_scene[i] - voxels.centres_scene[j]
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
        concavity = np.maximum(-((voxels.normals[i] - voxels.normals[j]) * across).sum(axis=1), 0)
        features = self._feature_difference(i, j)
        return np.exp(-((colour / _COLOUR_SCALE) ** 2) - (concavity / _CONCAVITY_SCALE) ** 2 - features**2)

    def _feature_difference(self, i: Int64[np.ndarray, " e"], j: Int64[np.ndarray, " e"]) -> Float[np.ndarray, " e"]:
        """Distance of neighbours' boundary features, in three medians of all neighbours' distances; 0 without any."""
        if self.boundary_features is None or not len(i):
            return np.zeros(len(i))
        features = self.boundary_features
        parts = np.array_split(np.arange(len(i)), max(1, len(i) * features.shape[1] // _NUMBERS_AT_ONCE))
        apart = np.concatenate([np.linalg.norm(features[i[p]] - features[j[p]], axis=1) for p in parts])
        return apart / max(_FEATURE_SCALE * float(np.median(apart)), 1e-9)

    @cached_property
    def _smoother(self) -> GraphSmoother:
        data_weight = np.where(self.observed, _OBSERVED_WEIGHT, _UNOBSERVED_WEIGHT)
        return GraphSmoother(self.laplacian(), data_weight, self.device)

    @cached_property
    def _observed_on_device(self) -> tuple[Bool[Tensor, " v"], Int64[Tensor, " o"]]:
        """`observed`, and which voxels those are."""
        observed = torch.from_numpy(self.observed).to(self.device)
        return observed, torch.nonzero(observed)[:, 0]

    @cached_property
    def _adjacency(self) -> csr_array:
        return adjacency(self.voxels.neighbour_pairs, len(self.voxels))
