"""What neighbours in a graph say is brought into line: one sparse system for many columns, on any device."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

_RELATIVE_ERROR = 1e-3
_MOST_STEPS = 200
_LOOK_EVERY = 8  # steps: each look waits for the device


class Smoother:
    """Solves (Λ + L) x = Λ s for a graph's Laplacian L and a diagonal Λ, weakly: neighbours become alike, and what is
    said where Λ is larger counts for more.

    On a CPU by scipy, in one thread: torch's threads cost more than they spare there, where others want the cores too.

    Args:
        laplacian: (V, V), symmetric, rows that add up to 0.
        faithful: Λ > 0.
    """

    def __init__(self, laplacian: csr_array, faithful: Float[np.ndarray, " v"], device: torch.device) -> None:
        self._device = device
        self._faithful: Any = faithful.astype(np.float32)[:, None]
        self._scale: Any = (1 / (laplacian.diagonal() + faithful)).astype(np.float32)[:, None]
        self._matrix: Any = csr_array(laplacian, dtype=np.float32)
        if device.type != "cpu":
            self._matrix = _on_device(laplacian, device)
            self._scale, self._faithful = (torch.from_numpy(v).to(device) for v in (self._scale, self._faithful))

    def __call__(self, values: Float[Tensor, "v p"]) -> Float[Tensor, "v p"]:
        """x for each column, to a relative error of 1e-3."""
        on_cpu = self._device.type == "cpu"
        given = values.float().numpy() if on_cpu else values.float()
        found = _solved(lambda x: self._matrix @ x + self._faithful * x, given, self._faithful, self._scale)
        return torch.from_numpy(found) if on_cpu else found


def _on_device(laplacian: csr_array, device: torch.device) -> Tensor:
    places = (torch.from_numpy(part.astype(np.int32)).to(device) for part in (laplacian.indptr, laplacian.indices))
    rows, columns = places
    entries = torch.from_numpy(laplacian.data).float().to(device)
    with warnings.catch_warnings():  # torch says that these matrices are in beta
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(rows, columns, entries, laplacian.shape, check_invariants=False)


def _solved(product: Callable[[Any], Any], values: Any, faithful: Any, scale: Any) -> Any:
    """Conjugate gradients scaled by the diagonal, of all columns at once: in numpy as in torch."""
    x, right = values * 1.0, faithful * values
    residual = right - product(x)
    scaled = scale * residual
    direction, norm = scaled * 1.0, (residual * scaled).sum(0)
    enough = _RELATIVE_ERROR**2 * (right * scale * right).sum(0).clip(min=1e-30)
    for step in range(_MOST_STEPS):
        if step % _LOOK_EVERY == 0 and bool((norm <= enough).all()):
            break
        along = product(direction)
        length = norm / (direction * along).sum(0).clip(min=1e-30)
        x += length * direction
        residual -= length * along
        scaled = scale * residual
        previous, norm = norm, (residual * scaled).sum(0)
        direction = scaled + norm / previous.clip(min=1e-30) * direction
    return x
