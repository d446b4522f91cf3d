"""Cameras of the page: where a browser stands, how it flies elsewhere, and the camera that draws what it sees.

The page's frame is that of `langfield.query.page_frame`, whatever the units of the files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from langfield.core.cameras import Camera
from langfield.core.transforms import Similarity
from langfield.viewer.state import Keyframe

Vector = Float64[np.ndarray, "3"]
_HEIGHT_OF_PICTURE = 0.4  # how much of it a thing takes that is flown to
_NEAREST_SHARE = 0.6  # of a photo's distance: nearer, the scene was never seen
_FLIGHT_STEPS = 18
_OFF_THE_WAY = 0.005  # of the distance of what is looked at: a turn by a third of a degree


@dataclass(frozen=True)
class PageCamera:
    """Where a browser's camera is, in the page's frame.

    Attributes:
        pose: 4×4, the frame from the camera's axes (OpenCV's).
        fov_rad: vertical field of view.
        width_px: of the picture that the browser draws.
        height_px: likewise.
    """

    pose: Float64[np.ndarray, "4 4"]
    fov_rad: float
    width_px: int
    height_px: int

    def camera(self, page_from_world: Similarity, longest_px: int) -> Camera:
        """The camera of the world frame that sees the same, with its longest side at most so long."""
        focal = 0.5 * self.height_px / math.tan(self.fov_rad / 2)
        size = self.width_px, self.height_px
        own = Camera(self.pose, *size, focal, focal, size[0] / 2, size[1] / 2)
        return own.moved(page_from_world.inverse()).fit_within(longest_px)

    def keyframe(self) -> Keyframe:
        """The same place, to be kept."""
        x, y, z, w = (float(v) for v in Rotation.from_matrix(self.pose[:3, :3]).as_quat())
        px, py, pz = (float(v) for v in self.pose[:3, 3])
        return Keyframe((w, x, y, z), (px, py, pz), self.fov_rad)


def page_camera(
    wxyz: Sequence[float] | np.ndarray,
    position: Sequence[float] | np.ndarray,
    fov_rad: float,
    width_px: int,
    height_px: int,
) -> PageCamera | None:
    """The camera that a browser tells; None for what is none."""
    turn, centre = np.asarray(wxyz, dtype=np.float64), np.asarray(position, dtype=np.float64)
    sound = turn.shape == (4,) and centre.shape == (3,) and np.isfinite([*turn, *centre, fov_rad]).all()
    if not sound or not 0.5 < np.linalg.norm(turn) < 2 or not 0 < fov_rad < math.pi or min(width_px, height_px) < 1:
        return None
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(np.roll(turn, -1)).as_matrix()
    pose[:3, 3] = centre
    return PageCamera(pose, float(fov_rad), int(width_px), int(height_px))


def keyframe_camera(keyframe: Keyframe, width_px: int, height_px: int) -> PageCamera | None:
    """The camera of a keyframe in a picture of some size."""
    return page_camera(keyframe.wxyz, keyframe.position, keyframe.fov_rad, width_px, height_px)


@dataclass(frozen=True)
class Stand:
    """A place to look from, in the page's frame.

    Attributes:
        position: of the camera's centre.
        look_at: the point in the middle of its picture, around which it turns.
        up: what is up in the picture.
        fov_rad: vertical field of view; None for the one that the camera has already.
    """

    position: Vector
    look_at: Vector
    up: Vector
    fov_rad: float | None = None


def stands_at(camera: PageCamera, stand: Stand) -> bool:
    """Whether a camera is at a place, and looks where it says."""
    towards = stand.look_at - stand.position
    looks = float(camera.pose[:3, 2] @ towards) > (1 - 1e-4) * float(np.linalg.norm(towards))
    return looks and bool(np.allclose(camera.pose[:3, 3], stand.position, atol=1e-3))


def is_on_way(camera: PageCamera, way: Sequence[Stand]) -> bool:
    """Whether a camera's centre lies on the lines between places. Args: way: at least one."""
    centres = np.stack([stand.position for stand in way])
    starts, ends = centres[: max(1, len(centres) - 1)], centres[-max(1, len(centres) - 1) :]
    along, centre = ends - starts, camera.pose[:3, 3]
    share = ((centre - starts) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-18)
    nearest = starts + share.clip(0, 1)[:, None] * along
    far = float(np.linalg.norm(way[-1].look_at - way[-1].position))
    return bool(np.linalg.norm(nearest - centre, axis=1).min() <= _OFF_THE_WAY * far)


