"""Labels that are black-and-white pictures, one for each phrase and photo: LERF-Mask's and 3D-OVS's folders.

LERF-Mask (Ye et al. 2024, Gaussian Grouping's docs/dataset.md): `test_mask/<n>/<phrase>.png` for the held-out photo
`test_<n>`; not every phrase is labelled in every photo. 3D-OVS (Liu et al. 2023): `segmentations/classes.txt` with a
class on each line, and `segmentations/<photo>/<class>.png` for every class. A folder is matched to a photo by the
photo's exact name, never by its place in a list of photos.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from scipy import ndimage

from langfield.core.errors import DataError
from langfield.data.images import decode_black_and_white
from langfield.data.literature.layouts import read_phrases
from langfield.data.queries import MAX_PHRASE_CHARS, MAX_PHRASES
from langfield.data.views import View
from langfield.evaluation.labels.base import Label, Phrase, ViewLabels, check_shape

CLASSES_FILE = "classes.txt"
# The kind of every phrase: the folders name none.
MASK_KIND = "object"
_NUMBER = re.compile(r"[0-9]+")
_CONTROL_OR_SURROGATE = re.compile(r"[\x00-\x1f\x7f]|[\ud800-\udfff]")


@dataclass(frozen=True)
class MaskLabels:
    """Labels from mask pictures.

    Attributes:
        mask_paths: the masks of each photo by phrase; photos by the exact names of their files. A phrase whose mask is
            all black is not asked in that photo.
    """

    phrases: tuple[Phrase, ...]
    mask_paths: dict[str, dict[str, Path]]

    def covers(self, view: View) -> bool:
        return view.image_path.name in self.mask_paths

    def of_view(self, view: View) -> ViewLabels | None:
        """One label for each mask that is not black, with a box for each of its connected components.

        Raises DataError for masks that cannot be used.
        """
        masks = self.mask_paths.get(view.image_path.name)
        if masks is None:
            return None
        labels, first = [], None
        for phrase, path in masks.items():
            mask = decode_black_and_white(path)
            height, width = mask.shape
            if first is None:
                check_shape((width, height), view, path)
                first = width, height
            elif (width, height) != first:
                others = f"{first[0]} by {first[1]}"
                raise DataError(f"is of {width} by {height} pixels, other masks of the photo of {others}", path)
            if mask.any():
                labels.append(Label(phrase, MASK_KIND, component_boxes(mask), mask))
        assert first is not None
        return ViewLabels(view.name, *first, tuple(labels))


def component_boxes(mask: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "b 4"]:
    """The smallest box (x from, y from, x to, y to; pixel edges) around each connected component of a mask.

    Pixels that touch at their corners are connected. Components stand for things, which a mask does not tell apart.
    """
    parts = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=np.ones((3, 3), dtype=np.int64), output=parts)
    boxes = [(columns.start, rows.start, columns.stop, rows.stop) for rows, columns in ndimage.find_objects(parts)]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def open_lerf_mask(folder: Path, views: Sequence[View]) -> MaskLabels:
    """Open `test_mask`; masks of other photos than those of `views` are left aside. Raises DataError."""
    mask_paths: dict[str, dict[str, Path]] = {}
    for place in _folders(folder):
        number = _NUMBER.fullmatch(place.name)
        photo = _photo(place, {place.name, f"test_{place.name}"} if number else {place.name}, views)
        if photo in mask_paths:
            raise DataError(f"labels the photo {photo!r}, which another folder labels too: drop one", place)
        if photo is not None and (masks := _masks(place)):
            mask_paths[photo] = masks
    if not mask_paths:
        named = "a photo, or <n> for the photo test_<n>"
        raise DataError(f"holds no masks of the photos that are asked: its folders must be named as {named}", folder)
    return _labels(folder, mask_paths)


def open_3d_ovs(folder: Path, views: Sequence[View]) -> MaskLabels:
    """Open `segmentations`; masks of other photos than those of `views` are left aside. Raises DataError, also for a
    photo that has not exactly one mask for each class."""
    classes = read_phrases(folder / CLASSES_FILE)
    mask_paths: dict[str, dict[str, Path]] = {}
    for place in _folders(folder):
        photo = _photo(place, {place.name}, views)
        if photo is None:
            continue
        masks = _masks(place)
        lacking, unknown = sorted(set(classes) - set(masks)), sorted(set(masks) - set(classes))
        if lacking:
            raise DataError(f"has no mask of {lacking[0][:80]!r}, a class of {CLASSES_FILE}: add the PNG", place)
        if unknown:
            raise DataError(f"has a mask of {unknown[0][:80]!r}, which {CLASSES_FILE} does not name: add it", place)
        mask_paths[photo] = {name: masks[name] for name in classes}
    if not mask_paths:
        raise DataError("holds no masks of the photos that are asked: its folders must be named as a photo", folder)
    return _labels(folder, mask_paths)


def _labels(folder: Path, mask_paths: dict[str, dict[str, Path]]) -> MaskLabels:
    phrases = dict.fromkeys(phrase for masks in mask_paths.values() for phrase in masks)
    if len(phrases) > MAX_PHRASES:
        raise DataError(f"has masks of {len(phrases)} phrases: at most {MAX_PHRASES} are read", folder)
    return MaskLabels(tuple(Phrase(phrase, MASK_KIND) for phrase in phrases), mask_paths)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check its permissions", folder) from error


def _photo(place: Path, stems: set[str], views: Sequence[View]) -> str | None:
    """The file name of the photo that a folder of masks is named after; None if it is none of the views.

    Args: stems: what the photo's name may be, without its ending.
    """
    found = sorted(view.image_path.name for view in views if view.image_path.stem in stems)
    if len(found) > 1:
        raise DataError(f"could label the photo {found[0]!r} or {found[1]!r}: rename the folder or a photo", place)
    return found[0] if found else None


def _masks(place: Path) -> dict[str, Path]:
    """The masks in a folder by what they are of."""
    masks: dict[str, Path] = {}
    try:
        files = sorted(path for path in place.glob("*.png") if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check its permissions", place) from error
    for path in files:
        phrase = path.stem.strip()
        if not phrase or len(phrase) > MAX_PHRASE_CHARS or _CONTROL_OR_SURROGATE.search(phrase):
            raise DataError(f"holds a mask named {ascii(path.name)[:80]}: masks are named <phrase>.png", place)
        if phrase in masks:
            raise DataError(f"has two masks of {phrase!r}, {masks[phrase].name!r} and {path.name!r}: drop one", place)
        masks[phrase] = path
    return masks
