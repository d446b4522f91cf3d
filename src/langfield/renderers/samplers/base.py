"""What a sampler is: rays go in, intervals along them come out, and `render_rays` takes any.

A ray's samples are intervals given by their edges. Edges live in a normalised coordinate s ∈ [0, 1] that is linear in
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


# Samples of a round of sampling with their rendering weights, from which the next round was drawn.
Round = tuple[RaySamples, Float[Tensor, "r _"]]


class SamplerConfig(TypedConfig, ABC):
    """Base of the samplers' configs."""

    @abstractmethod
    def build(self) -> "Sampler":
        """The sampler, with parameters of its own if it has any."""


class Sampler(nn.Module, ABC):
    """Where along rays a radiance field is asked."""

    @abstractmethod
    def forward(
        self, rays: Rays, step: int | None = None, jitter: Float[Tensor, "r k"] | None = None
    ) -> tuple[RaySamples, list[Round]]:
        """Samples of each ray, and those of the rounds that led to them.

        Args:
            step: of the training; None outside of it.
            jitter: uniform numbers in [0, 1), a column for each round; None puts every sample at its middle.
        """

    def loss(
        self, samples: RaySamples, weights: Float[Tensor, "r s"], rounds: list[Round], step: int
    ) -> dict[str, Tensor]:
        """Named terms that train the sampler, given what the field made of its samples."""
        return {}

    def phase(self, step: int) -> Hashable | None:
        """See `langfield.models.base.Model.phase`."""
        return "steady"


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
