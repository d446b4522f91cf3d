"""Adaptive density control (Kerbl et al. 2023, §5): the second strategy, beside MCMC.

Where the loss's gradient by a Gaussian's centre in the picture is large, there is something that it cannot show. Small
Gaussians there are duplicated, large ones split into two smaller ones, transparent and huge ones are pruned, and now
and then all opacities are reset, so that Gaussians which are not needed stay transparent. A pair looks, together, as
the one did (`mcmc.compute_relocation`): two of the one's opacity, as in the first paper, would hide more (Rota Bulò et
al. 2024, "Revising Densification in Gaussian Splatting").

The defaults are gsplat's `DefaultStrategy`'s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from langfield.core.checks import check_counts, check_numbers, check_that
from langfield.fields.gaussians import Gaussians
from langfield.models.batches import OptimiserAccess
from langfield.models.gaussians.mcmc import Moments, compute_relocation
from langfield.models.gaussians.strategy import Strategy, StrategyConfig
from langfield.renderers.splat import Means2d

_SHRUNK = 1.6  # what is split becomes so much smaller (Kerbl et al. 2023, §5.2)


@dataclass(frozen=True)
class AdaptiveDensityConfig(StrategyConfig):
    """When and where Gaussians multiply and go.

    Attributes:
        refine_start, refine_every, refine_stop: at which steps.
        grow_grad2d: mean length of the loss's gradient by the centre in a picture (2 wide and high) above which a
            Gaussian is duplicated or split.
        grow_scale3d: largest standard deviation up to which one is duplicated instead of split, in scene extents.
        prune_scale3d: above which it is pruned, in scene extents; but not before step `prune_scale3d_after`.
        prune_opacity: below which it is pruned.
        reset_every: steps after which opacities are reset to at most twice `prune_opacity`; 0 for never.
    """

    type: ClassVar[str] = "adaptive_density"

    refine_start: int = 500
    refine_every: int = 100
    refine_stop: int = 15_000
    grow_grad2d: float = 2e-4
    grow_scale3d: float = 0.01
    prune_scale3d: float = 0.1
    prune_scale3d_after: int = 3000
    prune_opacity: float = 0.005
    reset_every: int = 3000

    def __post_init__(self) -> None:
        check_counts(self, "refine_start", "refine_stop", "prune_scale3d_after", "reset_every", least=0)
        check_counts(self, "refine_every")
        check_numbers(self, "grow_grad2d", "grow_scale3d", least=0)
        check_numbers(self, "prune_scale3d", "prune_opacity", above=0)
        check_that(self, "prune_opacity", self.prune_opacity < 0.5, "below 0.5: opacities are reset to twice as much")

    def build(self, capacity: int, extent: float) -> "AdaptiveDensity":
        """See `StrategyConfig.build`."""
        return AdaptiveDensity(self, capacity, extent)


class AdaptiveDensity(Strategy):
    """See the module.

    Buffers:
        grad2d: (capacity,) sum over pictures of the length of the loss's gradient by each centre in the picture.
        count: (capacity,) how many pictures showed it.
    """

    grad2d: Tensor
    count: Tensor

    def __init__(self, config: AdaptiveDensityConfig, capacity: int, extent: float) -> None:
        super().__init__()
        self.config, self.extent = config, extent
        self.register_buffer("grad2d", torch.zeros(capacity))
        self.register_buffer("count", torch.zeros(capacity))

    def needs_footprints(self, step: int) -> bool:
        """See `Strategy.needs_footprints`."""
        return step < self.config.refine_stop

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
        """See `Strategy.after_step`. Waits for the device every `refine_every` steps."""
        c = self.config
        if step >= c.refine_stop:
            return
        self.accumulate(footprints, bad)
        refines = step > c.refine_start and step % c.refine_every == 0
        resets = bool(c.reset_every) and step > 0 and step % c.reset_every == 0
        if not (refines or resets) or bool(bad):
            return
        if refines:
            self._refine(gaussians, optimiser.moments, step, generator)
        if resets:
            reset_opacity(gaussians, optimiser.moments, 2 * c.prune_opacity)

    def _refine(self, gaussians: Gaussians, moments: Moments, step: int, generator: torch.Generator) -> None:
        c = self.config
        grow(gaussians, self.mean_grad2d(gaussians.count), moments, c, self.extent, generator)
        largest = gaussians.scales().amax(dim=-1)
        pruned = ~(gaussians.opacities() >= c.prune_opacity)  # also what is not a number
        if step > c.prune_scale3d_after:
            pruned |= largest > c.prune_scale3d * self.extent
        prune(gaussians, moments, pruned)
        self.grad2d.zero_()
        self.count.zero_()

    @torch.no_grad()
    def accumulate(self, footprints: Sequence[Means2d], bad: Bool[Tensor, ""]) -> None:
        """Count the pictures of a step whose loss is their mean. Gradients that are not finite do not count, and none
        of a bad step."""
        for footprint in footprints:
            grad2d = footprint.grad2d() * len(footprints)
            shown = (footprint.radii_px > 0) & grad2d.isfinite() & ~bad
            self.grad2d[: len(grad2d)] += torch.where(shown, grad2d, 0)
            self.count[: len(grad2d)] += shown

    def mean_grad2d(self, count: int) -> Float[Tensor, " n"]:
        """Of the first `count` Gaussians, over the pictures that showed them."""
        return self.grad2d[:count] / self.count[:count].clamp_min(1)


@torch.no_grad()
def grow(
    gaussians: Gaussians,
    grad2d: Float[Tensor, " n"],
    moments: Moments,
    config: AdaptiveDensityConfig,
    extent: float,
    generator: torch.Generator,
) -> int:
    """Duplicate or split Gaussians whose mean gradient is above `grow_grad2d`, those with the largest first while there
    is room; returns how many were added."""
    old = gaussians.count
    wanted = int((grad2d > config.grow_grad2d).sum())
    new = min(wanted, gaussians.config.capacity - old)
    if new <= 0:
        return 0
    parents = grad2d.argsort(descending=True, stable=True)[:new].sort().values
    large = gaussians.scales()[parents].amax(dim=-1) > config.grow_scale3d * extent
    gaussians.count = old + new
    children = torch.arange(old, old + new, device=parents.device)
    _divide(gaussians, parents[~large])
    for parameter in gaussians.rows():
        parameter[children] = parameter[parents]
        for moment in moments(parameter):
            moment[children] = 0  # without its parent's momentum a duplicate goes another way
            moment[parents[large]] = 0
    _split_apart(gaussians, torch.cat([parents[large], children[large]]), generator)
    return new


@torch.no_grad()
def prune(gaussians: Gaussians, moments: Moments, pruned: Bool[Tensor, " n"]) -> int:
    """Take out Gaussians, the others move up in their order; returns how many. If all were to go, none does."""
    old = gaussians.count
    kept = torch.nonzero(~pruned)[:, 0]
    if len(kept) in (0, old):
        return 0
    for parameter in gaussians.rows():
        parameter[: len(kept)] = parameter[kept]
        for moment in moments(parameter):
            moment[: len(kept)] = moment[kept]
            moment[len(kept) : old] = 0
    gaussians.count = len(kept)
    return old - len(kept)


@torch.no_grad()
def reset_opacity(gaussians: Gaussians, moments: Moments, most: float) -> None:
    """Bring opacities down to at most `most`, and zero their momentum (Kerbl et al. 2023, §5.2)."""
    gaussians.opacity_logits[: gaussians.count].clamp_(max=math.log(most / (1 - most)))
    for moment in moments(gaussians.opacity_logits):
        moment.zero_()


def _divide(gaussians: Gaussians, which: Int64[Tensor, " k"]) -> None:
    """Give each the opacity and scales of one of two that look, together, as it did."""
    opacity, scales = gaussians.opacities()[which], gaussians.scales()[which]
    each, smaller = compute_relocation(opacity, scales, torch.full_like(which, 2))
    gaussians.opacity_logits[which] = torch.logit(each)
    gaussians.log_scales[which] = smaller.log()


def _split_apart(gaussians: Gaussians, which: Int64[Tensor, " k"], generator: torch.Generator) -> None:
    """Shrink them, and move each to a place drawn from the Gaussian that it was."""
    scales = gaussians.scales()[which]
    own = torch.randn((len(which), 3), generator=generator, device=scales.device) * scales
    gaussians.means[which] += (gaussians.axes()[which] @ own[:, :, None])[:, :, 0]
    gaussians.log_scales[which] -= math.log(_SHRUNK)
