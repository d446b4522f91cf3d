"""What a sampler is: it gives intervals along rays at which a radiance field is evaluated; `render_rays` takes any.

A ray's samples are intervals, given by their edges. Edges are in a normalised coordinate s ∈ [0, 1] that is linear in
distance up to 1 scene unit and linear in inverse distance beyond (nerfacto's piecewise spacing).
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.config import TypedConfig
from langfield.core.rays import Rays


@dataclass(frozen=True)
class RaySamples:
    """S intervals on each of R rays.

    Attributes:
        s_edges: (R, S + 1) edges in the normalised coordinate.
        t_edges: (R, S + 1) distances of the edges from the ray's origin, scene units.
    """

    s_edges: Float[Tensor, "r e"]
    t_edges: Float[Tensor, "r e"]

    @property
    def t_middle(self) -> Float[Tensor, "r s"]:
        """Distances of the intervals' middles from the ray's origin, scene units."""
        return (self.t_edges[:, 1:] + self.t_edges[:, :-1]) / 2

    def points(self, rays: Rays) -> Float[Tensor, "r s 3"]:
        """The intervals' middles in the rays' frame."""
        return rays.origins[:, None] + rays.directions[:, None] * self.t_middle[..., None]


# A round of sampling: samples and their rendering weights, from which the next round's samples are drawn.
Round = tuple[RaySamples, Float[Tensor, "r _"]]


class SamplerConfig(TypedConfig, ABC):
    """Base of the samplers' configs: dataclasses with a `type` of their own."""

    @abstractmethod
    def build(self) -> "Sampler":
        """The sampler, with parameters of its own if it has any."""


class Sampler(nn.Module, ABC):
    """Chooses where along rays a radiance field is evaluated."""

    @abstractmethod
    def forward(
        self, rays: Rays, step: int | None = None, jitter: Float[Tensor, "r k"] | None = None
    ) -> tuple[RaySamples, list[Round]]:
        """Samples of each ray, and the rounds that they were drawn from, if any.

        Args:
            step: of training; None outside of it.
            jitter: uniform random numbers in [0, 1), a column for each round of samples; None for stratified samples
                without jitter.
        """

    def loss(
        self, samples: RaySamples, weights: Float[Tensor, "r s"], rounds: list[Round], step: int
    ) -> dict[str, Tensor]:
        """Named loss terms of the sampler's parameters, given the field's weights at its samples."""
        return {}

    def phase(self, step: int) -> Hashable | None:
        """See `langfield.models.base.Model.phase`."""
        return "steady"


def distance_from_spacing(s: Float[Tensor, "*n"], near: float, far: float) -> Float[Tensor, "*n"]:
    """Normalised coordinate s ∈ [0, 1] → distance. With g(t) = t/2 for t < 1 and 1 − 1/(2t) beyond, s is linear in g
    between near and far."""

    def g(t: float) -> float:
        return t / 2 if t < 1 else 1 - 1 / (2 * t)

    u = g(near) + s * (g(far) - g(near))
    return torch.where(u < 0.5, 2 * u, 1 / (2 - 2 * u).clamp_min(1e-6))


def stratified_edges(rays: Rays, samples: int, jitter: Float[Tensor, " r"] | None) -> Float[Tensor, "r e"]:
    """Edges of `samples` equal intervals of [0, 1]; `jitter` in [0, 1) shifts a ray's inner edges together, by up to
    half an interval."""
    edges = torch.linspace(0, 1, samples + 1, device=rays.origins.device).expand(len(rays), -1)
    if jitter is None:
        return edges
    inner = edges[:, 1:-1] + (jitter[:, None] - 0.5) / samples
    return torch.cat([edges[:, :1], inner, edges[:, -1:]], dim=-1)
