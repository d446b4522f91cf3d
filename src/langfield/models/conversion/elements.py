"""From observations of a surface to its elements: positions, colours, and the samples that their language is read from;
and flat Gaussians for them."""

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

_RAYS_PER_ELEMENT = 4  # over which its embedding is the mean, each of another view
_MERGE_RADIUS = 0.75  # in voxel sides: an observation this near to an element, as its view sees them, is of the element
_MIN_VOXEL_GROWTH = 1.2  # factor by which voxels grow, at least, where there are too many elements
_NEIGHBOURS = 8
_NEIGHBOUR_RADIUS = 2.5  # in voxel sides: farther neighbours may be on another surface
_MIN_PLANE_POINTS = 3
_SCALE_PER_SPACING = 0.6  # standard deviation over distance to neighbours: a regular grid has an alpha of about 0.9
_MIN_FLATNESS = 0.1  # of the standard deviation along the normal over that along the surface
_OPACITY = 0.95


@dataclass(frozen=True)
class SurfaceElements:
    """N elements of a surface, in the scene frame.

    Attributes:
        points: (N, 3) positions.
        rgb: (N, 3) colours in [0, 1].
        sides: (N,) sides of their voxels.
        distance: (N,) typical distances from which photos saw them.
        samples: of the rays that showed them; `samples.ray` is the element.
    """

    points: Float[Tensor, "n 3"]
    rgb: Float[Tensor, "n 3"]
    sides: Float[Tensor, " n"]
    distance: Float[Tensor, " n"]
    samples: SurfaceSamples

    def __len__(self) -> int:
        return len(self.points)


def gather_elements(
    observations: SurfaceObservations, voxels: CropSizedVoxels, max_elements: int
) -> tuple[SurfaceElements, CropSizedVoxels]:
    """Merge observations to elements, each at the mean of its own; voxels grow until there are at most `max_elements`.

    Views are merged one after the other: an observation is of the element that the view sees there already, or else of
    a new one, one a voxel. A surface is thus covered once, even where views disagree by more than a voxel about its
    depth.

    Returns the elements, and the voxels that they are in.
    """
    while isinstance(element := _elements_of(observations, voxels, max_elements), int):
        voxels = replace(voxels, factor=voxels.factor * max(_MIN_VOXEL_GROWTH, (element / max_elements) ** 0.5))
    count = element.bincount()
    points = (
        torch.zeros(len(count), 3, device=count.device).index_add_(0, element, observations.points) / count[:, None]
    )
    rgb = torch.zeros_like(points).index_add_(0, element, observations.rgb) / count[:, None]
    samples = _samples_of_elements(observations, element, points)
    return SurfaceElements(points, rgb, voxels.sides(points), voxels.observed.typical_distance(points), samples), voxels


def _elements_of(
    observations: SurfaceObservations, voxels: CropSizedVoxels, max_elements: int
) -> Int64[Tensor, " s"] | int:
    """The element of each observation; or, as soon as there are more than `max_elements`, how many there are."""
    keys = voxels.keys(observations.points)[0].cpu().numpy()
    points, sides = observations.points.cpu().double().numpy(), voxels.sides(observations.points).cpu().double().numpy()
    view = observations.view.cpu().numpy()
    element = np.full(len(points), -1)
    centres = np.zeros((0, 3))
    for number, camera_centre in enumerate(observations.camera_centres.cpu().double().numpy()):
        first, last = np.searchsorted(view, [number, number + 1])
        if first == last:
            continue
        own = _nearest_element(points[first:last] - camera_centre, sides[first:last], centres - camera_centre)
        new = own < 0
        _, voxel, count = np.unique(keys[first:last][new], return_inverse=True, return_counts=True)
        own[new] = len(centres) + voxel
        element[first:last] = own
        means = np.zeros((len(count), 3))
        np.add.at(means, voxel, points[first:last][new])
        centres = np.concatenate([centres, means / count[:, None]])
        if len(centres) > max_elements:
            return len(centres)
    return torch.from_numpy(element).to(observations.points.device)


