"""What a strategy is: how the number and places of Gaussians change while they train (gsplat's `Strategy`)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from langfield.core.config import TypedConfig
from langfield.fields.gaussians import Gaussians
from langfield.models.batches import OptimiserAccess
from langfield.ops.gaussians.projected import Means2d


class StrategyConfig(TypedConfig, ABC):
    """Base of the strategies' configs."""

    @abstractmethod
    def build(self, capacity: int, extent: float) -> "Strategy":
        """The strategy with its buffers.

        Args:
            capacity: the most Gaussians that the model has room for.
            extent: size of the scene, see `SplatConfig.extent`, scene units.
        """


class Strategy(nn.Module, ABC):
    """Relocates, adds and prunes Gaussians after training steps. Its buffers are part of a training's state."""

    def needs_means2d(self, step: int) -> bool:
        """Whether `after_step` needs the step's 2D means with the loss's gradients."""
        return False

    @abstractmethod
    def after_step(
        self,
        gaussians: Gaussians,
        means2d: Sequence[Means2d],
        optimiser: OptimiserAccess,
        step: int,
        bad: Bool[Tensor, ""],
        generator: torch.Generator,
    ) -> None:
        """Change the Gaussians after training step `step`, and the optimiser's moments with them.

        A bad step changes nothing.

        Args:
            means2d: one for each picture of the step, after its backward pass; empty unless `needs_means2d(step)`.
            bad: on the device, see `langfield.models.base.Model.after_step`.
            generator: for random numbers, on the device.
        """
