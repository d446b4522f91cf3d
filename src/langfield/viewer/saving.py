"""What a browser can save: made by the server, and sent to the browser as a download. Nothing is written here."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from langfield.core.camera_paths import camera_path_document, cameras_between
from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.query.session import Session
from langfield.viewer.page_camera import PageCamera, keyframe_camera
from langfield.viewer.run_scene import RunScene
from langfield.viewer.state import ViewerState

PATH_FPS = 24
_SECONDS_BETWEEN = 2  # keyframes
_PICTURE_PX = 1920


@dataclass(frozen=True)
class Saved:
    """A file for the browser. Attributes: name: of the server's choice."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Save:
    """Something that can be saved of phrases in a run.

    Attributes:
        label: of its button.
        hint: what it is.
        make: from a session, phrases and negatives (None: the encoder's own). UsageError where there is nothing.
    """

    label: str
    hint: str
    make: Callable[[Session, Sequence[str], Sequence[str] | None], Saved]


def answers_json(session: Session, phrases: Sequence[str], negatives: Sequence[str] | None) -> Saved:
    """What `langfield query --json` prints."""
    answers = session.query(phrases, negatives=negatives)
    document = {"answers": [answer.to_json() for answer in answers], "warnings": list(session.info.warnings)}
    return Saved("answers.json", json.dumps(document, ensure_ascii=False, allow_nan=False).encode())


ANSWERS = Save("Answers (JSON)", "Places, boxes and scores of all phrases, as langfield query --json", answers_json)


def camera_path(scene: RunScene, state: ViewerState, size_px: tuple[int, int]) -> Saved:
    """The way along the keyframes, as `langfield render --camera-path` reads it. UsageError for less than one."""
    cameras = path_cameras(scene, state, size_px)
    if not cameras:
        raise UsageError("no keyframes yet: add some under Camera")
    return Saved("camera_path.json", json.dumps(camera_path_document(cameras, PATH_FPS)).encode())


def path_cameras(scene: RunScene, state: ViewerState, size_px: tuple[int, int]) -> list[Camera]:
    """Cameras of the world frame along the keyframes, also of their lenses, two seconds from each to the next."""
    width, height = (max(2, side // 2 * 2) for side in size_px)  # videos have even sides
    stands = [keyframe_camera(keyframe, width, height) for keyframe in state.keyframes]
    cameras = [stand.camera(scene.page_from_world, max(width, height)) for stand in stands if stand is not None]
    return cameras_between(cameras, PATH_FPS * _SECONDS_BETWEEN - 1, zooming=True)


def picture_png(picture: UInt8[np.ndarray, "h w 3"]) -> Saved:
    """A picture as a file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return Saved("langfield.png", file.getvalue())


def picture_camera(camera: PageCamera, scene: RunScene) -> Camera:
    """The camera of a picture that is saved: as large as the page, up to 1920 pixels."""
    return camera.camera(scene.page_from_world, _PICTURE_PX)
