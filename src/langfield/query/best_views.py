"""Which photos show a point best."""

from collections.abc import Sequence

import numpy as np
import torch

from langfield.core.cameras import Camera, Cameras
from langfield.core.sampling import subsample_evenly
from langfield.core.transforms import Similarity

_MAX_VIEWS = 4
_CENTRAL_SHARE = 0.36  # of the picture's sides, from its centre: farther out a thing around the point may be cut off


def views_of_point(cameras: Sequence[Camera], position_world: tuple[float, float, float] | None) -> list[int]:
    """Indices of up to four cameras (world frame) that show a point best.

    First those that have it in the central 72 % of their picture, the nearest (by z-depth) first; then those that have
    it nearer to an edge, the most central first. Without a point, or where no camera has it in its picture: cameras
    spread evenly over all.
    """
    spread = subsample_evenly(range(len(cameras)), _MAX_VIEWS)
    if position_world is None:
        return spread
    # In a frame about the point, so that far-away world origins cost no digits.
    point_from_world = Similarity(np.eye(3), -np.array(position_world, dtype=np.float64))
    moved = Cameras.from_list([camera.moved(point_from_world) for camera in cameras])
    ranks: dict[int, tuple[bool, float]] = {}
    for index, camera in enumerate(cameras):
        xy, depth = moved.project(index, torch.zeros(1, 3))
        sides = np.array([camera.width_px, camera.height_px])
        offset = float(np.abs(xy[0].numpy() / sides - 0.5).max())
        if float(depth[0]) > 0 and offset < 0.5:
            near_edge = offset > _CENTRAL_SHARE
            ranks[index] = (near_edge, offset if near_edge else float(depth[0]))
    return sorted(ranks, key=lambda index: ranks[index])[:_MAX_VIEWS] or spread
