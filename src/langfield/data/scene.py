"""`open_scene`: a folder goes in, a checked `Scene` comes out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from langfield.core.errors import DataError, UsageError
from langfield.core.transforms import normalising_similarity
from langfield.data.formats.base import ParsedScene
from langfield.data.formats.registry import formats_for_people, known_but_not_read, matching_formats
from langfield.data.scene_path import check_scene_exists
from langfield.data.screening import screen
from langfield.data.split import check_test_every, split_views
from langfield.data.unknown_places import unknown_places
from langfield.data.views import Points, Scene, View
from langfield.data.white_levels import with_white_levels


def open_scene(
    path: str | Path, *, max_side_px: int | None = 1600, allow_outside: bool = False, test_every: int | None = None
) -> Scene:
    """Open posed photos and check everything that their files say. Only the photos' headers are read; but of those
    with more than 8 bits a colour, a few are decoded to find which value is white.

    What is read:

    * `transforms.json` of nerfstudio and instant-ngp, with its lens models, masks, depths, point cloud and split, and
      instant-ngp's masks of moving things (`dynamic_mask_NAME.png` beside a photo);
    * a COLMAP model, binary or text, in `sparse/0`, `sparse`, `colmap/sparse/0` or the folder itself, with the photos
      in `images` (or only in `images_2`, `_4`, `_8`) and masks in `masks`. Of several sub-models the one with most
      photos is taken.

    Paths may be spelled otherwise than on disk, or be those of another computer: what lies in the scene's folder is
    found, and a note says how (`langfield.data.formats.photo_paths`).

    The world frame is the files' own. Cameras have OpenCV axes (x right, y down, z forward), whatever the files have.
    Photos to test with are those that the files name; where they name none, every eighth by name, or, of up to three
    photos, none.

    Poses are checked against each other. Cameras that stand far from all others do not count for the scene's scale, and
    are left out where they see nothing of what the others see; photos that are there twice are taken once. Where the
    photos cannot tell where things are, `warnings` says so.

    Args:
        path: the scene's folder, a `transforms.json`, or the folder of a COLMAP model inside the scene.
        max_side_px: photos whose longest side is longer are used resized to it; None uses them as they are.
        allow_outside: also accept photos and other files that lie outside the scene's folder.
        test_every: test on every so many-th photo by name, whatever the files say; 0 trains on all photos. None is
            the files' own split, or every eighth.

    Returns the scene: `views` (photo, camera, mask, depth; sorted by name), `train` and `test` (indices into them),
    `points` (or None), `notes`, lines that say what was found, chosen, left out and resized, and `warnings`.

    Raises:
        DataError: the path is no scene, or something in its files is missing, damaged or impossible. One line: the
            file, the place in it, what was found, what to do.
        UsageError: `max_side_px` is less than 1, `test_every` is 1, negative or no whole number.
    """
    if max_side_px is not None and max_side_px < 1:
        raise UsageError(f"max_side_px must be at least 1 (or None), found {max_side_px}")
    check_test_every(test_every)
    parsed = _parse(Path(path), max_side_px, allow_outside)
    screened = screen(parsed)
    views, white_notes = with_white_levels(screened.views)
    split = split_views([view.name for view in views], parsed.split, test_every)
    if not split.train:
        raise DataError(
            "its own split leaves no photo to train on: check its lists, or choose another split (--test-every 8)",
            parsed.root,
        )
    counts = f"{len(split.train)} to train on, {len(split.test)} to test ({split.how})"
    points = f"{len(parsed.points)} points" if parsed.points is not None else "no point cloud"
    unknown = unknown_places(
        _poses([views[i] for i in split.train]), None if parsed.points is None else parsed.points.xyz
    )
    return Scene(
        root=parsed.root,
        kind=parsed.kind,
        views=views,
        train=split.train,
        test=split.test,
        points=parsed.points,
        scene_from_world=normalising_similarity(_poses(screened.of_scale)),
        notes=(
            f"{parsed.kind}: {len(views)} views, {counts}, {points}",
            *parsed.notes,
            *(parsed.split_notes if split.test_every is None else ()),
            *_point_notes(parsed.points),
            *screened.notes,
            *white_notes,
            *unknown,
        ),
        warnings=(*screened.warnings, *unknown),
        test_every=split.test_every,
    )


def _poses(views: Sequence[View]) -> Float64[np.ndarray, "n 4 4"]:
    return np.stack([view.camera.world_from_camera for view in views])


def _point_notes(points: Points | None) -> list[str]:
    if points is None or not points.left_out:
        return []
    return [f"{points.left_out} of {points.left_out + len(points)} points are not finite and are left out"]


def _parse(path: Path, max_side_px: int | None, allow_outside: bool) -> ParsedScene:
    """Read the first format that the path is a scene of, and note the others."""
    check_scene_exists(path)
    if path.is_dir():
        path = path.resolve()
    matching = matching_formats(path)
    if not matching:
        raise _no_scene(path)
    parsed = matching[0].read(path, max_side_px=max_side_px, allow_outside=allow_outside)
    unused = tuple(f"{matching[0].marker} is used, the {other.marker} beside it is not" for other in matching[1:])
    return replace(parsed, notes=(*unused, *parsed.notes))


def _no_scene(path: Path) -> DataError:
    if known := known_but_not_read(path):
        return DataError(f"is {known}", path)
    return DataError(f"{'holds' if path.is_dir() else 'is'} no scene: supported are {formats_for_people()}", path)
