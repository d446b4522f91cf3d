"""Camera paths through a scene, read from a file. `langfield.core.camera_paths` makes them.

The file has the form of nerfstudio's `camera_path.json`, of which this is read:

    {"render_width": 1280, "render_height": 720, "fps": 24,
     "camera_path": [{"camera_to_world": [16 numbers, row by row], "fov": 50}, …]}

`camera_to_world` is a pose in OpenGL axes (y up, looking along −z) in the frame of the scene's input files, the frame
in which `langfield query` answers. nerfstudio's viewer writes poses in its own normalised frame instead: such a path
must be taken back first, by the inverse of the transform and scale in its `dataparser_transforms.json`. `fov` is the
vertical angle of view in degrees. `fps` may be left out; `camera_type` must be "perspective" where it is given;
whatever else stands there (such as `aspect`, which the picture's size says too) changes nothing.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from langfield.core.camera_paths import MAX_CAMERAS
from langfield.core.cameras import Camera
from langfield.core.json_files import Json, read_json
from langfield.core.transforms import Matrix4, opencv_from_opengl
from langfield.core.video import MAX_FPS
from langfield.data.validation import checked_camera, checked_pose

MAX_SIDE_PX = 16384
_FOV_DEGREES = (0.1, 179.0)


@dataclass(frozen=True)
class CameraPath:
    """A camera path.

    Attributes:
        cameras: in the world frame, all of one size.
        fps: pictures a second; None where the file does not say.
    """

    cameras: list[Camera]
    fps: float | None


def read_camera_path(path: Path) -> CameraPath:
    """Read a camera path as described above. Raises DataError naming the file and the place in it."""
    meta = read_json(path)
    width_px, height_px = (_side_px(meta.need(f"render_{side}")) for side in ("width", "height"))
    fps = meta.get("fps")
    entries = meta.need("camera_path", "it must list the cameras")
    nodes = list(entries.items())
    if not 1 <= len(nodes) <= MAX_CAMERAS:
        raise entries.error(f"must list 1 to {MAX_CAMERAS} cameras, found {len(nodes)}: split the path")
    kind = meta.get("camera_type")
    if kind is not None and kind.text() != "perspective":
        raise kind.error(f"must be perspective, found {kind.text()[:40]!a}: choose that for the path")
    cameras = [_camera(node, width_px, height_px) for node in nodes]
    return CameraPath(cameras, None if fps is None else fps.number(1.0, float(MAX_FPS)))


def _side_px(node: Json) -> int:
    side = node.side_px()
    if side > MAX_SIDE_PX:
        raise node.error(f"must be at most {MAX_SIDE_PX} pixels, found {side}")
    return side


def _camera(node: Json, width_px: int, height_px: int) -> Camera:
    pose_node = node.need("camera_to_world")
    pose = checked_pose(_matrix(pose_node), node.file, pose_node.where)
    focal_px = 0.5 * height_px / math.tan(math.radians(node.need("fov").number(*_FOV_DEGREES)) / 2)
    centre_px = (width_px / 2, height_px / 2)
    camera = Camera(opencv_from_opengl(pose), width_px, height_px, focal_px, focal_px, *centre_px)
    return checked_camera(camera, node.file, node.where)


def _matrix(node: Json) -> Matrix4:
    """16 numbers, row by row, as a matrix."""
    numbers = [entry.value for entry in node.items()]
    if len(numbers) != 16:
        raise node.error(f"must be 16 numbers, row by row, found {len(numbers)}")
    return replace(node, value=[numbers[row : row + 4] for row in range(0, 16, 4)]).matrix()
