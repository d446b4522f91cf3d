"""From observations of a surface to its elements: where they are, how they lie and look, and what their language is
read from."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation
from torch import Tensor

from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.models.conversion.surface_observations import DEPTH_SLACK, CropSizedVoxels, SurfaceObservations
from langfield.ops.spherical_harmonics import SH_C0
from langfield.renderers.volume import SurfaceSamples

_RAYS = 4  # that an element's embedding is the mean over, each from another view
_REACH = 0.75  # in sides: how far to the side an element stands for what is seen
_GROWTH = 1.2  # of voxels, at least, where elements are too many
_NEIGHBOURS = 8
_NEAR_SIDES = 2.5  # farther neighbours may be on another surface
_FEWEST_FOR_PLANE = 3
_WIDTH = 0.6  # standard deviations over the distance to neighbours: closes a grid to nine tenths
_FLATTEST = 0.1
_OPACITY = 0.95


@dataclass(frozen=True)
class SurfaceElements:
    """N elements of a surface, in the scene frame.

    Attributes:
        points: (N, 3).
        rgb: in [0, 1].
        sides: of the voxels they stand for.
        distance: typical distance from which photos saw them.
        samples: of the rays that showed them, with the element's number as the ray's.
    """

    points: Float[Tensor, "n 3"]
    rgb: Float[Tensor, "n 3"]
    sides: Float[Tensor, " n"]
    distance: Float[Tensor, " n"]
    samples: SurfaceSamples

    def __len__(self) -> int:
        return len(self.points)


def gather_elements(
    observations: SurfaceObservations, voxels: CropSizedVoxels, most: int
) -> tuple[SurfaceElements, CropSizedVoxels]:
    """Elements that the observations are of, each at the mean of its own; voxels grow until `most` are enough.

    View after view, what no element yet stands for becomes new ones, one a voxel. So a surface is covered once, even
    where views disagree by more than a voxel about how far away it is.

    Returns the elements and the voxels that they are of.
    """
    while isinstance(element := _elements_of(observations, voxels, most), int):
        voxels = replace(voxels, factor=voxels.factor * max(_GROWTH, (element / most) ** 0.5))
    count = element.bincount()
    points = (
        torch.zeros(len(count), 3, device=count.device).index_add_(0, element, observations.points) / count[:, None]
    )
    rgb = torch.zeros_like(points).index_add_(0, element, observations.rgb) / count[:, None]
    samples = _samples_of_elements(observations, element, points)
    return SurfaceElements(points, rgb, voxels.sides(points), voxels.observed.typical_distance(points), samples), voxels


def _elements_of(observations: SurfaceObservations, voxels: CropSizedVoxels, most: int) -> Int64[Tensor, " s"] | int:
    """Which element each observation is of; or how many there were already when they became more than `most`."""
    keys = voxels.keys(observations.points)[0].cpu().numpy()
    points, sides = observations.points.cpu().double().numpy(), voxels.sides(observations.points).cpu().double().numpy()
    view = observations.view.cpu().numpy()
    element = np.full(len(points), -1)
    centres = np.zeros((0, 3))
    for number, eye in enumerate(observations.eyes.cpu().double().numpy()):
        first, last = np.searchsorted(view, [number, number + 1])
        if first == last:
            continue
        own = _known(points[first:last] - eye, sides[first:last], centres - eye)
        new = own < 0
        _, voxel, count = np.unique(keys[first:last][new], return_inverse=True, return_counts=True)
        own[new] = len(centres) + voxel
        element[first:last] = own
        means = np.zeros((len(count), 3))
        np.add.at(means, voxel, points[first:last][new])
        centres = np.concatenate([centres, means / count[:, None]])
        if len(centres) > most:
            return len(centres)
    return torch.from_numpy(element).to(observations.points.device)


def _known(
    observed: Float64[np.ndarray, "s 3"], sides: Float64[np.ndarray, " s"], elements: Float64[np.ndarray, "n 3"]
) -> Int64[np.ndarray, " s"]:
    """The element that stands for each observation, −1 where none does; all seen from the origin.

    It is the nearest one by direction, and by depth, which counts less: see `DEPTH_SLACK`.
    """

    def seen(points: Float64[np.ndarray, "k 3"]) -> tuple[Float64[np.ndarray, "k 4"], Float64[np.ndarray, " k"]]:
        distance = np.linalg.norm(points, axis=1).clip(1e-9)
        log_distance = np.log(distance) * _REACH / DEPTH_SLACK
        return np.concatenate([points / distance[:, None], log_distance[:, None]], axis=1), distance

    (at, distance), (known, _) = seen(observed), seen(elements)
    axis = at[:, :3].mean(axis=0)
    reach = _REACH * sides / distance
    in_view = np.nonzero(known[:, :3] @ axis >= (at[:, :3] @ axis).min() - reach.max())[0]
    if not len(in_view):
        return np.full(len(observed), -1)
    apart, nearest = KDTree(known[in_view]).query(at, workers=-1)
    return np.where(apart <= reach, in_view[nearest], -1)


def _samples_of_elements(
    observations: SurfaceObservations, element: Int64[Tensor, " s"], points: Float[Tensor, "n 3"]
) -> SurfaceSamples:
    """The samples of an element's (up to four) nearest observations, as if they were one ray's: the embedding of that
    ray is the mean over them."""
    order = (observations.points - points[element]).norm(dim=-1).argsort(stable=True)
    order = order[element[order].argsort(stable=True)]  # by element, and within it from its middle outwards
    count = element.bincount()
    rank = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[element[order]]
    near = order[rank < _RAYS].sort().values
    part, _ = observations.samples.of_rays(near)
    ray = element[near][part.ray]
    by_element = ray.argsort(stable=True)
    return SurfaceSamples(part.points[by_element], part.weights[by_element], ray[by_element], len(count))


def gaussians_of(elements: SurfaceElements) -> Gaussians:
    """A flat Gaussian for each element, along the plane through its neighbours; a round one where they make none.

    Its width follows from the distance to the nearest ones, so that a surface is closed; and from the voxel, so that an
    element at an edge does not reach across it.
    """
    rotations, scales = _lie(elements.points.cpu().double().numpy(), elements.sides.cpu().double().numpy())
    gaussians = Gaussians(GaussianConfig(capacity=len(elements), sh_degree=0))
    gaussians.count = len(elements)
    with torch.no_grad():
        gaussians.means.copy_(elements.points)
        gaussians.rotations.copy_(torch.from_numpy(rotations))
        gaussians.log_scales.copy_(torch.from_numpy(scales).log())
        gaussians.opacity_logits.fill_(float(np.log(_OPACITY / (1 - _OPACITY))))
        gaussians.sh0.copy_((elements.rgb - 0.5) / SH_C0)
    return gaussians.to(elements.points.device)


def _lie(
    points: Float64[np.ndarray, "n 3"], sides: Float64[np.ndarray, " n"]
) -> tuple[Float32[np.ndarray, "n 4"], Float32[np.ndarray, "n 3"]]:
    """Quaternions (wxyz) and standard deviations along own axes, the first of which is the surface's normal."""
    neighbours = min(_NEIGHBOURS, len(points) - 1)
    width = _WIDTH * sides
    if neighbours < _FEWEST_FOR_PLANE:
        rotations = np.tile(np.array([1.0, 0, 0, 0], dtype=np.float32), (len(points), 1))
        return rotations, np.repeat(width[:, None], 3, axis=1).astype(np.float32)
    distances, index = KDTree(points).query(points, k=neighbours + 1, workers=-1)
    near = distances <= _NEAR_SIDES * sides[:, None]  # an element itself is always near
    number = near.sum(axis=1)
    spacing = np.sqrt((distances[:, 1:5] ** 2).mean(axis=1))
    width = _WIDTH * spacing.clip(0.5 * sides, 1.25 * sides)
    about = np.where(near[..., None], points[index], 0)
    offset = np.where(near[..., None], about - about.sum(axis=1, keepdims=True) / number[:, None, None], 0)
    variance, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", offset, offset) / number[:, None, None])
    plane = number > _FEWEST_FOR_PLANE
    thickness = np.where(plane, np.sqrt(variance[:, 0].clip(0)).clip(_FLATTEST * width, width), width)
    axes[:, :, 2] *= np.sign(np.linalg.det(axes))[:, None]
    axes[~plane] = np.eye(3)
    quaternions = Rotation.from_matrix(axes).as_quat()[:, [3, 0, 1, 2]]
    return quaternions.astype(np.float32), np.stack([thickness, width, width], axis=1).astype(np.float32)
