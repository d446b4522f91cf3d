"""Language in a sparse voxel grid: unit embeddings at voxel corners near surfaces, at a few physical scales.

Nothing here is trained. The embedding at a corner is the mean Σ w f / Σ w over all photos' pixels of the embeddings f
of the crops about them, w being the pixel's trilinear weight times its ray's alpha; as closed-form lifting does for
Gaussians (Occam's LGS, Cheng et al. 2024, §3.2).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from langfield.core.checks import check_counts, check_numbers
from langfield.core.errors import TrainingError
from langfield.fields.encodings import contract


@dataclass(frozen=True)
class VoxelConfig:
    """Sizes of a `VoxelLanguage`.

    Attributes:
        resolution: corners along each side of the contracted scene.
        scales: number of physical scales.
        least_weight: corners with less weight, in pixels, are not kept.
    """

    resolution: int = 224
    scales: int = 4
    least_weight: float = 0.5

    def __post_init__(self) -> None:
        check_counts(self, "resolution", least=2, most=2**20)  # three such numbers make a key of int64
        check_counts(self, "scales")
        check_numbers(self, "least_weight", least=0)


@dataclass(frozen=True)
class Observations:
    """N surface points that a photo shows, with the embeddings of the crops about them at L levels.

    Attributes:
        points: (N, 3) positions, scene frame.
        weights: (N,) alpha of their rays.
        embedding: of each level (N, D) unit vectors. `VoxelLanguage.fill` goes through them once, or not at all.
        scale_scene: (L, N) the crops' heights at the points, scene units.
    """

    points: Float[Tensor, "n 3"]
    weights: Float[Tensor, " n"]
    embedding: Iterable[Float[Tensor, "n d"]]
    scale_scene: Float[Tensor, "l n"]


class VoxelLanguage(nn.Module):
    """Position and physical scale → embedding, interpolated between C corners and S scales. All attributes are buffers.

    Attributes:
        keys: (C,) indices of the corners, ascending.
        codes: (C · S, D) float16 unit embeddings, those of a corner by scale.
        scales: (S,) scene units, ascending.
    """

    keys: Tensor
    codes: Tensor
    scales: Tensor

    def __init__(self, config: VoxelConfig, embed_dim: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("keys", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("codes", torch.zeros(0, embed_dim, dtype=torch.float16))
        self.register_buffer("scales", torch.ones(config.scales))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name in ("keys", "codes"):  # their length is the scene's
            saved, own = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and saved.shape[1:] == own.shape[1:]:
                setattr(self, name, own.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def clear(self) -> None:
        """Drop all corners."""
        self.keys, self.codes = self.keys[:0], self.codes[:0]

    # -- filling -------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def fill(self, photos: Callable[[], Iterator[Observations]]) -> None:
        """Replace all embeddings by the means of observations.

        Cost: photos · pixels · crop levels · 16 additions of an embedding; the first of two passes needs no embeddings.
        Memory: up to three times C · S float32 embeddings.

        Args:
            photos: a function that gives the photos' observations; it is called twice.

        Raises:
            TrainingError: the photos show no surface.
        """
        corners, scales = [], []
        for observed in photos():
            keys, weights = self._corners(observed.points)
            weights = (weights * observed.weights[:, None]).reshape(-1)
            corners.append((keys.reshape(-1), weights))
            scales.append(observed.scale_scene)
        if not any(scale.numel() for scale in scales):
            raise TrainingError("no photo shows a surface to lift language to; check poses and learning rates")
        keys, inverse = torch.cat([k for k, _ in corners]).unique(return_inverse=True)
        weight = torch.zeros(len(keys), device=keys.device).index_add_(0, inverse, torch.cat([w for _, w in corners]))
        kept = weight >= self.config.least_weight
        self.keys = keys[kept] if kept.any() else keys
        self.scales = _log_spaced([scale for scale in scales if scale.numel()], self.config.scales)
        self.codes = self._means(photos)

    def _means(self, photos: Callable[[], Iterator[Observations]]) -> Float[Tensor, "c d"]:
        corners, count = len(self.keys), len(self.scales)
        sums = torch.zeros(corners * count, self.codes.shape[1], device=self.keys.device)
        totals = torch.zeros(corners * count, device=self.keys.device)
        for observed in photos():
            row, corner_weight = self._rows(observed.points)
            for embedding, scale in zip(observed.embedding, observed.scale_scene, strict=True):
                rows, weights = self._at_scales(row, corner_weight * observed.weights[:, None], scale)
                used = weights > 0
                ray = torch.arange(len(rows), device=rows.device)[:, None].expand_as(rows)
                touched, inverse = rows[used].unique(return_inverse=True)
                table = torch.sparse_coo_tensor(
                    torch.stack([inverse, ray[used]]), weights[used], (len(touched), len(ray)), check_invariants=False
                )
                sums.index_add_(0, touched, torch.sparse.mm(table, embedding.float()))
                totals.index_add_(0, rows[used], weights[used])
        return _unit_means(sums.reshape(corners, count, -1), totals.reshape(corners, count)).half().flatten(0, 1)

    # -- reading -------------------------------------------------------------------------------------------------

    def mix(
        self, points: Float[Tensor, "m 3"], scale_scene: Float[Tensor, " m"]
    ) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
        """K rows of `codes` for each point, and weights with which their mean is the embedding at its scale.

        Weights sum to 1, or to 0 where no corner is near.

        Args:
            points: in the scene frame.
            scale_scene: the points' scales, scene units.
        """
        rows, weights = self._rows(points)
        total = weights.sum(dim=-1, keepdim=True)
        weights = torch.where(total > 0.05, weights / total.clamp_min(1e-9), 0)
        return self._at_scales(rows, weights, scale_scene)

    def _rows(self, points: Float[Tensor, "m 3"]) -> tuple[Int64[Tensor, "m 8"], Float[Tensor, "m 8"]]:
        """Indices in `keys` of the corners about each point, and trilinear weights; 0 for corners that are not kept."""
        keys, weights = self._corners(points)
        row = torch.searchsorted(self.keys, keys).clamp(max=max(len(self.keys) - 1, 0))
        kept = self.keys[row] == keys if len(self.keys) else torch.zeros_like(row, dtype=torch.bool)
        return row, weights * kept

    def _corners(self, points: Float[Tensor, "m 3"]) -> tuple[Int64[Tensor, "m 8"], Float[Tensor, "m 8"]]:
        """Keys of the eight corners about each point, and trilinear weights."""
        side = self.config.resolution
        at = contract(points).clamp(0, 1) * (side - 1)
        low = at.floor().clamp(max=side - 2)
        high_share = at - low
        keys, weights = [], []
        for corner in range(8):
            upper = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2 & 1], device=points.device)
            x, y, z = (low.long() + upper).unbind(-1)
            keys.append((z * side + y) * side + x)
            weights.append(torch.where(upper.bool(), high_share, 1 - high_share).prod(dim=-1))
        return torch.stack(keys, dim=-1), torch.stack(weights, dim=-1)

    def _at_scales(
        self, row: Int64[Tensor, "m 8"], weights: Float[Tensor, "m 8"], scale_scene: Float[Tensor, " m"]
    ) -> tuple[Int64[Tensor, "m 16"], Float[Tensor, "m 16"]]:
        """Rows of `codes` of some corners at the two scales about each given one, and weights linear in its
        logarithm."""
        count = len(self.scales)
        at = _log_position(scale_scene, self.scales)
        low = at.long().clamp(max=max(count - 2, 0))
        share = (at - low)[:, None]
        high = (low + 1).clamp(max=count - 1)
        rows = torch.cat([row * count + low[:, None], row * count + high[:, None]], dim=-1)
        return rows, torch.cat([weights * (1 - share), weights * share], dim=-1)


def _log_spaced(scales: list[Tensor], count: int) -> Float[Tensor, " s"]:
    """`count` scales with equal ratios, from the 2nd to the 98th percentile of the observed ones."""
    every = torch.cat([s.flatten() for s in scales])
    every = every[:: max(1, len(every) // 100_000)]
    low, high = every.quantile(0.02).clamp_min(1e-6), every.quantile(0.98)
    return torch.exp(torch.linspace(0, 1, count, device=every.device) * torch.log(high / low).clamp_min(1e-6)) * low


def _log_position(scale: Float[Tensor, " m"], scales: Float[Tensor, " s"]) -> Float[Tensor, " m"]:
    """The fractional index of each scale among S scales with equal ratios, from 0 to S − 1."""
    if len(scales) == 1:
        return torch.zeros_like(scale)
    step = torch.log(scales[-1] / scales[0]) / (len(scales) - 1)
    position = torch.log(scale.clamp_min(1e-9) / scales[0]) / step.clamp_min(1e-9)
    return position.clamp(0, len(scales) - 1)


def _unit_means(sums: Float[Tensor, "c s d"], weights: Float[Tensor, "c s"]) -> Float[Tensor, "c s d"]:
    """Means of unit length; at a scale without weight, that of the corner's nearest scale with weight."""
    scales = torch.arange(weights.shape[1], device=weights.device)
    steps = (scales[:, None] - scales).abs().float()  # from the scale of a row to that of a column
    nearest = (steps[None] + torch.where(weights > 1e-6, 0.0, torch.inf)[:, None]).argmin(dim=-1)
    taken = sums.gather(1, nearest[..., None].expand_as(sums))
    return torch.nn.functional.normalize(taken, dim=-1)
