"""Where to look along a ray: proposal sampling (Mip-NeRF 360, Barron et al. 2022, §3).

A ray's samples are intervals given by their edges. Edges live in a normalised coordinate s ∈ [0, 1] that is linear in
distance up to 1 scene unit and linear in inverse distance beyond (nerfacto's piecewise spacing).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from langfield.core.rays import Rays
from langfield.ops.compositing import render_weights

DensityFunction = Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]]


@dataclass(frozen=True)
class SamplingConfig:
    """Samples per ray for each proposal round and for the last one, and the part of the ray looked at."""

    proposals: tuple[int, ...] = (256, 96)
    samples: int = 48
    near: float = 0.05
    far: float = 1000.0
    anneal_steps: int = 1000
    anneal_slope: float = 10.0


@dataclass(frozen=True)
class RaySamples:
    """S intervals on each of R rays.

    Attributes:
        s_edges: in the normalised coordinate.
        t_edges: distances from the ray's origin, scene units.
    """

    s_edges: Float[Tensor, "r e"]
    t_edges: Float[Tensor, "r e"]

    @property
    def t_middle(self) -> Float[Tensor, "r s"]:
        return (self.t_edges[:, 1:] + self.t_edges[:, :-1]) / 2

    def points(self, rays: Rays) -> Float[Tensor, "r s 3"]:
        """The intervals' middles in the rays' frame."""
        return rays.origins[:, None] + rays.directions[:, None] * self.t_middle[..., None]


def distance_from_spacing(s: Float[Tensor, "*n"], near: float, far: float) -> Float[Tensor, "*n"]:
    """s ∈ [0, 1] → distance. With g(t) = t/2 for t < 1 and 1 − 1/(2t) beyond, s is linear in g between near and far."""

    def g(t: float) -> float:
        return t / 2 if t < 1 else 1 - 1 / (2 * t)

    u = g(near) + s * (g(far) - g(near))
    return torch.where(u < 0.5, 2 * u, 1 / (2 - 2 * u).clamp_min(1e-6))


def stratified_edges(rays: Rays, samples: int, jitter: Float[Tensor, " r"] | None) -> Float[Tensor, "r e"]:
    """Equal intervals of [0, 1]; `jitter` in [0, 1) moves all of a ray's inner edges by up to half a bin."""
    edges = torch.linspace(0, 1, samples + 1, device=rays.origins.device).expand(len(rays), -1)
    if jitter is None:
        return edges
    inner = edges[:, 1:-1] + (jitter[:, None] - 0.5) / samples
    return torch.cat([edges[:, :1], inner, edges[:, -1:]], dim=-1)


def resample(
    s_edges: Float[Tensor, "r e"],
    weights: Float[Tensor, "r a"],
    samples: int,
    jitter: Float[Tensor, " r"] | None,
    uniform: float = 0.2,
) -> Float[Tensor, "r f"]:
    """New edges drawn from the histogram `weights` on `s_edges` by inverting its cumulative sum.

    A total weight of `uniform` is spread over all bins, so that no interval is ever lost (as Mip-NeRF's padding does,
    Barron et al. 2021, §3.1, but the same whatever the number of bins).
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


def sample_rays(
    rays: Rays,
    proposals: Sequence[DensityFunction],
    config: SamplingConfig,
    step: int | None,
    jitter: Float[Tensor, "r k"] | None,
    proposals_need_gradient: bool,
) -> tuple[RaySamples, list[tuple[RaySamples, Float[Tensor, "r _"]]]]:
    """Final samples of each ray, and every proposal round's samples with their weights.

    Args:
        step: training step, for annealing the proposal weights (Mip-NeRF 360, eq. 18); None means fully annealed.
        jitter: uniform numbers in [0, 1), a column for each round; None puts every sample at its middle.
        proposals_need_gradient: whether this step trains the proposal networks.
    """
    anneal = 1.0
    if step is not None and config.anneal_steps > 0:
        done = min(step / config.anneal_steps, 1.0)
        anneal = config.anneal_slope * done / ((config.anneal_slope - 1) * done + 1)
    rounds: list[tuple[RaySamples, Tensor]] = []
    counts = [*config.proposals, config.samples]
    s_edges = stratified_edges(rays, counts[0], None if jitter is None else jitter[:, 0])
    for i, density in enumerate(proposals):
        samples = _samples(s_edges, config)
        with torch.set_grad_enabled(proposals_need_gradient and torch.is_grad_enabled()):
            sigma = density(samples.points(rays).reshape(-1, 3)).reshape(len(rays), -1)
            weights = render_weights(sigma, samples.t_edges)
        rounds.append((samples, weights))
        column = None if jitter is None else jitter[:, i + 1]
        s_edges = resample(s_edges, weights.detach() ** anneal, counts[i + 1], column)
    return _samples(s_edges, config), rounds


def _samples(s_edges: Tensor, config: SamplingConfig) -> RaySamples:
    return RaySamples(s_edges, distance_from_spacing(s_edges, config.near, config.far))
