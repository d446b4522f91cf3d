"""Muon (Jordan et al. 2024): steps along the nearest orthogonal matrix of the momentum, for matrices only.

All matrices of one shape are one batch: the five iterations of a model of 100 matrices are some 60 kernels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration; singular values end in about [0.7, 1.2]


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """(n, r, c) → the same with all singular values near 1 (Newton-Schulz); on a GPU in bfloat16, which is enough."""
    a, b, c = _COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).to(x.dtype)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon:
    """The optimiser; steps are scaled so that their entries are of the size of AdamW's (Liu et al. 2025, §2.2).

    A step whose gradient is not finite is left out, without a wait for the device.
    """

    def __init__(self, parameters: Sequence[Tensor], rate: Tensor, momentum: float = 0.95, decay: float = 0.05) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for parameter in parameters:
            by_shape.setdefault(parameter.shape, []).append(parameter)
        self._groups = list(by_shape.values())
        self._moments = [torch.zeros((len(group), *group[0].shape), device=group[0].device) for group in self._groups]
        self._rate, self._momentum, self._decay = rate, momentum, decay

    @torch.no_grad()
    def step(self, finite: Tensor) -> None:
        """One step. Args: finite: () bool, whether the gradient is."""
        for group, moment in zip(self._groups, self._moments, strict=True):
            gradient = torch.stack([p.grad if p.grad is not None else torch.zeros_like(p) for p in group])
            gradient = torch.where(finite, gradient, torch.zeros_like(gradient))
            moment.lerp_(gradient, 1 - self._momentum)
            update = orthogonalised(gradient.lerp(moment, self._momentum))
            update = update * (0.2 * max(group[0].shape) ** 0.5)
            change = (update + self._decay * torch.stack(group)) * (self._rate * finite)
            torch._foreach_sub_(group, list(change.unbind(0)))  # pyright: ignore[reportPrivateImportUsage]
