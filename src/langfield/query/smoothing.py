"""What neighbours in a graph say is brought into line: one sparse system for many columns, on any device."""

import warnings

import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

_RELATIVE_ERROR = 1e-3
_MOST_STEPS = 200


class Smoother:
    """Solves (λ I + L) x = λ s for a graph's Laplacian L, weakly: neighbours become alike, the mean of each part stays.

    Args:
        laplacian: (V, V), symmetric, rows that add up to 0.
        faithful: λ > 0.
    """

    def __init__(self, laplacian: csr_array, faithful: float, device: torch.device) -> None:
        self._faithful = faithful
        rows, columns, entries = (
            torch.from_numpy(part).to(device) for part in (laplacian.indptr, laplacian.indices, laplacian.data)
        )
        with warnings.catch_warnings():  # torch says that these matrices are in beta
            warnings.simplefilter("ignore", UserWarning)
            self._laplacian = torch.sparse_csr_tensor(
                rows, columns, entries.float(), laplacian.shape, check_invariants=False
            )
        self._scale = 1 / (torch.from_numpy(laplacian.diagonal()).float().to(device) + faithful)[:, None]

    def __call__(self, values: Float[Tensor, "v p"]) -> Float[Tensor, "v p"]:
        """x for each column, by conjugate gradients scaled by the diagonal, to a relative error of 1e-3."""
        x, right = values.clone(), self._faithful * values
        residual = right - self._product(x)
        scaled = self._scale * residual
        direction, norm = scaled.clone(), (residual * scaled).sum(dim=0)
        enough = _RELATIVE_ERROR**2 * (right * self._scale * right).sum(dim=0).clamp_min(1e-30)
        for _ in range(_MOST_STEPS):
            if bool((norm <= enough).all()):
                break
            along = self._product(direction)
            step = norm / (direction * along).sum(dim=0).clamp_min(1e-30)
            x += step * direction
            residual -= step * along
            scaled = self._scale * residual
            previous, norm = norm, (residual * scaled).sum(dim=0)
            direction = scaled + norm / previous.clamp_min(1e-30) * direction
        return x

    def _product(self, x: Float[Tensor, "v p"]) -> Float[Tensor, "v p"]:
        return self._laplacian @ x + self._faithful * x
