"""`open_scene`: a folder goes in, a checked `Scene` comes out."""

from pathlib import Path

import numpy as np

from langfield.core.errors import DataError, UsageError
from langfield.core.transforms import normalising_similarity
from langfield.data.assembly import TEST_EVERY, Reading
from langfield.data.formats.colmap import find_models, read_colmap
from langfield.data.formats.nerfstudio import read_transforms
from langfield.data.views import Points, Scene, View

__all__ = ["Points", "Scene", "View", "open_scene"]

_SUPPORTED = "transforms.json (nerfstudio, instant-ngp), or a COLMAP model in sparse/0 with the photos in images"


def open_scene(path: str | Path, *, max_side_px: int | None = 1600, allow_outside: bool = False) -> Scene:
    """Open a scene and check everything its files say. No photo is decoded yet, only headers are read.

    Args:
        path: a folder with `transforms.json`, that file itself, a COLMAP scene, or a COLMAP model's own folder.
        max_side_px: photos whose longest side exceeds this are used resized; None uses them as they are.
        allow_outside: also accept files that lie outside the scene's folder.

    Raises DataError, one line with the file, what was found and what is allowed.
    """
    if max_side_px is not None and max_side_px < 1:
        raise UsageError(f"max_side_px must be at least 1 (or None), found {max_side_px}")
    path = Path(path)
    reading = _read(path, max_side_px, allow_outside)
    views = tuple(sorted(reading.views, key=lambda view: view.name))
    train, test, how = _split(reading, views)
    summary = f"{reading.kind}: {len(views)} views, {len(train)} to train on, {len(test)} to test ({how})"
    points = f"{len(reading.points)} points" if reading.points is not None else "no point cloud"
    return Scene(
        root=reading.root,
        kind=reading.kind,
        views=views,
        train=train,
        test=test,
        points=reading.points,
        scene_from_world=normalising_similarity(np.stack([view.camera.world_from_camera for view in views])),
        notes=(f"{summary}, {points}", *reading.notes),
    )


def _read(path: Path, max_side_px: int | None, allow_outside: bool) -> Reading:
    if path.is_file():
        if path.suffix.lower() != ".json":
            raise DataError(f"is no scene: supported are {_SUPPORTED}", path)
        return read_transforms(path, max_side_px=max_side_px, allow_outside=allow_outside)
    if not path.is_dir():
        raise DataError("does not exist: give the scene's folder", path)
    path = path.resolve()
    models = find_models(path)
    if (path / "transforms.json").is_file():
        reading = read_transforms(path / "transforms.json", max_side_px=max_side_px, allow_outside=allow_outside)
        if not models:
            return reading
        note = "transforms.json is used, the COLMAP model beside it is not"
        return Reading(reading.root, reading.kind, reading.views, reading.points, reading.split, (note, *reading.notes))
    if models:
        return read_colmap(path, models, max_side_px=max_side_px, allow_outside=allow_outside)
    if (path / "transforms_train.json").is_file():
        raise DataError(
            f"is a Blender scene (transforms_train.json), which is not read: supported are {_SUPPORTED}", path
        )
    raise DataError(f"holds no scene: supported are {_SUPPORTED}", path)


def _split(reading: Reading, views: tuple[View, ...]) -> tuple[tuple[int, ...], tuple[int, ...], str]:
    if reading.split is None:
        everyone = range(len(views))
        train = tuple(i for i in everyone if i % TEST_EVERY)
        return train, tuple(i for i in everyone if i % TEST_EVERY == 0), f"every {TEST_EVERY}th by name"
    train_names, test_names = reading.split
    train = tuple(i for i, view in enumerate(views) if view.name in train_names)
    return train, tuple(i for i, view in enumerate(views) if view.name in test_names), "the files' own split"
