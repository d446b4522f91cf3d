"""The room around the things: a table whose top is at z = 0, floor, walls, some furniture, and the light."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from langfield.synthetic import textures
from langfield.synthetic.meshes import Mesh, cylinder, grid_mesh, merged, rounded_box
from langfield.synthetic.things import COLOURS, Part, Surface, varied

RGB = tuple[float, float, float]
Point = tuple[float, float, float]

FLOOR_Z = -0.75
_WALL_HEIGHT = 3.4
_AMBIENT_SHARE = 0.65  # of the ambient light reaches the table, the walls' reflection counted
_WOODS: tuple[tuple[str, RGB], ...] = (  # "" where no colour word is surely true
    ("", (0.80, 0.65, 0.45)),
    ("brown", (0.62, 0.42, 0.24)),
    ("brown", (0.50, 0.32, 0.18)),
    ("brown", (0.36, 0.22, 0.13)),
    ("brown", (0.46, 0.22, 0.13)),
    ("", (0.67, 0.60, 0.50)),
)
_STONES: tuple[tuple[str, RGB], ...] = (
    ("white", (0.90, 0.89, 0.87)),
    ("white", (0.88, 0.86, 0.82)),
    ("gray", (0.52, 0.53, 0.55)),
    ("black", (0.07, 0.07, 0.08)),
    ("green", (0.12, 0.32, 0.22)),
    ("pink", (0.86, 0.68, 0.66)),
)
_WHITE: RGB = (0.93, 0.93, 0.91)
_WALL_TONES: tuple[RGB, ...] = (
    (0.90, 0.88, 0.84),
    (0.85, 0.82, 0.74),
    (0.75, 0.80, 0.84),
    (0.74, 0.82, 0.74),
    (0.88, 0.76, 0.72),
    (0.90, 0.84, 0.62),
    (0.62, 0.64, 0.67),
    (0.36, 0.45, 0.55),
    (0.45, 0.52, 0.42),
    (0.60, 0.36, 0.30),
)


@dataclass(frozen=True)
class LightPanel:
    """A rectangle that shines from `centre` towards `look_at`; width and height in metres, radiance linear rgb."""

    centre: Point
    look_at: Point
    width: float
    height: float
    radiance: RGB


@dataclass(frozen=True, eq=False)
class Room:
    """table_words: what can be said of the table, by "noun", "shape", "colour", "material" and "pattern"; each may be
    empty. table_radius: of the largest circle around the origin on the table's top. ambient: linear rgb radiance."""

    table: list[Part]
    surroundings: list[Part]
    table_words: dict[str, tuple[str, ...]]
    table_radius: float
    light_panels: list[LightPanel]
    ambient: RGB

    @property
    def white(self) -> float:
        """About the luminance that a white sheet in the middle of the table has: what a photo is exposed by."""
        from_panels = sum(_luminance(panel.radiance) * _seen(panel) for panel in self.light_panels)
        return from_panels / np.pi + _AMBIENT_SHARE * _luminance(self.ambient)


@dataclass(frozen=True)
class _Outline:
    """A table's edge: a rectangle of these half sides whose corners are rounded; a circle if nothing else is left."""

    half_x: float
    half_y: float
    corner: float

    def at(self, inset: float, points: int = 96) -> np.ndarray:
        """(points, 2) counter-clockwise, `inset` metres in from the edge; no further in than the corners' centres."""
        angles = np.linspace(0, 2 * np.pi, points, endpoint=False) + np.pi / points
        away = np.stack([np.cos(angles), np.sin(angles)], -1)
        core = np.sign(away) * [self.half_x - self.corner, self.half_y - self.corner]
        return core + max(self.corner - inset, 0.0) * away


@dataclass(frozen=True, eq=False)
class _Finish:
    """A table top's surface with the words that are true of it, and how wide the texture lies on it in metres."""

    surface: Surface
    colour: str = ""
    material: str = ""
    pattern: tuple[str, ...] = ()
    period: float = 1.0
    cloth: bool = False


def make_room(rng: np.random.Generator) -> Room:
    """A room of this seed."""
    table, words, radius = _table(rng)
    return Room(table, _surroundings(rng), words, radius, *_light(rng))