def _nearest_element(
    observed: Float64[np.ndarray, "s 3"], sides: Float64[np.ndarray, " s"], elements: Float64[np.ndarray, "n 3"]
) -> Int64[np.ndarray, " s"]:
    """The element that each observation is of, −1 for none; positions are relative to the camera's centre.

    It is the nearest one, within `_MERGE_RADIUS`, in direction and log-distance, of which the latter counts less: see
    `DEPTH_SLACK`.
    """

    def direction_and_depth(
        points: Float64[np.ndarray, "k 3"],
    ) -> tuple[Float64[np.ndarray, "k 4"], Float64[np.ndarray, " k"]]:
        distance = np.linalg.norm(points, axis=1).clip(1e-9)
        log_distance = np.log(distance) * _MERGE_RADIUS / DEPTH_SLACK
        return np.concatenate([points / distance[:, None], log_distance[:, None]], axis=1), distance

    (at, distance), (known, _) = direction_and_depth(observed), direction_and_depth(elements)
    axis = at[:, :3].mean(axis=0)
    radius = _MERGE_RADIUS * sides / distance
    in_view = np.nonzero(known[:, :3] @ axis >= (at[:, :3] @ axis).min() - radius.max())[0]
    if not len(in_view):
        return np.full(len(observed), -1)
    apart, nearest = KDTree(known[in_view]).query(at, workers=-1)
    return np.where(apart <= radius, in_view[nearest], -1)


def _samples_of_elements(
    observations: SurfaceObservations, element: Int64[Tensor, " s"], points: Float[Tensor, "n 3"]
) -> SurfaceSamples:
    """The samples of each element's nearest observations, up to four, as those of one ray, whose embedding is then the
    mean over them."""
    order = (observations.points - points[element]).norm(dim=-1).argsort(stable=True)
    order = order[element[order].argsort(stable=True)]  # by element, and within it from its middle outwards
    count = element.bincount()
    rank = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[element[order]]
    near = order[rank < _RAYS_PER_ELEMENT].sort().values
    part, _ = observations.samples.of_rays(near)
    ray = element[near][part.ray]
    by_element = ray.argsort(stable=True)
    return SurfaceSamples(part.points[by_element], part.weights[by_element], ray[by_element], len(count))


def gaussians_of(elements: SurfaceElements) -> Gaussians:
    """A Gaussian for each element, flat along the plane through its neighbours, or isotropic if they are too few.

    Its standard deviation follows from the distance to the neighbours, so that the surface has no holes, but is bounded
    by the voxel's side, so that an element at an edge does not extend beyond it.
    """
    rotations, scales = _fit_planes(elements.points.cpu().double().numpy(), elements.sides.cpu().double().numpy())
    gaussians = Gaussians(GaussianConfig(capacity=len(elements), sh_degree=0))
    gaussians.count = len(elements)
    with torch.no_grad():
        gaussians.means.copy_(elements.points)
        gaussians.rotations.copy_(torch.from_numpy(rotations))
        gaussians.log_scales.copy_(torch.from_numpy(scales).log())
        gaussians.opacity_logits.fill_(float(np.log(_OPACITY / (1 - _OPACITY))))
        gaussians.sh0.copy_((elements.rgb - 0.5) / SH_C0)
    return gaussians.to(elements.points.device)


def _fit_planes(
    points: Float64[np.ndarray, "n 3"], sides: Float64[np.ndarray, " n"]
) -> tuple[Float32[np.ndarray, "n 4"], Float32[np.ndarray, "n 3"]]:
    """Quaternions (wxyz) and standard deviations along own axes, the first of which is the surface's normal."""
    neighbours = min(_NEIGHBOURS, len(points) - 1)
    width = _SCALE_PER_SPACING * sides
    if neighbours < _MIN_PLANE_POINTS:
        rotations = np.tile(np.array([1.0, 0, 0, 0], dtype=np.float32), (len(points), 1))
        return rotations, np.repeat(width[:, None], 3, axis=1).astype(np.float32)
    distances, index = KDTree(points).query(points, k=neighbours + 1, workers=-1)
    near = distances <= _NEIGHBOUR_RADIUS * sides[:, None]  # an element itself is always near
    number = near.sum(axis=1)
    spacing = np.sqrt((distances[:, 1:5] ** 2).mean(axis=1))
    width = _SCALE_PER_SPACING * spacing.clip(0.5 * sides, 1.25 * sides)
    about = np.where(near[..., None], points[index], 0)
    offset = np.where(near[..., None], about - about.sum(axis=1, keepdims=True) / number[:, None, None], 0)
    variance, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", offset, offset) / number[:, None, None])
    plane = number > _MIN_PLANE_POINTS
    thickness = np.where(plane, np.sqrt(variance[:, 0].clip(0)).clip(_MIN_FLATNESS * width, width), width)
    axes[:, :, 2] *= np.sign(np.linalg.det(axes))[:, None]
    axes[~plane] = np.eye(3)
    quaternions = Rotation.from_matrix(axes).as_quat()[:, [3, 0, 1, 2]]
    return quaternions.astype(np.float32), np.stack([thickness, width, width], axis=1).astype(np.float32)
