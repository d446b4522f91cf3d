"""Camera paths: more cameras between given ones, and the document that `langfield render --camera-path` reads."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.core.transforms import opencv_from_opengl

MAX_CAMERAS = 100_000


def cameras_between(cameras: Sequence[Camera], between: int, *, zooming: bool = False) -> list[Camera]:
    """A path from camera to camera, with `between` more cameras after each but the last.

    Rotations are interpolated by slerp, centres linearly. All have the size and lens of the first.

    Args:
        zooming: whether focal lengths go from camera to camera, too, linearly; all must have the same size then.

    Raises UsageError for a path of more than `MAX_CAMERAS`.
    """
    count = (len(cameras) - 1) * (between + 1) + 1
    if count > MAX_CAMERAS:
        raise UsageError(f"--between {between} makes {count} pictures, at most {MAX_CAMERAS} are made: lower it")
    if len(cameras) < 2:
        return list(cameras)
    poses = np.stack([camera.world_from_camera for camera in cameras])
    turn = Slerp(np.arange(len(cameras)), Rotation.from_matrix(poses[:, :3, :3]))
    focals_px = np.array([(camera.fx_px, camera.fy_px) for camera in (cameras if zooming else cameras[:1])])
    focals_px = np.broadcast_to(focals_px, (len(cameras), 2))
    path = [cameras[0]]
    for index in range(len(cameras) - 1):
        for step in range(1, between + 1):
            part = step / (between + 1)
            pose = (1 - part) * poses[index] + part * poses[index + 1]
            pose[:3, :3] = turn(index + part).as_matrix()
            fx_px, fy_px = focals_px[index] + part * (focals_px[index + 1] - focals_px[index])
            path.append(replace(cameras[0], world_from_camera=pose, fx_px=float(fx_px), fy_px=float(fy_px)))
        fx_px, fy_px = focals_px[index + 1]
        path.append(replace(cameras[0], world_from_camera=poses[index + 1], fx_px=float(fx_px), fy_px=float(fy_px)))
    return path


def camera_path_document(cameras: Sequence[Camera], fps: float) -> dict[str, Any]:
    """nerfstudio's `camera_path.json` of cameras of the world frame: see `langfield.cli.camera_path`.

    Args:
        cameras: at least one, pinholes with the principal point in the middle; the first one's size is that of all.
        fps: pictures a second.
    """
    first = cameras[0]
    return {
        "camera_type": "perspective",
        "render_width": first.width_px,
        "render_height": first.height_px,
        "fps": fps,
        "camera_path": [
            {
                "camera_to_world": opencv_from_opengl(camera.world_from_camera).reshape(-1).tolist(),
                "fov": math.degrees(2 * math.atan(camera.height_px / (2 * camera.fy_px))),
                "aspect": camera.width_px / camera.height_px,
            }
            for camera in cameras
        ],
    }