def _table(rng: np.random.Generator) -> tuple[list[Part], dict[str, tuple[str, ...]], float]:
    round_ = rng.random() < 0.45
    if round_:
        radius = rng.uniform(0.6, 0.8)
        outline = _Outline(radius, radius, radius)
    else:
        half_x = rng.uniform(0.62, 0.8)
        outline = _Outline(half_x, half_x * rng.uniform(0.8, 1.0), rng.uniform(0.015, 0.12))
    finish = _finish(rng)
    thickness = rng.uniform(0.02, 0.045)
    turn = float(rng.uniform(0, 360))
    if finish.cloth:
        _, wood = _WOODS[int(rng.integers(len(_WOODS)))]
        bare = Surface(wood, "glossy", textures.wood(rng, wood), 0.5)
        parts = [
            Part(_planar(_slab(outline, thickness).moved(z=-0.003), 0.7), bare),
            Part(_planar(_cloth(rng, outline, thickness), finish.period), finish.surface),
        ]
        nouns = ("table", "tablecloth")
    else:
        parts = [Part(_planar(_slab(outline, thickness), finish.period), finish.surface)]
        nouns = ("table", "tabletop")
        bare = finish.surface if finish.material in ("", "wooden") and not finish.pattern else None
    legs = bare or Surface((0.30, 0.30, 0.31), "brushed metal")
    parts.append(Part(_legs(rng, outline, thickness), legs))
    words = {
        "noun": nouns,
        "shape": ("round",) if round_ else ("rectangular",),
        "colour": (finish.colour,) if finish.colour else (),
        "material": (finish.material,) if finish.material else (),
        "pattern": finish.pattern,
    }
    parts = [replace(part, mesh=part.mesh.turned("z", turn)) for part in parts]
    return parts, words, float(min(outline.half_x, outline.half_y))


def _finish(rng: np.random.Generator) -> _Finish:
    makers: tuple[tuple[float, Callable[[np.random.Generator], _Finish]], ...] = (
        (0.34, _wooden),
        (0.22, _painted),
        (0.12, _marble),
        (0.24, _tablecloth),
        (0.08, _tiled),
    )
    chosen = rng.choice(len(makers), p=[share for share, _ in makers])
    return makers[int(chosen)][1](rng)


def _wooden(rng: np.random.Generator) -> _Finish:
    colour, rgb = _WOODS[int(rng.integers(len(_WOODS)))]
    rgb = varied(rng, rgb, 0.03)
    boards = rng.random() < 0.4
    texture = textures.planks(rng, rgb, int(rng.integers(5, 9)), 512) if boards else textures.wood(rng, rgb, 512)
    surface = Surface(rgb, "glossy", texture, float(rng.uniform(0.35, 0.6)))
    return _Finish(surface, colour, "wooden", period=float(rng.uniform(0.9, 1.2) if boards else rng.uniform(0.5, 0.8)))


def _painted(rng: np.random.Generator) -> _Finish:
    colour = str(rng.choice(list(COLOURS)))
    rgb = varied(rng, COLOURS[colour], 0.04)
    surface = Surface(rgb, "glossy", textures.noise(rng, rgb, 0.02), float(rng.uniform(0.3, 0.6)))
    return _Finish(surface, colour)


def _marble(rng: np.random.Generator) -> _Finish:
    colour, rgb = _STONES[int(rng.integers(len(_STONES)))]
    surface = Surface(rgb, "glossy", textures.marble(rng, rgb, 512), float(rng.uniform(0.15, 0.35)))
    return _Finish(surface, colour, "marble", period=float(rng.uniform(0.8, 1.3)))


