"""What a scene is: photos with cameras (`View`), perhaps a point cloud (`Points`), together a `Scene`."""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from langfield.core.cameras import Camera
from langfield.core.errors import DataError
from langfield.core.files import file_sha256
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.transforms import Similarity

_READERS = 8


@dataclass(frozen=True, eq=False)
class View:
    """One photo of a scene.

    Attributes:
        name: what the scene's files call the photo; unique in the scene.
        image_path: the photo on disk.
        camera: in the world frame, for the size the photo is used at (it may be larger on disk).
        mask_path: a picture that is nonzero where the photo may be used.
        depth_path: z-depth, as 16-bit PNG or .npy.
        depth_unit: world units per unit of the depth file.
    """

    name: str
    image_path: Path
    camera: Camera
    mask_path: Path | None = None
    depth_path: Path | None = None
    depth_unit: float = 1e-3

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height the photo is used at."""
        return self.camera.width_px, self.camera.height_px

    def digest(self) -> str:
        """sha256 of the photo's bytes (hex). Read once per state of the file; DataError if it cannot be read."""
        return file_digest(self.image_path)


@dataclass(frozen=True, eq=False)
class Points:
    """A coloured point cloud in the world frame, as structure from motion leaves it."""

    xyz: Float32[np.ndarray, "n 3"]
    rgb: UInt8[np.ndarray, "n 3"]

    def __len__(self) -> int:
        return self.xyz.shape[0]


@dataclass(frozen=True, eq=False)
class Scene:
    """Posed photos of one place. The world frame is the input files' own, always.

    Attributes:
        root: the folder that holds its files.
        kind: the format it was read from ("nerfstudio", "colmap").
        views: sorted by name.
        train: indices into `views` of those to train on.
        test: indices into `views` of those to test on.
        points: in the world frame.
        scene_from_world: the similarity from the world frame to the scene frame, the normalised one that is trained in.
        notes: lines for a person: what was found, chosen, left out, resized.
    """

    root: Path
    kind: str
    views: tuple[View, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    points: Points | None
    scene_from_world: Similarity
    notes: tuple[str, ...] = field(default=())

    def cameras_scene(self) -> list[Camera]:
        """Every view's camera, moved into the scene frame."""
        return [view.camera.moved(self.scene_from_world) for view in self.views]

    def fingerprint(self, progress: Progress = silent) -> str:
        """sha256 (hex) of what a run learns from: photos, masks, depths, cameras and split.

        The folder's place and the files' dates do not count; the size the photos are used at does.
        """
        paths = [p for v in self.views for p in (v.image_path, v.mask_path, v.depth_path) if p is not None]
        digests = _digests(paths, progress)
        total = hashlib.sha256()
        for view in self.views:
            files = [digests.get(p, "-") if p else "-" for p in (view.image_path, view.mask_path, view.depth_path)]
            line = [view.name, *files, f"{view.depth_unit:.9g}", *_camera_words(view.camera)]
            total.update(("\0".join(line) + "\n").encode())
        total.update(f"train {self.train} test {self.test}".encode())
        return total.hexdigest()


def _camera_words(camera: Camera) -> list[str]:
    """A camera as text, rounded so that another machine's last bit makes no other scene."""
    intrinsics = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px, *camera.distortion)
    pose = camera.world_from_camera[:3].ravel()
    numbers = [f"{round(float(x), 9) + 0.0:.9f}" for x in (*intrinsics, *pose)]
    return [camera.lens, str(camera.width_px), str(camera.height_px), *numbers]


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes, remembered while its size and time of change stay the same."""
    try:
        status = path.stat()
        return _digest_of_state(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): restore it or open the scene again", path) from error


@lru_cache(maxsize=1 << 16)
def _digest_of_state(path: Path, size_bytes: int, mtime_ns: int) -> str:
    return file_sha256(path)


def _digests(paths: Sequence[Path], progress: Progress) -> dict[Path, str]:
    start = time.monotonic()
    out: dict[Path, str] = {}
    with ThreadPoolExecutor(_READERS) as pool:
        jobs = {pool.submit(file_digest, path): path for path in dict.fromkeys(paths)}
        for done, job in enumerate(as_completed(jobs), start=1):
            out[jobs[job]] = job.result()
            progress(ProgressEvent("fingerprint", done, len(jobs), "files", time.monotonic() - start))
    return out
