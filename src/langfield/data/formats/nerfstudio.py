"""Scenes as `transforms.json`, the form of nerfstudio and of instant-ngp.

The world frame is the frame of the `transform_matrix` values as they stand in the file. nerfstudio's
`applied_transform` (and `applied_scale`) tell how its own tools moved the poses *and* the point cloud before writing
them; both are already moved, so nothing is applied or undone here, and positions agree with the file a person has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from langfield.core.camera_checks import Distortion
from langfield.core.cameras import Camera, LensModel
from langfield.core.errors import DataError
from langfield.core.json_files import Json, read_json, short_text
from langfield.core.transforms import opencv_from_opengl
from langfield.data.formats.base import ParsedScene, SceneFormat
from langfield.data.formats.camera_faults import sound_views
from langfield.data.formats.path_rules import FileKind
from langfield.data.formats.photo_files import fit_to_pictures, listed_once, picture_sizes, present_photos
from langfield.data.formats.photo_paths import DEPTHS, MASKS, PHOTOS, POINT_CLOUDS, Listed, locate
from langfield.data.formats.ply import read_point_cloud
from langfield.data.formats.scene_files import SceneFiles, spelling
from langfield.data.formats.side_files import folder_masks_note, point_cloud_note, with_dynamic_masks
from langfield.data.formats.transforms_keys import unused_keys_note
from langfield.data.lenses import check_lenses
from langfield.data.validation import (
    CameraFault,
    check_unique,
    checked_camera,
    checked_pose,
    is_file,
    plain_name,
    printable,
)
from langfield.data.views import Points, View

CAMERA_MODELS = (
    "OPENCV", "OPENCV_FISHEYE", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE",
    "RADIAL_FISHEYE", "SIMPLE_FISHEYE", "FISHEYE",
)  # fmt: skip
_FILE_NAME = "transforms.json"
_FRAMES = "frames"
_COEFFICIENTS = ("k1", "k2", "k3", "k4", "p1", "p2")
_CAMERA_NUMBERS = (
    "transform_matrix", "w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y", "fisheye_crop_radius",
    "distortion_params", *_COEFFICIENTS,
)  # fmt: skip
_OTHER_LENSES = ("equirectangular", "latlong", "orthographic", "ftheta_p0")


@dataclass(frozen=True)
class _Frame:
    """An entry of the file's list `frames`.

    Attributes:
        json: the entry itself.
        name: of its photo, with the ending of the photo on disk.
        listed_name: as the entry spells it; instant-ngp leaves the ending out.
        path: where the photo lies, or would lie.
        mask_path, depth_path: where its mask and depth lie, if it names any that is there.
    """

    json: Json
    name: str
    listed_name: str
    path: Path
    mask_path: Path | None = None
    depth_path: Path | None = None


def matches(path: Path) -> bool:
    """Whether it is a JSON file, or a folder with a `transforms.json`."""
    return path.suffix.lower() == ".json" if path.is_file() else (path / _FILE_NAME).is_file()


def read_nerfstudio(path: Path, *, max_side_px: int | None, allow_outside: bool) -> ParsedScene:
    """Read a `transforms.json`; see `SceneReader`.

    Args:
        path: the file, or its folder. Photos are looked for relative to the folder.
    """
    file = path if path.is_file() else path / _FILE_NAME
    root = file.parent.resolve()
    meta = read_json(file, faults_kept_in=_FRAMES)
    files = SceneFiles(root, allow_outside=allow_outside)
    entries = list(meta.need(_FRAMES, "it must list the photos").items())
    listed, path_notes = _frames(entries, files, allow_outside)
    once, repeat_notes = listed_once([frame.name for frame in listed], [_pose_text(frame.json) for frame in listed])
    every = [listed[i] for i in once]
    check_unique([frame.name for frame in every], file)
    present, missing_notes = present_photos([frame.path for frame in every], file)
    frames, side_notes = _with_side_files([every[i] for i in present], files, allow_outside)
    sizes = picture_sizes([frame.path for frame in frames])
    makers = [partial(_view, frame, meta, size) for frame, size in zip(frames, sizes, strict=True)]
    sound, views, fault_notes = sound_views(makers, [f.name for f in frames], [f.json.where for f in frames])
    fitted, size_notes = fit_to_pictures(views, [sizes[i] for i in sound], max_side_px, file)
    check_lenses(fitted, file)
    masked, mask_notes = with_dynamic_masks(fitted, root, allow_outside=allow_outside)
    if all(view.mask_path is None for view in masked):
        mask_notes += folder_masks_note(root)
    split, split_notes = _split(meta, every, {view.name for view in fitted})
    points, point_notes = _points(meta, files, allow_outside)
    kind = "instant-ngp" if meta.get("aabb_scale") else "nerfstudio"
    notes = [
        *(*path_notes, *repeat_notes, *missing_notes, *fault_notes, *side_notes, *mask_notes, *size_notes),
        *(*point_notes, *_moved_notes(meta), *unused_keys_note(meta, entries)),
    ]
    return ParsedScene(root, kind, tuple(masked), points, split, tuple(notes), tuple(split_notes))


NERFSTUDIO = SceneFormat(
    "transforms.json", "transforms.json (nerfstudio, instant-ngp)", matches=matches, read=read_nerfstudio
)


def _view(frame: _Frame, meta: Json, picture_size: tuple[int, int]) -> View:
    unit = meta.get("depth_unit_scale_factor")
    depth_unit = 1e-3 if unit is None else unit.number(low=1e-9)
    camera = _camera(frame.json, meta, picture_size)
    return View(frame.name, frame.path, camera, frame.mask_path, frame.depth_path, depth_unit)


def _frames(entries: Sequence[Json], files: SceneFiles, allow_outside: bool) -> tuple[list[_Frame], tuple[str, ...]]:
    """The file's entries with their photos; a name keeps its spelling, but gets the ending that it leaves out."""
    nodes = [entry.need("file_path") for entry in entries]
    located = locate([_listed(node) for node in nodes], files, PHOTOS, allow_outside=allow_outside)
    names = [plain_name(node.text()) for node in nodes]
    every = [
        _Frame(entry, name + ending, name, path)
        for entry, name, ending, path in zip(entries, names, located.endings, located.paths, strict=True)
    ]
    return every, located.notes


