"""Weighted least-squares smoothing on a graph: one sparse linear system, many right-hand sides, on a CPU or a GPU."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

_RELATIVE_ERROR = 1e-3
_MAX_STEPS = 200
_CHECK_EVERY = 8  # steps: each check waits for the device


class GraphSmoother:
    """Solves (Λ + L) x = Λ s for a graph Laplacian L and a diagonal Λ: the minimum of

        Σ_i λ_i (x_i − s_i)² + Σ_ij w_ij (x_i − x_j)².

    By conjugate gradients with the diagonal as preconditioner, all columns at once, at most 200 steps. On a CPU in
    scipy, in one thread: torch's threads cost more than they spare there. On a GPU in torch.

    Args:
        laplacian: (V, V), symmetric, rows add up to 0.
        data_weight: (V,) λ > 0.
        device: where values will be.
    """

    def __init__(self, laplacian: csr_array, data_weight: Float[np.ndarray, " v"], device: torch.device) -> None:
        self._device = device
        self._data_weight: Any = data_weight.astype(np.float32)[:, None]
        self._preconditioner: Any = (1 / (laplacian.diagonal() + data_weight)).astype(np.float32)[:, None]
        self._laplacian: Any = csr_array(laplacian, dtype=np.float32)
        if device.type != "cpu":
            self._laplacian = _on_device(laplacian, device)
            self._preconditioner = torch.from_numpy(self._preconditioner).to(device)
            self._data_weight = torch.from_numpy(self._data_weight).to(device)

    def __call__(self, values: Float[Tensor, "v p"]) -> Float[Tensor, "v p"]:
        """x for P columns s, to a relative error of 1e-3 in the preconditioned residual."""
        on_cpu = self._device.type == "cpu"
        given = values.float().numpy() if on_cpu else values.float()
        solved = _conjugate_gradients(
            lambda x: self._laplacian @ x + self._data_weight * x,
            self._data_weight * given,
            given,
            self._preconditioner,
        )
        return torch.from_numpy(solved) if on_cpu else solved


def _on_device(laplacian: csr_array, device: torch.device) -> Tensor:
    rows, columns = (
        torch.from_numpy(part.astype(np.int32)).to(device) for part in (laplacian.indptr, laplacian.indices)
    )
    entries = torch.from_numpy(laplacian.data).float().to(device)
    with warnings.catch_warnings():  # torch says that these matrices are in beta
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(rows, columns, entries, laplacian.shape, check_invariants=False)


def _conjugate_gradients(product: Callable[[Any], Any], right: Any, start: Any, preconditioner: Any) -> Any:
    """x with product(x) = right, for each column; arrays of numpy and of torch alike."""
    x = start * 1.0
    residual = right - product(x)
    scaled = preconditioner * residual
    direction, norm = scaled * 1.0, (residual * scaled).sum(0)
    enough = _RELATIVE_ERROR**2 * (right * preconditioner * right).sum(0).clip(min=1e-30)
    for step in range(_MAX_STEPS):
        if step % _CHECK_EVERY == 0 and bool((norm <= enough).all()):
            break
        along = product(direction)
        length = norm / (direction * along).sum(0).clip(min=1e-30)
        x += length * direction
        residual -= length * along
        scaled = preconditioner * residual
        previous, norm = norm, (residual * scaled).sum(0)
        direction = scaled + norm / previous.clip(min=1e-30) * direction
    return x
