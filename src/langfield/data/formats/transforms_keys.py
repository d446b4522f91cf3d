"""The keys of a `transforms.json` that are read, those that need not be, and a note about all others.

Sources: nerfstudio's data conventions, data parser and `ns-process-data` (COLMAP, Metashape, RealityCapture, ODM,
Polycam, Record3D, Aria), instant-ngp's loader and scripts, the original NeRF's files.
"""

from collections.abc import Iterable

from langfield.core.json_files import Json, short_text
from langfield.core.listing import shortened

_CAMERA = {
    "w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y", "k1", "k2", "k3", "k4", "p1", "p2",
    "distortion_params", "camera_model", "is_fisheye", "fisheye_crop_radius", "equirectangular", "latlong",
    "orthographic", "ftheta_p0",
}  # fmt: skip
_READ_OF_FILE = _CAMERA | {
    "frames", "ply_file_path", "applied_transform", "applied_scale", "depth_unit_scale_factor", "train_filenames",
    "val_filenames", "test_filenames", "aabb_scale",
}  # fmt: skip
_READ_OF_FRAME = _CAMERA | {"file_path", "transform_matrix", "mask_path", "depth_file_path"}
# They say how another program shows or searches the scene, or who made it; the photos and their cameras are the same.
_NEEDLESS_OF_FILE = {
    "orientation_override", "auto_scale_poses_override", "scale", "offset", "up", "aabb", "render_aabb", "sharpen",
    "importance_sampling", "n_extra_learnable_dims", "enable_ray_loading", "enable_depth_loading",
    "integer_depth_scale", "near", "far", "scene_box", "version", "name", "date", "creation_date", "software",
    "sensor_width", "sensor_height", "fps",
}  # fmt: skip
_NEEDLESS_OF_FRAME = {
    "colmap_im_id", "sharpness", "rotation", "timestamp", "time", "blur_score", "depth_path", "frame_id", "id",
    "camera_id", "cam_idx", "exposure_time", "center_depth", "neighbors", "location", "euler_angles",
}  # fmt: skip
_SHOWN = 4


def unused_keys_note(meta: Json, frames: Iterable[Json]) -> list[str]:
    """A line that lists the keys whose meaning is not known here, those of frames once; none if there are none."""
    of_file = [key for key in meta.value if key not in _READ_OF_FILE | _NEEDLESS_OF_FILE]
    known = _READ_OF_FRAME | _NEEDLESS_OF_FRAME
    of_frames = dict.fromkeys(key for frame in frames for key in frame.value if key not in known)
    keys = [*(_shown(key) for key in of_file), *(f"{_shown(key)} of frames" for key in of_frames)]
    return [f"keys of {meta.file.name} that are not used: {shortened(keys, _SHOWN)}"] if keys else []


def _shown(key: str) -> str:
    return short_text(key).strip('"')[:40]