def _tablecloth(rng: np.random.Generator) -> _Finish:
    colour = str(rng.choice(list(COLOURS)))
    rgb = varied(rng, COLOURS[colour], 0.04)
    other = _contrasting(rng, colour)
    style = str(rng.choice(["plain", "stripes", "checker", "tartan", "dots"], p=[0.3, 0.2, 0.2, 0.15, 0.15]))
    period = float(rng.uniform(0.35, 0.6))
    pattern: tuple[str, ...] = ()
    if style == "stripes":
        texture, pattern = textures.stripes(rng, rgb, other, int(rng.integers(3, 6))), ("striped",)
    elif style == "checker":
        texture, pattern = textures.checker(rgb, other, 2 * int(rng.integers(2, 4))), ("checkered",)
    elif style == "tartan":
        texture, pattern = textures.tartan(rng, rgb, other, int(rng.integers(3, 6))), ("plaid", "checkered")
    elif style == "dots":
        texture, pattern = textures.dots(rng, rgb, other, int(rng.integers(3, 6))), ("dotted", "polka dot")
    else:
        texture, period = textures.weave(rng, rgb), float(rng.uniform(0.12, 0.25))
    return _Finish(Surface(rgb, "matte", texture), colour, "cloth", pattern, period, cloth=True)


def _tiled(rng: np.random.Generator) -> _Finish:
    colour = str(rng.choice(["white", "blue", "green", "gray", "red", "yellow", "brown", "black"]))
    rgb = varied(rng, COLOURS[colour], 0.04)
    grout = _WHITE if colour != "white" else (0.55, 0.54, 0.52)
    count = int(rng.integers(4, 8))
    surface = Surface(rgb, "glossy", textures.tiles(rng, rgb, grout, (count, count), 512), 0.2)
    return _Finish(surface, colour, "", ("tiled",), period=float(rng.uniform(0.10, 0.16) * count))


def _contrasting(rng: np.random.Generator, colour: str) -> RGB:
    """A second colour for a pattern: white mostly, so that the first one names the whole."""
    if colour in ("white", "yellow"):
        return varied(rng, COLOURS[str(rng.choice(["red", "blue", "green", "gray", "purple"]))], 0.03)
    return _WHITE if rng.random() < 0.8 or colour in ("brown", "gray") else (0.94, 0.85, 0.45)


def _slab(outline: _Outline, thickness: float) -> Mesh:
    bevel = min(0.004, outline.corner / 2, thickness / 3)
    rings = [(None, 0.0), (outline.corner, 0.0), (bevel, 0.0), (0.3 * bevel, -0.3 * bevel), (0.0, -bevel)]
    rings += [(inset, -thickness - z) for inset, z in reversed(rings)]
    return _rings(outline, rings)


def _rings(outline: _Outline, rings: list[tuple[float | None, float]]) -> Mesh:
    """A body through the outline at (inset, z) after (inset, z), the outside above; an inset of None is the middle."""
    rows = [
        np.concatenate([outline.at(inset or 0.0) * (0.0 if inset is None else 1.0), np.full((96, 1), z)], axis=1)
        for inset, z in rings
    ]
    return grid_mesh(np.stack(rows), wrap_v=True)


def _cloth(rng: np.random.Generator, outline: _Outline, thickness: float) -> Mesh:
    """A tablecloth on the top whose hem hangs in folds."""
    drop, points = float(rng.uniform(0.12, 0.3)) + thickness, 192
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    folds = sum(
        rng.uniform(0.3, 1) * np.sin(int(rng.integers(7, 19)) * angles + rng.uniform(0, 2 * np.pi)) for _ in range(3)
    )
    wide = _Outline(outline.half_x + 0.004, outline.half_y + 0.004, outline.corner + 0.004)
    edge, core = wide.at(0.0, points), wide.at(wide.corner, points)
    away = (edge - core) / wide.corner
    rows = [np.zeros((points, 3)), np.column_stack([core, np.zeros(points)])]
    for inset, z in ((0.004, 0.0), (0.001, -0.001), (0.0, -0.004)):
        rows.append(np.column_stack([wide.at(inset, points), np.full(points, z)]))
    for t in np.linspace(0, 1, 9)[1:]:
        out = t * (0.020 + 0.010 * folds)
        rows.append(np.column_stack([edge + np.maximum(out, 0.0)[:, None] * away, np.full(points, -0.004 - t * drop)]))
    return grid_mesh(np.stack(rows), wrap_v=True)


