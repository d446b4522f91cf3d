"""How Gaussians multiply: 3D Gaussian Splatting as Markov chain Monte Carlo (Kheradmand et al. 2024).

Faint Gaussians go where there is much to show, new ones join them there, and all are shaken a little, faint ones the
most. One that is split into n looks, together, as before: the opacity of each is o' = 1 − (1 − o)^(1/n), and the scale
shrinks by eq. 9 there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from langfield.fields.gaussians import Gaussians
from langfield.ops.gaussians.covariant_noise import covariant_noise

_MOST_COPIES = 51
_STEEPNESS = 100.0  # k in eq. 8: how suddenly Gaussians that are not faint are left alone
_LEAST_OPACITY = 0.005
_SHARED_OPACITY = 1e-8, 1 - 1e-6  # what is less has no digits left to share out, what is more hides all

# Adam's two moments of a parameter, to be changed in place; empty before its first step.
Moments = Callable[[nn.Parameter], Sequence[Tensor]]


@dataclass(frozen=True)
class GrowthConfig:
    """Attributes: start, every, stop: at which steps Gaussians move and grow; factor: by how much each time; noise: of
    the shaking, in learning rates of the means."""

    start: int = 500
    every: int = 100
    stop: int = 25_000
    factor: float = 1.05
    noise: float = 5e5


@torch.no_grad()
def after_step(
    gaussians: Gaussians,
    moments: Moments,
    config: GrowthConfig,
    step: int,
    means_lr: float,
    generator: torch.Generator,
) -> None:
    """What follows training step `step`. Waits for the device only where Gaussians move, every `config.every` steps."""
    if config.start <= step < config.stop and step % config.every == 0:
        revive(gaussians, moments, generator)
        grow(gaussians, moments, config.factor, generator)
    shake(gaussians, config.noise * means_lr, generator)


@torch.no_grad()
def revive(gaussians: Gaussians, moments: Moments, generator: torch.Generator) -> int:
    """Put faint Gaussians where others are, drawn by their opacity; returns how many. None if all are faint."""
    opacity = gaussians.opacities()
    faint = ~(opacity > _LEAST_OPACITY)  # also what is not a number
    dead, alive = torch.nonzero(faint)[:, 0], torch.nonzero(~faint)[:, 0]
    if not len(dead) or not len(alive):
        return 0
    drawn = alive[_draw(opacity[alive], len(dead), generator)]
    _split(gaussians, moments, drawn, dead)
    return len(dead)


@torch.no_grad()
def grow(gaussians: Gaussians, moments: Moments, factor: float, generator: torch.Generator) -> int:
    """Split Gaussians, drawn by their opacity, until there are `factor` times as many or no room; returns how many.
    None if all are transparent."""
    old = gaussians.count
    new = min(gaussians.config.capacity, int(factor * old)) - old
    if new <= 0 or not bool((gaussians.opacities() > 0).any()):
        return 0
    drawn = _draw(gaussians.opacities(), new, generator)
    gaussians.count = old + new
    _split(gaussians, moments, drawn, torch.arange(old, old + new, device=drawn.device))
    return new


@torch.no_grad()
def shake(gaussians: Gaussians, strength: float, generator: torch.Generator) -> None:
    """Move means by random numbers of their own covariance, faint ones the most (eq. 8)."""
    count = gaussians.count
    noise = strength * torch.randn((count, 3), generator=generator, device=gaussians.means.device)
    shape = gaussians.rotations[:count], gaussians.log_scales[:count], gaussians.opacity_logits[:count]
    gaussians.means[:count] += covariant_noise(*shape, noise, _STEEPNESS, _LEAST_OPACITY)


def _split(gaussians: Gaussians, moments: Moments, drawn: Int64[Tensor, " k"], places: Int64[Tensor, " k"]) -> None:
    """Copy the drawn Gaussians (with repetition) to `places`, all of one becoming what together looks like it."""
    opacity, scales = gaussians.opacities(), gaussians.scales()
    copies = (torch.bincount(drawn, minlength=len(opacity)) + 1).clamp(max=_MOST_COPIES)
    chosen = drawn.unique()
    o, scale = shared_out(opacity[chosen], scales[chosen], copies[chosen])
    gaussians.opacity_logits[chosen] = torch.logit(o)
    gaussians.log_scales[chosen] = scale.log()
    touched = torch.cat([chosen, places])
    for parameter in gaussians.rows():
        parameter[places] = parameter[drawn]
        for moment in moments(parameter):
            moment[touched] = 0


def shared_out(
    opacity: Float[Tensor, " n"], scales: Float[Tensor, "n 3"], copies: Int64[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
    """Opacity and scales of each of `copies` (1 to 51) Gaussians in one place that look as one of the given did:
    Kheradmand et al. 2024, eq. 9.

    With the new opacity o, its double sum over i from 1 to n copies and k below i has terms
    C(i − 1, k) (−1)^k o^(k+1) / √(k + 1), of which only the binomials know i: they sum to C(n, k + 1).
    """
    opacity = opacity.double().clamp(*_SHARED_OPACITY)
    each = 1 - (1 - opacity) ** (1 / copies)
    powers = torch.arange(1, _MOST_COPIES + 1, device=opacity.device, dtype=torch.float64)
    total = (_summed(opacity.device)[copies - 1] * each[:, None] ** powers).sum(dim=1)
    shrunk = (opacity / total)[:, None] * scales
    return each.clamp(_LEAST_OPACITY, _SHARED_OPACITY[1]).float(), shrunk.float()


@cache
def _summed(device: torch.device) -> Float[Tensor, "n k"]:
    """(−1)^k · C(n, k + 1) / √(k + 1) for n from 1 and k from 0."""
    counts = range(1, _MOST_COPIES + 1)
    table = [[(-1) ** k * math.comb(n, k + 1) / math.sqrt(k + 1) for k in range(_MOST_COPIES)] for n in counts]
    return torch.tensor(table, dtype=torch.float64, device=device)


def _draw(weights: Float[Tensor, " n"], count: int, generator: torch.Generator) -> Int64[Tensor, " k"]:
    """Indices with repetition, as often as their weights say."""
    cumulative = weights.double().nan_to_num(0).cumsum(0)
    at = torch.rand(count, generator=generator, device=weights.device, dtype=torch.float64) * cumulative[-1]
    return torch.searchsorted(cumulative, at, right=True).clamp(max=len(weights) - 1)
