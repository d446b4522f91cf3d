"""Labels that are black-and-white pictures, one for each phrase and photo: LERF-Mask's and 3D-OVS's folders.

LERF-Mask (Ye et al. 2024, Gaussian Grouping's docs/dataset.md): `test_mask/<n>/<phrase>.png` for the held-out photo
`test_<n>`; not every phrase is labelled in every photo. 3D-OVS (Liu et al. 2023): `segmentations/classes.txt` with a
class on each line, and `segmentations/<photo>/<class>.png` for every class. Photos are known by their exact names: a
number is never taken for a place in a list of photos.
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
from langfield.data.views import View
from langfield.evaluation.labels.base import MAX_PHRASE_CHARS, MAX_PHRASES, Label, Phrase, ViewLabels, check_shape

CLASSES_FILE = "classes.txt"
# What all kinds of these labels are: the folders know none.
MASK_KIND = "object"
_NUMBER = re.compile(r"[0-9]+")
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f]|[\ud800-\udfff]")


@dataclass(frozen=True)
class MaskLabels:
    """Labels as masks.

    Attributes:
        frames: by the exact file name of a photo: its masks by phrase. A phrase whose mask is black is not asked there.
    """

    phrases: tuple[Phrase, ...]
    frames: dict[str, dict[str, Path]]

    def covers(self, view: View) -> bool:
        return view.image_path.name in self.frames

    def of_view(self, view: View) -> ViewLabels | None:
        """One box for each part of a mask that hangs together. Raises DataError for masks that cannot be used."""
        masks = self.frames.get(view.image_path.name)
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
                labels.append(Label(phrase, MASK_KIND, part_boxes(mask), mask))
        assert first is not None
        return ViewLabels(view.name, *first, tuple(labels))


def part_boxes(mask: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "b 4"]:
    """The smallest box (x from, y from, x to, y to; pixel edges) around each part of a mask whose pixels touch, if only
    at corners: a mask does not say which pixels are of one thing."""
    parts = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=np.ones((3, 3), dtype=np.int64), output=parts)
    boxes = [(columns.start, rows.start, columns.stop, rows.stop) for rows, columns in ndimage.find_objects(parts)]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def open_lerf_mask(folder: Path, views: Sequence[View]) -> MaskLabels:
    """Open `test_mask`; masks of other photos than those of `views` are left aside. Raises DataError."""
    frames: dict[str, dict[str, Path]] = {}
    for place in _folders(folder):
        number = _NUMBER.fullmatch(place.name)
        photo = _photo(place, {place.name, f"test_{place.name}"} if number else {place.name}, views)
        if photo in frames:
            raise DataError(f"labels the photo {photo!r}, which another folder labels too: drop one", place)
        if photo is not None and (masks := _masks(place)):
            frames[photo] = masks
    if not frames:
        named = "a photo, or <n> for the photo test_<n>"
        raise DataError(f"holds no masks of the photos that are asked: its folders must be named as {named}", folder)
    return _labels(folder, frames)


def open_3d_ovs(folder: Path, views: Sequence[View]) -> MaskLabels:
    """Open `segmentations`; masks of other photos than those of `views` are left aside. Raises DataError, also for a
    photo that has not exactly one mask for each class."""
    classes = read_phrases(folder / CLASSES_FILE)
    frames: dict[str, dict[str, Path]] = {}
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
        frames[photo] = {name: masks[name] for name in classes}
    if not frames:
        raise DataError("holds no masks of the photos that are asked: its folders must be named as a photo", folder)
    return _labels(folder, frames)


def _labels(folder: Path, frames: dict[str, dict[str, Path]]) -> MaskLabels:
    phrases = dict.fromkeys(phrase for masks in frames.values() for phrase in masks)
    if len(phrases) > MAX_PHRASES:
        raise DataError(f"has masks of {len(phrases)} phrases: at most {MAX_PHRASES} are read", folder)
    return MaskLabels(tuple(Phrase(phrase, MASK_KIND) for phrase in phrases), frames)


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check its permissions", folder) from error


def _photo(place: Path, stems: set[str], views: Sequence[View]) -> str | None:
    """The file name of the photo that a folder of masks is named after; None if it is none of the views."""
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
        if not phrase or len(phrase) > MAX_PHRASE_CHARS or _UNSPEAKABLE.search(phrase):
            raise DataError(f"holds a mask named {ascii(path.name)[:80]}: masks are named <phrase>.png", place)
        if phrase in masks:
            raise DataError(f"has two masks of {phrase!r}, {masks[phrase].name!r} and {path.name!r}: drop one", place)
        masks[phrase] = path
    return masks