def _listed(node: Json) -> Listed:
    return Listed(node.text(), node.file, node.where)


def _with_side_files(
    frames: Sequence[_Frame], files: SceneFiles, allow_outside: bool
) -> tuple[list[_Frame], list[str]]:
    """Frames with the masks and depths that they name.

    A depth file that is not there is said and not missed, for nothing reads depths. A mask that is not there is an
    error: without it the photo would be trained on where it must not be, and without the photo a part of the place
    would be unseen; which of both is right, only who masked it knows.
    """
    masks, mask_notes = _side_files(frames, "mask_path", files, MASKS, allow_outside)
    depths, depth_notes = _side_files(frames, "depth_file_path", files, DEPTHS, allow_outside)
    missing = [
        (frame, path) for frame, path in zip(frames, masks, strict=True) if path is not None and not is_file(path)
    ]
    if missing:
        frame, path = missing[0]
        more = f" (and so {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise frame.json.need("mask_path").error(
            f"names a file that is not there ({printable(path)}){more}: restore it, or take the entry out"
        )
    if gone := [path for path in depths if path is not None and not is_file(path)]:
        depth_notes.append(
            f"{len(gone)} depth files are not there (first: {printable(gone[0].name)}): nothing needs them"
        )
    depths = [None if path is None or not is_file(path) else path for path in depths]
    both = zip(frames, masks, depths, strict=True)
    return [replace(frame, mask_path=mask, depth_path=depth) for frame, mask, depth in both], [
        *mask_notes,
        *depth_notes,
    ]


def _side_files(
    frames: Sequence[_Frame], key: str, files: SceneFiles, kind: FileKind, allow_outside: bool
) -> tuple[list[Path | None], list[str]]:
    """Where the files lie, or would lie, that frames name by a key; None for frames that name none."""
    nodes = {i: node for i, frame in enumerate(frames) if (node := frame.json.get(key))}
    photos = [frame.path for frame in frames]
    listed = [_listed(node) for node in nodes.values()]
    located = locate(listed, files, kind, allow_outside=allow_outside, others=photos)
    paths = dict(zip(nodes, located.paths, strict=True))
    return [paths.get(i) for i in range(len(frames))], list(located.notes)


