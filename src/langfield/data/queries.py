"""`queries.json`: the ground truth that a scene's folder may hold: phrases, what they mean, and where the things are.

    {"id_png_offset": 5,
     "instances": [{"id": 0, "position": [x, y, z], "radius": 0.04, "height": 0.1,
                    "box": {"min": [x, y, z], "max": [x, y, z]},
                    "obb": {"center": [x, y, z], "size": [x, y, z], "yaw_deg": 30}}, …],
     "queries": [{"text": "red mug", "kind": "attribute", "ids": [0]},
                 {"text": "table", "kind": "background", "ids": [-1]},
                 {"text": "piano", "kind": "absent", "ids": []}, …]}

Ids count the scene's things from 0; negative ones are background (table, floor, walls). An instance is an upright
cylinder (axis along the world's z) about a thing, in world units; the cylinder goes round the thing's corners, so that
its own box may be twice as large as the thing. "box" and "obb" (both may be left out) are the smallest boxes about the
thing itself: along the world's axes, and along its own, which are the world's turned by `yaw_deg` about z. In the
pictures `gt/<photo>_ids.png` beside the file a pixel's value is the id of what it shows + `id_png_offset`. Members that
are not listed here are left aside.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from langfield.core.errors import DataError
from langfield.core.json_files import MAX_COORDINATE, Json, read_json

QUERIES_FILE: Final = "queries.json"
# Kinds of phrase that are treated specially; others ("object", "attribute", "synonym", …) are names to count by.
ABSENT: Final = "absent"
BACKGROUND: Final = "background"
MAX_PHRASES = 10_000
MAX_PHRASE_CHARS = 500
_MIN_LENGTH_WORLD = 1e-9

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class SceneQuery:
    """One phrase and what it means.

    Attributes:
        kind: of phrase: "object", "attribute", …; "absent" if the scene has no such thing.
        ids: of everything that the phrase means; empty just for "absent".
    """

    text: str
    kind: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class TurnedBox:
    """A box whose edges are the world's axes turned about z, world units.

    Attributes:
        size: lengths of its edges; the last one is upright.
        yaw_degrees: by how much they are turned, counter-clockwise as seen from above.
    """

    centre: Triple
    size: Triple
    yaw_degrees: float


@dataclass(frozen=True)
class Instance:
    """Where a thing is, in world units.

    Attributes:
        position, radius, height: of the upright cylinder (axis along z) about it; `position` is its middle.
        box: the smallest axis-aligned box about it, lower and upper corner; None where the file does not say.
        turned_box: the smallest box about it along its own axes; None where the file does not say.
    """

    position: Triple
    radius: float
    height: float
    box: tuple[Triple, Triple] | None = None
    turned_box: TurnedBox | None = None


@dataclass(frozen=True, eq=False)
class QueriesFile:
    """What a `queries.json` says.

    Attributes:
        path: of the file.
        id_png_offset: what is added to an id in the pictures of ids, 0 to 255.
        queries: 1 to `MAX_PHRASES`, no two of one text.
    """

    path: Path
    id_png_offset: int
    queries: tuple[SceneQuery, ...]
    document: Json

    @cached_property
    def instances(self) -> dict[int, Instance]:
        """The scene's things by their ids. Read when first asked for, because labels of pictures do without.

        Raises DataError for instances that are missing, that are listed twice, or that have no place or no size.
        """
        found: dict[int, Instance] = {}
        for item in self.document.need("instances", "add the id, position, radius and height of each thing").items():
            number = item.need("id").number()
            position = _triple(item.need("position"))
            if number in found or number != int(number):
                raise item.need("id").error(f"must be a whole number that no other instance has, found {number:g}")
            radius, height = (item.need(key).number(_MIN_LENGTH_WORLD) for key in ("radius", "height"))
            box, turned = item.get("box"), item.get("obb")
            found[int(number)] = Instance(
                position, radius, height, box and _corners(box), turned and _turned_box(turned)
            )
        return found

    def instances_of(self, query: SceneQuery) -> tuple[Instance, ...]:
        """The things that a query means; background is none. Raises DataError for one that `instances` has not."""
        things = [thing for thing in query.ids if thing >= 0]
        missing = next((thing for thing in things if thing not in self.instances), None)
        if missing is not None:
            raise DataError(
                f"query {query.text!r} means thing {missing}, which instances has not: add it there", self.path
            )
        return tuple(self.instances[thing] for thing in things)


def read_queries(path: str | Path) -> QueriesFile:
    """Read and check a `queries.json`. Raises DataError naming the file and the place in it."""
    path = Path(path)
    document = read_json(path)
    offset = _whole_number(document.need("id_png_offset"), 0, 255)
    queries: dict[str, SceneQuery] = {}
    for item in document.need("queries").items():
        text, kind = phrase_text(item.need("text")), item.need("kind").text()
        ids = tuple(_whole_number(thing, -offset, 255 - offset) for thing in item.need("ids").items())
        if len(set(ids)) < len(ids):
            raise item.error(f"({text!r}) names a thing twice: name it once")
        if (kind == ABSENT) != (not ids):
            raise item.error(f"({text!r}) is of kind {kind!r} with {len(ids)} ids: only {ABSENT!r} has none")
        if text in queries:
            raise item.error(f"({text!r}) stands there twice: ask each phrase once")
        queries[text] = SceneQuery(text, kind, ids)
    if not 1 <= len(queries) <= MAX_PHRASES:
        raise DataError(f"has {len(queries)} queries: 1 to {MAX_PHRASES} are read", path)
    return QueriesFile(path, offset, tuple(queries.values()), document)


def phrase_text(value: Json) -> str:
    """A JSON value as a phrase that can be asked: text of 1 to `MAX_PHRASE_CHARS` characters that is not blank."""
    text = value.text()
    if not text.strip() or len(text) > MAX_PHRASE_CHARS:
        raise value.error(f"must be a phrase of 1 to {MAX_PHRASE_CHARS} characters, found {len(text)}")
    return text


def _triple(value: Json, low: float = -MAX_COORDINATE) -> Triple:
    numbers = [entry.number(low) for entry in value.items()]
    if len(numbers) != 3:
        raise value.error(f"must be [x, y, z], found {len(numbers)} numbers")
    return numbers[0], numbers[1], numbers[2]


def _corners(box: Json) -> tuple[Triple, Triple]:
    low, high = _triple(box.need("min")), _triple(box.need("max"))
    if any(b - a < _MIN_LENGTH_WORLD for a, b in zip(low, high, strict=True)):
        raise box.error(f"must be wider than nothing along each axis, found min {list(low)}, max {list(high)}")
    return low, high


def _turned_box(box: Json) -> TurnedBox:
    size = _triple(box.need("size"), _MIN_LENGTH_WORLD)
    return TurnedBox(_triple(box.need("center")), size, box.need("yaw_deg").number())


def _whole_number(value: Json, low: int, high: int) -> int:
    number = value.number(float(low), float(high))
    if number != int(number):
        raise value.error(f"must be a whole number, found {number:g}")
    return int(number)
