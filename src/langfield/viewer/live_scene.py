"""Where the photos of a training are, for its pages."""

from functools import cached_property

import numpy as np
from jaxtyping import Float64

from langfield.query.session import Session
from langfield.viewer.run_scene import RunScene

_ALL_PARALLEL = 1e-3


class LiveScene(RunScene):
    """A `RunScene` of which nothing is rendered, for only the training's thread may do so: its photos and its frame.

    Args:
        session: of the model that is trained; only its cameras are read.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("", session, 0)

    @cached_property
    def first_distance(self) -> float:
        """How far what the first photo shows may be, in the page's frame: where the photos look."""
        poses = np.stack([self.photo_pose(view) for view in self.photos])
        pose = self.photo_pose(self.first_view)
        where = nearest_to_axes(poses[:, :3, 3], poses[:, :3, 2])
        distance = None if where is None else float((where - pose[:3, 3]) @ pose[:3, 2])
        return distance if distance is not None and distance > 0 else 1.0


def nearest_to_axes(
    centres: Float64[np.ndarray, "n 3"], axes: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "3"] | None:
    """The point that is nearest to several lines (least squares); None if they are parallel. Args: axes: unit."""
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    total = across.mean(axis=0)
    if np.linalg.eigvalsh(total)[0] < _ALL_PARALLEL:
        return None
    return np.linalg.solve(total, (across @ centres[:, :, None]).mean(axis=0)[:, 0])
