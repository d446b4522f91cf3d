"""What is where in a scene's views: labels from instance pictures (`queries.json`) or LERF-OVS polygons.

All labels (`mask_labels` has more) become the same: a list of phrases with their kinds, and per view the phrases that
can be seen there with boxes and a mask. Pictures and polygons are turned into masks one view at a time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64
from PIL import Image, ImageDraw

from langfield.core.errors import DataError
from langfield.core.json_files import Json, read_json
from langfield.data.images import decode_image, same_shape
from langfield.data.views import View

# A thing that shows fewer pixels than this in a view is not asked for there (the benchmark scenes' rule).
LEAST_PIXELS = 120
ABSENT = "absent"
BACKGROUND = "background"
# What all kinds of LERF-OVS labels are: its files know none.
LERF_OVS_KIND = "object"
MAX_PHRASES = 10_000
MAX_PHRASE_CHARS = 500
MAX_POLYGON_POINTS = 100_000


@dataclass(frozen=True)
class Phrase:
    """A phrase to ask; `kind` says what sort of phrase ("object", "attribute", …, "absent": it is nowhere)."""

    text: str
    kind: str


@dataclass(frozen=True, eq=False)
class Label:
    """Where one phrase is in one view.

    Attributes:
        boxes: one per thing: x from, y from, x to, y to in pixels of the labels' raster, edges of pixels.
        mask: the pixels of all things that the phrase means.
    """

    phrase: str
    kind: str
    boxes: Float64[np.ndarray, "b 4"]
    mask: Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class ViewLabels:
    """What can be seen in one view. The raster may be another size than the photo is used at, of the same shape."""

    view: str
    width_px: int
    height_px: int
    labels: tuple[Label, ...]


@runtime_checkable
class Labels(Protocol):
    """The labels of a scene."""

    @property
    def phrases(self) -> tuple[Phrase, ...]:
        """Everything to ask, each text once."""
        ...

    def covers(self, view: View) -> bool:
        """Whether a view has labels."""
        ...

    def of_view(self, view: View) -> ViewLabels | None:
        """The labels of a view, None if it has none. Raises DataError for files that cannot be used."""
        ...


def visible_box(mask: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "4"]:
    """The smallest box (pixel edges) around the true pixels, of which there is at least one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


def check_shape(size: tuple[int, int], view: View, path: Path) -> None:
    """Raise DataError unless labels of a size (width, height) can be of the view's picture."""
    if not same_shape(size, view.size_px):
        raise DataError(
            f"is of {size[0]} by {size[1]} pixels, the photo {view.name} of {view.size_px[0]} by {view.size_px[1]}: "
            "labels must cover the same picture",
            path,
        )


@dataclass(frozen=True)
class InstanceLabels:
    """Labels of pictures that say which thing each pixel shows.

    Attributes:
        folder: where the pictures `<frame>_ids.png` lie: grey, a pixel's value is its thing's id + `id_offset`.
        phrases, ids: what to ask, and the things that each phrase means.
    """

    folder: Path
    id_offset: int
    phrases: tuple[Phrase, ...]
    ids: tuple[tuple[int, ...], ...]

    def covers(self, view: View) -> bool:
        return self._path(view).is_file()

    def of_view(self, view: View) -> ViewLabels | None:
        path = self._path(view)
        if not path.is_file():
            return None
        ids = self._ids(path, view)
        labels = []
        for phrase, wanted in zip(self.phrases, self.ids, strict=True):
            things = [ids == thing for thing in wanted]
            seen = [mask for mask in things if mask.any()]
            if sum(int(mask.sum()) for mask in seen) >= LEAST_PIXELS:
                boxes = np.stack([visible_box(mask) for mask in seen])
                labels.append(Label(phrase.text, phrase.kind, boxes, np.logical_or.reduce(seen)))
        return ViewLabels(view.name, ids.shape[1], ids.shape[0], tuple(labels))

    def _path(self, view: View) -> Path:
        return self.folder / f"{Path(view.name).stem}_ids.png"

    def _ids(self, path: Path, view: View) -> Int64[np.ndarray, "h w"]:
        colours = decode_image(path)
        if (colours != colours[:, :, :1]).any():
            raise DataError("is a picture in colour: an 8-bit grey picture of ids is needed", path)
        height, width = colours.shape[:2]
        check_shape((width, height), view, path)
        return colours[:, :, 0].astype(np.int64) - self.id_offset


