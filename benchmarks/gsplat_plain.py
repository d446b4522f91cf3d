"""What `gsplat_baseline.py` takes from gsplat, in plain torch: for machines without its kernels, to show that it runs.

Pictures are langfield's own. The strategy is none: it swaps parameters and optimiser state for others, as gsplat's do
to whoever trains, and knows nothing of where Gaussians are needed.
"""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from langfield.core.cameras import Camera
from langfield.ops.gaussians.rasterize import rasterize
from langfield.ops.spherical_harmonics import eval_sh_bases

__version__ = "stand-in"

_GROWS_EVERY = 4


def rasterization(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    near_plane: float,
    far_plane: float,
    sh_degree: int,
    packed: bool,
    absgrad: bool,
    rasterize_mode: str,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """gsplat's function of this name, for one camera: pictures, alphas, and nothing of how they came about."""
    assert not packed
    assert not absgrad
    assert (near_plane, far_plane, rasterize_mode) == (0.01, 1e10, "classic")
    pose = np.linalg.inv(viewmats[0].double().numpy())
    (fx, _, cx), (_, fy, cy), _ = Ks[0].tolist()
    camera = Camera(pose, width, height, fx, fy, cx, cy)
    eye = torch.from_numpy(pose[:3, 3]).float()
    functions = eval_sh_bases(torch.nn.functional.normalize(means - eye, dim=-1), sh_degree)
    seen = (functions[:, :, None] * colors[:, : functions.shape[1]]).sum(dim=1)
    picture = rasterize(means, quats, scales, opacities, (seen + 0.5).clamp_min(0), camera)
    return picture.features[None], picture.alpha[None, ..., None], {}


class DefaultStrategy:
    """Doubles a tenth of the Gaussians every few steps, and leaves all else undone."""

    def check_sanity(
        self, params: MutableMapping[str, nn.Parameter], optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        assert set(params) == set(optimizers)
        assert {"means", "scales", "quats", "opacities"} <= set(params)

    def initialize_state(self, scene_scale: float) -> dict[str, Any]:
        return {"scene_scale": scene_scale}

    def step_pre_backward(self, params: Any, optimizers: Any, state: Any, step: int, info: Any) -> None:
        assert all(parameter.grad is None for parameter in params.values())

    @torch.no_grad()
    def step_post_backward(
        self,
        params: MutableMapping[str, nn.Parameter],
        optimizers: dict[str, torch.optim.Optimizer],
        state: dict[str, Any],
        step: int,
        info: dict[str, Any],
        packed: bool,
    ) -> None:
        if step % _GROWS_EVERY == 0:
            for name, old in list(params.items()):
                some = slice(0, len(old) // 10)
                params[name] = new = nn.Parameter(torch.cat([old, old[some]]))
                moments = optimizers[name].state.pop(old)
                for key in ("exp_avg", "exp_avg_sq"):
                    moments[key] = torch.cat([moments[key], torch.zeros_like(moments[key][some])])
                optimizers[name].state[new] = moments
                optimizers[name].param_groups[0]["params"] = [new]