def _legs(rng: np.random.Generator, outline: _Outline, thickness: float) -> Mesh:
    """Four legs or a column with a foot, from the floor to the top's underside, in one mesh."""
    height = -FLOOR_Z - thickness + 0.002
    if rng.random() < 0.35 and outline.corner == outline.half_x:
        column = cylinder(0.05, height)
        foot = cylinder(0.30, 0.03)
        return merged([column, foot]).moved(z=FLOOR_Z)
    square = rng.random() < 0.5
    reach = 0.62 if outline.corner == outline.half_x else 0.86
    legs = []
    for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
        leg = rounded_box(0.055, 0.055, height) if square else cylinder(0.02, height, 0.03)
        legs.append(leg.moved(x * reach * outline.half_x, y * reach * outline.half_y))
    return merged(legs).moved(z=FLOOR_Z)


def _planar(mesh: Mesh, period: float) -> Mesh:
    """The mesh with the texture laid on it from above, `period` metres wide; on the sides it runs down."""
    x, y, z = mesh.vertices.T
    radius = np.hypot(x, y).clip(1e-6)
    down = -z
    u, v = x + down * x / radius, y + down * y / radius
    return replace(mesh, uv=(np.stack([u, v], -1) / period).astype(np.float32))


def _surroundings(rng: np.random.Generator) -> list[Part]:
    distances = rng.uniform(2.05, 3.0, 4)
    parts = [_floor(rng), *_rug(rng)]
    style = _wall_style(rng)
    count = int(rng.choice([2, 3, 4], p=[0.2, 0.35, 0.45]))
    for k in rng.permutation(4)[:count]:
        look = style if rng.random() < 0.7 else _wall_style(rng)
        half = (
            float(distances[(k + 1) % 4]),
            float(distances[(k - 1) % 4]),
        )  # where its neighbours are, right and left
        pieces = [*_wall(look, half), *_at_the_wall(rng, half)]
        parts += [_against_wall(part, float(distances[k]), 90.0 * int(k)) for part in pieces]
    return parts


def _against_wall(part: Part, distance: float, degrees: float) -> Part:
    """From the wall's own frame (the wall at y = 0, the room at y < 0) to its place."""
    return replace(part, mesh=part.mesh.moved(y=distance).turned("z", degrees))


def _block(x: float, y: float, z: float, radius: float = 0.003) -> Mesh:
    return rounded_box(x, y, z, radius, steps=1 if radius < 0.02 else 3)


def _quad(left: float, right: float, low: float, high: float, period: float, y: float = 0.0) -> Mesh:
    """An upright rectangle that faces -y; `period` as in `_planar`."""
    points = np.array([[[left, y, low], [left, y, high]], [[right, y, low], [right, y, high]]])
    mesh = grid_mesh(points)
    uv = mesh.vertices[:, [0, 2]] / period
    return replace(mesh, uv=uv.astype(np.float32), smooth=False)


def _floor(rng: np.random.Generator) -> Part:
    style = str(rng.choice(["planks", "carpet", "tiles", "stone"], p=[0.4, 0.3, 0.2, 0.1]))
    if style == "planks":
        _, wood = _WOODS[int(rng.integers(len(_WOODS)))]
        rgb, period = varied(rng, wood, 0.04), 1.1
        surface = Surface(rgb, "glossy", textures.planks(rng, rgb, 8), 0.5)
    elif style == "carpet":
        rgb, period = _soft(rng), 0.5
        surface = Surface(rgb, "matte", textures.noise(rng, rgb, 0.05))
    elif style == "tiles":
        rgb, period = varied(rng, (0.78, 0.75, 0.70), 0.06), 1.4
        grout = (0.45, 0.44, 0.42)
        if rng.random() < 0.4:
            surface = Surface(rgb, "glossy", textures.checker(rgb, varied(rng, (0.25, 0.25, 0.26), 0.05), 4), 0.3)
        else:
            surface = Surface(rgb, "glossy", textures.tiles(rng, rgb, grout, (4, 4)), 0.3)
    else:
        rgb, period = varied(rng, (0.60, 0.59, 0.57), 0.06), 2.0
        surface = Surface(rgb, "matte", textures.noise(rng, rgb, 0.08))
    mesh = grid_mesh(np.array([[[-6, -6, 0], [-6, 6, 0]], [[6, -6, 0], [6, 6, 0]]], dtype=np.float64))
    return Part(replace(_planar(mesh, period), smooth=False).moved(z=FLOOR_Z), surface)


