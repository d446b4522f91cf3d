"""Counters that stay on the device, so that the loop need not wait for it: bad steps, and means of figures."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class NanGuard:
    """Finds and counts bad steps, whose loss or gradients are not finite, without waiting for the device.

    Attributes:
        total: number of bad steps so far, on the device.
        in_a_row: how many of them were the last ones, on the device.
    """

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros((), dtype=torch.int64, device=device)
        self.in_a_row = torch.zeros((), dtype=torch.int64, device=device)

    def check(self, loss: Float[Tensor, ""], gradients: Sequence[Tensor]) -> Bool[Tensor, ""]:
        """Whether a step is bad, on the device; it is counted."""
        bad = ~(loss.detach().isfinite() & torch.nn.utils.get_total_norm(gradients).isfinite())
        self.total.add_(bad)
        self.in_a_row.add_(1).mul_(bad)
        return bad


class Meter:
    """Means of the figures of good steps since they were last read. A step need not have all figures."""

    def __init__(self) -> None:
        # Steps with the same figures share one tensor: their sums, and last the number of good steps.
        self._sums: dict[tuple[str, ...], Tensor] = {}

    def add(self, figures: Mapping[str, Tensor], bad: Bool[Tensor, ""]) -> None:
        """Add one step's figures, unless it is bad."""
        names = tuple(figures)
        values = torch.stack([*(value.detach().float() for value in figures.values()), torch.ones_like(bad).float()])
        values = torch.where(bad, torch.zeros_like(values), values)
        self._sums[names] = self._sums[names] + values if names in self._sums else values

    def read(self) -> dict[str, float]:
        """The means by name, and reset; empty if no step was good. Waits for the device.

        "_mse" is given as "psnr" (peak 1) unless there is a "_psnr"; leading underscores are removed.
        """
        sums: dict[str, float] = {}
        counts: dict[str, float] = {}
        for names, tensor in self._sums.items():
            *values, count = tensor.tolist()
            for name, value in zip(names, values, strict=True):
                sums[name] = sums.get(name, 0.0) + value
                counts[name] = counts.get(name, 0.0) + count
        self._sums.clear()
        means = {name: value / counts[name] for name, value in sums.items() if counts[name] > 0}
        if "_psnr" not in means and "_mse" in means:
            means["_psnr"] = -10 * math.log10(max(means.pop("_mse"), 1e-12))
        return {name.removeprefix("_"): value for name, value in means.items()}