def stand_of_photo(pose: Float64[np.ndarray, "4 4"], distance: float, fov_rad: float | None = None) -> Stand:
    """Where a photo was taken.

    Args:
        pose: of its camera, in the page's frame.
        distance: of what it shows.
        fov_rad: vertical field of view; None for the one that the camera has already.
    """
    centre = pose[:3, 3].copy()
    return Stand(centre, centre + distance * pose[:3, 2], -pose[:3, 1], fov_rad)


def same_view(one: PageCamera, other: PageCamera) -> bool:
    """Whether two cameras see the same: viser also tells those that did not move."""
    sizes = (one.width_px, one.height_px, one.fov_rad) == (other.width_px, other.height_px, other.fov_rad)
    turned = Rotation.from_matrix(one.pose[:3, :3].T @ other.pose[:3, :3]).magnitude()
    apart = float(np.abs(one.pose[:3, 3] - other.pose[:3, 3]).max())
    return sizes and bool(turned < 1e-6) and apart < 1e-7


def stand_before(thing: Vector, size: float, eye: Vector, up: Vector, fov_rad: float) -> Stand:
    """Before a thing, on the way to it from an eye that sees it.

    Args:
        thing: its middle.
        size: its longest edge.
        up: of the scene.
        fov_rad: of the camera that will stand there.
    """
    away = eye - thing
    far = float(np.linalg.norm(away))
    if far < 1e-9:
        away, far = up, 1.0
    wanted = size / (2 * _HEIGHT_OF_PICTURE * math.tan(fov_rad / 2))
    distance = min(far, max(wanted, _NEAREST_SHARE * far))
    return Stand(thing + away * (distance / max(float(np.linalg.norm(away)), 1e-9)), thing.copy(), up)


def flight(start: Stand, end: Stand, steps: int = _FLIGHT_STEPS) -> list[Stand]:
    """A smooth way from one place to another; the last one is the end itself."""
    way = []
    for step in range(1, steps + 1):
        part = step / steps
        part = part * part * (3 - 2 * part)
        up = (1 - part) * start.up + part * end.up
        if np.linalg.norm(up) < 1e-3:
            up = end.up
        mixed = [(1 - part) * a + part * b for a, b in ((start.position, end.position), (start.look_at, end.look_at))]
        if np.linalg.norm(mixed[1] - mixed[0]) > 1e-6:  # else nothing says where to look
            way.append(Stand(mixed[0], mixed[1], up / np.linalg.norm(up)))
    return [*way[:-1], end]


@dataclass(frozen=True)
class FrameSizes:
    """How large the server's pictures are: by how fast it draws.

    Attributes:
        pixels_per_second: as measured; None before the first picture.
        moving_seconds: how long a picture may take while the camera moves.
        resting_seconds: how long the sharpest one may take.
        longest_px: the longest side of any.
        least_moving_px: the longest side while the camera moves is at least that, however slow; while the speed is not
            known, half as much again.
        least_resting_px: likewise the sharpest one's.
    """

    pixels_per_second: float | None = None
    moving_seconds: float = 0.12
    resting_seconds: float = 1.2
    longest_px: int = 1920
    least_moving_px: int = 128
    least_resting_px: int = 320

    def measured(self, pixels: int, seconds: float) -> "FrameSizes":
        """After one more picture: a running mean, in which the newest counts half."""
        now = pixels / max(seconds, 1e-4)
        before = self.pixels_per_second
        mean = now if before is None else (before + now) / 2
        return replace(self, pixels_per_second=mean)

    def small(self, width_px: int, height_px: int) -> int:
        """The longest side of a picture while the camera moves."""
        return self._side(width_px, height_px, self.moving_seconds, self.least_moving_px)

    def stages(self, width_px: int, height_px: int) -> list[int]:
        """The longest sides of the pictures of a resting camera: a small one at once, then ever sharper ones."""
        sides = [self.small(width_px, height_px)]
        full = self._side(width_px, height_px, self.resting_seconds, self.least_resting_px)
        while sides[-1] * 1.4 < full:
            sides.append(min(full, 3 * sides[-1]))
        return sides

    def _side(self, width_px: int, height_px: int, seconds: float, least_px: int) -> int:
        longest = max(width_px, height_px)
        if self.pixels_per_second is None:
            return min(longest, 3 * least_px // 2)
        share = math.sqrt(self.pixels_per_second * seconds / (width_px * height_px))
        return int(min(longest, self.longest_px, max(least_px, share * longest)))
