"""Put things on a table in a room, and cameras around it. Metres, z up, the table's top at z = 0."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from langfield.core.cameras import Camera
from langfield.core.choices import hint
from langfield.core.errors import UsageError
from langfield_synthetic.kinds import KINDS
from langfield_synthetic.rooms import Room, make_room
from langfield_synthetic.things import COLOURS, Kind, Look, Part, varied

Wish = tuple[str, str, str]  # noun, colour word, material word; "" leaves the choice to the seed
_CLOSEST = 0.92  # of the sum of their radii, things stand apart
_GAP = 0.01  # metres more
_PLACE_TRIES = 200
_SET_TRIES = 12


@dataclass(frozen=True, eq=False)
class Thing:
    """A kind of thing as it stands on the table.

    Attributes:
        parts: where they are, metres.
        position, radius, height: the middle of the thing, the radius of a circle around it, its height above the table.
        yaw_degrees: by how much it was turned about z.
        alike: the number of the set of equal things it is one of; None if it was put there alone.
    """

    kind: Kind
    look: Look
    parts: tuple[Part, ...]
    position: tuple[float, float, float]
    radius: float
    height: float
    yaw_degrees: float = 0.0
    alike: int | None = None

    def bounds(self, yaw_degrees: float = 0.0) -> Float64[np.ndarray, "2 3"]:
        """The lowest and the highest corner of the box around it, along axes turned by `yaw_degrees` about z."""
        corners = [part.mesh.turned("z", -yaw_degrees).bounds for part in self.parts]
        low, high = np.min(corners, axis=0)[0], np.max(corners, axis=0)[1]
        return np.stack([low, high]).astype(np.float64)

    @property
    def name(self) -> str:
        return " ".join(word for word in (self.look.colour, self.look.material, self.kind.noun) if word)


@dataclass(frozen=True, eq=False)
class TableScene:
    seed: int
    things: tuple[Thing, ...]
    room: Room


def compose(
    seed: int,
    wishes: Sequence[Wish] | None = None,
    *,
    count: tuple[int, int] = (14, 20),
    spread: float = 0.85,
    room: Room | None = None,
    nouns: Sequence[str] | None = None,
    alike: float = 0.0,
) -> TableScene:
    """A scene of this seed: the wished things, or `count` (from, to) random ones, as many as fit on the table.

    One in eight random things is of a kind that is there already, mostly in another colour.

    Args:
        spread: how much of the table's radius is used.
        nouns: the kinds that random things are of; all of them if None.
        alike: how probably one or two sets of equal things stand there before all others; then no
            thing of a set's name is put there besides. A scene without sets is that of alike=0.

    Raises UsageError for a wish whose noun or colour is not known.
    """
    rng = np.random.default_rng(seed)
    room = make_room(rng) if room is None else room
    kinds = sorted(KINDS if nouns is None else set(nouns))
    if wishes is None:
        wishes = _random_wishes(rng, int(rng.integers(count[0], count[1] + 1)), kinds)
    reach = room.table_radius * spread
    things = _sets_of_equals(np.random.default_rng([seed, 2]), kinds, reach, alike)
    names = {thing.name for thing in things}
    for wish in wishes:
        made = _make(rng, wish)
        placed = None if made.name in names else _place(rng, made, things, reach)
        if placed is not None:
            things.append(placed)
    return TableScene(seed, tuple(things), room)


def _random_wishes(rng: np.random.Generator, count: int, kinds: Sequence[str]) -> list[Wish]:
    nouns = rng.permutation(kinds)[:count].tolist()
    for k in range(1, len(nouns)):
        if rng.random() < 0.12:
            nouns[k] = nouns[int(rng.integers(k))]
    return [(noun, "", "") for noun in nouns]


def _sets_of_equals(rng: np.random.Generator, kinds: Sequence[str], reach: float, share: float) -> list[Thing]:
    """With the probability `share` one or two sets, each of two to six equal things side by side; else nothing.

    The things of a set have the same parts and are turned in their own ways: all by chance, or nearly alike, as put
    there by one hand. What finds no place in a few tries is left out.
    """
    things: list[Thing] = []
    if rng.random() >= share:
        return things
    for number in range(1 + int(rng.random() < 0.4)):
        for _ in range(_SET_TRIES):
            model = _make(rng, (str(rng.choice(kinds)), "", ""))
            first, spread = rng.uniform(0, 360), 360.0 if rng.random() < 0.5 else 30.0
            turns = first + spread * rng.random(int(rng.integers(2, 7)))
            equals = [replace(_stood(model, float(turn)), alike=number) for turn in turns]
            if placed := _place_together(rng, equals, things, reach):
                things += placed
                break
    return things


def _place_together(
    rng: np.random.Generator, equals: Sequence[Thing], others: Sequence[Thing], reach: float
) -> list[Thing]:
    """The things in a row or close around a free place within `reach`; none if none was found in 200 tries."""
    radius = max(thing.radius for thing in equals)
    step = _CLOSEST * 2 * radius + rng.uniform(0.011, 0.03)
    column, line = np.meshgrid(np.arange(-3, 4), np.arange(-3, 4))
    around = np.stack([column + 0.5 * (line % 2), np.sqrt(0.75) * line], -1).reshape(-1, 2) + rng.uniform(-0.3, 0.3, 2)
    around = around[np.argsort(np.linalg.norm(around, axis=1))]
    row = np.stack([np.arange(len(equals)) - (len(equals) - 1) / 2, np.zeros(len(equals))], -1)
    places = step * (row if rng.random() < 0.4 else around[: len(equals)])
    free = [(np.array(other.position[:2]), other.radius) for other in others]
    for _ in range(_PLACE_TRIES):
        angle, middle = rng.uniform(0, 2 * np.pi), rng.uniform(-reach, reach, 2)
        turned = places @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + middle
        on_table = np.linalg.norm(turned, axis=1).max() <= reach - radius
        gaps = [np.linalg.norm(turned - at, axis=1).min() - _CLOSEST * (radius + theirs) for at, theirs in free]
        if on_table and min(gaps, default=np.inf) > _GAP:
            return [_moved(thing, float(x), float(y)) for thing, (x, y) in zip(equals, turned, strict=True)]
    return []


def _make(rng: np.random.Generator, wish: Wish) -> Thing:
    noun, colour, material = wish
    if noun not in KINDS:
        near = hint(noun, KINDS)
        raise UsageError(f"no kind of thing is called {noun!r}; {near}there are {', '.join(sorted(KINDS))}")
    if colour not in ("", *COLOURS):
        raise UsageError(f"no colour is called {colour!r}; {hint(colour, COLOURS)}there are {', '.join(COLOURS)}")
    kind = KINDS[noun]
    colour = colour or (str(rng.choice(kind.colours)) if kind.colours else "")
    material = material or (str(rng.choice(kind.materials)) if kind.materials else "")
    look = Look(colour, material, varied(rng, COLOURS.get(colour, (0.8, 0.8, 0.8))))
    parts = kind.build(rng, look)
    return _stood(Thing(kind, look, tuple(parts), (0.0, 0.0, 0.0), 0.0, 0.0), float(rng.uniform(0, 360)))


def _stood(thing: Thing, turn: float) -> Thing:
    """The thing turned by so many degrees more, in the middle of the table."""
    parts = [replace(part, mesh=part.mesh.turned("z", turn)) for part in thing.parts]
    corners = np.stack([part.mesh.bounds for part in parts])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    middle = (low + high) / 2
    away = (-float(middle[0]), -float(middle[1]), -float(low[2]))
    parts = [replace(part, mesh=part.mesh.moved(*away)) for part in parts]
    radius = max(float(np.linalg.norm(part.mesh.vertices[:, :2], axis=1).max()) for part in parts)
    height = float(high[2] - low[2])
    position, yaw = (0.0, 0.0, height / 2), thing.yaw_degrees + turn
    return replace(thing, parts=tuple(parts), position=position, radius=radius, height=height, yaw_degrees=yaw)


def _moved(thing: Thing, x: float, y: float) -> Thing:
    """From the middle of the table to (x, y)."""
    parts = tuple(replace(part, mesh=part.mesh.moved(x, y)) for part in thing.parts)
    return replace(thing, parts=parts, position=(x, y, thing.position[2]))


def _place(rng: np.random.Generator, thing: Thing, others: Sequence[Thing], reach: float) -> Thing | None:
    """The thing at a free place within `reach` of the table's middle; None if none was found in 200 tries."""
    for _ in range(_PLACE_TRIES):
        distance, angle = (reach - thing.radius) * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        if distance < 0:
            return None
        x, y = float(distance * np.cos(angle)), float(distance * np.sin(angle))
        gaps = [np.hypot(x - o.position[0], y - o.position[1]) - _CLOSEST * (thing.radius + o.radius) for o in others]
        if min(gaps, default=np.inf) > _GAP:
            return _moved(thing, x, y)
    return None


