"""Tables whose top is at z = 0: outline, wood, paint, stone, tiles or a cloth, and legs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.meshes import Mesh, cylinder, grid_mesh, merged, rounded_box
from langfield_synthetic.things import COLOURS, RGB, Part, Surface, varied

FLOOR_Z = -0.75
WOODS: tuple[tuple[str, RGB], ...] = (  # "" where no colour word is surely true
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
WHITE: RGB = (0.93, 0.93, 0.91)


@dataclass(frozen=True)
class Outline:
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


def make_table(rng: np.random.Generator) -> tuple[list[Part], dict[str, tuple[str, ...]], float]:
    round_ = rng.random() < 0.45
    if round_:
        radius = rng.uniform(0.6, 0.8)
        outline = Outline(radius, radius, radius)
    else:
        half_x = rng.uniform(0.62, 0.8)
        outline = Outline(half_x, half_x * rng.uniform(0.8, 1.0), rng.uniform(0.015, 0.12))
    finish = _finish(rng)
    thickness = rng.uniform(0.02, 0.045)
    turn = float(rng.uniform(0, 360))
    if finish.cloth:
        _, wood = WOODS[int(rng.integers(len(WOODS)))]
        bare = Surface(wood, "glossy", textures.wood(rng, wood), 0.5)
        parts = [
            Part(planar(slab(outline, thickness).moved(z=-0.003), 0.7), bare),
            Part(planar(_cloth(rng, outline, thickness), finish.period), finish.surface),
        ]
        nouns = ("table", "tablecloth")
    else:
        parts = [Part(planar(slab(outline, thickness), finish.period), finish.surface)]
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
    colour, rgb = WOODS[int(rng.integers(len(WOODS)))]
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
    grout = WHITE if colour != "white" else (0.55, 0.54, 0.52)
    count = int(rng.integers(4, 8))
    surface = Surface(rgb, "glossy", textures.tiles(rng, rgb, grout, (count, count), 512), 0.2)
    return _Finish(surface, colour, "", ("tiled",), period=float(rng.uniform(0.10, 0.16) * count))


def _contrasting(rng: np.random.Generator, colour: str) -> RGB:
    """A second colour for a pattern: white mostly, so that the first one names the whole."""
    if colour in ("white", "yellow"):
        return varied(rng, COLOURS[str(rng.choice(["red", "blue", "green", "gray", "purple"]))], 0.03)
    return WHITE if rng.random() < 0.8 or colour in ("brown", "gray") else (0.94, 0.85, 0.45)


def slab(outline: Outline, thickness: float) -> Mesh:
    bevel = min(0.004, outline.corner / 2, thickness / 3)
    rings = [(None, 0.0), (outline.corner, 0.0), (bevel, 0.0), (0.3 * bevel, -0.3 * bevel), (0.0, -bevel)]
    rings += [(inset, -thickness - z) for inset, z in reversed(rings)]
    return _rings(outline, rings)


def _rings(outline: Outline, rings: list[tuple[float | None, float]]) -> Mesh:
    """A body through the outline at (inset, z) after (inset, z), the outside above; an inset of None is the middle."""
    rows = [
        np.concatenate([outline.at(inset or 0.0) * (0.0 if inset is None else 1.0), np.full((96, 1), z)], axis=1)
        for inset, z in rings
    ]
    return grid_mesh(np.stack(rows), wrap_v=True)


def _cloth(rng: np.random.Generator, outline: Outline, thickness: float) -> Mesh:
    """A tablecloth on the top whose hem hangs in folds."""
    drop, points = float(rng.uniform(0.12, 0.3)) + thickness, 192
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    folds = sum(
        rng.uniform(0.3, 1) * np.sin(int(rng.integers(7, 19)) * angles + rng.uniform(0, 2 * np.pi)) for _ in range(3)
    )
    wide = Outline(outline.half_x + 0.004, outline.half_y + 0.004, outline.corner + 0.004)
    edge, core = wide.at(0.0, points), wide.at(wide.corner, points)
    away = (edge - core) / wide.corner
    rows = [np.zeros((points, 3)), np.column_stack([core, np.zeros(points)])]
    for inset, z in ((0.004, 0.0), (0.001, -0.001), (0.0, -0.004)):
        rows.append(np.column_stack([wide.at(inset, points), np.full(points, z)]))
    for t in np.linspace(0, 1, 9)[1:]:
        out = t * (0.020 + 0.010 * folds)
        rows.append(np.column_stack([edge + np.maximum(out, 0.0)[:, None] * away, np.full(points, -0.004 - t * drop)]))
    return grid_mesh(np.stack(rows), wrap_v=True)


def _legs(rng: np.random.Generator, outline: Outline, thickness: float) -> Mesh:
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


def planar(mesh: Mesh, period: float) -> Mesh:
    """The mesh with the texture laid on it from above, `period` metres wide; on the sides it runs down."""
    x, y, z = mesh.vertices.T
    radius = np.hypot(x, y).clip(1e-6)
    down = -z
    u, v = x + down * x / radius, y + down * y / radius
    return replace(mesh, uv=(np.stack([u, v], -1) / period).astype(np.float32))
