"""What a page draws: a run's Gaussians, or points of its surface as round Gaussians, in the page's frame."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from langfield.core.splats import SH_C0, Splats, chosen_to_draw
from langfield.core.transforms import Similarity

LEAST_OPACITY = 1 / 255  # what is fainter is never drawn
_POINT_OPACITY = 0.95
_POINT_SIZE = 0.7  # standard deviation, of the distance to the nearest points
_NEIGHBOURS = 3
_LARGEST_POINT = 4.0  # of the median


@dataclass(frozen=True, eq=False)
class PageElements:
    """N Gaussians in the page's frame.

    Attributes:
        kind: what they are of the run.
        positions: their centres.
        rotations: unit quaternions wxyz.
        log_scales: natural logarithms of their standard deviations.
        opacities: in [0, 1].
        harmonics: as in `Splats`: of directions in the world frame, not the page's.
        numbers: which of the session's elements they are.
        total: how many of these there are.
    """

    kind: Literal["Gaussians", "points"]
    positions: Float32[np.ndarray, "n 3"]
    rotations: Float32[np.ndarray, "n 4"]
    log_scales: Float32[np.ndarray, "n 3"]
    opacities: Float32[np.ndarray, " n"]
    harmonics: Float32[np.ndarray, "n k 3"]
    numbers: Int64[np.ndarray, " n"]
    total: int

    def __len__(self) -> int:
        return len(self.positions)


def elements_of_splats(splats: Splats, page_from_world: Similarity, most: int) -> PageElements:
    """Gaussians of the world frame. Args: most: how many; see `chosen_to_draw`.

    Those that can never be seen, or hold numbers that are not finite, are left out.
    """
    opacities = 1 / (1 + np.exp(-splats.opacity_logits.astype(np.float64)))
    lengths = np.linalg.norm(splats.rotations, axis=1)
    finite = np.isfinite(splats.means).all(axis=1) & np.isfinite(splats.log_scales).all(axis=1)
    finite &= np.isfinite(splats.harmonics).all(axis=(1, 2)) & np.isfinite(lengths) & (lengths > 0)
    drawable = np.flatnonzero(finite & (opacities >= LEAST_OPACITY))
    chosen, grown = chosen_to_draw(opacities[drawable], most)
    numbers = drawable[chosen]
    own = Rotation.from_quat(np.roll(splats.rotations[numbers].astype(np.float64), -1, axis=1))
    turned = (Rotation.from_matrix(page_from_world.rotation) * own).as_quat() if len(numbers) else np.zeros((0, 4))
    return PageElements(
        kind="Gaussians",
        positions=page_from_world.points(splats.means[numbers]).astype(np.float32),
        rotations=np.roll(turned, 1, axis=1).astype(np.float32),
        log_scales=(splats.log_scales[numbers] + np.log(page_from_world.scale * grown)).astype(np.float32),
        opacities=opacities[numbers].astype(np.float32),
        harmonics=splats.harmonics[numbers],
        numbers=numbers,
        total=len(splats),
    )


def elements_of_surface(
    xyz: Float64[np.ndarray, "n 3"], rgb: UInt8[np.ndarray, "n 3"], page_from_world: Similarity, most: int
) -> PageElements:
    """Points of the surface, world frame, as round Gaussians that touch. Args: most: how many; evenly chosen."""
    numbers = np.arange(0, len(xyz), max(1, -(-len(xyz) // most)))
    positions = page_from_world.points(xyz[numbers])
    count = len(numbers)
    sizes = np.ones(count)
    if count > _NEIGHBOURS:
        distances = KDTree(positions).query(positions, k=_NEIGHBOURS + 1)[0][:, 1:].mean(axis=1)
        middle = max(float(np.median(distances)), 1e-9)
        sizes = _POINT_SIZE * distances.clip(0.1 * middle, _LARGEST_POINT * middle)
    return PageElements(
        kind="points",
        positions=positions.astype(np.float32),
        rotations=np.tile(np.array([[1, 0, 0, 0]], dtype=np.float32), (count, 1)),
        log_scales=np.repeat(np.log(sizes)[:, None], 3, axis=1).astype(np.float32),
        opacities=np.full(count, _POINT_OPACITY, dtype=np.float32),
        harmonics=((rgb[numbers, None] / 255 - 0.5) / SH_C0).astype(np.float32),
        numbers=numbers,
        total=len(xyz),
    )
