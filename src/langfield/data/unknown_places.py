"""Scenes whose photos cannot tell where things are: taken from one place, along one line of sight, or by too few."""

import numpy as np
from jaxtyping import Float64

from langfield.data.stray_cameras import meeting_place

FEW_VIEWS = 3
GUESSES = "positions and sizes are guesses"
# Cameras nearer to each other than this share of what they look at see no parallax that could be measured: a fifth of a
# percent is two pixels in a photo of a thousand.
_ONE_PLACE = 2e-3
# The same where nothing says how far away things are: rounding of coordinates as files have them, which have fewer
# digits where the world's origin is that of a country.
_ROUNDING, _ROUNDING_FAR, _FAR_ORIGIN = 1e-6, 1e-9, 1e3
_LINE = 0.02  # how far cameras stand from a line, in relation to their way along it
_ALONG = np.cos(np.radians(5.0))  # how far lines of sight turn away from it


def unknown_places(
    world_from_camera: Float64[np.ndarray, "n 4 4"], points: Float64[np.ndarray, "m 3"] | None
) -> list[str]:
    """Why positions in a scene are unknown, or only guesses: lines for a person, none for an ordinary scene.

    Args:
        world_from_camera: of the photos to train on, at least one.
        points: the scene's point cloud, of the same frame; None without one.
    """
    few = len(world_from_camera) <= FEW_VIEWS
    lines = [f"only {len(world_from_camera)} photos to train on: {GUESSES}, add photos"] if few else []
    if len(world_from_camera) < 2:
        return lines
    if _in_one_place(world_from_camera, points):
        return [*lines, f"all photos were taken from one place: {GUESSES}, add photos from other places"]
    if _on_line_of_sight(world_from_camera):
        lines.append(
            f"all photos were taken along one line of sight: {GUESSES}, add photos from the sides of what is seen"
        )
    return lines


def _in_one_place(world_from_camera: Float64[np.ndarray, "n 4 4"], points: Float64[np.ndarray, "m 3"] | None) -> bool:
    centres = world_from_camera[:, :3, 3]
    middle = centres.mean(axis=0)
    extent = float(np.linalg.norm(centres - middle, axis=1).max())
    target = meeting_place(centres, world_from_camera[:, :3, 2])
    if points is not None and len(points):
        return extent <= _ONE_PLACE * float(np.median(np.linalg.norm(points - middle, axis=1)))
    if target is not None:
        return extent <= _ONE_PLACE * float(np.linalg.norm(target - middle))
    origin = float(np.abs(middle).max())
    return extent <= origin * (_ROUNDING if origin <= _FAR_ORIGIN else _ROUNDING_FAR)


def _on_line_of_sight(world_from_camera: Float64[np.ndarray, "n 4 4"]) -> bool:
    """Whether all cameras have moved along the axis they look along, ahead or back, and look one way."""
    centres = world_from_camera[:, :3, 3]
    _, spread, directions = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)
    along = world_from_camera[:, :3, 2] @ directions[0]
    return bool(spread[1] <= _LINE * spread[0] and (along.min() >= _ALONG or along.max() <= -_ALONG))
