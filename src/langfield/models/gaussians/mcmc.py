"""3D Gaussian Splatting as Markov chain Monte Carlo (Kheradmand et al. 2024): the default strategy.

Transparent Gaussians are relocated to where opaque ones are, new ones are added there, and noise is added to all means,
more to more transparent ones. Where one Gaussian of opacity o becomes n, the n render as it did: the opacity of each is
1 − (1 − o)^(1/n), and the scales shrink by eq. 9 there. Names are those of gsplat's `MCMCStrategy`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from langfield.core.checks import check_counts, check_numbers
from langfield.fields.gaussians import Gaussians
from langfield.models.batches import OptimiserAccess
from langfield.models.gaussians.strategy import Strategy, StrategyConfig
from langfield.ops.gaussians.covariant_noise import covariant_noise
from langfield.ops.gaussians.projected import Means2d

_MAX_COPIES = 51
_NOISE_STEEPNESS = 100.0  # k in eq. 8: how suddenly noise ends as opacity grows
_MIN_OPACITY = 0.005
_OPACITY_RANGE = 1e-8, 1 - 1e-6  # beyond it 1 − (1 − o)^(1/n) loses its digits

# The optimiser's two moments of a parameter, to be changed in place; empty before its first step.
Moments = Callable[[nn.Parameter], Sequence[Tensor]]


@dataclass(frozen=True)
class MCMCConfig(StrategyConfig):
    """When Gaussians are relocated and added, and how strong the noise is.

    Attributes:
        refine_start: from this step on Gaussians are relocated and added.
        refine_every: at every so many steps.
        refine_stop: before this step.
        growth_factor: their number is multiplied by this each time.
        noise_lr: strength of the noise on the means, as a multiple of their learning rate.
    """

    type: ClassVar[str] = "mcmc"

    refine_start: int = 500
    refine_every: int = 100
    refine_stop: int = 25_000
    growth_factor: float = 1.05
    noise_lr: float = 5e5

    def __post_init__(self) -> None:
        check_counts(self, "refine_start", "refine_stop", least=0)
        check_counts(self, "refine_every")
        check_numbers(self, "growth_factor", least=1)
        check_numbers(self, "noise_lr", least=0)

    def build(self, capacity: int, extent: float) -> "MCMC":
        """See `StrategyConfig.build`."""
        return MCMC(self)


class MCMC(Strategy):
    """See the module."""

    def __init__(self, config: MCMCConfig) -> None:
        super().__init__()
        self.config = config

    @torch.no_grad()
    def after_step(
        self,
        gaussians: Gaussians,
        means2d: Sequence[Means2d],
        optimiser: OptimiserAccess,
        step: int,
        bad: Bool[Tensor, ""],
        generator: torch.Generator,
    ) -> None:
        """See `Strategy.after_step`. Waits for the device only at every `refine_every`-th step."""
        c = self.config
        if c.refine_start <= step < c.refine_stop and step % c.refine_every == 0 and not bool(bad):
            relocate(gaussians, optimiser.moments, generator)
            add_new(gaussians, optimiser.moments, c.growth_factor, generator)
        strength = c.noise_lr * optimiser.learning_rate("means", step)
        inject_noise(gaussians, strength, generator, bad)


@torch.no_grad()
def relocate(gaussians: Gaussians, moments: Moments, generator: torch.Generator) -> int:
    """Move transparent Gaussians to where others are, drawn by opacity; returns how many were moved.

    None is moved if all are transparent. NaN counts as transparent.
    """
    opacity = gaussians.opacities()
    transparent = ~(opacity > _MIN_OPACITY)  # also NaN
    dead, alive = torch.nonzero(transparent)[:, 0], torch.nonzero(~transparent)[:, 0]
    if not len(dead) or not len(alive):
        return 0
    drawn = alive[_draw(opacity[alive], len(dead), generator)]
    _split(gaussians, moments, drawn, dead)
    return len(dead)


@torch.no_grad()
def add_new(gaussians: Gaussians, moments: Moments, factor: float, generator: torch.Generator) -> int:
    """Add copies of Gaussians, drawn by opacity, until there are `factor` times as many; returns how many were added.

    Fewer are added where the capacity is reached, and none if all opacities are 0.
    """
    old = gaussians.count
    new = min(gaussians.config.capacity, int(factor * old)) - old
    if new <= 0 or not bool((gaussians.opacities() > 0).any()):
        return 0
    drawn = _draw(gaussians.opacities(), new, generator)
    gaussians.count = old + new
    _split(gaussians, moments, drawn, torch.arange(old, old + new, device=drawn.device))
    return new


@torch.no_grad()
def inject_noise(
    gaussians: Gaussians, strength: float, generator: torch.Generator, bad: Bool[Tensor, ""] | None = None
) -> None:
    """Add normal noise of each Gaussian's own covariance to its mean, less to more opaque ones (eq. 8).

    Args:
        strength: factor of the noise.
        bad: on the device; if true, nothing is added.
    """
    count = gaussians.count
    noise = strength * torch.randn((count, 3), generator=generator, device=gaussians.means.device)
    shape = gaussians.rotations[:count], gaussians.log_scales[:count], gaussians.opacity_logits[:count]
    moved = covariant_noise(*shape, noise, _NOISE_STEEPNESS, _MIN_OPACITY)
    gaussians.means[:count] += moved if bad is None else torch.where(bad, -0.0, moved)


def _split(gaussians: Gaussians, moments: Moments, drawn: Int64[Tensor, " k"], places: Int64[Tensor, " k"]) -> None:
    """Copy the drawn Gaussians (with repetition) to the rows `places`, so that a Gaussian and its copies render as it
    did alone; moments of all of them are zeroed."""
    opacity, scales = gaussians.opacities(), gaussians.scales()
    copies = (torch.bincount(drawn, minlength=len(opacity)) + 1).clamp(max=_MAX_COPIES)
    chosen = drawn.unique()
    o, scale = compute_relocation(opacity[chosen], scales[chosen], copies[chosen])
    gaussians.opacity_logits[chosen] = torch.logit(o)
    gaussians.log_scales[chosen] = scale.log()
    touched = torch.cat([chosen, places])
    for parameter in gaussians.parameters():
        parameter[places] = parameter[drawn]
        for moment in moments(parameter):
            moment[touched] = 0


def compute_relocation(
    opacity: Float[Tensor, " n"], scales: Float[Tensor, "n 3"], copies: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
    """Opacity and scales of each of `copies` (1 to 51) Gaussians in one place that together render as the given one
    (Kheradmand et al. 2024, eq. 9).

    With the new opacity o, its double sum over i from 1 to n copies and k below i has terms
    C(i − 1, k) (−1)^k o^(k+1) / √(k + 1), of which only the binomials know i: they sum to C(n, k + 1).
    """
    opacity = opacity.double().clamp(*_OPACITY_RANGE)
    each = 1 - (1 - opacity) ** (1 / copies)
    powers = torch.arange(1, _MAX_COPIES + 1, device=opacity.device, dtype=torch.float64)
    total = (_binomial_sums(opacity.device)[copies - 1] * each[:, None] ** powers).sum(dim=1)
    shrunk = (opacity / total)[:, None] * scales
    return each.clamp(_MIN_OPACITY, _OPACITY_RANGE[1]).float(), shrunk.float()


@cache
def _binomial_sums(device: torch.device) -> Float[Tensor, "n k"]:
    """(−1)^k · C(n, k + 1) / √(k + 1) for n from 1 and k from 0."""
    counts = range(1, _MAX_COPIES + 1)
    table = [[(-1) ** k * math.comb(n, k + 1) / math.sqrt(k + 1) for k in range(_MAX_COPIES)] for n in counts]
    return torch.tensor(table, dtype=torch.float64, device=device)


def _draw(weights: Float[Tensor, " n"], count: int, generator: torch.Generator) -> Int64[Tensor, " k"]:
    """`count` indices, drawn with replacement in proportion to the weights; NaN weighs nothing."""
    cumulative = weights.double().nan_to_num(0).cumsum(0)
    at = torch.rand(count, generator=generator, device=weights.device, dtype=torch.float64) * cumulative[-1]
    return torch.searchsorted(cumulative, at, right=True).clamp(max=len(weights) - 1)
