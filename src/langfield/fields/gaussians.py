"""A scene as 3D Gaussians (Kerbl et al. 2023): their parameters, initial values, and colours.

Tensors have room for `capacity` Gaussians from the start, of which the first `count` are the scene: shapes do not
change when Gaussians are added or pruned, and neither do those of optimiser state and checkpoints.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor, nn

from langfield.core.checks import check_counts, check_numbers, check_that
from langfield.core.errors import TrainingError
from langfield.core.quaternions import rotation_from_quaternion
from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.fields.splat_frames import moved
from langfield.ops.gaussians.view_colors import view_colors
from langfield.ops.spherical_harmonics import MAX_DEGREE, SH_C0, condon_shortley_signs, num_sh_bases

_NEIGHBOURS = 3


@dataclass(frozen=True)
class GaussianConfig:
    """Sizes and initial values.

    Attributes:
        capacity: the most Gaussians there can be.
        sh_degree: degree of the spherical harmonics of their colours.
        init_opacity: initial opacity.
        init_scale: initial standard deviation, as a share of the distance to the nearest neighbours.
    """

    capacity: int = 1_000_000
    sh_degree: int = 3
    init_opacity: float = 0.5
    init_scale: float = 0.1

    def __post_init__(self) -> None:
        check_counts(self, "capacity")
        check_counts(self, "sh_degree", least=0, most=MAX_DEGREE)
        check_numbers(self, "init_opacity", above=0)
        check_that(self, "init_opacity", self.init_opacity < 1, "below 1")
        check_numbers(self, "init_scale", above=0)


class Gaussians(nn.Module):
    """Parameters of N Gaussians in the scene frame; of the capacity's C rows, the first N = `count` are used.

    Attributes:
        means: (C, 3) centres.
        log_scales: (C, 3) logarithms of the standard deviations along a Gaussian's own axes, scene units.
        rotations: (C, 4) quaternions wxyz, of any length but 0, that turn those axes into the scene frame.
        opacity_logits: (C,) opacities before the logistic function.
        sh0: (C, 3) coefficients of the spherical harmonics of degree 0.
        shN: (C, K, 3) coefficients of the higher degrees.
        filled: buffer, N, as it is saved.
    """

    filled: Tensor

    def __init__(self, config: GaussianConfig) -> None:
        super().__init__()
        self.config = config
        capacity, higher = config.capacity, num_sh_bases(config.sh_degree) - 1
        self.means = nn.Parameter(torch.zeros(capacity, 3))
        self.log_scales = nn.Parameter(torch.full((capacity, 3), -6.0))
        self.rotations = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(capacity, 1))
        self.opacity_logits = nn.Parameter(torch.full((capacity,), _logit(config.init_opacity)))
        self.sh0 = nn.Parameter(torch.zeros(capacity, 3))
        self.shN = nn.Parameter(torch.zeros(capacity, higher, 3))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self._count = 0  # `filled` on the host: reading it must not wait for the device

    @property
    def count(self) -> int:
        """How many Gaussians there are."""
        return self._count

    @count.setter
    def count(self, value: int) -> None:
        self._count = value
        self.filled.fill_(value)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._count = min(max(int(self.filled), 0), self.config.capacity)

    # -- where they come from ------------------------------------------------------------------------------------

    @torch.no_grad()
    def init_from_points(self, points: Float[np.ndarray, "n 3"], rgb: Float[np.ndarray, "n 3"]) -> None:
        """Replace all by a small isotropic Gaussian at each point.

        Points that are not finite are left out; of more than the capacity, evenly spread ones are taken.

        Args:
            points: in the scene frame.
            rgb: their colours in [0, 1].

        Raises:
            TrainingError: no point is finite.
        """
        usable = np.isfinite(points).all(axis=1)
        points, rgb = points[usable], rgb[usable]
        if len(points) > self.config.capacity:
            chosen = np.linspace(0, len(points) - 1, self.config.capacity).astype(np.int64)
            points, rgb = points[chosen], rgb[chosen]
        if not len(points):
            raise TrainingError("there is no point to begin with: the scene's point cloud is empty or not finite")
        number, device = len(points), self.means.device
        spacing = _spacing(points)
        self.count = number
        self.means[:number] = torch.from_numpy(points).float().to(device)
        scales = torch.from_numpy(np.log(spacing * self.config.init_scale)).float().to(device)
        self.log_scales[:number] = scales[:, None]
        self.rotations[:number] = torch.tensor([1.0, 0.0, 0.0, 0.0], device=device)
        self.opacity_logits[:number] = _logit(self.config.init_opacity)
        self.sh0[:number] = (torch.from_numpy(rgb).float().to(device) - 0.5) / SH_C0
        self.shN[:number] = 0

    @torch.no_grad()
    def load_splats(self, splats: Splats, scene_from_world: Similarity) -> None:
        """Replace all by Gaussians of the world frame: the inverse of `splats`.

        Raises:
            ValueError: they are more than the capacity, or their harmonics are of another degree.
        """
        number, degree = len(splats), self.config.sh_degree
        if number > self.config.capacity or splats.degree != degree:
            raise ValueError(
                f"{number} Gaussians of degree {splats.degree} do not fit {self.config.capacity} of degree {degree}"
            )
        placed = moved(splats, scene_from_world)
        colors = torch.from_numpy(placed.harmonics) * condon_shortley_signs(degree).float()[:, None]
        self.count = number
        self.means[:number] = torch.from_numpy(placed.means).to(self.means)
        self.log_scales[:number] = torch.from_numpy(placed.log_scales).to(self.means)
        self.rotations[:number] = torch.from_numpy(placed.rotations).to(self.means)
        self.opacity_logits[:number] = torch.from_numpy(placed.opacity_logits).to(self.means)
        self.sh0[:number] = colors[:, 0].to(self.means)
        self.shN[:number] = colors[:, 1:].to(self.means)

    # -- what they are -------------------------------------------------------------------------------------------

    def opacities(self) -> Float[Tensor, " n"]:
        """Opacities in (0, 1)."""
        return self.opacity_logits[: self.count].sigmoid()

    def scales(self) -> Float[Tensor, "n 3"]:
        """Standard deviations along their own axes, scene units."""
        return self.log_scales[: self.count].exp()

    def axes(self) -> Float[Tensor, "n 3 3"]:
        """Rotation matrices: their columns are a Gaussian's own axes in the scene frame."""
        return rotation_from_quaternion(self.rotations[: self.count])

    def colors(self, camera_centre: Float[Tensor, "3"], degree: int | None = None) -> Float[Tensor, "n 3"]:
        """Colours as seen from a point of the scene frame, at least 0.

        Args:
            degree: harmonics of higher degrees are left out; None takes all.
        """
        return self.colors_of_views(camera_centre[None], degree)[0]

    def colors_of_views(
        self, camera_centres: Float[Tensor, "v 3"], degree: int | None = None
    ) -> Float[Tensor, "v n 3"]:
        """`colors` as seen from each of V points."""
        degree = self.config.sh_degree if degree is None else min(degree, self.config.sh_degree)
        count = self.count
        return view_colors(self.means[:count], self.sh0[:count], self.shN[:count], camera_centres, degree)

    @torch.no_grad()
    def splats(self, world_from_scene: Similarity) -> Splats:
        """All of them, in the world frame."""
        means, rotations, log_scales, logits, sh0, shN = (
            values[: self.count].float().cpu()
            for values in (
                self.means,
                self.rotations,
                self.log_scales,
                self.opacity_logits,
                self.sh0,
                self.shN,
            )
        )
        signs = condon_shortley_signs(self.config.sh_degree).float()
        colors = torch.cat([sh0[:, None], shN], dim=1) * signs[:, None]
        here = Splats(means.double().numpy(), rotations.numpy(), log_scales.numpy(), logits.numpy(), colors.numpy())
        return moved(here, world_from_scene)


def _spacing(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Root mean square distance of each point to its nearest neighbours; where it is 0, the median of the others'."""
    count = min(_NEIGHBOURS, len(points) - 1)
    if count < 1:
        return np.full(len(points), 0.05)
    distances, _ = KDTree(points).query(points, k=count + 1, workers=-1)
    spacing = np.sqrt((distances[:, 1:] ** 2).mean(axis=1))
    median = float(np.median(spacing[spacing > 0])) if (spacing > 0).any() else 0.05
    return np.where(spacing > 0, spacing, median).clip(1e-6, None)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
