"""Proposal sampling: samples are drawn from the weights of small density networks, round after round (Mip-NeRF 360,
Barron et al. 2022, §3)."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.checks import check_counts, check_numbers, check_that
from langfield.core.rays import JITTER_COLUMNS, Rays
from langfield.fields.radiance import DensityConfig, DensityField
from langfield.ops.compositing import render_weights
from langfield.renderers.samplers.base import (
    RaySamples,
    Round,
    Sampler,
    SamplerConfig,
    distance_from_spacing,
    stratified_edges,
)

_FARTHEST = 1e6  # beyond, a normalised coordinate in float32 no longer tells distances apart


@dataclass(frozen=True)
class ProposalSamplerConfig(SamplerConfig):
    """Proposal networks, and how they are used and trained.

    Attributes:
        networks: sizes of the proposal network of each round.
        proposal_samples: samples per ray in each of these rounds.
        samples: samples per ray in the last round, at which the radiance field is evaluated.
        near: distance of the first edge from the ray's origin, scene units.
        far: distance of the last edge.
        anneal_steps: steps in which the power that proposal weights are raised to grows to 1 (Mip-NeRF 360, eq. 18).
        anneal_slope: how fast it grows at first (b there).
        loss_weight: weight of the proposal loss.
        update_every: after `warmup_steps` steps, the networks train at every so many steps.
        warmup_steps: steps in which the interval between their updates grows from 1 to `update_every`.

    Raises:
        ValueError: not one count of samples for each network.
    """

    type: ClassVar[str] = "proposal"

    networks: tuple[DensityConfig, ...] = (DensityConfig(max_resolution=128), DensityConfig(max_resolution=256))
    proposal_samples: tuple[int, ...] = (256, 96)
    samples: int = 48
    near: float = 0.05
    far: float = 1000.0
    anneal_steps: int = 1000
    anneal_slope: float = 10.0
    loss_weight: float = 1.0
    update_every: int = 5
    warmup_steps: int = 5_000

    def __post_init__(self) -> None:
        check_counts(self, "samples", "update_every")
        check_counts(self, "anneal_steps", "warmup_steps", least=0)
        check_numbers(self, "near", least=0)
        check_numbers(self, "far", above=self.near, most=_FARTHEST)
        check_numbers(self, "anneal_slope", above=0)
        check_numbers(self, "loss_weight", least=0)
        rounds = 1 <= len(self.networks) < JITTER_COLUMNS
        check_that(self, "networks", rounds, f"1 to {JITTER_COLUMNS - 1} networks")
        whole = all(isinstance(count, int) and count >= 1 for count in self.proposal_samples)
        check_that(self, "proposal_samples", whole, "whole numbers of at least 1")
        if len(self.networks) != len(self.proposal_samples):
            raise ValueError(
                f"sampler.proposal_samples has {len(self.proposal_samples)} counts for {len(self.networks)} networks; "
                "give one count for each network"
            )

    def build(self) -> "ProposalSampler":
        """The sampler with fresh networks."""
        return ProposalSampler(self)


class ProposalSampler(Sampler):
    """See the module.

    Attributes:
        networks: the proposal networks, one for each round.
    """

    def __init__(self, config: ProposalSamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.networks = nn.ModuleList(DensityField(network) for network in config.networks)

    def forward(
        self, rays: Rays, step: int | None = None, jitter: Float[Tensor, "r k"] | None = None
    ) -> tuple[RaySamples, list[Round]]:
        """See `Sampler.forward`: the samples of the last round, and the proposal rounds."""
        c, trains = self.config, step is not None and self.trains_at(step)
        counts = [*c.proposal_samples, c.samples]
        rounds: list[Round] = []
        s_edges = stratified_edges(rays, counts[0], None if jitter is None else jitter[:, 0])
        for i, density in enumerate(self.networks):
            samples = self._samples(s_edges)
            with torch.set_grad_enabled(trains and torch.is_grad_enabled()):
                sigma = density(samples.points(rays).reshape(-1, 3)).reshape(len(rays), -1)
                weights = render_weights(sigma, samples.t_edges)
            rounds.append((samples, weights))
            column = None if jitter is None else jitter[:, i + 1]
            s_edges = resample(s_edges, weights.detach() ** self._anneal(step), counts[i + 1], column)
        return self._samples(s_edges), rounds

    def loss(
        self, samples: RaySamples, weights: Float[Tensor, "r s"], rounds: list[Round], step: int
    ) -> dict[str, Tensor]:
        """See `Sampler.loss`: "proposal", at steps in which the networks train."""
        if not self.trains_at(step):
            return {}
        losses = [proposal_loss(samples, weights, s, w) for s, w in rounds]
        return {"proposal": self.config.loss_weight * torch.stack(losses).sum()}

    def phase(self, step: int) -> Hashable | None:
        """See `Model.phase`: whether the networks train; None while weights are annealed, by a power of the step."""
        return None if step < self.config.anneal_steps else self.trains_at(step)

    def trains_at(self, step: int) -> bool:
        """Whether the networks train at a step; see `ProposalSamplerConfig.update_every`."""
        grown = 1 + step * (self.config.update_every - 1) // max(self.config.warmup_steps, 1)
        return step % min(grown, self.config.update_every) == 0

    def _anneal(self, step: int | None) -> float:
        """The power that proposal weights are raised to (Mip-NeRF 360, eq. 18); 1 outside of training."""
        c = self.config
        if step is None or c.anneal_steps <= 0:
            return 1.0
        done = min(step / c.anneal_steps, 1.0)
        return c.anneal_slope * done / ((c.anneal_slope - 1) * done + 1)

    def _samples(self, s_edges: Float[Tensor, "r e"]) -> RaySamples:
        return RaySamples(s_edges, distance_from_spacing(s_edges, self.config.near, self.config.far))


def resample(
    s_edges: Float[Tensor, "r e"],
    weights: Float[Tensor, "r a"],
    samples: int,
    jitter: Float[Tensor, " r"] | None,
    uniform: float = 0.2,
) -> Float[Tensor, "r f"]:
    """Edges of new samples, drawn from the histogram `weights` on `s_edges` by inverse transform sampling.

    A total weight of `uniform` is spread over all bins, so that every interval can be sampled (Mip-NeRF's padding,
    Barron et al. 2021, §3.1, but with a total that does not depend on the number of bins).
    """
    padded = weights + max(uniform, 1e-5) / weights.shape[1]
    cumulative = torch.cumsum(padded / padded.sum(dim=-1, keepdim=True), dim=-1).clamp(max=1.0)
    cumulative = torch.cat([torch.zeros_like(cumulative[:, :1]), cumulative], dim=-1)
    device = weights.device
    u = (torch.arange(samples + 1, device=device) + 0.5) / (samples + 1)
    u = u.expand(len(weights), -1) if jitter is None else u + (jitter[:, None] - 0.5) / (samples + 1)
    u = u.contiguous()
    above = torch.searchsorted(cumulative, u, right=True).clamp(1, weights.shape[-1])
    low, high = cumulative.gather(-1, above - 1), cumulative.gather(-1, above)
    fraction = ((u - low) / (high - low).clamp_min(1e-9)).clamp(0, 1)
    s_low, s_high = s_edges.gather(-1, above - 1), s_edges.gather(-1, above)
    return s_low + fraction * (s_high - s_low)


def proposal_loss(
    samples: RaySamples, weights: Float[Tensor, "r s"], proposal: RaySamples, proposal_weights: Float[Tensor, "r p"]
) -> Float[Tensor, ""]:
    """How far the final weights exceed the bound that a proposal's histogram gives (Mip-NeRF 360, eq. 13).

    Gradients flow to the proposal only.
    """
    weights = weights.detach()
    cumulative = torch.cat([torch.zeros_like(proposal_weights[:, :1]), proposal_weights.cumsum(dim=-1)], dim=-1)
    edges = proposal.s_edges.contiguous()
    last = edges.shape[1] - 1
    low = (torch.searchsorted(edges, samples.s_edges[:, :-1].contiguous(), right=True) - 1).clamp(0, last)
    high = torch.searchsorted(edges, samples.s_edges[:, 1:].contiguous(), right=False).clamp(0, last)
    bound = cumulative.gather(-1, high) - cumulative.gather(-1, low)
    excess = (weights - bound).clamp_min(0)
    return (excess**2 / (weights + 1e-7)).sum(dim=-1).mean()
