"""Initial Gaussians: at the points of the scene's point cloud, or at random."""

import numpy as np
from jaxtyping import Float64

from langfield.core.cameras import Camera
from langfield.core.randomness import stream_seed
from langfield.features.photos import TrainingPhotos
from langfield.fields.gaussians import Gaussians

_RANDOM_POINTS = 20_000
_MIN_POINTS = 100
_RANDOM_EXTENT = 1.5  # half the side of the cube of random points, scene units; camera centres are within [−1, 1]


def initialise(gaussians: Gaussians, photos: TrainingPhotos, seed: int) -> str:
    """Set Gaussians to the scene's points, or to random grey ones where there is no usable point cloud.

    A point cloud is usable if at least 100 of its points are in view of the photos' cameras.

    Returns one line for people about which, and why.
    """
    cloud = photos.points()
    points, rgb = (np.zeros((0, 3)), np.zeros((0, 3), np.uint8)) if cloud is None else cloud
    if cloud is None or not len(points):
        why = "the scene has no point cloud"
    elif len(points) < _MIN_POINTS:
        why = f"the scene's point cloud has only {len(points):,} points"
    elif not _in_view(points, [photos.camera(index) for index in photos.view_indices]):
        why = f"the photos show next to none of the scene's {len(points):,} points, which may be in another frame"
    else:
        gaussians.init_from_points(points, rgb / 255)
        return f"Gaussians begin at the scene's {len(points):,} points"
    rng = np.random.default_rng(stream_seed(seed, "gaussians"))
    count = min(_RANDOM_POINTS, gaussians.config.capacity)
    gaussians.init_from_points(rng.uniform(-_RANDOM_EXTENT, _RANDOM_EXTENT, (count, 3)), np.full((count, 3), 0.5))
    return f"{why}: Gaussians begin at {count:,} random points"


def _in_view(points: Float64[np.ndarray, "n 3"], cameras: list[Camera]) -> bool:
    """Whether at least `_MIN_POINTS` of the points fall into the cameras' pictures, with lenses taken as pinholes."""
    seen = np.zeros(len(points), bool)
    for camera in cameras:
        pose = camera.frame_from_camera
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        depth = np.where(local[:, 2] > 0, local[:, 2], np.inf)
        x = local[:, 0] / depth * camera.fx_px + camera.cx_px
        y = local[:, 1] / depth * camera.fy_px + camera.cy_px
        seen |= (local[:, 2] > 0) & (x > 0) & (x < camera.width_px) & (y > 0) & (y < camera.height_px)
        if seen.sum() >= _MIN_POINTS:
            return True
    return False
