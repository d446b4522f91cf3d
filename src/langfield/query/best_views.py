"""Which photos show a point best."""

from collections.abc import Sequence

import numpy as np
import torch

from langfield.core.cameras import Camera, Cameras
from langfield.core.sampling import subsample_evenly
from langfield.core.transforms import Similarity

_CANDIDATES = 4
_WELL_INSIDE = 0.36  # of the picture's side, from its middle: room for the thing around the point


def views_of_point(cameras: Sequence[Camera], position_world: tuple[float, float, float] | None) -> list[int]:
    """Up to four cameras to look for a point with: the nearest of those that have it well inside of their pictures,
    then those that have it least near an edge.

    Without a point, or where no camera has it in its picture: cameras spread evenly over all.
    """
    evenly = subsample_evenly(range(len(cameras)), _CANDIDATES)
    if position_world is None:
        return evenly
    # In a frame about the point, so that far-away world origins cost no digits.
    about = Similarity(np.eye(3), -np.array(position_world, dtype=np.float64))
    many = Cameras.from_list([camera.moved(about) for camera in cameras])
    ranks: dict[int, tuple[bool, float]] = {}
    for index, camera in enumerate(cameras):
        xy, depth = many.project(index, torch.zeros(1, 3))
        sides = np.array([camera.width_px, camera.height_px])
        offset = float(np.abs(xy[0].numpy() / sides - 0.5).max())
        if float(depth[0]) > 0 and offset < 0.5:
            near_edge = offset > _WELL_INSIDE
            ranks[index] = (near_edge, offset if near_edge else float(depth[0]))
    return sorted(ranks, key=lambda index: ranks[index])[:_CANDIDATES] or evenly