def _camera(frame: Json, meta: Json, picture: tuple[int, int]) -> Camera:
    """The camera at the size the file is written for. What a frame says wins over what the file says for all, each key
    by itself."""
    _check_numbers(frame)
    lens = _lens(frame, meta)
    width, height = picture
    if _said(frame, meta, "w") or _said(frame, meta, "h"):
        width, height = ((_said(frame, meta, side) or meta.need(side)).side_px() for side in ("w", "h"))
    fx = _focal(frame, meta, "fl_x", "camera_angle_x", width)
    if fx is None:
        raise DataError(
            f"{frame.where} has no focal length: add fl_x or camera_angle_x to it or to the file", meta.file
        )
    fy = _focal(frame, meta, "fl_y", "camera_angle_y", height) or fx
    centre = [None if (node := _said(frame, meta, key)) is None else node.number() for key in ("cx", "cy")]
    radius = _said(frame, meta, "fisheye_crop_radius")
    pose_node = frame.need("transform_matrix")
    camera = Camera(
        world_from_camera=opencv_from_opengl(checked_pose(pose_node.matrix_4x4(), meta.file, pose_node.where)),
        width_px=width,
        height_px=height,
        fx_px=fx,
        fy_px=fy,
        cx_px=width / 2 if centre[0] is None else centre[0],
        cy_px=height / 2 if centre[1] is None else centre[1],
        distortion=_distortion(frame, meta, lens),
        lens=lens,
        valid_radius_px=None if radius is None else _radius(radius),
    )
    return checked_camera(camera, meta.file, frame.where)


def _check_numbers(frame: Json) -> None:
    """Raise CameraFault for a number of the frame's own camera that is none."""
    for key in _CAMERA_NUMBERS:
        if (node := frame.get(key)) is not None and (bad := node.unusable_number()) is not None:
            raise CameraFault(f"{bad.where} must be a finite number, found {short_text(bad.value)}", frame.file)


def _pose_text(frame: Json) -> str:
    """A frame's pose as it stands in the file: equal for equal poses."""
    return str(frame.value.get("transform_matrix"))


def _said(frame: Json, meta: Json, key: str) -> Json | None:
    """What the frame, or else the file for all frames, says of its camera."""
    node = frame.get(key)
    return meta.get(key) if node is None else node


def _focal(frame: Json, meta: Json, key: str, angle_key: str, side_px: int) -> float | None:
    for source in (frame, meta):
        if node := source.get(key):
            focal = node.number()
            if focal <= 0:
                raise node.error(f"must be positive (pixels), found {focal:g}")
            return focal
        if node := source.get(angle_key):
            angle = node.number()
            if not 0 < angle < math.pi:
                raise node.error(f"must be an angle between 0 and π (radians), found {angle:g}")
            return 0.5 * side_px / math.tan(0.5 * angle)
    return None


def _radius(node: Json) -> float:
    """nerfstudio's `fisheye_crop_radius`: of the circle about the principal point that the picture shows."""
    radius = node.number()
    if radius <= 0:
        raise node.error(f"must be positive (pixels), found {radius:g}")
    return radius


def _lens(frame: Json, meta: Json) -> LensModel:
    for source in (frame, meta):
        if other := next((key for key in _OTHER_LENSES if source.get(key) and source.value[key] is not False), None):
            raise source.error(f"has a lens of the kind {other}: lenses that are read are {', '.join(CAMERA_MODELS)}")
    model = frame.get("camera_model") or meta.get("camera_model")
    if model is None:
        fisheye = frame.get("is_fisheye") or meta.get("is_fisheye")
        return "fisheye" if fisheye and fisheye.flag() else "opencv"
    name = model.text()
    if name not in CAMERA_MODELS:
        raise model.error(
            f"is {name[:40]!a}, lenses that are read are {', '.join(CAMERA_MODELS)}: undistort the photos"
        )
    return "fisheye" if name.endswith("FISHEYE") else "opencv"


