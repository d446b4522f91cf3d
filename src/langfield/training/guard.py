"""What the loop counts on the device, so that it need not wait for it: bad steps, and the figures between reports."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class NanGuard:
    """Finds and counts steps whose loss or gradients are not finite, without waiting for the device.

    Attributes:
        total, in_a_row: bad steps so far, and how many of them were the last ones (counts on the device).
    """

    def __init__(self, device: torch.device) -> None:
        self.total = torch.zeros((), dtype=torch.int64, device=device)
        self.in_a_row = torch.zeros((), dtype=torch.int64, device=device)

    def check(self, loss: Float[Tensor, ""], gradients: Sequence[Tensor]) -> Bool[Tensor, ""]:
        """Whether this step is bad, as a tensor on the device."""
        bad = ~(loss.detach().isfinite() & torch.nn.utils.get_total_norm(gradients).isfinite())
        self.total.add_(bad)
        self.in_a_row.add_(1).mul_(bad)
        return bad


class Meter:
    """Means of the figures of the good steps since the last reading. A figure need not be there at every step."""

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
        """The means by name, empty if no step was good; waits for the device and begins anew.

        "_mse" becomes "psnr" (peak 1) unless there is "_psnr"; leading underscores go.
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
