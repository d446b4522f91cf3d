"""What a COLMAP model says of cameras and photos, and which of COLMAP's camera models are read."""

from dataclasses import dataclass
from pathlib import Path

from langfield.core.errors import DataError

# Number: (name, how many parameters). COLMAP's src/colmap/sensor/models.h, of version 4.
CAMERA_MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4),
    13: ("DIVISION", 5),
    14: ("SIMPLE_FISHEYE", 3),
    15: ("FISHEYE", 4),
    16: ("EUCM", 6),
    17: ("EQUIRECTANGULAR", 2),
}
_NOT_READ = {
    "FOV",
    "THIN_PRISM_FISHEYE",
    "RAD_TAN_THIN_PRISM_FISHEYE",
    "SIMPLE_DIVISION",
    "DIVISION",
    "EUCM",
    "EQUIRECTANGULAR",
}
_READ = [name for name, _ in CAMERA_MODELS.values() if name not in _NOT_READ]
FEWEST_PARAMETERS = min(count for _, count in CAMERA_MODELS.values())


@dataclass(frozen=True)
class ColmapCamera:
    """Intrinsics as COLMAP writes them; `params` in the order of its model, which may be one that is not read."""

    model: str
    width_px: int
    height_px: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class ColmapImage:
    """A registered photo: where the world goes in its camera (OpenCV axes)."""

    name: str
    camera_id: int
    quaternion_wxyz: tuple[float, float, float, float]
    translation: tuple[float, float, float]


def check_readable(camera: ColmapCamera, file: Path) -> None:
    """Raise DataError, naming the model and the way out, for a camera whose model is not read."""
    if camera.model not in _READ:
        known = camera.model in _NOT_READ
        raise not_read(camera.model if known else f"{camera.model[:40]!a}", file)


def not_read(model: str, file: Path) -> DataError:
    """The error about a camera model, or a number of one, that is not read."""
    if model == "EQUIRECTANGULAR":
        way_out = "cut the panoramas into perspective pictures first, as COLMAP's panorama_sfm.py does"
    else:
        way_out = "run `colmap image_undistorter`"
    return DataError(f"has the camera model {model}, read are {', '.join(_READ)}: {way_out}", file)