def look_at(eye: np.ndarray, target: np.ndarray, width_px: int, height_px: int, fov_degrees: float) -> Camera:
    """A level pinhole camera; `fov_degrees` is across the width."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    world_from_camera = np.eye(4)
    world_from_camera[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=1)
    focal = width_px / 2 / np.tan(np.radians(fov_degrees) / 2)
    return Camera(world_from_camera, width_px, height_px, focal, focal, width_px / 2, height_px / 2)


def random_cameras(
    rng: np.random.Generator, scene: TableScene, count: int, width_px: int, height_px: int
) -> list[Camera]:
    """Cameras that look at the table from all around, some at a single thing from near."""
    cameras = []
    for _ in range(count):
        near = bool(scene.things) and rng.random() < 0.45
        thing = scene.things[int(rng.integers(len(scene.things)))] if near else None
        target = np.array([*rng.normal(0, 0.12, 2), 0.04]) if thing is None else np.array(thing.position)
        distance = rng.uniform(0.35, 0.7) if near else rng.uniform(0.7, 1.25)
        angle, rise = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(12, 62))
        away = np.array([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)])
        cameras.append(look_at(target + distance * away, target, width_px, height_px, rng.uniform(42, 62)))
    return cameras


def ring_cameras(
    count: int, width_px: int, height_px: int, *, distance: float = 1.05, fov_degrees: float = 52.0
) -> list[Camera]:
    """Cameras on three rings around the table, as somebody walking around it would take photos."""
    cameras = []
    for k in range(count):
        angle = 2 * np.pi * k / count * 3 + 0.35 * (k % 3)
        rise = np.radians((24.0, 40.0, 56.0)[k % 3])
        away = np.array([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)])
        target = np.array([0.02 * np.cos(2 * angle), 0.02 * np.sin(3 * angle), 0.03])
        cameras.append(look_at(target + distance * away, target, width_px, height_px, fov_degrees))
    return cameras
