"""What lies beside a scene's photos though no file names it: masks by COLMAP's and by instant-ngp's convention, smaller
copies of the photos, point clouds. It is used, or a note names it."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from langfield.core.listing import shortened
from langfield.data.formats.photo_files import picture_sizes
from langfield.data.formats.scene_files import (
    Parts,
    SceneFiles,
    is_folder,
    is_plain_file,
    picture_suffix,
    spelling,
)
from langfield.data.images import same_shape
from langfield.data.validation import printable
from langfield.data.views import View

_MASK_FOLDER = "masks"
_IMAGES = "images"
_DYNAMIC_MASK = "dynamic_mask_"
_POINT_CLOUDS = ("sparse_pc.ply", "points3D.ply", "point_cloud.ply")


def photo_folder(folders: Sequence[Path]) -> tuple[Path, list[str]] | None:
    """The folder that holds a COLMAP scene's photos, of the first of some folders that has one, and a note unless it is
    `images`: the largest of `images_2`, `images_4`, `images_8` where there is none.
    """
    for folder in folders:
        names = _folders_in(folder)
        if _IMAGES in names:
            return folder / _IMAGES, []
        alike = [name for name in names if spelling(name) == _IMAGES]
        if len(alike) == 1:
            return folder / alike[0], [f"the photos are taken from {alike[0]}: there is no folder {_IMAGES}"]
        shrunk = {
            int(name[len(_IMAGES) + 1 :]): name for name in names if re.fullmatch(rf"{_IMAGES}_[0-9]{{1,3}}", name)
        }
        if shrunk:
            name = shrunk[min(shrunk)]
            return folder / name, [f"the photos are taken from {name}: there is no folder {_IMAGES}"]
    return None


def with_folder_masks(
    views: Sequence[View], folder: Path, photos: Path, *, allow_outside: bool
) -> tuple[list[View], list[str]]:
    """Views with COLMAP's masks, of those that have no mask: `masks/NAME.jpg.png` beside the folder of the photos, or
    `masks/NAME.png`; nonzero is used.

    Args:
        folder: that holds `masks`, resolved.
        photos: the folder of the photos, resolved.

    Returns also a note about those that are used, and about masks that belong to no photo or are of another shape.
    """
    names = [name for name in _folders_in(folder) if spelling(name) == _MASK_FOLDER]
    if len(names) != 1:
        return list(views), []
    root = (folder / names[0]).resolve()
    if not allow_outside and not root.is_relative_to(folder):
        return list(views), [f"{names[0]} leads out of the scene and is not used (--allow-outside)"]
    files = SceneFiles(root, allow_outside=allow_outside)
    found = {i: path for i, view in enumerate(views) if (path := _folder_mask(view, photos, files)) is not None}
    if not found:
        return list(views), _unused_masks(names[0], files)
    fitting = _fitting(views, found)
    notes = []
    if fitting:
        some = "" if len(fitting) == len(views) else f" of {len(views)}"
        notes.append(
            f"masks of {len(fitting)}{some} photos are taken from {names[0]}: where they are black is not used"
        )
    if other := [views[i].name for i in found if i not in fitting]:
        notes.append(f"{len(other)} masks in {names[0]} are of another shape than their photos and are not used")
        notes[-1] += f" (first: of {printable(other[0])})"
    return [replace(view, mask_path=fitting.get(i, view.mask_path)) for i, view in enumerate(views)], notes


def folder_masks_note(folder: Path) -> list[str]:
    """A note about a folder `masks` that no frame names."""
    names = [name for name in _folders_in(folder) if spelling(name) == _MASK_FOLDER]
    return (
        _unused_masks(names[0], SceneFiles((folder / names[0]).resolve()), "no frame names them (mask_path)")
        if names
        else []
    )


def _unused_masks(name: str, files: SceneFiles, why: str = "none is called as a photo is (NAME.jpg.png)") -> list[str]:
    pictures = [parts for parts in files.every if picture_suffix(parts[-1])]
    if not pictures:
        return []
    return [
        f"{len(pictures)} pictures in {name} are not used as masks: {why}; first: {printable('/'.join(pictures[0]))}"
    ]


def _folder_mask(view: View, photos: Path, files: SceneFiles) -> Path | None:
    """The mask of a photo by COLMAP's names; None without one, or if it is not clear which."""
    names = [tuple(view.name.split("/"))]
    if view.image_path.is_relative_to(photos):  # it may lie and be called otherwise than the model says
        names.append(view.image_path.relative_to(photos).parts)
    for *folders, photo in names:
        for called in (f"{photo}.png", f"{photo.removesuffix(picture_suffix(photo))}.png"):
            found = files.look_up((*folders, called), taken=frozenset())
            if len(found) == 1:
                return _inside(files.root, found[0].parts)
    return None


