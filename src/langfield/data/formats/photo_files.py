"""A scene's photos on disk: which are there, how large they are, and the size they are used at."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from langfield.core.errors import DataError
from langfield.core.listing import shortened
from langfield.data.images import image_size, same_shape
from langfield.data.validation import is_file, printable
from langfield.data.views import View

MIN_VIEWS = 2
_HEADER_READERS = 8


def listed_once(names: Sequence[str], poses: Sequence[str]) -> tuple[list[int], list[str]]:
    """Which entries of a list of photos to take, and a note: one that is listed again with the same pose is not."""
    first = {entry: i for i, entry in reversed(list(enumerate(zip(names, poses, strict=True))))}
    once = sorted(first.values())
    taken = set(once)
    repeated = [name for i, name in enumerate(names) if i not in taken]
    if not repeated:
        return once, []
    return once, [f"listed more than once with the same pose, used once: {shortened(list(dict.fromkeys(repeated)))}"]


def present_photos(paths: Sequence[Path], file: Path) -> tuple[list[int], list[str]]:
    """Which of the listed photos are on disk, and a note about those that are not.

    Raises DataError if fewer than two are there.
    """
    present = [i for i, path in enumerate(paths) if is_file(path)]
    missing = [path for path in paths if not is_file(path)] if len(present) < len(paths) else []
    if len(present) < MIN_VIEWS:
        first = f" (first missing: {printable(missing[0])})" if missing else ""
        raise DataError(
            f"lists {len(paths)} photos, of which {len(present)} are there{first}: a scene needs at least {MIN_VIEWS}",
            file,
        )
    if not missing:
        return present, []
    note = f"{len(missing)} of {len(paths)} photos listed in {file.name} are not there and are left out"
    return present, [f"{note} (first: {printable(missing[0].name)})"]


def picture_sizes(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Width and height of every picture, from the headers only."""
    with ThreadPoolExecutor(_HEADER_READERS) as pool:
        return list(pool.map(image_size, paths))


def fit_to_pictures(
    views: Sequence[View], sizes: Sequence[tuple[int, int]], max_side_px: int | None, file: Path
) -> tuple[tuple[View, ...], list[str]]:
    """Give every camera the size its photo is used at.

    Where the file's width and height are not the picture's, the intrinsics scale if the shape is the same (someone
    shrank the photos); a DataError otherwise. Then sides longer than `max_side_px` are brought down to it.
    """
    fitted, rescaled, shrunk = [], [], []
    for view, size in zip(views, sizes, strict=True):
        camera = view.camera
        if size != view.size_px:
            if not same_shape(size, view.size_px):
                raise _shape_error(view, size, file)
            rescaled.append((view, size))
            camera = camera.resized(*size)
        used = replace(view, camera=camera.fit_within(max_side_px))
        if used.size_px != size:
            shrunk.append((size, used.size_px))
        fitted.append(used)
    notes = []
    if rescaled:
        view, size = rescaled[0]
        found, said = _size_text(size), _size_text(view.size_px)
        notes.append(f"{len(rescaled)} photos are of another size than {file.name} says: intrinsics scaled")
        notes[-1] += f" (first: {view.name} is {found}, not {said})"
    if shrunk:
        size, used = shrunk[0]
        notes.append(f"{len(shrunk)} photos are used resized, longest side {max_side_px} pixels")
        notes[-1] += f" (first: {_size_text(size)} to {_size_text(used)})"
    return tuple(fitted), notes


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _shape_error(view: View, size: tuple[int, int], file: Path) -> DataError:
    turned = same_shape((size[1], size[0]), view.size_px)
    advice = "undo the photo's rotation" if turned else "give w and h of this very photo, or restore the photo"
    found, said = _size_text(size), _size_text(view.size_px)
    return DataError(f"{view.name} is {found} pixels but its camera is for {said}: {advice}", file)
