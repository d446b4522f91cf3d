"""What a strategy is: how Gaussians multiply, move and go while they train (gsplat's word for it)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from langfield.core.config import TypedConfig
from langfield.fields.gaussians import Gaussians
from langfield.models.batches import OptimiserAccess
from langfield.renderers.splat import Means2d


class StrategyConfig(TypedConfig, ABC):
    """Base of the strategies' configs."""

    @abstractmethod
    def build(self, capacity: int, extent: float) -> "Strategy":
        """The strategy for a model with room for so many Gaussians, of a scene of that extent (scene units)."""


class Strategy(nn.Module, ABC):
    """Changes the number and places of Gaussians after training steps. Its buffers are part of a training's state."""

    def needs_footprints(self, step: int) -> bool:
        """Whether it looks at how the step's pictures pulled Gaussians about."""
        return False

    @abstractmethod
    def after_step(
        self,
        gaussians: Gaussians,
        footprints: Sequence[Means2d],
        optimiser: OptimiserAccess,
        step: int,
        bad: Bool[Tensor, ""],
        generator: torch.Generator,
    ) -> None:
        """What follows training step `step`. A bad step changes nothing.

        Args:
            footprints: of the step's pictures, where `needs_footprints` said so.
            bad: on the device, see `langfield.models.base.Model.after_step`.
        """
