"""Which photos show a thing best: near, well inside of the picture, and with nothing in front of it."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float

from langfield.core.cameras import Camera, Cameras
from langfield.core.sampling import subsample_evenly

MAX_VIEWS = 4
_CENTRAL_SHARE = 0.36  # of the picture's sides, from its centre: farther out a thing around the point may be cut off
_DEPTH_SIDE_PX = 64
_TESTED_POINTS = 48
_MAX_TESTED_VIEWS = 16
_SHOWN = 0.3  # of a thing's points: one side of it hides the other
_DEPTH_TOLERANCE = 0.03  # of the depth: a pixel of a small picture covers a piece of a slanted surface


class BestViews:
    """Chooses photos of things; keeps the depth maps that it looked at.

    Args:
        cameras: the photos' names and cameras, all in one frame (the scene frame: float32 is enough there).
        render_depth: the z-depth that a camera of that frame sees, in the frame's unit; infinite where nothing is.
    """

    def __init__(
        self, cameras: Mapping[str, Camera], render_depth: Callable[[Camera], Float[np.ndarray, "h w"]]
    ) -> None:
        self._names = tuple(cameras)
        self._small = [camera.fit_within(_DEPTH_SIDE_PX) for camera in cameras.values()]
        self._cameras = Cameras.from_list(self._small)
        self._render_depth = render_depth
        self._depth: dict[int, Float[np.ndarray, "h w"]] = {}

    def of_thing(
        self, position: Float[np.ndarray, "3"], points: Float[np.ndarray, "k 3"], tolerance: float
    ) -> tuple[str, ...]:
        """Names of up to four photos that show a thing best, the best first.

        Photos are tried in the order of `_ranked`, 16 of them, or until one shows anything. Taken are those that show
        three tenths of the thing's points; without any, those that show most of them. Where no photo shows it, the
        first of the order; where none has it in its picture, photos spread evenly over all.

        Cost: a depth map of 64 pixels a side for each photo that is tried for the first time.

        Args:
            position: that is to be well inside of the picture.
            points: of the thing's surface, at least one.
            tolerance: how far a point may lie behind the rendered surface, in the frame's unit.
        """
        ranked = self._ranked(position)
        tested = points[subsample_evenly(range(len(points)), _TESTED_POINTS)].astype(np.float32)
        shown: list[int] = []
        partly: list[tuple[float, int]] = []
        for number, view in enumerate(ranked):
            if len(shown) == MAX_VIEWS or (number >= _MAX_TESTED_VIEWS and (shown or partly)):
                break
            share = self._shown_share(view, tested, tolerance)
            if share >= _SHOWN:
                shown.append(view)
            elif share > 0:
                partly.append((-share, view))
        views = shown or [view for _, view in sorted(partly)] or ranked
        return tuple(self._names[view] for view in views[:MAX_VIEWS] or spread_views(len(self._names)))

    def _ranked(self, position: Float[np.ndarray, "3"]) -> list[int]:
        """The photos that have a point in their picture: first those that have it in the central 72 %, the nearest (by
        z-depth) first; then those that have it nearer to an edge, the most central first."""
        count = len(self._cameras)
        point = torch.from_numpy(position.astype(np.float32)).expand(count, 3)
        xy, depth = (part.numpy() for part in self._cameras.project(torch.arange(count), point))
        offset = np.abs(xy / self._cameras.size_px.numpy() - 0.5).max(axis=1)
        near_edge = offset > _CENTRAL_SHARE
        order = np.lexsort((np.where(near_edge, offset, depth), near_edge))
        inside = (depth > 0) & (offset < 0.5)
        return order[inside[order]].tolist()

    def _shown_share(self, view: int, points: Float[np.ndarray, "k 3"], tolerance: float) -> float:
        """The share of points that lie in a photo's picture and not behind what it shows there."""
        camera = self._small[view]
        if view not in self._depth:
            self._depth[view] = self._render_depth(camera)
        xy, depth = (part.numpy() for part in self._cameras.project(view, torch.from_numpy(points)))
        size = (camera.width_px, camera.height_px)
        inside = (depth > 0) & (xy >= 0).all(axis=1) & (xy < size).all(axis=1)
        column, row = xy[inside].astype(np.int64).T
        seen = depth[inside] <= self._depth[view][row, column] * (1 + _DEPTH_TOLERANCE) + tolerance
        return float(seen.sum() / len(points))


def spread_views(count: int) -> list[int]:
    """Up to four of so many views, evenly spread."""
    return subsample_evenly(range(count), MAX_VIEWS)
