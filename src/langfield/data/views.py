"""What a scene is: photos with cameras (`View`), perhaps a point cloud (`Points`), together a `Scene`."""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64, UInt8

from langfield.core.cameras import Camera
from langfield.core.errors import DataError, UsageError
from langfield.core.files import file_sha256
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.transforms import Similarity

# The rule of `Scene.fingerprint`; runs say by which one theirs was made. 1, of langfield 0.1.0: depth files counted,
# though nothing reads them, and points did not, though Gaussians start from them.
FINGERPRINT_VERSION: Final = 2
_READERS = 8


@dataclass(frozen=True, eq=False)
class View:
    """One photo of a scene.

    Attributes:
        name: what the scene's files call the photo; unique in the scene.
        image_path: the photo on disk.
        camera: in the world frame, for the size the photo is used at (it may be larger on disk).
        mask_path: a picture that is nonzero where the photo may be used.
        ignored_path: one that is nonzero where it may not, as instant-ngp's masks of moving things are. What is left by
            both and by the camera's `valid_radius_px`: `langfield.data.masks.used_pixels`.
        depth_path: z-depth, as 16-bit PNG or .npy.
        depth_unit: world units per unit of the depth file.
        white_level: the value in the photo's file that is white, where it is not the largest that its numbers can be:
            of 12 bits in a 16-bit file, say, or of floats. None for most photos.
    """

    name: str
    image_path: Path
    camera: Camera
    mask_path: Path | None = None
    depth_path: Path | None = None
    depth_unit: float = 1e-3
    white_level: float | None = None
    ignored_path: Path | None = None

    @property
    def is_masked(self) -> bool:
        """Whether some of its pixels may not be used."""
        return any(part is not None for part in (self.mask_path, self.ignored_path, self.camera.valid_radius_px))

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height the photo is used at."""
        return self.camera.width_px, self.camera.height_px

    def digest(self) -> str:
        """sha256 of the photo's bytes (hex). Read once per state of the file; DataError if it cannot be read."""
        return file_digest(self.image_path)


@dataclass(frozen=True, eq=False)
class Points:
    """A coloured point cloud in the world frame, as structure from motion leaves it.

    Attributes:
        xyz: in float64, for world coordinates may be large.
        rgb: their colours.
        left_out: how many points of the file are not among them, because they are not finite.
    """

    xyz: Float64[np.ndarray, "n 3"]
    rgb: UInt8[np.ndarray, "n 3"]
    left_out: int = 0

    def __len__(self) -> int:
        return self.xyz.shape[0]

    def digest(self) -> str:
        """sha256 (hex) of places (rounded to float32) and colours, in their order, whatever file they are from."""
        total = hashlib.sha256(f"{len(self)}".encode())
        total.update(self.xyz.astype("<f4").tobytes())
        total.update(self.rgb.tobytes())
        return total.hexdigest()


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
        notes: lines for a person: what was found, chosen, left out, resized; also the warnings.
        warnings: why positions and sizes in this scene are not known, or only guesses; they belong to every answer.
        test_every: every how many-th view by name is in `test`; 0 for none, None for the files' own split.
    """

    root: Path
    kind: str
    views: tuple[View, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    points: Points | None
    scene_from_world: Similarity
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    test_every: int | None = None

    def cameras_scene(self) -> list[Camera]:
        """Every view's camera, moved into the scene frame."""
        return [view.camera.moved(self.scene_from_world) for view in self.views]

    def fingerprint(self, progress: Progress = silent, version: int = FINGERPRINT_VERSION) -> str:
        """sha256 (hex) of what a run learns from: photos, masks, cameras, split, and the point cloud that Gaussians
        start from.

        The folder's place and the files' dates do not count; the size the photos are used at does.

        Args:
            version: of the rule; an older one tells whether a run that has its fingerprint by that is of this scene.

        Raises UsageError for a version that is not known, DataError for files that cannot be read.
        """
        if version not in (1, FINGERPRINT_VERSION):
            raise UsageError(f"fingerprints of version {version} are not known to this langfield; update it")
        files_of_view = [(view.image_path, view.mask_path) for view in self.views]
        if version == 1:
            files_of_view = [(*files, view.depth_path) for files, view in zip(files_of_view, self.views, strict=True)]
        ignored = [view.ignored_path for view in self.views if view.ignored_path is not None]
        digests = _digests([*(p for files in files_of_view for p in files if p is not None), *ignored], progress)
        total = hashlib.sha256()
        for view, files in zip(self.views, files_of_view, strict=True):
            words = ["-" if path is None else digests[path] for path in files]
            unit = [f"{view.depth_unit:.9g}"] if version == 1 else []
            # What few scenes have stands at the end, so that others keep the fingerprint they had before there was it.
            extra = [] if view.ignored_path is None else [f"ignored {digests[view.ignored_path]}"]
            extra += [] if view.white_level is None else [f"white {view.white_level:g}"]
            line = [view.name, *words, *unit, *_camera_words(view.camera), *extra]
            total.update(("\0".join(line) + "\n").encode())
        total.update(f"train {self.train} test {self.test}".encode())
        if version != 1:
            total.update(b"no points" if self.points is None else f"\0points {self.points.digest()}".encode())
        return total.hexdigest()


def _camera_words(camera: Camera) -> list[str]:
    """A camera as text, rounded so that another machine's last bit makes no other scene."""
    intrinsics = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px, *camera.distortion)
    pose = camera.world_from_camera[:3].ravel()
    numbers = [f"{round(float(x), 9) + 0.0:.9f}" for x in (*intrinsics, *pose)]
    circle = [] if camera.valid_radius_px is None else [f"within {camera.valid_radius_px:.9f}"]
    return [camera.lens, str(camera.width_px), str(camera.height_px), *numbers, *circle]


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
