"""Language in a sparse voxel grid: unit embeddings at corners of cells near surfaces, at a few physical scales.

Nothing here is trained. Embeddings of crops are averaged into the corners (`VoxelLanguage.fill`), as closed-form
lifting does for Gaussians (Occam's LGS, Cheng et al. 2024, §3.2): Σ w·f / Σ w over all photos' pixels.
"""

from collections.abc import Callable, Iterator
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
    """Attributes: cells along each side of the contracted scene, physical scales, and how little weight a corner needs
    (in observed pixels) to be kept."""

    resolution: int = 224
    scales: int = 4
    least_weight: float = 0.5

    def __post_init__(self) -> None:
        check_counts(self, "resolution", least=2, most=2**20)  # three such numbers make a key of int64
        check_counts(self, "scales")
        check_numbers(self, "least_weight", least=0)


@dataclass(frozen=True)
class Observations:
    """What one photo says: N surface points and, at L crop sizes, the embedding of the crop about each.

    Attributes:
        points: scene frame.
        weights: how much of its ray's light each point stopped.
        embedding: unit vectors.
        scale_scene: the crops' heights at the points.
    """

    points: Float[Tensor, "n 3"]
    weights: Float[Tensor, " n"]
    embedding: Float[Tensor, "l n d"]
    scale_scene: Float[Tensor, "l n"]


class VoxelLanguage(nn.Module):
    """Positions and scales → embeddings.

    Buffers: `keys` (C,) the corners that are there, increasing; `codes` (C·S, D) float16 unit embeddings, a corner's
    scales after each other; `scales` (S,) in scene units, increasing.
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
        """Forget everything."""
        self.keys, self.codes = self.keys[:0], self.codes[:0]

    # -- filling -------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def fill(self, photos: Callable[[], Iterator[Observations]]) -> None:
        """Replace what is there by the mean of all observations. `photos` is gone through twice.

        Cost: photos · pixels · crop sizes · 16 additions of an embedding. Memory: up to three times corners · scales
        float32 embeddings. Raises TrainingError if nothing was seen.
        """
        near, spans = [], []
        for seen in photos():
            keys, weights = self._corners(seen.points)
            weights = (weights * seen.weights[:, None]).reshape(-1)
            near.append((keys.reshape(-1), weights))
            spans.append(seen.scale_scene)
        if not any(scale.numel() for scale in spans):
            raise TrainingError("no photo shows a surface to lift language to; check poses and learning rates")
        keys, place = torch.cat([k for k, _ in near]).unique(return_inverse=True)
        weight = torch.zeros(len(keys), device=keys.device).index_add_(0, place, torch.cat([w for _, w in near]))
        kept = weight >= self.config.least_weight
        self.keys = keys[kept] if kept.any() else keys
        self.scales = _spread([s for s in spans if s.numel()], self.config.scales)
        self.codes = self._means(photos)

    def _means(self, photos: Callable[[], Iterator[Observations]]) -> Float[Tensor, "c d"]:
        corners, count = len(self.keys), len(self.scales)
        sums = torch.zeros(corners * count, self.codes.shape[1], device=self.keys.device)
        mass = torch.zeros(corners * count, device=self.keys.device)
        for seen in photos():
            row, corner_weight = self._rows(seen.points)
            for embedding, scale in zip(seen.embedding, seen.scale_scene, strict=True):
                rows, weights = self._at_scales(row, corner_weight * seen.weights[:, None], scale)
                there = weights > 0
                ray = torch.arange(len(rows), device=rows.device)[:, None].expand_as(rows)
                touched, place = rows[there].unique(return_inverse=True)
                table = torch.sparse_coo_tensor(
                    torch.stack([place, ray[there]]), weights[there], (len(touched), len(ray)), check_invariants=False
                )
                sums.index_add_(0, touched, torch.sparse.mm(table, embedding.float()))
                mass.index_add_(0, rows[there], weights[there])
        return _filled(sums.reshape(corners, count, -1), mass.reshape(corners, count)).half().flatten(0, 1)

    # -- asking --------------------------------------------------------------------------------------------------

    def mix(
        self, points: Float[Tensor, "m 3"], scale_scene: Float[Tensor, " m"]
    ) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
        """Rows of `codes` and weights (sum 1, or 0 where no corner is near) whose mean is the embedding there."""
        rows, weights = self._rows(points)
        total = weights.sum(dim=-1, keepdim=True)
        weights = torch.where(total > 0.05, weights / total.clamp_min(1e-9), 0)
        return self._at_scales(rows, weights, scale_scene)

    def _rows(self, points: Float[Tensor, "m 3"]) -> tuple[Int64[Tensor, "m 8"], Float[Tensor, "m 8"]]:
        """Which corners, by their place in `keys`, and trilinear weights; 0 for corners that are not there."""
        keys, weights = self._corners(points)
        row = torch.searchsorted(self.keys, keys).clamp(max=max(len(self.keys) - 1, 0))
        there = self.keys[row] == keys if len(self.keys) else torch.zeros_like(row, dtype=torch.bool)
        return row, weights * there

    def _corners(self, points: Float[Tensor, "m 3"]) -> tuple[Int64[Tensor, "m 8"], Float[Tensor, "m 8"]]:
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
        """Rows of `codes`: the two scales about each wanted one, linear in its logarithm."""
        count = len(self.scales)
        at = _log_place(scale_scene, self.scales)
        low = at.long().clamp(max=max(count - 2, 0))
        share = (at - low)[:, None]
        high = (low + 1).clamp(max=count - 1)
        rows = torch.cat([row * count + low[:, None], row * count + high[:, None]], dim=-1)
        return rows, torch.cat([weights * (1 - share), weights * share], dim=-1)


def _spread(scales: list[Tensor], count: int) -> Float[Tensor, " s"]:
    """So many scales, evenly in their logarithm, over (nearly) the range of those observed."""
    every = torch.cat([s.flatten() for s in scales])
    every = every[:: max(1, len(every) // 100_000)]
    low, high = every.quantile(0.02).clamp_min(1e-6), every.quantile(0.98)
    return torch.exp(torch.linspace(0, 1, count, device=every.device) * torch.log(high / low).clamp_min(1e-6)) * low


def _log_place(scale: Float[Tensor, " m"], scales: Float[Tensor, " s"]) -> Float[Tensor, " m"]:
    """Where each scale lies among the increasing `scales`: 0 to S − 1 with fractions."""
    if len(scales) == 1:
        return torch.zeros_like(scale)
    step = torch.log(scales[-1] / scales[0]) / (len(scales) - 1)
    place = torch.log(scale.clamp_min(1e-9) / scales[0]) / step.clamp_min(1e-9)
    return place.clamp(0, len(scales) - 1)


def _filled(sums: Float[Tensor, "c s d"], mass: Float[Tensor, "c s"]) -> Float[Tensor, "c s d"]:
    """Unit means; a scale at which a corner was not seen takes the nearest one's at which it was."""
    scales = torch.arange(mass.shape[1], device=mass.device)
    apart = (scales[:, None] - scales).abs().float()  # wanted, given
    nearest = (apart[None] + torch.where(mass > 1e-6, 0.0, torch.inf)[:, None]).argmin(dim=-1)
    taken = sums.gather(1, nearest[..., None].expand_as(sums))
    return torch.nn.functional.normalize(taken, dim=-1)
