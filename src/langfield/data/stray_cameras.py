"""Stray cameras: the few that stand so far from all others that their poses are hardly true.

A photo that structure from motion has put 500 units away squeezes a scene of size 1, which is scaled by its cameras, to
nothing. What counts is how far a camera stands from the middle of the cameras, against how far the others reach: where
they stand, how far away the points are, and how far away the place that they look at together.

All lengths are relative to each other, so that a scene in other units has the same strays.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from langfield.core.cameras import Camera
from langfield.core.sampling import subsample_evenly

# A camera is a stray if it stands this many times as far away as the others reach, and is not the end of a chain of
# cameras that leads there: nobody stands between. A walk through a house from a desk that most photos are of, close-ups
# in an orbit, or a drone above them stay far below.
_FAR = 10.0
_GAP = 3.0
_ENOUGH = 12  # of fewer cameras chance makes some stand close together: a stray must be farther away by that much
MAX_STRAY_SHARE = 0.25
_ENOUGH_FOR_GROUPS = 5
_LARGEST_GROUP = 0.5  # share of the cameras that may stand apart together
_GROUP_SHARE = 0.1  # so many that look at the place from far away are no strays but a second round of photos
_GROUP_LEAST = 3
# What the others look at must not be so far away from a stray that a thing of the others' reach is less than this share
# of its picture's longer side: from 500 units away a scene of size 1 is a pixel or two, and the rest of the picture
# shows what no other photo does.
_SEEN_SHARE = 0.02
_SEEN_BY = 0.5  # of the others' lines of sight that a stray sees a part of
_DEEPEST = 30.0  # reaches away, things show next to no parallax
_POINTS, _LINES = 2000, 200  # that are tested
_PARALLEL = 0.01  # of the directions' spread: lines of sight with less meet nowhere
_MISS = 0.25  # of the distance, that lines of sight may pass the place they meet at


@dataclass(frozen=True)
class Strays:
    """Which of N cameras stand far from all others.

    Attributes:
        apart: the strays.
        seeing: those of them whose picture shows what the others look at.
        times: how many times as far away the nearest of them stands as the others reach; 1 without strays.
        groups: whether more than a quarter stand apart, so that nobody can say which are the strays; `apart` is then
            of all of those.
    """

    apart: Bool[np.ndarray, " n"]
    seeing: Bool[np.ndarray, " n"]
    times: float = 1.0
    groups: bool = False


@dataclass(frozen=True)
class _Place:
    """What most of the cameras stand at and look at.

    Attributes:
        anchor: a place in the midst of them.
        distance: of each camera from there.
        reach: how far away from the anchor they stand and look.
        target: where their lines of sight meet; None where they do not.
    """

    anchor: Float64[np.ndarray, "3"]
    distance: Float64[np.ndarray, " n"]
    reach: float
    target: Float64[np.ndarray, "3"] | None


def find_strays(cameras: list[Camera], points: Float64[np.ndarray, "m 3"] | None) -> Strays:
    """Which cameras of a scene are strays.

    Args:
        cameras: of the world frame.
        points: the scene's point cloud in the world frame; None without one.
    """
    none = np.zeros(len(cameras), bool)
    if len(cameras) * MAX_STRAY_SHARE < 1:
        return Strays(none, none)
    place = _place(cameras, points, MAX_STRAY_SHARE)
    apart, times = _apart(place)
    if apart.any():
        seeing = _seeing(cameras, points, place, apart)
        if seeing.sum() >= max(_GROUP_LEAST, _GROUP_SHARE * len(cameras)):
            apart, seeing = apart & ~seeing, none
        return Strays(apart, seeing, times) if apart.any() else Strays(none, none)
    if len(cameras) < _ENOUGH_FOR_GROUPS:
        return Strays(none, none)
    place = _place(cameras, points, _LARGEST_GROUP)
    apart, times = _apart(place)
    seeing = _seeing(cameras, points, place, apart)
    fallen_apart = apart.sum() > MAX_STRAY_SHARE * len(cameras) and seeing.sum() <= apart.sum() / 2
    return Strays(apart, seeing, times, groups=True) if fallen_apart else Strays(none, none)


def _place(cameras: list[Camera], points: Float64[np.ndarray, "m 3"] | None, max_apart: float) -> _Place:
    """What the cameras stand at and look at, when up to a share `max_apart` of them may stand apart."""
    centres = np.stack([camera.world_from_camera[:3, 3] for camera in cameras])
    axes = np.stack([camera.world_from_camera[:3, 2] for camera in cameras])
    anchor = np.median(centres, axis=0)
    if max_apart > MAX_STRAY_SHARE:  # the median may lie between two groups
        anchor = centres[np.linalg.norm(centres - anchor, axis=1).argmin()]
    distance = np.linalg.norm(centres - anchor, axis=1)
    reach = float(np.sort(distance)[len(cameras) - 1 - int(max_apart * len(cameras))])
    near = distance <= reach
    target = meeting_place(centres[near], axes[near])
    if target is not None:
        reach = max(reach, float(np.linalg.norm(target - anchor)))
    if points is not None and len(points):
        reach = max(reach, float(np.median(np.linalg.norm(points - anchor, axis=1))))
    return _Place(anchor, distance, reach, target)


def _apart(place: _Place) -> tuple[Bool[np.ndarray, " n"], float]:
    """The cameras behind the first gap that is wide and far away enough, and how many reaches away the first is."""
    none = np.zeros(len(place.distance), bool)
    if place.reach <= 1e-12 * np.abs(place.anchor).max():  # all in one place, but for rounding: nothing to compare with
        return none, 1.0
    order = np.argsort(place.distance, kind="stable")
    sorted_distance = place.distance[order]
    far = _FAR * max(1.0, _ENOUGH / len(order)) * place.reach
    before = np.maximum(np.concatenate([[0.0], sorted_distance[:-1]]), place.reach)
    first = np.flatnonzero((sorted_distance > far) & (sorted_distance > _GAP * before))
    if not len(first):
        return none, 1.0
    none[order[first[0] :]] = True
    return none, float(sorted_distance[first[0]] / place.reach)


def meeting_place(
    centres: Float64[np.ndarray, "n 3"], axes: Float64[np.ndarray, "n 3"]
) -> Float64[np.ndarray, "3"] | None:
    """The point that lines of sight pass nearest by (least squares), if they do meet ahead of the cameras; else None.

    Args:
        centres: of the cameras.
        axes: unit directions that they look along.
    """
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # takes the part across the line of sight
    middle = centres.mean(axis=0)  # so that large coordinates cost no digits
    if np.linalg.eigvalsh(across.mean(axis=0))[0] < _PARALLEL:
        return None
    away = np.linalg.solve(across.sum(axis=0), (across @ (centres - middle)[:, :, None]).sum(axis=0)[:, 0])
    offset = middle + away - centres
    depth = (offset * axes).sum(axis=1)
    miss = np.linalg.norm((across @ offset[:, :, None])[:, :, 0], axis=1)
    meet = (depth > 0) & (miss < _MISS * depth)
    return middle + away if meet.mean() > 0.75 else None


def _seeing(
    cameras: list[Camera], points: Float64[np.ndarray, "m 3"] | None, place: _Place, apart: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which of the cameras that stand apart see what the others look at."""
    targets = _targets(cameras, points, place, ~apart) if apart.any() else np.zeros((0, 1, 3))
    return np.array([bool(a) and _sees(camera, targets, place.reach) for a, camera in zip(apart, cameras, strict=True)])