def _rug(rng: np.random.Generator) -> list[Part]:
    if rng.random() < 0.6:
        return []
    if rng.random() < 0.5:
        radius = float(rng.uniform(1.1, 1.5))
        outline = _Outline(radius, radius, radius)
    else:
        outline = _Outline(float(rng.uniform(1.2, 1.6)), float(rng.uniform(0.9, 1.3)), 0.02)
    rgb, rgb2 = _any_colour(rng), _soft(rng)
    texture = (textures.weave(rng, rgb), textures.stripes(rng, rgb, rgb2, 4), textures.dots(rng, rgb, rgb2, 3))
    mesh = _planar(_slab(outline, 0.01), 0.6).turned("z", float(rng.uniform(0, 180)))
    return [Part(mesh.moved(z=FLOOR_Z + 0.01), Surface(rgb, "matte", texture[int(rng.integers(3))]))]


def _wall_style(rng: np.random.Generator) -> tuple[Surface, float]:
    """A wall's surface and how wide its texture lies, in metres."""
    style = str(rng.choice(["paint", "stripes", "dots", "bricks", "boards"], p=[0.46, 0.16, 0.12, 0.14, 0.12]))
    rgb = _soft(rng)
    if style == "stripes":
        return Surface(rgb, "matte", textures.stripes(rng, rgb, _near(rng, rgb), 5)), float(rng.uniform(0.6, 1.1))
    if style == "dots":
        return Surface(rgb, "matte", textures.dots(rng, rgb, _near(rng, rgb), 4)), float(rng.uniform(0.5, 0.9))
    if style == "bricks":
        stone = ((0.58, 0.28, 0.20), (0.86, 0.85, 0.82), (0.62, 0.50, 0.40))[int(rng.integers(3))]
        rgb = varied(rng, stone, 0.05)
        mortar = tuple(float(c) for c in 0.5 * np.array(rgb) + 0.3)
        return Surface(rgb, "matte", textures.bricks(rng, rgb, mortar, 8)), 0.8
    if style == "boards":
        _, wood = _WOODS[int(rng.integers(len(_WOODS)))]
        return Surface(wood, "matte", textures.planks(rng, wood, 6)), 1.2
    return Surface(rgb, "matte", textures.noise(rng, rgb, 0.02)), 1.5


def _soft(rng: np.random.Generator) -> RGB:
    return varied(rng, _WALL_TONES[int(rng.integers(len(_WALL_TONES)))], 0.04)


def _any_colour(rng: np.random.Generator) -> RGB:
    return varied(rng, COLOURS[str(rng.choice(list(COLOURS)))], 0.06)


def _near(rng: np.random.Generator, rgb: RGB) -> RGB:
    """A tone for a quiet pattern on `rgb`: lighter or darker."""
    share, to = float(rng.uniform(0.2, 0.5)), float(rng.choice([0.15, 1.0]))
    return (rgb[0] + share * (to - rgb[0]), rgb[1] + share * (to - rgb[1]), rgb[2] + share * (to - rgb[2]))


def _wall(look: tuple[Surface, float], half: tuple[float, float]) -> list[Part]:
    surface, period = look
    left, right = -half[0], half[1]
    top = FLOOR_Z + _WALL_HEIGHT
    board = _block(right - left, 0.02, 0.09).moved((left + right) / 2, -0.01, FLOOR_Z)
    return [
        Part(_quad(left, right, FLOOR_Z, top, period), surface),
        Part(board, Surface(_WHITE, "glossy", roughness=0.4)),
    ]


def _at_the_wall(rng: np.random.Generator, half: tuple[float, float]) -> list[Part]:
    """A window or a door, a cabinet or a sofa, or nothing, side by side in the wall's frame."""
    middle, reach = (half[1] - half[0]) / 2, (half[0] + half[1]) / 2
    side = float(rng.choice([-1.0, 1.0]))
    parts: list[Part] = []
    if rng.random() < 0.55:
        opening = (_window, _door)[int(rng.random() < 0.35)]
        parts += _shifted(opening(rng), middle + side * reach * float(rng.uniform(0.3, 0.5)))
    if rng.random() < 0.6:
        piece = (_cabinet, _sofa)[int(rng.random() < 0.35)]
        parts += _shifted(piece(rng), middle - side * reach * float(rng.uniform(0.3, 0.45)))
    return parts


