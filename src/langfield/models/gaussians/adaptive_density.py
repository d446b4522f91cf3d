"""How Gaussians multiply by adaptive density control (Kerbl et al. 2023, §5): the second way, beside `growing`'s MCMC.

Where the picture pulls a Gaussian about, there is something that it cannot show. Small ones get a twin there, large
ones become two smaller ones apart, faint and huge ones go, and now and then all are made faint, so that those which
are not needed stay so. Twins look, together, as the one did (`growing.shared_out`): two of the one's opacity, as in the
first paper, would hide more (Rota Bulò et al. 2024, "Revising Densification in Gaussian Splatting").

The defaults are gsplat's `DefaultStrategy`'s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from langfield.fields.gaussians import Gaussians
from langfield.models.gaussians.mcmc import Moments, shared_out
from langfield.renderers.splat import Means2d

_SHRUNK = 1.6  # what is split becomes so much smaller (Kerbl et al. 2023, §5.2)


@dataclass(frozen=True)
class DensificationConfig:
    """When and where Gaussians multiply and go.

    Attributes:
        start, every, stop: at which steps.
        slope: mean length of the loss's gradient by the centre in a picture, counted as 2 wide and high, above which
            there are to be more.
        small: largest standard deviation up to which one is doubled instead of split, in scene extents.
        huge: above which it goes, in scene extents; but not before step `huge_after`.
        least_opacity: below which it goes.
        reset_every: steps after which all are made faint, twice `least_opacity` at most; 0 for never.
    """

    start: int = 500
    every: int = 100
    stop: int = 15_000
    slope: float = 2e-4
    small: float = 0.01
    huge: float = 0.1
    huge_after: int = 3000
    least_opacity: float = 0.005
    reset_every: int = 3000


class Slopes(nn.Module):
    """How much the pictures of the last steps pulled each Gaussian about. Part of a training's state.

    Buffers:
        total: sum over pictures that show it. pictures: how many those were.
    """

    total: Tensor
    pictures: Tensor

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(capacity))
        self.register_buffer("pictures", torch.zeros(capacity))

    @torch.no_grad()
    def add(self, footprints: Sequence[Means2d]) -> None:
        """Count the pictures of a step whose loss is their mean. Gradients that are not finite do not count."""
        for footprint in footprints:
            slope = footprint.grad2d() * len(footprints)
            shown = (footprint.radii_px > 0) & slope.isfinite()
            self.total[: len(slope)] += torch.where(shown, slope, 0)
            self.pictures[: len(slope)] += shown

    def mean(self, count: int) -> Float[Tensor, " n"]:
        """Of the first `count` Gaussians."""
        return self.total[:count] / self.pictures[:count].clamp_min(1)

    def clear(self) -> None:
        """Begin anew."""
        self.total.zero_()
        self.pictures.zero_()


@torch.no_grad()
def after_step(
    gaussians: Gaussians,
    slopes: Slopes,
    footprints: Sequence[Means2d],
    moments: Moments,
    config: DensificationConfig,
    extent: float,
    step: int,
    generator: torch.Generator,
) -> None:
    """What follows training step `step`, which drew `footprints`. Waits for the device every `config.every` steps.

    Args:
        extent: of the scene, scene units.
    """
    if step >= config.stop:
        return
    slopes.add(footprints)
    if step > config.start and step % config.every == 0:
        densify(gaussians, slopes.mean(gaussians.count), moments, config, extent, generator)
        largest = gaussians.scales().amax(dim=-1)
        gone = ~(gaussians.opacities() >= config.least_opacity)  # also what is not a number
        if step > config.huge_after:
            gone |= largest > config.huge * extent
        prune(gaussians, moments, gone)
        slopes.clear()
    if config.reset_every and step and step % config.reset_every == 0:
        make_faint(gaussians, moments, 2 * config.least_opacity)


@torch.no_grad()
def densify(
    gaussians: Gaussians,
    slopes: Float[Tensor, " n"],
    moments: Moments,
    config: DensificationConfig,
    extent: float,
    generator: torch.Generator,
) -> int:
    """Make pairs of those that are pulled about, the most pulled ones first while there is room; returns how many."""
    old = gaussians.count
    wanted = int((slopes > config.slope).sum())
    new = min(wanted, gaussians.config.capacity - old)
    if new <= 0:
        return 0
    parents = slopes.argsort(descending=True, stable=True)[:new].sort().values
    large = gaussians.scales()[parents].amax(dim=-1) > config.small * extent
    gaussians.count = old + new
    children = torch.arange(old, old + new, device=parents.device)
    _share_out(gaussians, parents[~large])
    for parameter in gaussians.rows():
        parameter[children] = parameter[parents]
        for moment in moments(parameter):
            moment[children] = 0  # a twin without its sister's momentum goes another way
            moment[parents[large]] = 0
    _spread(gaussians, torch.cat([parents[large], children[large]]), generator)
    return new


@torch.no_grad()
def prune(gaussians: Gaussians, moments: Moments, gone: Bool[Tensor, " n"]) -> int:
    """Take out Gaussians, the others move up in their order; returns how many. If all were to go, none does."""
    old = gaussians.count
    kept = torch.nonzero(~gone)[:, 0]
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
def make_faint(gaussians: Gaussians, moments: Moments, most: float) -> None:
    """Bring opacities down to `most`, and have them forget their momentum."""
    gaussians.opacity_logits[: gaussians.count].clamp_(max=math.log(most / (1 - most)))
    for moment in moments(gaussians.opacity_logits):
        moment.zero_()


def _share_out(gaussians: Gaussians, which: Int64[Tensor, " k"]) -> None:
    """Give each the opacity and size of one of two."""
    opacity, scales = gaussians.opacities()[which], gaussians.scales()[which]
    each, smaller = shared_out(opacity, scales, torch.full_like(which, 2))
    gaussians.opacity_logits[which] = torch.logit(each)
    gaussians.log_scales[which] = smaller.log()


def _spread(gaussians: Gaussians, which: Int64[Tensor, " k"], generator: torch.Generator) -> None:
    """Shrink them, and move each to a random place within what it was."""
    scales = gaussians.scales()[which]
    own = torch.randn((len(which), 3), generator=generator, device=scales.device) * scales
    gaussians.means[which] += (gaussians.axes()[which] @ own[:, :, None])[:, :, 0]
    gaussians.log_scales[which] -= math.log(_SHRUNK)