def _targets(
    cameras: list[Camera], points: Float64[np.ndarray, "m 3"] | None, place: _Place, others: Bool[np.ndarray, " n"]
) -> Float64[np.ndarray, "k s 3"]:
    """K things that the cameras other than the strays stand at or look at, S points of each.

    A thing is one point of the point cloud. Without one it is a line of sight: where it passes the place they meet at,
    or, where they meet nowhere, points of it as far away as the others could tell distances.
    """
    if points is not None and len(points):
        within = points[np.linalg.norm(points - place.anchor, axis=1) <= _FAR * place.reach]
        return within[:: -(-len(within) // _POINTS)][:, None]
    chosen = subsample_evenly(np.flatnonzero(others).tolist(), _LINES)
    poses = np.stack([cameras[i].world_from_camera for i in chosen])
    centres, axes = poses[:, :3, 3], poses[:, :3, 2]
    if place.target is not None:
        depths = np.linalg.norm(place.target - centres, axis=1)[:, None] * np.array([0.5, 1.0, 1.5])
    else:
        depths = np.broadcast_to(place.reach * np.geomspace(0.5, _DEEPEST, 24), (len(poses), 24))
    return centres[:, None] + depths[:, :, None] * axes[:, None]


def _sees(camera: Camera, targets: Float64[np.ndarray, "k s 3"], reach: float) -> bool:
    """Whether a camera's picture shows part of at least half of the things, from near enough.

    Lenses are taken for pinholes, fisheyes for equidistant ones.
    """
    if not len(targets):
        return False
    pose = camera.world_from_camera
    local = (targets - pose[:3, 3]) @ pose[:3, :3]
    across = np.linalg.norm(local[..., :2], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if camera.lens == "fisheye":
            stretch = np.where(across > 0, np.arctan2(across, local[..., 2]) / across, 1 / local[..., 2])
        else:
            stretch = np.where(local[..., 2] > 0, 1 / local[..., 2], np.nan)
        x = local[..., 0] * stretch * camera.fx_px + camera.cx_px
        y = local[..., 1] * stretch * camera.fy_px + camera.cy_px
    inside = (x > 0) & (x < camera.width_px) & (y > 0) & (y < camera.height_px)  # False for NaN
    size_px = camera.fx_px * reach / np.maximum(np.linalg.norm(local, axis=-1), reach)
    large = size_px >= _SEEN_SHARE * max(camera.width_px, camera.height_px)
    return bool((inside & large).any(axis=1).mean() >= _SEEN_BY)