def _shifted(parts: list[Part], x: float) -> list[Part]:
    return [replace(part, mesh=part.mesh.moved(x)) for part in parts]


def _window(rng: np.random.Generator) -> list[Part]:
    width, height = float(rng.uniform(0.9, 1.4)), float(rng.uniform(1.0, 1.4))
    low = FLOOR_Z + float(rng.uniform(0.8, 1.0))
    sky = (
        float(rng.uniform(0.75, 0.90)),
        float(rng.uniform(0.86, 0.93)),
        float(rng.uniform(0.92, 0.97)),
    )
    parts = [Part(_quad(-width / 2, width / 2, low, low + height, 1.0, -0.004), Surface(sky, "glowing"))]
    frame = Surface(_WHITE, "glossy", roughness=0.4)
    for x in (-width / 2, 0.0, width / 2):
        parts.append(Part(_block(0.05, 0.05, height).moved(x, -0.02, low), frame))
    for z in (low - 0.03, low + height / 2, low + height - 0.02):
        parts.append(Part(_block(width + 0.05, 0.05, 0.05).moved(0.0, -0.02, z), frame))
    if rng.random() < 0.6:
        parts += _curtains(rng, width, low, height)
    return parts


def _curtains(rng: np.random.Generator, width: float, low: float, height: float) -> list[Part]:
    rgb = _any_colour(rng)
    surface = Surface(rgb, "matte", textures.weave(rng, rgb))
    parts = []
    for x in (-width / 2 - 0.12, width / 2 + 0.12):
        at = np.linspace(-0.2, 0.2, 60)
        depth = -0.08 + 0.03 * np.sin(at / 0.4 * 2 * np.pi * 4)
        rows = [np.stack([x + at, depth, np.full(60, z)], -1) for z in (low - 0.25, low + height + 0.1)]
        mesh = grid_mesh(np.stack(rows, axis=1))
        parts.append(Part(replace(mesh, uv=(mesh.vertices[:, [0, 2]] / 0.2).astype(np.float32)), surface))
    return parts


def _door(rng: np.random.Generator) -> list[Part]:
    rgb = _WHITE if rng.random() < 0.5 else varied(rng, _WOODS[int(rng.integers(len(_WOODS)))][1], 0.03)
    leaf = Surface(rgb, "glossy", textures.wood(rng, rgb) if rgb != _WHITE else None, 0.4)
    frame = Surface(_WHITE, "glossy", roughness=0.4)
    parts = [Part(_block(0.86, 0.04, 2.0).moved(0.0, -0.02, FLOOR_Z), leaf)]
    for low, height in ((0.2, 0.7), (1.05, 0.75)):
        parts.append(Part(_block(0.6, 0.02, height, 0.008).moved(0.0, -0.04, FLOOR_Z + low), leaf))
    for x in (-0.47, 0.47):
        parts.append(Part(_block(0.09, 0.05, 2.09).moved(x, -0.02, FLOOR_Z), frame))
    parts.append(Part(_block(1.03, 0.05, 0.09).moved(0.0, -0.02, FLOOR_Z + 2.0), frame))
    handle = cylinder(0.012, 0.12).turned("y", 90.0).moved(0.26, -0.07, FLOOR_Z + 1.0)
    return [*parts, Part(handle, Surface((0.6, 0.6, 0.6), "brushed metal"))]