def _inside(root: Path, parts: Parts) -> Path | None:
    path = root.joinpath(*parts).resolve()
    return path if path.is_relative_to(root) else None


def with_dynamic_masks(views: Sequence[View], folder: Path, *, allow_outside: bool) -> tuple[list[View], list[str]]:
    """Views with instant-ngp's masks, `dynamic_mask_NAME.png` beside a photo NAME.jpg: nonzero is not used.

    Args:
        folder: the scene's, resolved. Links that lead out of it are not followed, unless `allow_outside`.

    Returns also a note about those that are used, and about such files that are not.
    """
    by_folder = {place: _dynamic_masks(place) for place in dict.fromkeys(view.image_path.parent for view in views)}
    found: dict[int, Path] = {}
    for i, view in enumerate(views):
        masks = by_folder[view.image_path.parent]
        if name := masks.get(spelling(f"{_DYNAMIC_MASK}{view.image_path.stem}.png")):
            path = view.image_path.with_name(name)
            if allow_outside or path.resolve().is_relative_to(folder):
                found[i] = path
    fitting = _fitting(views, found)
    notes = []
    if fitting:
        notes.append(
            f"{len(fitting)} photos have a {_DYNAMIC_MASK}NAME.png beside them: what is not black in it is not used"
        )
    used = set(fitting.values())
    unused = [place / name for place, masks in by_folder.items() for name in masks.values() if place / name not in used]
    if unused:
        notes.append(
            f"{len(unused)} {_DYNAMIC_MASK}*.png are of no photo, of another shape, or lead out of the scene, "
            "and are not used"
        )
        notes[-1] += f" (first: {printable(unused[0].name)})"
    return [replace(view, ignored_path=fitting.get(i)) for i, view in enumerate(views)], notes


def _dynamic_masks(folder: Path) -> dict[str, str]:
    """The names of such files in a folder, by their spelling."""
    return {
        key: name
        for name in _files_in(folder)
        if (key := spelling(name)).startswith(_DYNAMIC_MASK) and key.endswith(".png")
    }


def _fitting(views: Sequence[View], found: dict[int, Path]) -> dict[int, Path]:
    """Those of the masks that cover the same picture as their photo."""
    sizes = picture_sizes(list(found.values()))
    return {i: path for (i, path), size in zip(found.items(), sizes, strict=True) if same_shape(size, views[i].size_px)}


def point_cloud_note(folder: Path) -> list[str]:
    """A note about a point cloud beside a file that names none.

    It is not used: whether it is in the frame of the poses only the file could say, and Gaussians that start at points
    of another frame end worse than without.
    """
    names = [name for name in _POINT_CLOUDS if (folder / name).is_file()]
    if not names:
        return []
    add = f'add "ply_file_path": "{names[0]}" if it is in the frame of the poses'
    return [f"{shortened(names)} beside transforms.json is not used, for that does not name it: {add}"]


def _folders_in(folder: Path) -> list[str]:
    return _names_in(folder, is_folder)


def _files_in(folder: Path) -> list[str]:
    return _names_in(folder, is_plain_file)


def _names_in(folder: Path, is_wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    """Names in a folder, sorted; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_wanted(entry))
    except OSError:
        return []
