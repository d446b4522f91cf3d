"""Adaptive density control (Kerbl et al. 2023, §5): the second strategy, beside MCMC.

Gaussians whose 2D means get a large gradient from the loss do not fit what the photos show there: small ones are
duplicated, large ones split in two. Transparent and very large ones are pruned. At intervals all opacities are reset to
a low value, from which only Gaussians that are needed recover.

Unlike there, the two that one Gaussian becomes do not both keep its opacity, which would hide more than it did (Rota
Bulò et al. 2024, "Revising Densification in Gaussian Splatting"): they get opacities and scales that render as it did
(`mcmc.compute_relocation`). The defaults are those of gsplat's `DefaultStrategy`.
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
from langfield.ops.gaussians.projected import Means2d

_SPLIT_SHRINKAGE = 1.6  # φ of Kerbl et al. 2023, §5.2: scales are divided by it when a Gaussian is split


@dataclass(frozen=True)
class AdaptiveDensityConfig(StrategyConfig):
    """When and which Gaussians are duplicated, split, pruned and reset; names are those of gsplat's `DefaultStrategy`.

    Attributes:
        refine_start: after this step Gaussians are duplicated, split and pruned.
        refine_every: at every so many steps.
        refine_stop: up to this step, at which opacity resets end, too.
        grow_grad2d: a Gaussian is duplicated or split if its mean `grad2d` is above this: the norm of the loss's
            gradient with respect to its 2D mean, in pictures that are 2 wide and 2 high.
        grow_scale3d: it is duplicated if its largest standard deviation is at most this share of the scene's extent,
            else split.
        prune_scale3d: it is pruned if its largest standard deviation is above this share of the scene's extent.
        prune_scale3d_after: not before this step.
        prune_opacity: it is pruned if its opacity is below this.
        reset_every: at every so many steps opacities are reset to at most twice `prune_opacity`; 0 for never.
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

    Attributes:
        grad2d: buffer (capacity,), sum over pictures of the norm of the loss's gradient with respect to each 2D mean.
        count: buffer (capacity,), number of pictures that showed each Gaussian.
    """

    grad2d: Tensor
    count: Tensor

    def __init__(self, config: AdaptiveDensityConfig, capacity: int, extent: float) -> None:
        super().__init__()
        self.config, self.extent = config, extent
        self.register_buffer("grad2d", torch.zeros(capacity))
        self.register_buffer("count", torch.zeros(capacity))

    def needs_means2d(self, step: int) -> bool:
        """See `Strategy.needs_means2d`."""
        return step < self.config.refine_stop

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
        """See `Strategy.after_step`. Waits for the device every `refine_every` steps."""
        c = self.config
        if step >= c.refine_stop:
            return
        self.accumulate(means2d, bad)
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
    def accumulate(self, means2d: Sequence[Means2d], bad: Bool[Tensor, ""]) -> None:
        """Add the gradients of a step, whose loss is the mean over its pictures.

        Gradients that are not finite are left out, and so are all of a bad step.
        """
        for of_picture in means2d:
            grad2d = of_picture.grad2d() * len(means2d)
            shown = (of_picture.radii_px > 0) & grad2d.isfinite() & ~bad
            self.grad2d[: len(grad2d)] += torch.where(shown, grad2d, 0)
            self.count[: len(grad2d)] += shown

    def mean_grad2d(self, count: int) -> Float[Tensor, " n"]:
        """Mean of `grad2d` over the pictures that showed each of the first `count` Gaussians."""
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
    """Duplicate or split Gaussians whose mean gradient is above `config.grow_grad2d`; returns how many were added.

    Where there is not room for all, those with the largest gradients are.

    Args:
        grad2d: mean gradient of each Gaussian.
        moments: see `Moments`; those of duplicates and of split Gaussians are zeroed.
        extent: size of the scene, scene units.
    """
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
    for parameter in gaussians.parameters():
        parameter[children] = parameter[parents]
        for moment in moments(parameter):
            moment[children] = 0  # with its parent's momentum a duplicate would follow it
            moment[parents[large]] = 0
    _split_apart(gaussians, torch.cat([parents[large], children[large]]), generator)
    return new


@torch.no_grad()
def prune(gaussians: Gaussians, moments: Moments, pruned: Bool[Tensor, " n"]) -> int:
    """Remove Gaussians; returns how many. The others keep their order. If all are to be removed, none is."""
    old = gaussians.count
    kept = torch.nonzero(~pruned)[:, 0]
    if len(kept) in (0, old):
        return 0
    for parameter in gaussians.parameters():
        parameter[: len(kept)] = parameter[kept]
        for moment in moments(parameter):
            moment[: len(kept)] = moment[kept]
            moment[len(kept) : old] = 0
    gaussians.count = len(kept)
    return old - len(kept)


@torch.no_grad()
def reset_opacity(gaussians: Gaussians, moments: Moments, max_opacity: float) -> None:
    """Clamp opacities to at most `max_opacity`, and zero their moments (Kerbl et al. 2023, §5.2)."""
    gaussians.opacity_logits[: gaussians.count].clamp_(max=math.log(max_opacity / (1 - max_opacity)))
    for moment in moments(gaussians.opacity_logits):
        moment.zero_()


def _divide(gaussians: Gaussians, which: Int64[Tensor, " k"]) -> None:
    """Give each the opacity and scales with which two in its place render as it did."""
    opacity, scales = gaussians.opacities()[which], gaussians.scales()[which]
    each, smaller = compute_relocation(opacity, scales, torch.full_like(which, 2))
    gaussians.opacity_logits[which] = torch.logit(each)
    gaussians.log_scales[which] = smaller.log()


def _split_apart(gaussians: Gaussians, which: Int64[Tensor, " k"], generator: torch.Generator) -> None:
    """Move each by an offset drawn from its own normal distribution, and shrink it by `_SPLIT_SHRINKAGE`."""
    scales = gaussians.scales()[which]
    offset = torch.randn((len(which), 3), generator=generator, device=scales.device) * scales
    gaussians.means[which] += (gaussians.axes()[which] @ offset[:, :, None])[:, :, 0]
    gaussians.log_scales[which] -= math.log(_SPLIT_SHRINKAGE)
