"""Weighted least-squares smoothing on a graph: one sparse linear system, many right-hand sides, on a CPU or a GPU."""

import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

from langfield.encoders.recorded import Recorded

_RELATIVE_ERROR = 1e-3
_MAX_STEPS = 200
_CHECK_EVERY = 8  # steps: each check waits for the device


class GraphSmoother:
    """Solves (Λ + L) x = Λ s for a graph Laplacian L and a diagonal Λ: the minimum of

        Σ_i λ_i (x_i − s_i)² + Σ_ij w_ij (x_i − x_j)².

    By conjugate gradients with the diagonal as preconditioner, all columns at once, at most 200 steps. On a CPU in
    scipy, in one thread: torch's threads cost more than they spare there. On a GPU in torch; for one column as a CUDA
    graph of eight steps, which are a hundred short kernels.

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

        self._recorded = Recorded(self._packed_steps)

    def __call__(self, values: Float[Tensor, "v p"]) -> Float[Tensor, "v p"]:
        """x for P columns s, to a relative error of 1e-3 in the preconditioned residual."""
        on_cpu = self._device.type == "cpu"
        given: Any = values.float().numpy() if on_cpu else values.float()
        alone_on_gpu = not on_cpu and values.shape[1] == 1  # a phrase that is typed: its launches cost most of the time
        x, right = given * 1.0, self._data_weight * given
        residual = right - self._product(x)
        direction = self._preconditioner * residual
        enough = _RELATIVE_ERROR**2 * (right * self._preconditioner * right).sum(0).clip(min=1e-30)
        for _ in range(_MAX_STEPS // _CHECK_EVERY):
            if bool(((residual * self._preconditioner * residual).sum(0) <= enough).all()):
                break
            if alone_on_gpu:
                x, residual, direction = self._recorded(torch.stack([x, residual, direction])).unbind()
            else:
                x, residual, direction = self._steps(x, residual, direction)
        return torch.from_numpy(x) if on_cpu else x

    def _product(self, x: Any) -> Any:
        return self._laplacian @ x + self._data_weight * x

    def _steps(self, x: Any, residual: Any, direction: Any) -> tuple[Any, Any, Any]:
        """Eight steps of conjugate gradients, for each column; arrays of numpy and of torch alike."""
        norm = (residual * self._preconditioner * residual).sum(0)
        for _ in range(_CHECK_EVERY):
            along = self._product(direction)
            length = norm / (direction * along).sum(0).clip(min=1e-30)
            x = x + length * direction
            residual = residual - length * along
            scaled = self._preconditioner * residual
            previous, norm = norm, (residual * scaled).sum(0)
            direction = scaled + norm / previous.clip(min=1e-30) * direction
        return x, residual, direction

    def _packed_steps(self, state: Float[Tensor, "3 v p"]) -> Float[Tensor, "3 v p"]:
        """`_steps` of one tensor, to be recorded."""
        return torch.stack(self._steps(*state.unbind()))


def _on_device(laplacian: csr_array, device: torch.device) -> Tensor:
    rows, columns = (
        torch.from_numpy(part.astype(np.int32)).to(device) for part in (laplacian.indptr, laplacian.indices)
    )
    entries = torch.from_numpy(laplacian.data).float().to(device)
    with warnings.catch_warnings():  # torch says that these matrices are in beta
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(rows, columns, entries, laplacian.shape, check_invariants=False)
