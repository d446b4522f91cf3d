"""Scenes as COLMAP leaves them: a sparse model (binary or text) beside the folder `images`.

COLMAP's axes are OpenCV's and its pixel centres are at +0.5, as here; its world frame is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from langfield.core.camera_checks import Distortion
from langfield.core.cameras import NO_DISTORTION, Camera, LensModel
from langfield.core.errors import DataError
from langfield.core.listing import shortened
from langfield.core.quaternions import rotation_from_unit_quaternion
from langfield.core.transforms import Matrix4
from langfield.data.formats.base import ParsedScene, SceneFormat
from langfield.data.formats.camera_faults import sound_views
from langfield.data.formats.colmap_files import (
    count_images,
    is_model,
    model_file,
    read_cameras,
    read_images,
    read_points,
)
from langfield.data.formats.colmap_records import ColmapCamera, ColmapImage, check_readable
from langfield.data.formats.photo_files import fit_to_pictures, listed_once, picture_sizes, present_photos
from langfield.data.formats.photo_paths import PHOTOS, Listed, locate
from langfield.data.formats.ply import read_point_cloud
from langfield.data.formats.scene_files import SceneFiles
from langfield.data.formats.side_files import photo_folder, with_dynamic_masks, with_folder_masks
from langfield.data.lenses import check_lenses
from langfield.data.validation import CameraFault, check_unique, checked_camera, checked_pose, is_file, plain_name
from langfield.data.views import Points, View

_PLACES = ("sparse", "colmap/sparse")
_TO_TRAIN_ON = "images_train"
_PLY_POINTS = "points3D.ply"
_PHOTOS = replace(PHOTOS, own_folder=True)


def find_models(path: Path) -> list[Path]:
    """Folders in and under `path` where COLMAP leaves models, in a fixed order; empty if there is none."""
    if is_model(path):
        return [path]
    for place in _PLACES:
        folder = path / place
        if is_model(folder):
            return [folder]
        if folder.is_dir() and (models := sorted(sub for sub in folder.iterdir() if sub.is_dir() and is_model(sub))):
            return models
    return []


def matches(path: Path) -> bool:
    """Whether it is a folder in or under which COLMAP has left a model."""
    return path.is_dir() and bool(find_models(path))


def read_colmap(path: Path, *, max_side_px: int | None, allow_outside: bool) -> ParsedScene:
    """Read the largest of COLMAP's sub-models; see `SceneReader`.

    Where the photos to train on lie once more in `images_train` beside `images`, as LERF-Mask has it, the others are
    for testing.

    Args:
        path: the scene, or the model's own folder.
        allow_outside: accept photos outside the folder `images`.
    """
    model, notes = _largest(find_models(path))
    scene, photos, folder_notes = _photo_folder(path)
    images_file = model_file(model, "images") or model
    listed = read_images(model)
    once, repeat_notes = listed_once(
        [plain_name(image.name) for image in listed], [str((*i.quaternion_wxyz, *i.translation)) for i in listed]
    )
    images = [listed[i] for i in once]
    names = [plain_name(image.name) for image in images]
    check_unique(names, images_file)
    files = SceneFiles(photos, allow_outside=allow_outside)
    listed = [Listed(image.name, images_file, f"image {i + 1}") for i, image in enumerate(images)]
    located = locate(listed, files, _PHOTOS, allow_outside=allow_outside)
    present, missing_notes = present_photos(located.paths, images_file)
    sizes = picture_sizes([located.paths[i] for i in present])
    cameras = read_cameras(model)
    makers = [partial(_view, names[i], located.paths[i], images[i], cameras, model) for i in present]
    sound, views, fault_notes = sound_views(
        makers, [names[i] for i in present], [f"image {once[i] + 1}" for i in present]
    )
    cameras_file = model_file(model, "cameras") or model
    fitted, size_notes = fit_to_pictures(views, [sizes[i] for i in sound], max_side_px, cameras_file)
    check_lenses(fitted, cameras_file)
    masked, mask_notes = with_folder_masks(fitted, scene, photos, allow_outside=allow_outside)
    masked, dynamic_notes = with_dynamic_masks(masked, photos.parent, allow_outside=allow_outside)
    split, split_notes = _split(photos.parent / _TO_TRAIN_ON, [view.name for view in fitted], images_file)
    points, point_notes = _points(model)
    return ParsedScene(
        root=photos.parent,
        kind="colmap",
        views=tuple(masked),
        points=points,
        split=split,
        notes=(
            *(*notes, *folder_notes, *located.notes, *repeat_notes, *missing_notes, *fault_notes),
            *(*mask_notes, *dynamic_notes, *size_notes, *split_notes, *point_notes),
        ),
    )


COLMAP = SceneFormat(
    "COLMAP model", "a COLMAP model in sparse/0 with the photos in images", matches=matches, read=read_colmap
)


def _largest(models: Sequence[Path]) -> tuple[Path, list[str]]:
    if len(models) == 1:
        return models[0], []
    counts = {model: count_images(model) for model in models}
    best = max(models, key=lambda model: counts[model])
    others = shortened([f"{model.name} has {counts[model]}" for model in models if model != best])
    return best, [
        f"{len(models)} sub-models: {best.name} is taken, it registers most photos ({counts[best]}; {others})"
    ]


def _photo_folder(path: Path) -> tuple[Path, Path, list[str]]:
    """The scene's folder, that of its photos, both resolved, and notes. For a path to the model itself they are looked
    for up to three folders above."""
    found = photo_folder([path, *path.parents[:3]] if is_model(path) else [path])
    if found is None:
        raise DataError("holds a COLMAP model but no folder `images`: put the photos there", path)
    photos, notes = found
    return photos.parent.resolve(), photos.resolve(), notes


def _points(model: Path) -> tuple[Points | None, list[str]]:
    """The model's own points, or those of a PLY file beside it where it has none."""
    points, ply = read_points(model), model / _PLY_POINTS
    if points or not is_file(ply):
        return points, []
    lacking = "has no points3D.bin or points3D.txt" if points is None else "has no points of its own"
    points, notes = read_point_cloud(ply)
    return points, [f"the points of {ply.name} are used: the model {lacking}", *notes]


