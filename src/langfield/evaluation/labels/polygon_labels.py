"""LERF-OVS's labels (Qin et al. 2024): a `<photo>.json` for each labelled photo, with a polygon and a box per thing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from langfield.core.errors import DataError
from langfield.core.json_files import Json, read_json
from langfield.data.queries import MAX_PHRASES, phrase_text
from langfield.data.views import View
from langfield.evaluation.labels.base import Label, Phrase, ViewLabels, check_shape

# The kind of every phrase: the files name none.
POLYGON_KIND = "object"
MAX_POLYGON_POINTS = 100_000


@dataclass(frozen=True)
class _Polygon:
    """One labelled thing.

    Attributes:
        corners: (x, y) indices of pixels.
        box: x from, y from, x to, y to as LERF-OVS writes them: indices of pixels, the last ones included.
    """

    category: str
    corners: tuple[tuple[float, float], ...]
    box: tuple[float, float, float, float]


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
            mask = np.logical_or.reduce([_filled(polygon.corners, width, height) for polygon in same])
            boxes = np.array([polygon.box for polygon in same], dtype=np.float64)
            boxes[:, 2:] += 1  # to the last pixel's far edge
            labels.append(Label(category, POLYGON_KIND, boxes, mask))
        return ViewLabels(view.name, width, height, tuple(labels))


def open_polygon_labels(folder: Path, views: Sequence[View]) -> PolygonLabels:
    """Open LERF-OVS's `<photo>.json`; files of other photos than those of `views` are left aside. Raises DataError."""
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
        polygons = tuple(_polygon(item, width, height) for item in document.need("objects").items())
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
    corners = [tuple(number.number(-1.0, 65536.0) for number in point.items()) for point in points.items()]
    if not 3 <= len(corners) <= MAX_POLYGON_POINTS or any(len(corner) != 2 for corner in corners):
        raise points.error(f"must be a polygon of 3 to {MAX_POLYGON_POINTS} corners [x, y], found {len(corners)}")
    numbers = [number.number(-1.0, 65536.0) for number in box.items()]
    if len(numbers) != 4 or numbers[0] > numbers[2] or numbers[1] > numbers[3]:
        raise box.error(f"must be [x from, y from, x to, y to], found {numbers[:8]}")
    x0, y0, x1, y1 = numbers
    if x1 > width or y1 > height:
        raise box.error(f"leaves the picture of {width} by {height} pixels, found {numbers}")
    return _Polygon(phrase_text(item.need("category")), tuple((c[0], c[1]) for c in corners), (x0, y0, x1, y1))


def _filled(corners: Sequence[tuple[float, float]], width: int, height: int) -> Bool[np.ndarray, "h w"]:
    """The pixels that OpenCV's `fillPoly` fills for a polygon whose corners are cut to whole pixels: its inside and its
    outline (where the outline runs exactly between two pixels, OpenCV may take the other one)."""
    canvas = Image.new("1", (width, height))
    whole, draw = [(int(x), int(y)) for x, y in corners], ImageDraw.Draw(canvas)
    draw.polygon(whole, fill=1)
    draw.line([*whole, whole[0]], fill=1)  # Pillow's polygons lack parts of their outlines
    return np.array(canvas)
