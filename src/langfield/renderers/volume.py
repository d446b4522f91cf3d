"""Volume rendering of radiance fields: rays → colour, opacity, distance, and the samples behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from langfield.core.rays import Rays
from langfield.ops.compositing import composite, render_weights
from langfield.renderers.samplers.base import RaySamples, Round, Sampler


@runtime_checkable
class Radiance(Protocol):
    """Density and colour at points, see `langfield.fields.radiance.RadianceField`."""

    def density(self, points: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, " n"], Float[Tensor, "n g"]]: ...

    def color(
        self, geometry: Float[Tensor, "r s g"], directions: Float[Tensor, "r 3"], photo: Int64[Tensor, " r"] | None
    ) -> Float[Tensor, "r s 3"]: ...


@dataclass(frozen=True)
class RayRender:
    """R rendered rays.

    Attributes:
        rgb: (R, 3) colours in [0, 1], over a background of the last sample's colour.
        alpha: (R,) accumulated opacity in [0, 1].
        samples: the samples of the sampler's last round.
        weights: (R, S) their rendering weights.
        rounds: samples and weights of the earlier rounds, for the sampler's loss.
    """

    rgb: Float[Tensor, "r 3"]
    alpha: Float[Tensor, " r"]
    samples: RaySamples
    weights: Float[Tensor, "r s"]
    rounds: list[Round]

    def distance(self) -> Float[Tensor, " r"]:
        """Median distance along each ray, scene units: see `median_distance`."""
        return median_distance(self.weights.detach(), self.samples.t_edges)


def render_rays(
    field: Radiance,
    sampler: Sampler,
    rays: Rays,
    *,
    photo: Int64[Tensor, " r"] | None = None,
    step: int | None = None,
    jitter: Float[Tensor, "r k"] | None = None,
    scale_gradients: bool = False,
) -> RayRender:
    """Render rays of the scene frame.

    Args:
        photo: index of each ray's training photo, for its appearance; None for the mean appearance.
        step: see `Sampler.forward`; None outside of training.
        jitter: see `Sampler.forward`; None outside of training.
        scale_gradients: apply `scaled_by_distance` to density and colour.
    """
    samples, rounds = sampler(rays, step, jitter)
    count = samples.t_middle.shape[1]
    sigma, geometry = field.density(samples.points(rays).reshape(-1, 3))
    colors = field.color(geometry.reshape(len(rays), count, -1), rays.directions, photo)
    sigma = sigma.reshape(-1, count)
    if scale_gradients:
        sigma = scaled_by_distance(sigma, samples.t_middle)
        colors = scaled_by_distance(colors, samples.t_middle[..., None])
    weights = render_weights(sigma, samples.t_edges)
    alpha = weights.sum(dim=-1)
    rgb = composite(weights, colors) + (1 - alpha)[:, None] * colors[:, -1]
    return RayRender(
        rgb=rgb,
        alpha=alpha,
        samples=samples,
        weights=weights,
        rounds=rounds,
    )


def scaled_by_distance(values: Tensor, distance: Tensor) -> Tensor:
    """The same values, whose gradients are multiplied by the distance squared where it is below 1 scene unit.

    Near a camera samples are dense in proportion to the inverse of that, and would otherwise get so much gradient that
    floaters grow there (Philip and Deschaintre 2023, "Floaters no more", §4).
    """
    scale = distance.detach().clamp(0, 1).square()
    return values * scale + (values * (1 - scale)).detach()


def median_distance(weights: Float[Tensor, "r s"], t_edges: Float[Tensor, "r s+1"]) -> Float[Tensor, " r"]:
    """The distance at which the weights' cumulative sum reaches half their total, linear within an interval.

    Infinite where the total (alpha) is below 0.5.
    """
    cumulative = weights.cumsum(dim=-1)
    total = cumulative[:, -1:]
    index = torch.searchsorted(cumulative.contiguous(), (total / 2).contiguous()).clamp(max=weights.shape[1] - 1)
    before = cumulative.gather(-1, index) - weights.gather(-1, index)
    fraction = ((total / 2 - before) / weights.gather(-1, index).clamp_min(1e-9)).clamp(0, 1)
    low, high = t_edges.gather(-1, index), t_edges.gather(-1, index + 1)
    distance = (low + fraction * (high - low))[:, 0]
    return torch.where(total[:, 0] >= 0.5, distance, torch.inf)


@dataclass(frozen=True)
class SurfaceSamples:
    """The samples of R rays that carry their weight: M points in all, sorted by ray.

    Attributes:
        points: (M, 3) positions, in the rays' frame.
        weights: (M,) rendering weights.
        ray: (M,) index of each point's ray.
        rays: R.
    """

    points: Float[Tensor, "m 3"]
    weights: Float[Tensor, " m"]
    ray: Int64[Tensor, " m"]
    rays: int

    def of_rays(self, rays: Int64[Tensor, " q"]) -> tuple["SurfaceSamples", Int64[Tensor, " k"]]:
        """The samples of Q rays, given by increasing indices and then numbered 0 … Q−1; and the samples' indices
        here."""
        number = torch.full((self.rays,), -1, dtype=torch.int64, device=self.ray.device)
        number[rays] = torch.arange(len(rays), device=self.ray.device)
        index = torch.nonzero(number[self.ray] >= 0)[:, 0]
        part = SurfaceSamples(self.points[index], self.weights[index], number[self.ray[index]], len(rays))
        return part, index


def surface_samples(render: RayRender, rays: Rays, max_samples: int, min_share: float) -> SurfaceSamples:
    """The samples of greatest weight on each ray: at most `max_samples`, each with more than `min_share` of the ray's
    total weight, but always one."""
    weights, index = render.weights.topk(min(max_samples, render.weights.shape[1]), dim=-1)
    kept = weights > min_share * render.alpha[:, None].clamp_min(1e-6)
    kept[:, 0] = True
    t = render.samples.t_middle.gather(-1, index)
    points = rays.origins[:, None] + rays.directions[:, None] * t[..., None]
    ray = torch.arange(len(rays), device=weights.device)[:, None].expand_as(kept)
    return SurfaceSamples(points[kept], weights[kept], ray[kept], len(rays))


def join_samples(parts: Sequence[SurfaceSamples]) -> SurfaceSamples:
    """Samples of consecutive groups of rays as those of all the rays."""
    first = 0
    rays = []
    for part in parts:
        rays.append(part.ray + first)
        first += part.rays
    return SurfaceSamples(
        torch.cat([p.points for p in parts]), torch.cat([p.weights for p in parts]), torch.cat(rays), first
    )