def _split(
    to_train_on: Path, names: Sequence[str], images_file: Path
) -> tuple[tuple[frozenset[str], frozenset[str]] | None, tuple[str, ...]]:
    """The data set's own split, None without one, and a note about one that is none."""
    if not to_train_on.is_dir():
        return None, ()
    listed = [Listed(name, images_file, name) for name in names]
    located = locate(listed, SceneFiles(to_train_on.resolve()), _PHOTOS, allow_outside=True)
    train = frozenset(name for name, path in zip(names, located.paths, strict=True) if is_file(path))
    test = frozenset(names) - train
    if not train or not test:
        share = "all" if train else "none"
        return None, (f"{to_train_on.name} holds {share} of the photos and is no split: it is not used",)
    return (train, test), ()


def _view(name: str, path: Path, image: ColmapImage, cameras: dict[int, ColmapCamera], model: Path) -> View:
    return View(name, path, _camera(image, cameras, model))


def _camera(image: ColmapImage, cameras: dict[int, ColmapCamera], model: Path) -> Camera:
    images_file = model_file(model, "images") or model
    if image.camera_id not in cameras:
        message = f"{image.name!a} has camera {image.camera_id}, which is not in the model's cameras: export it again"
        raise DataError(message, images_file)
    entry = cameras[image.camera_id]
    check_readable(entry, model_file(model, "cameras") or model)
    fx, fy, cx, cy, distortion, lens = _intrinsics(entry)
    camera = Camera(
        world_from_camera=_world_from_camera(image, images_file),
        width_px=entry.width_px,
        height_px=entry.height_px,
        fx_px=fx,
        fy_px=fy,
        cx_px=cx,
        cy_px=cy,
        distortion=distortion,
        lens=lens,
    )
    return checked_camera(camera, model_file(model, "cameras") or model, f"camera {image.camera_id}")


def _world_from_camera(image: ColmapImage, file: Path) -> Matrix4:
    """The inverse of COLMAP's camera-from-world pose."""
    quaternion = np.array(image.quaternion_wxyz)
    norm = math.hypot(*image.quaternion_wxyz)
    if not 0.5 <= norm <= 2.0:
        raise CameraFault(
            f"{image.name!a} has a quaternion of length {norm:.3g}, 1 is right: export the model again", file
        )
    camera_from_world = rotation_from_unit_quaternion(torch.from_numpy(quaternion / norm)[None])[0].numpy()
    out = np.eye(4)
    out[:3, :3] = camera_from_world.T
    with np.errstate(invalid="ignore", over="ignore"):
        out[:3, 3] = -camera_from_world.T @ np.array(image.translation)
    return checked_pose(out, file, f"the pose of {image.name!a}")


def _intrinsics(camera: ColmapCamera) -> tuple[float, float, float, float, Distortion, LensModel]:
    """fx, fy, cx, cy, distortion in the order of `Camera`, and the lens."""
    p = camera.params
    match camera.model:
        case "SIMPLE_PINHOLE":
            return p[0], p[0], p[1], p[2], NO_DISTORTION, "opencv"
        case "PINHOLE":
            return *_four(p), NO_DISTORTION, "opencv"
        case "SIMPLE_RADIAL":
            return p[0], p[0], p[1], p[2], _lens(k1=p[3]), "opencv"
        case "RADIAL":
            return p[0], p[0], p[1], p[2], _lens(k1=p[3], k2=p[4]), "opencv"
        case "OPENCV":
            return *_four(p), (*_four(p[4:]), 0.0, 0.0, 0.0, 0.0), "opencv"
        case "FULL_OPENCV":
            return *_four(p), (*_four(p[4:]), *_four(p[8:])), "opencv"
        case "OPENCV_FISHEYE":
            return *_four(p), _lens(k1=p[4], k2=p[5], k3=p[6], k4=p[7]), "fisheye"
        case "SIMPLE_FISHEYE":
            return p[0], p[0], p[1], p[2], NO_DISTORTION, "fisheye"
        case "FISHEYE":
            return *_four(p), NO_DISTORTION, "fisheye"
        case "SIMPLE_RADIAL_FISHEYE":
            return p[0], p[0], p[1], p[2], _lens(k1=p[3]), "fisheye"
        case _:  # RADIAL_FISHEYE; `check_readable` lets no other through
            return p[0], p[0], p[1], p[2], _lens(k1=p[3], k2=p[4]), "fisheye"


def _four(values: tuple[float, ...]) -> tuple[float, float, float, float]:
    return values[0], values[1], values[2], values[3]


def _lens(k1: float, k2: float = 0.0, k3: float = 0.0, k4: float = 0.0) -> Distortion:
    return (k1, k2, 0.0, 0.0, k3, k4, 0.0, 0.0)