def open_instances(path: Path, views: Sequence[View]) -> InstanceLabels:
    """Open `queries.json` to ask for some views. Raises DataError."""
    stems = [Path(view.name).stem for view in views]
    doubled = next((stem for stem in stems if stems.count(stem) > 1), None)
    if doubled is not None:
        raise DataError(f"labels name photos without folder, but two views are called {doubled!r}: rename one", path)
    document = read_json(path)
    offset = _whole(document.need("id_png_offset"), 0, 255)
    phrases, ids, seen = [], [], set()
    for query in document.need("queries").items():
        text, kind = _phrase(query.need("text")), query.need("kind").text()
        things = tuple(_whole(thing, -offset, 255 - offset) for thing in query.need("ids").items())
        if len(set(things)) < len(things):
            raise query.error(f"({text!r}) names a thing twice: name it once")
        if (kind == ABSENT) != (not things):
            raise query.error(f"({text!r}) is of kind {kind!r} with {len(things)} ids: only {ABSENT!r} has none")
        if text in seen:
            raise query.error(f"({text!r}) stands there twice: ask each phrase once")
        seen.add(text)
        phrases.append(Phrase(text, kind))
        ids.append(things)
    if not 1 <= len(phrases) <= MAX_PHRASES:
        raise DataError(f"has {len(phrases)} queries: 1 to {MAX_PHRASES} are read", path)
    return InstanceLabels(path.parent / "gt", offset, tuple(phrases), tuple(ids))


@dataclass(frozen=True)
class _Polygon:
    """One labelled thing: corners at pixel indices, and its box with the last pixels included, as in LERF-OVS."""

    category: str
    corners: tuple[tuple[float, float], ...]
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class PolygonLabels:
    """LERF-OVS labels: per photo (by its file's exact name) its size and polygons."""

    phrases: tuple[Phrase, ...]
    frames: dict[str, tuple[Path, int, int, tuple[_Polygon, ...]]]

    def covers(self, view: View) -> bool:
        return view.image_path.name in self.frames

    def of_view(self, view: View) -> ViewLabels | None:
        frame = self.frames.get(view.image_path.name)
        if frame is None:
            return None
        path, width, height, polygons = frame
        check_shape((width, height), view, path)
        labels = []
        for category in dict.fromkeys(polygon.category for polygon in polygons):
            same = [polygon for polygon in polygons if polygon.category == category]
            mask = np.logical_or.reduce([_filled(polygon.corners, width, height) for polygon in same])
            boxes = np.array([polygon.box for polygon in same], dtype=np.float64)
            boxes[:, 2:] += 1  # to the last pixel's far edge
            labels.append(Label(category, LERF_OVS_KIND, boxes, mask))
        return ViewLabels(view.name, width, height, tuple(labels))


def open_polygons(folder: Path, views: Sequence[View]) -> PolygonLabels:
    """Open LERF-OVS's `<photo>.json`; files of other photos than those of `views` are left aside. Raises DataError."""
    frames = {}
    names = Counter(view.image_path.name for view in views)
    by_stem = {Path(name).stem: name for name in names}
    for path in sorted(folder.glob("*.json")):
        document = read_json(path)
        info = document.need("info")
        photo = _photo(info.need("name"), names, by_stem)
        if photo not in names:
            continue
        if photo in frames:
            raise DataError(f"labels the photo {photo!r}, which {frames[photo][0].name} labels too: drop one", path)
        width, height = info.need("width").side_px(), info.need("height").side_px()
        polygons = tuple(_polygon(item, width, height) for item in document.need("objects").items())
        frames[photo] = path, width, height, polygons
    if not frames:
        raise DataError("holds no labels of the views that are asked: info.name must be a photo's file name", folder)
    categories = dict.fromkeys(polygon.category for *_, polygons in frames.values() for polygon in polygons)
    if not 1 <= len(categories) <= MAX_PHRASES:
        raise DataError(f"has {len(categories)} categories: 1 to {MAX_PHRASES} are read", folder)
    return PolygonLabels(tuple(Phrase(category, LERF_OVS_KIND) for category in categories), frames)


def _photo(value: Json, names: Mapping[str, int], by_stem: Mapping[str, str]) -> str:
    """The exact file name of the labelled photo. One that differs from a view's in its ending alone is refused: it
    might be another picture, and a guess would ask a photo that was trained on as if it were held out."""
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
    return _Polygon(_phrase(item.need("category")), tuple((c[0], c[1]) for c in corners), (x0, y0, x1, y1))


def _filled(corners: Sequence[tuple[float, float]], width: int, height: int) -> Bool[np.ndarray, "h w"]:
    """The pixels of a polygon, its outline included, fractions of corners dropped, as OpenCV's `fillPoly` has them
    (apart from ties of the outline between two pixels). Pillow's polygons lack parts of their outlines."""
    canvas = Image.new("1", (width, height))
    whole, draw = [(int(x), int(y)) for x, y in corners], ImageDraw.Draw(canvas)
    draw.polygon(whole, fill=1)
    draw.line([*whole, whole[0]], fill=1)
    return np.array(canvas)


def _phrase(value: Json) -> str:
    text = value.text()
    if not text.strip() or len(text) > MAX_PHRASE_CHARS:
        raise value.error(f"must be a phrase of 1 to {MAX_PHRASE_CHARS} characters, found {len(text)}")
    return text


def _whole(value: Json, low: int, high: int) -> int:
    number = value.number(float(low), float(high))
    if number != int(number):
        raise value.error(f"must be a whole number, found {number:g}")
    return int(number)
