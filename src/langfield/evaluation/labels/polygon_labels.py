"""LERF-OVS's labels (Qin et al. 2024): a `<photo>.json` for each labelled photo, with a polygon and a box per thing."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from langfield.core.errors import DataError
from langfield.core.json_files import Json, read_json
from langfield.data.queries import MAX_PHRASES, phrase_text
from langfield.data.views import View
from langfield.evaluation.labels.base import Label, Phrase, ViewLabels, check_shape
from langfield.evaluation.labels.polygon_filling import filled_polygon

# The kind of every phrase: the files name none.
POLYGON_KIND = "object"
MAX_POLYGON_POINTS = 100_000
_MAX_COORDINATE_PX = 65536.0
# By so much of the picture's sides boxes may lie outside; more is another picture's box.
_MAX_OVERLAP = 0.02

Box = tuple[float, float, float, float]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Polygon:
    """One labelled thing.

    Attributes:
        corners: (x, y) indices of pixels; they may lie outside the picture.
        box: x from, y from, x to, y to as LERF-OVS writes them: indices of pixels, the last ones included.
    """

    category: str
    corners: tuple[tuple[float, float], ...]
    box: Box


@dataclass(frozen=True)
class _LabelledPhoto:
    """What one file says: the size of the labels' raster, and the polygons on it."""

    file: Path
    width_px: int
    height_px: int
    polygons: tuple[_Polygon, ...]


@dataclass(frozen=True)
class PolygonLabels:
    """LERF-OVS's labels.

    Attributes:
        photos: what is labelled, by the exact name of the photo's file.
    """

    phrases: tuple[Phrase, ...]
    photos: dict[str, _LabelledPhoto]

    def covers(self, view: View) -> bool:
        return view.image_path.name in self.photos

    def of_view(self, view: View) -> ViewLabels | None:
        """One label for each category in the photo: the union of its polygons, and a box for each of them."""
        photo = self.photos.get(view.image_path.name)
        if photo is None:
            return None
        width, height = photo.width_px, photo.height_px
        check_shape((width, height), view, photo.file)
        labels = []
        for category in dict.fromkeys(polygon.category for polygon in photo.polygons):
            same = [polygon for polygon in photo.polygons if polygon.category == category]
            corners = [np.array(polygon.corners).astype(np.int64) for polygon in same]  # cut to whole pixels
            mask = np.logical_or.reduce([filled_polygon(each, width, height) for each in corners])
            boxes = np.array([polygon.box for polygon in same], dtype=np.float64)
            boxes[:, 2:] += 1  # to the last pixel's far edge
            labels.append(Label(category, POLYGON_KIND, boxes, mask))
        return ViewLabels(view.name, width, height, tuple(labels))


def open_polygon_labels(folder: Path, views: Sequence[View]) -> PolygonLabels:
    """Open LERF-OVS's `<photo>.json`; files of other photos than those of `views` are left aside.

    Boxes that overlap the picture's border a little are clipped, and a warning says how many. Raises DataError.
    """
    photos: dict[str, _LabelledPhoto] = {}
    names = Counter(view.image_path.name for view in views)
    by_stem = {Path(name).stem: name for name in names}
    for path in sorted(folder.glob("*.json")):
        document = read_json(path)
        info = document.need("info")
        name = _photo_name(info.need("name"), names, by_stem)
        if name not in names:
            continue
        if name in photos:
            raise DataError(f"labels the photo {name!r}, which {photos[name].file.name} labels too: drop one", path)
        width, height = info.need("width").side_px(), info.need("height").side_px()
        read = [_polygon(item, width, height) for item in document.need("objects").items()]
        polygons = tuple(replace(polygon, box=_inside(polygon.box, width, height)) for polygon in read)
        clipped = sum(a.box != b.box for a, b in zip(read, polygons, strict=True))
        if clipped:
            _log.warning("%s: %d of %d boxes overlap the picture's border: they are clipped", path, clipped, len(read))
        photos[name] = _LabelledPhoto(path, width, height, polygons)
    if not photos:
        raise DataError("holds no labels of the views that are asked: info.name must be a photo's file name", folder)
    categories = dict.fromkeys(polygon.category for photo in photos.values() for polygon in photo.polygons)
    if not 1 <= len(categories) <= MAX_PHRASES:
        raise DataError(f"has {len(categories)} categories: 1 to {MAX_PHRASES} are read", folder)
    return PolygonLabels(tuple(Phrase(category, POLYGON_KIND) for category in categories), photos)


def _photo_name(value: Json, names: Mapping[str, int], by_stem: Mapping[str, str]) -> str:
    """The exact file name of the labelled photo.

    Raises DataError for one that differs from a view's in its ending alone: it might be another picture, and a wrong
    guess would measure a photo that was trained on as if it were held out.
    """
    photo = Path(value.text()).name
    if names.get(photo, 0) > 1:
        raise value.error(f"is {photo!r}, and so are the files of {names[photo]} views: rename the photos")
    near = by_stem.get(Path(photo).stem)
    if photo not in names and near is not None:
        raise value.error(f"is {photo[:80]!r}, but the scene's photo is {near!r}: name the file exactly")
    return photo


def _polygon(item: Json, width: int, height: int) -> _Polygon:
    points, box = item.need("segmentation"), item.need("bbox")
    corners = [tuple(_coordinate(number) for number in point.items()) for point in points.items()]
    if not 3 <= len(corners) <= MAX_POLYGON_POINTS or any(len(corner) != 2 for corner in corners):
        raise points.error(f"must be a polygon of 3 to {MAX_POLYGON_POINTS} corners [x, y], found {len(corners)}")
    numbers = [_coordinate(number) for number in box.items()]
    if len(numbers) != 4 or numbers[0] > numbers[2] or numbers[1] > numbers[3]:
        raise box.error(f"must be [x from, y from, x to, y to], found {numbers[:8]}")
    x0, y0, x1, y1 = numbers
    over_x, over_y = (max(1, round(side * _MAX_OVERLAP)) for side in (width, height))
    far_out = x0 < -over_x or y0 < -over_y or x1 > width - 1 + over_x or y1 > height - 1 + over_y
    if far_out or x0 >= width or y0 >= height or x1 < 0 or y1 < 0:
        raise box.error(f"leaves the picture of {width} by {height} pixels, found {numbers}")
    return _Polygon(phrase_text(item.need("category")), tuple((c[0], c[1]) for c in corners), (x0, y0, x1, y1))


def _coordinate(value: Json) -> float:
    return value.number(-_MAX_COORDINATE_PX, _MAX_COORDINATE_PX)


def _inside(box: Box, width: int, height: int) -> Box:
    """The part of a box of pixels' indices that the picture has."""
    x0, y0, x1, y1 = box
    right, bottom = width - 1.0, height - 1.0
    return min(max(x0, 0.0), right), min(max(y0, 0.0), bottom), min(x1, right), min(y1, bottom)
