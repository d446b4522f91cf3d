"""3D Gaussian Splatting as Markov chain Monte Carlo (Kheradmand et al. 2024): the default strategy.

Transparent Gaussians are relocated to where opaque ones are, new ones are added there, and noise is added to all
means, the more the more transparent they are. Where one becomes n, the n look, together, as the one did: the opacity
of each is o' = 1 − (1 − o)^(1/n), and the scale shrinks by eq. 9 there.
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
from langfield.renderers.splat import Means2d

_MOST_COPIES = 51
_STEEPNESS = 100.0  # k in eq. 8: how suddenly opaque Gaussians get no noise
_LEAST_OPACITY = 0.005
_SHARED_OPACITY = 1e-8, 1 - 1e-6  # what is less has no digits left to divide, what is more hides all

# Adam's two moments of a parameter, to be changed in place; empty before its first step.
Moments = Callable[[nn.Parameter], Sequence[Tensor]]


@dataclass(frozen=True)
class MCMCConfig(StrategyConfig):
    """Attributes: refine_start, refine_every, refine_stop: at which steps Gaussians are relocated and added;
    growth_factor: by how much their number grows each time; noise_lr: of the noise, in learning rates of the means."""

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
        footprints: Sequence[Means2d],
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
    """Move transparent Gaussians to where opaque ones are, drawn by their opacity; returns how many. None move if all
    are transparent."""
    opacity = gaussians.opacities()
    transparent = ~(opacity > _LEAST_OPACITY)  # also what is not a number
    dead, alive = torch.nonzero(transparent)[:, 0], torch.nonzero(~transparent)[:, 0]
    if not len(dead) or not len(alive):
        return 0
    drawn = alive[_draw(opacity[alive], len(dead), generator)]
    _split(gaussians, moments, drawn, dead)
    return len(dead)


@torch.no_grad()
def add_new(gaussians: Gaussians, moments: Moments, factor: float, generator: torch.Generator) -> int:
    """Split Gaussians, drawn by their opacity, until there are `factor` times as many or no room; returns how many
    were added. None if all are fully transparent."""
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
    """Move means by normal noise of their own covariance, the more the more transparent they are (eq. 8).

    Args:
        bad: on the device; where it is true, nothing moves.
    """
    count = gaussians.count
    noise = strength * torch.randn((count, 3), generator=generator, device=gaussians.means.device)
    shape = gaussians.rotations[:count], gaussians.log_scales[:count], gaussians.opacity_logits[:count]
    moved = covariant_noise(*shape, noise, _STEEPNESS, _LEAST_OPACITY)
    gaussians.means[:count] += moved if bad is None else torch.where(bad, -0.0, moved)


def _split(gaussians: Gaussians, moments: Moments, drawn: Int64[Tensor, " k"], places: Int64[Tensor, " k"]) -> None:
    """Copy the drawn Gaussians (with repetition) to `places`, all of one becoming what together looks like it."""
    opacity, scales = gaussians.opacities(), gaussians.scales()
    copies = (torch.bincount(drawn, minlength=len(opacity)) + 1).clamp(max=_MOST_COPIES)
    chosen = drawn.unique()
    o, scale = compute_relocation(opacity[chosen], scales[chosen], copies[chosen])
    gaussians.opacity_logits[chosen] = torch.logit(o)
    gaussians.log_scales[chosen] = scale.log()
    touched = torch.cat([chosen, places])
    for parameter in gaussians.rows():
        parameter[places] = parameter[drawn]
        for moment in moments(parameter):
            moment[touched] = 0


def compute_relocation(
    opacity: Float[Tensor, " n"], scales: Float[Tensor, "n 3"], copies: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
    """Opacity and scales of each of `copies` (1 to 51) Gaussians in one place that look, together, as the given one did
    (Kheradmand et al. 2024, eq. 9).

    With the new opacity o, its double sum over i from 1 to n copies and k below i has terms
    C(i − 1, k) (−1)^k o^(k+1) / √(k + 1), of which only the binomials know i: they sum to C(n, k + 1).
    """
    opacity = opacity.double().clamp(*_SHARED_OPACITY)
    each = 1 - (1 - opacity) ** (1 / copies)
    powers = torch.arange(1, _MOST_COPIES + 1, device=opacity.device, dtype=torch.float64)
    total = (_binomial_sums(opacity.device)[copies - 1] * each[:, None] ** powers).sum(dim=1)
    shrunk = (opacity / total)[:, None] * scales
    return each.clamp(_LEAST_OPACITY, _SHARED_OPACITY[1]).float(), shrunk.float()


@cache
def _binomial_sums(device: torch.device) -> Float[Tensor, "n k"]:
    """(−1)^k · C(n, k + 1) / √(k + 1) for n from 1 and k from 0."""
    counts = range(1, _MOST_COPIES + 1)
    table = [[(-1) ** k * math.comb(n, k + 1) / math.sqrt(k + 1) for k in range(_MOST_COPIES)] for n in counts]
    return torch.tensor(table, dtype=torch.float64, device=device)


def _draw(weights: Float[Tensor, " n"], count: int, generator: torch.Generator) -> Int64[Tensor, " k"]:
    """Indices with repetition, as often as their weights say."""
    cumulative = weights.double().nan_to_num(0).cumsum(0)
    at = torch.rand(count, generator=generator, device=weights.device, dtype=torch.float64) * cumulative[-1]
    return torch.searchsorted(cumulative, at, right=True).clamp(max=len(weights) - 1)
