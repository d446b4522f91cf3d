"""What stands around the table: floor, rug, walls with windows and doors, cabinets and sofas."""

from dataclasses import replace

import numpy as np

from langfield_synthetic import textures
from langfield_synthetic.meshes import Mesh, cylinder, grid_mesh, rounded_box
from langfield_synthetic.tables import FLOOR_Z, WHITE, WOODS, Outline, planar, slab
from langfield_synthetic.things import COLOURS, RGB, Part, Surface, varied

_WALL_HEIGHT = 3.4
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


def make_surroundings(rng: np.random.Generator) -> list[Part]:
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
    """An upright rectangle that faces -y; `period` as in `planar`."""
    points = np.array([[[left, y, low], [left, y, high]], [[right, y, low], [right, y, high]]])
    mesh = grid_mesh(points)
    uv = mesh.vertices[:, [0, 2]] / period
    return replace(mesh, uv=uv.astype(np.float32), smooth=False)


def _floor(rng: np.random.Generator) -> Part:
    style = str(rng.choice(["planks", "carpet", "tiles", "stone"], p=[0.4, 0.3, 0.2, 0.1]))
    if style == "planks":
        _, wood = WOODS[int(rng.integers(len(WOODS)))]
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
    return Part(replace(planar(mesh, period), smooth=False).moved(z=FLOOR_Z), surface)


def _rug(rng: np.random.Generator) -> list[Part]:
    if rng.random() < 0.6:
        return []
    if rng.random() < 0.5:
        radius = float(rng.uniform(1.1, 1.5))
        outline = Outline(radius, radius, radius)
    else:
        outline = Outline(float(rng.uniform(1.2, 1.6)), float(rng.uniform(0.9, 1.3)), 0.02)
    rgb, rgb2 = _any_colour(rng), _soft(rng)
    texture = (textures.weave(rng, rgb), textures.stripes(rng, rgb, rgb2, 4), textures.dots(rng, rgb, rgb2, 3))
    mesh = planar(slab(outline, 0.01), 0.6).turned("z", float(rng.uniform(0, 180)))
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
        _, wood = WOODS[int(rng.integers(len(WOODS)))]
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
        Part(board, Surface(WHITE, "glossy", roughness=0.4)),
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
    frame = Surface(WHITE, "glossy", roughness=0.4)
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
    rgb = WHITE if rng.random() < 0.5 else varied(rng, WOODS[int(rng.integers(len(WOODS)))][1], 0.03)
    leaf = Surface(rgb, "glossy", textures.wood(rng, rgb) if rgb != WHITE else None, 0.4)
    frame = Surface(WHITE, "glossy", roughness=0.4)
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
        rgb = varied(rng, WOODS[int(rng.integers(len(WOODS)))][1], 0.04)
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