def _cabinet(rng: np.random.Generator) -> list[Part]:
    """A sideboard or a high cupboard with doors."""
    high = rng.random() < 0.4
    width, depth = (float(rng.uniform(0.8, 1.1)), 0.4) if high else (float(rng.uniform(1.1, 1.7)), 0.42)
    height = float(rng.uniform(1.5, 1.9)) if high else float(rng.uniform(0.6, 0.9))
    if rng.random() < 0.6:
        rgb = varied(rng, _WOODS[int(rng.integers(len(_WOODS)))][1], 0.04)
        surface = Surface(rgb, "glossy", textures.wood(rng, rgb), 0.5)
    else:
        surface = Surface(_any_colour(rng), "glossy", roughness=0.4)
    middle = -depth / 2 - 0.02
    parts = [
        Part(_block(width, depth, height).moved(0.0, middle, FLOOR_Z + 0.08), surface),
        Part(_block(width - 0.1, depth - 0.1, 0.1).moved(0.0, middle, FLOOR_Z), Surface((0.1, 0.1, 0.1))),
    ]
    doors = 2 if high else 3
    for k in range(doors):
        x, y = ((k + 0.5) / doors - 0.5) * width, -depth - 0.025
        door = _block(width / doors - 0.02, 0.03, height - 0.06, 0.004)
        parts.append(Part(door.moved(x, y, FLOOR_Z + 0.11), surface))
        knob = cylinder(0.015, 0.03).turned("x", 90.0).moved(x + 0.35 * width / doors, y - 0.01, FLOOR_Z + 0.6 * height)
        parts.append(Part(knob, Surface((0.6, 0.6, 0.6), "brushed metal")))
    return parts


def _sofa(rng: np.random.Generator) -> list[Part]:
    rgb = _any_colour(rng)
    surface = Surface(rgb, "matte", textures.weave(rng, rgb))
    width, depth = float(rng.uniform(1.4, 1.8)), 0.8
    boxes = (  # size, then place of its foot's middle
        ((width, depth, 0.25), (0.0, 0.0, 0.08)),
        ((width, 0.2, 0.72), (0.0, depth / 2 - 0.1, 0.08)),
        ((0.18, depth, 0.5), (-width / 2, 0.0, 0.08)),
        ((0.18, depth, 0.5), (width / 2, 0.0, 0.08)),
        ((width / 2 - 0.1, depth - 0.18, 0.16), (-width / 4 + 0.045, -0.1, 0.3)),
        ((width / 2 - 0.1, depth - 0.18, 0.16), (width / 4 - 0.045, -0.1, 0.3)),
    )
    return [
        Part(_block(*size, radius=0.05).moved(x, y - depth / 2 - 0.04, z + FLOOR_Z), surface)
        for size, (x, y, z) in boxes
    ]


def _light(rng: np.random.Generator) -> tuple[list[LightPanel], RGB]:
    """Soft panels above and at the sides of the table, and the light that comes from everywhere."""
    tone = np.array(((1.0, 0.86, 0.70), (1.0, 0.95, 0.88), (0.88, 0.95, 1.0))[int(rng.integers(3))])
    count = int(rng.integers(1, 4))
    first = float(rng.uniform(0, 2 * np.pi))
    panels = []
    for k in range(count):
        angle = first + 2 * np.pi * k / count + float(rng.uniform(-0.4, 0.4))
        away = float(rng.uniform(0.2, 1.3))
        centre = (away * float(np.cos(angle)), away * float(np.sin(angle)), float(rng.uniform(1.8, 2.5)))
        width, height = float(rng.uniform(0.5, 1.1)), float(rng.uniform(0.5, 1.1))
        power = float(rng.uniform(4.0, 8.0)) * (1.0 if k == 0 else float(rng.uniform(0.3, 0.8)))
        shade = power / (width * height) * tone * rng.uniform(0.95, 1.05, 3)
        panels.append(LightPanel(centre, (0.0, 0.0, 0.0), width, height, _three(shade)))
    grey = float(rng.uniform(0.4, 0.9))
    return panels, _three(grey * (0.5 + 0.5 * tone))


def _seen(panel: LightPanel) -> float:
    """How large the panel is as seen from the middle of the table: its solid angle, by the cosine there."""
    centre = np.array(panel.centre)
    distance = float(np.linalg.norm(centre))
    out = np.array(panel.look_at) - centre
    facing = float(-(centre @ out) / (distance * np.linalg.norm(out)))
    return panel.width * panel.height * max(facing, 0.0) * float(centre[2]) / distance**3


def _luminance(rgb: RGB) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def _three(values: np.ndarray) -> RGB:
    return (float(values[0]), float(values[1]), float(values[2]))