def _distortion(frame: Json, meta: Json, lens: LensModel) -> Distortion:
    """nerfstudio's k1 … k4, p1, p2 in the order of `Camera`; k4 of a perspective lens is r⁸, which OpenCV lacks."""
    of_frame = _coefficients(frame)
    k1, k2, k3, k4, p1, p2 = (dict.fromkeys(_COEFFICIENTS, 0.0) | _coefficients(meta) | of_frame).values()
    if lens == "fisheye":
        if p1 or p2:
            source = frame if of_frame.keys() & {"p1", "p2"} else meta
            raise source.error("has p1 or p2, which a fisheye lens lacks: undistort the photos")
        return (k1, k2, 0.0, 0.0, k3, k4, 0.0, 0.0)
    if k4:
        source = frame if "k4" in of_frame else meta
        raise source.error(f"has k4 = {k4:g} (r⁸), which lenses other than OPENCV_FISHEYE lack: undistort the photos")
    return (k1, k2, p1, p2, k3, 0.0, 0.0, 0.0)


def _coefficients(source: Json) -> dict[str, float]:
    """The coefficients that a frame, or the file for all frames, gives."""
    if node := source.get("distortion_params"):
        values = [entry.number() for entry in node.items()]
        if len(values) != len(_COEFFICIENTS):
            raise node.error(f"must hold {', '.join(_COEFFICIENTS)}, found {len(values)} numbers")
        return dict(zip(_COEFFICIENTS, values, strict=True))
    return {key: node.number() for key in _COEFFICIENTS if (node := source.get(key))}


def _split(
    meta: Json, frames: Sequence[_Frame], kept: set[str]
) -> tuple[tuple[frozenset[str], frozenset[str]] | None, list[str]]:
    """The file's own split, by names. Test is `test_filenames`, else `val_filenames`; train may be left out."""
    by_name = {spelling(name): frame.name for frame in frames for name in (frame.listed_name, frame.name)}
    lists: dict[str, frozenset[str]] = {}
    for part in ("train", "val", "test"):
        if node := meta.get(f"{part}_filenames"):
            names = {entry.where: plain_name(entry.text()) for entry in node.items()}
            if unknown := next((where for where, name in names.items() if spelling(name) not in by_name), None):
                raise DataError(f"{unknown} names {names[unknown][:80]!a}, which no frame has: correct it", meta.file)
            lists[part] = frozenset(by_name[spelling(name)] for name in names.values()) & kept
    if not lists:
        return None, []
    held_out = lists.get("test", frozenset()) | lists.get("val", frozenset())
    train = lists.get("train", frozenset(kept - held_out))
    test = lists.get("test") or lists.get("val") or frozenset()
    if not lists.keys() & {"test", "val"}:
        test = frozenset(kept - train)
    notes = []
    if both := train & test:
        notes.append(f"{len(both)} photos are in both train_filenames and the test list: their scores flatter")
    if unused := len(kept - train - test):
        notes.append(f"{unused} photos are in no list of the split and are not used to train or test")
    return (train, test), notes


def _points(meta: Json, files: SceneFiles, allow_outside: bool) -> tuple[Points | None, list[str]]:
    node = meta.get("ply_file_path")
    if node is None:
        return None, point_cloud_note(files.root)
    located = locate([_listed(node)], files, POINT_CLOUDS, allow_outside=allow_outside)
    path = located.paths[0]
    if not is_file(path):
        return None, [f"the point cloud {printable(path.name)} is not there: going on without points"]
    points, notes = read_point_cloud(path)
    return points, [*located.notes, *notes]


def _moved_notes(meta: Json) -> list[str]:
    node = meta.get("applied_transform")
    scale = meta.get("applied_scale")
    moved = node is not None and not np.allclose(node.matrix(), np.eye(4))
    if not moved and (scale is None or scale.number() == 1.0):
        return []
    return ["the file's poses were moved before it was written (applied_transform): positions are in the file's frame"]
