"""Photos that a scene lists twice, under two names: the same picture from the same place."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from langfield.data.views import View

_SAME = 1e-4  # of two poses: turned by less (radians), and apart by less of the distance between the cameras


def repeated_views(views: Sequence[View]) -> dict[int, int]:
    """Which views are copies of an earlier one: the same bytes and the same pose, but for rounding; by index.

    Photos are read only where another one has as many bytes and the same pose. Raises DataError for photos that cannot
    be read.
    """
    poses = _comparable([view.camera.world_from_camera for view in views])
    alike: dict[tuple[int, str], list[int]] = {}
    for size_bytes, members in _by_size(views).items():
        nearest = KDTree(poses[members]).query(poses[members], k=2, distance_upper_bound=_SAME)[0][:, 1]
        for i in (member for member, distance in zip(members, nearest, strict=True) if np.isfinite(distance)):
            alike.setdefault((size_bytes, views[i].digest()), []).append(i)
    copies: dict[int, int] = {}
    for members in alike.values():
        kept: list[int] = []
        for i in members:
            same = next((k for k in kept if np.linalg.norm(poses[i] - poses[k]) <= _SAME), None)
            if same is None:
                kept.append(i)
            else:
                copies[i] = same
    return copies


def _comparable(poses: Sequence[np.ndarray]) -> np.ndarray:
    """Poses as rows of 12 numbers whose distances say how far they are from each other, whatever the units."""
    stacked = np.stack(poses)
    away = stacked[:, :3, 3] - np.median(stacked[:, :3, 3], axis=0)
    unit = float(np.median(np.linalg.norm(away, axis=1)))
    return np.concatenate([stacked[:, :3, :3].reshape(-1, 9), away / (unit if unit > 0 else 1.0)], axis=1)


def _by_size(views: Sequence[View]) -> dict[int, list[int]]:
    """Views whose files are of one size, in bytes, where there are several of it."""
    sizes: dict[int, list[int]] = {}
    for i, view in enumerate(views):
        try:
            sizes.setdefault(view.image_path.stat().st_size, []).append(i)
        except OSError:
            continue  # whoever decodes it says so
    return {size_bytes: members for size_bytes, members in sizes.items() if len(members) > 1}
