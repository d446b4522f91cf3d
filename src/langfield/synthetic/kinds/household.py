"""Things about the house: plants, lamps, clocks, frames, boxes, things to wear."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from langfield.synthetic import textures
from langfield.synthetic.meshes import (
    Mesh,
    Points,
    box_sides,
    cylinder,
    ellipsoid,
    extruded,
    grid_mesh,
    lathe,
    merged,
    rounded_box,
    smooth_curve,
    sweep,
    torus,
    vessel,
)
from langfield.synthetic.things import COLOURS, PAINTED, Look, Part, Surface, kind, varied

RGB = tuple[float, float, float]
_VIVID = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
_STEEL: RGB = (0.72, 0.72, 0.74)
_BRASS: RGB = (0.80, 0.62, 0.28)
_CREAM: RGB = (0.95, 0.93, 0.86)


# ---------------------------------------------------------------------------------------------------------- building


def _mixed(rgb: RGB, other: RGB, share: float) -> RGB:
    """`share` of the other colour in this one."""
    return tuple(float(a + (b - a) * share) for a, b in zip(rgb, other, strict=True))  # type: ignore[return-value]


def _ink(rgb: RGB) -> RGB:
    """Black or white, whichever is read on `rgb`."""
    return (0.06, 0.06, 0.08) if np.dot(rgb, (0.3, 0.59, 0.11)) > 0.5 else (0.97, 0.97, 0.95)


def _second_colour(rng: np.random.Generator, look: Look, words: Sequence[str] = _VIVID) -> RGB:
    """A colour of another word than the look's."""
    return varied(rng, COLOURS[str(rng.choice([word for word in words if word != look.colour]))])


def _painted(rgb: RGB, roughness: float = 0.3) -> Surface:
    return Surface(rgb, "glossy", roughness=roughness)


def _wood(rng: np.random.Generator, rgb: RGB) -> Surface:
    return Surface(rgb, "glossy", texture=textures.wood(rng, rgb), roughness=0.5)


def _loft(sections: np.ndarray) -> Mesh:
    """A closed body through rings (M, N, 3), counter-clockwise seen from the last; the ends are covered."""
    ends = [np.broadcast_to(sections[k].mean(axis=0), sections[k].shape)[None] for k in (0, -1)]
    mesh = grid_mesh(np.concatenate([ends[0], sections, ends[1]]), wrap_v=True)
    return replace(mesh, faces=mesh.faces[:, ::-1].copy())


def _circle(radius: float, count: int = 48) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], -1)


def _plate(outline: Points, thickness: float) -> Mesh:
    """A flat plate that stands upright and looks to the front (-y), its back in the plane y = 0; uv spans its face."""
    return extruded(outline, thickness).turned("x", 90)


def _rectangle(width: float, height: float) -> list[tuple[float, float]]:
    return [(-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2)]


def _ribbon(path: np.ndarray, side: np.ndarray, width: float) -> Mesh:
    """A band along `path` (N, 3), `width` wide along `side` (3,) or (N, 3)."""
    across = np.array([-0.5, 0.0, 0.5])[None, :, None] * width * np.broadcast_to(side, path.shape)[:, None]
    return grid_mesh(path[:, None] + across)


def _leaf(
    length: float,
    width: float,
    rise: float,
    droop: float,
    *,
    widest: float = 0.45,
    base: float = 0.0,
    fold: float = 0.3,
    turn: float = 0.0,
    steps: int = 8,
    at: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0),
) -> Mesh:
    """A leaf or petal that sets out `rise` degrees above the table and bends down by `droop` degrees over its length.

    Args:
        widest: where along it, 0 to 1, it is widest. base: how wide it begins, 0 to 1.
        fold: how far its sides are lifted over its middle.
    """
    t = np.linspace(0, 1, steps + 1)
    angle = np.radians(rise - droop * t)
    step = length / (len(t) - 1)
    x = np.concatenate([[0.0], np.cumsum(np.cos(angle[:-1]) * step)])
    z = np.concatenate([[0.0], np.cumsum(np.sin(angle[:-1]) * step)])
    half = width / 2 * np.sin(np.pi * (base / 2 + (1 - base / 2) * t) ** (np.log(0.5) / np.log(widest))).clip(0.02)
    s = np.linspace(-1, 1, 5)
    lift = fold * np.abs(s)[None] * half[:, None]
    points = np.stack(
        [
            x[:, None] - np.sin(angle)[:, None] * lift,
            half[:, None] * s[None],
            z[:, None] + np.cos(angle)[:, None] * lift,
        ],
        -1,
    )
    return grid_mesh(points).turned("z", turn).moved(*map(float, at))


def _leaf_texture(rgb: RGB, veins: bool = True) -> np.ndarray:
    """Across u: a light rib in the middle, and paler edges; along v: veins, darker at the base."""
    v, u = np.meshgrid(np.linspace(1, 0, 96), np.linspace(-1, 1, 96), indexing="ij")
    shade = 0.86 + 0.26 * v if veins else 1.0 + 0.12 * v
    if veins:
        shade = shade + 0.10 * (np.sin(40 * v - 16 * np.abs(u)) > 0.75)
    picture = np.array(rgb) * shade[..., None]
    rib = np.clip(1 - np.abs(u) / 0.10, 0, 1)[..., None] * (0.35 if veins else 0.15)
    picture = picture * (1 - rib) + rib * np.array([0.75, 0.85, 0.45])
    return _pixels(picture)


def _pixels(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def _drawing(width: int, height: int, rgb: RGB) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (width, height), _byte(rgb))
    return picture, ImageDraw.Draw(picture)


def _byte(rgb: Sequence[float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * min(max(c, 0.0), 1.0)) for c in rgb)
    return red, green, blue


# ------------------------------------------------------------------------------------------------------------ plants


def _pot(rng: np.random.Generator, radius: float, height: float) -> list[Part]:
    """A flowerpot with earth in it, `radius` at its rim."""
    colours: list[RGB] = [
        (0.70, 0.36, 0.22),
        (0.70, 0.36, 0.22),
        (0.90, 0.89, 0.86),
        (0.55, 0.55, 0.55),
        (0.83, 0.75, 0.62),
    ]
    rgb = varied(rng, colours[int(rng.integers(len(colours)))])
    foot, rim = radius * rng.uniform(0.6, 0.85), height * rng.uniform(0.16, 0.26)
    if rng.random() < 0.6:
        outside = [(foot, 0.0), (radius * 0.93, height - rim), (radius, height - rim), (radius * 1.02, height)]
    else:
        belly = radius * rng.uniform(1.0, 1.12)
        outside = [*smooth_curve([(foot, 0.0), (belly, height * 0.5), (radius, height)], 16)]
    body = vessel(np.array(outside), 0.005, segments=36)
    surface = Surface(rgb) if rgb[0] > rgb[2] * 1.5 else _painted(rgb, 0.2)
    earth = textures.noise(rng, (0.20, 0.13, 0.09), 0.25)
    soil = lathe([(0, height * 0.5), (radius * 0.9, height * 0.86), (0, height * 0.9)], 32)
    parts = [Part(body, surface), Part(soil, Surface(texture=earth))]
    if rng.random() < 0.5:
        saucer = lathe([(0, 0), (radius * 0.95, 0), (radius * 1.12, 0.01), (radius * 1.05, 0.011), (0, 0.005)])
        parts = [Part(part.mesh.moved(z=0.004), part.surface) for part in parts] + [Part(saucer, surface)]
    return parts


def _bush(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """Leaves and stems of a round bush from the origin up."""
    leaves, stems = [], []
    wide = rng.uniform(0.5, 0.75)
    for k in range(int(rng.integers(50, 72))):
        turn, rise = 137.5 * k + rng.uniform(-15, 15), rng.uniform(5, 88)
        reach = size * rng.uniform(0.45, 0.85)
        a, b = np.radians(turn), np.radians(rise)
        tip = np.array([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), 0.25 + 0.95 * np.sin(b)]) * reach
        if k % 6 == 0:
            stems.append(sweep(smooth_curve(np.stack([0 * tip, tip * (0.3, 0.3, 0.6), tip]), 7), 0.0018, 6))
        length = size * rng.uniform(0.35, 0.5)
        leaves.append(_leaf(length, length * wide, rise * 0.7, rng.uniform(20, 70), turn=turn, steps=6, at=tip * 0.8))
    return leaves, stems


def _broad(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """A few big leaves on long stalks."""
    leaves, stems = [], []
    count, wide = int(rng.integers(9, 15)), rng.uniform(0.55, 0.8)
    for k in range(count):
        turn = 137.5 * k + rng.uniform(-20, 20)
        outer = k / count
        rise, reach = 84 - 50 * outer, size * rng.uniform(0.75, 1.0) * (1.0 - 0.35 * outer)
        a, b = np.radians(turn), np.radians(rise)
        tip = np.array([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)]) * reach
        stems.append(sweep(smooth_curve(np.stack([0 * tip, tip * (0.35, 0.35, 0.6), tip]), 8), 0.0022, 6))
        length = size * rng.uniform(0.55, 0.75)
        leaves.append(
            _leaf(length, length * wide, rise - 30, rng.uniform(25, 60), widest=0.38, turn=turn, at=tip * 0.97)
        )
    return leaves, stems


def _swords(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """Stiff upright leaves."""
    leaves = []
    for k in range(int(rng.integers(9, 15))):
        turn, away = 137.5 * k, 0.012 + 0.002 * k
        at = (away * np.cos(np.radians(turn)), away * np.sin(np.radians(turn)), 0.0)
        length = size * rng.uniform(0.9, 1.6)
        leaves.append(
            _leaf(length, size * rng.uniform(0.2, 0.28), 88 - 1.6 * k, rng.uniform(-5, 10), base=0.5, turn=turn, at=at)
        )
    return leaves, []


def _fountain(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[Mesh]]:
    """Long narrow leaves that arch over."""
    leaves = []
    for k in range(int(rng.integers(38, 55))):
        length = size * rng.uniform(1.0, 1.7)
        rise, droop = rng.uniform(62, 88), rng.uniform(80, 140)
        leaves.append(_leaf(length, size * 0.12, rise, droop, base=0.4, turn=137.5 * k + rng.uniform(-9, 9)))
    return leaves, []


@kind(
    "potted plant",
    colours=("green",),
    synonyms=("plant", "houseplant"),
    hypernyms=("plant", "decoration"),
)
def potted_plant(rng: np.random.Generator, look: Look) -> list[Part]:
    radius = rng.uniform(0.04, 0.055)
    height = radius * rng.uniform(1.4, 2.0)
    grow = (_bush, _broad, _swords, _fountain)[int(rng.integers(4))]
    leaves, stems = grow(rng, rng.uniform(0.11, 0.15))
    rgb = varied(rng, look.rgb, 0.08)
    foliage = merged(leaves).moved(z=height * 0.88)
    parts = [*_pot(rng, radius, height), Part(foliage, Surface(rgb, texture=_leaf_texture(rgb)))]
    if stems:
        parts.append(Part(merged(stems).moved(z=height * 0.86), Surface(_mixed(rgb, (0.4, 0.35, 0.15), 0.4))))
    return parts


def _spines(points: np.ndarray, normals: np.ndarray, length: float) -> Mesh:
    """Thorns at `points` (N, 3): two crossed slivers each."""
    side = np.cross(normals, [0.31, 0.22, 0.92])
    side /= np.linalg.norm(side, axis=1, keepdims=True).clip(1e-9)
    other = np.cross(normals, side)
    tips = points + normals * length
    slivers = [np.stack([points + s * 0.0006, points - s * 0.0006, tips], 1) for s in (side, other)]
    vertices = np.concatenate(slivers).reshape(-1, 3).astype(np.float32)
    faces = np.arange(len(vertices), dtype=np.uint32).reshape(-1, 3)
    return Mesh(vertices, faces, np.zeros((len(vertices), 2), np.float32), smooth=False)


def _ribbed(profile: Points, ribs: int, depth: float) -> Mesh:
    body = lathe(profile, ribs * 6)
    angle = np.arctan2(body.vertices[:, 1], body.vertices[:, 0])
    inward = 1 - depth * (0.5 - 0.5 * np.cos(ribs * angle))
    return replace(body, vertices=(body.vertices * np.stack([inward, inward, 1 + 0 * inward], -1)).astype(np.float32))


def _cactus_column(rng: np.random.Generator, radius: float, tall: float) -> tuple[list[Mesh], list[np.ndarray]]:
    """A ribbed body and the points where thorns sit; arms when it is slender."""
    ribs = int(rng.integers(9, 14))
    t = np.linspace(0, np.pi / 2, 9)
    waist = 0.82 if tall > 2.2 * radius else 0.6
    if tall > 2.2 * radius:
        top = np.stack([radius * np.cos(t), tall - radius + radius * np.sin(t)], -1)
        profile = np.concatenate([[[radius * waist, 0.0], [radius * 0.97, tall * 0.3]], top])
    else:
        t = np.linspace(-0.9, np.pi / 2, 18)
        profile = np.stack([radius * np.cos(t), tall / 2 + tall / 2 * np.sin(t)], -1)
    profile[-1, 0] = 0.0
    meshes, places = [_ribbed(profile, ribs, 0.16)], []
    for k in range(ribs):
        a = 2 * np.pi * k / ribs
        along = np.interp(np.linspace(0.1, 0.97, 9), np.linspace(0, 1, len(profile)), np.arange(len(profile)))
        r = np.interp(along, np.arange(len(profile)), profile[:, 0])
        z = np.interp(along, np.arange(len(profile)), profile[:, 1])
        places.append(np.stack([r * np.cos(a), r * np.sin(a), z], -1))
    if tall > 3.0 * radius:
        for side in (1, -1) if rng.random() < 0.6 else (1,):
            reach, up = radius * rng.uniform(1.9, 2.4), tall * rng.uniform(0.3, 0.5)
            end = up + tall * rng.uniform(0.25, 0.42)
            path = smooth_curve(
                [(0, 0, up), (side * reach * 0.8, 0, up + 0.004), (side * reach, 0, up + 0.02), (side * reach, 0, end)],
                22,
            )
            radii = radius * 0.58 * np.sqrt(np.clip(1 - np.linspace(0, 1, 22) ** 8, 0, 1)).clip(0.15)
            meshes.append(sweep(path, radii, 18))
            places.append(path[8:] + np.array([side, 0, 0]) * radii[8:, None] * 0.95)
            places.append(path[8:] + np.array([0, -1, 0]) * radii[8:, None] * 0.95)
            places.append(path[8:] + np.array([0, 1, 0]) * radii[8:, None] * 0.95)
    return meshes, places


def _cactus_pads(rng: np.random.Generator, size: float) -> tuple[list[Mesh], list[np.ndarray]]:
    """A prickly pear: flat pads that grow out of each other."""
    meshes, places = [], []
    spots = [(0.0, 0.0, 1.0), (rng.uniform(-50, -25), 1.55, 0.72), (rng.uniform(20, 48), 1.5, 0.78)]
    spots += [(rng.uniform(-12, 12), 1.7, 0.6)] if rng.random() < 0.6 else []
    golden = np.arange(42) + 0.5
    polar, around = np.arccos(1 - 2 * golden / 42), np.pi * (1 + 5**0.5) * golden
    ball = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], -1)
    for tilt, reach, scale in spots:
        axes = np.array([0.62, 0.2, 1.0]) * size * scale
        at = np.array([0.0, 0.0, size * 0.9])
        if reach:
            at = at + size * reach * np.array([np.sin(np.radians(tilt)) * 0.75, 0.02, np.cos(np.radians(tilt))])
        pad = ellipsoid(*axes, segments=28).turned("y", tilt).moved(*at)
        thorns = Mesh((ball * axes).astype(np.float32), pad.faces[:1], pad.uv).turned("y", tilt).moved(*at)
        meshes.append(pad)
        places.append(thorns.vertices.astype(np.float64))
    return meshes, places


@kind("cactus", colours=("green",), hypernyms=("plant", "decoration"))
def cactus(rng: np.random.Generator, look: Look) -> list[Part]:
    style = int(rng.integers(3))
    radius = rng.uniform(0.036, 0.046)
    height = radius * rng.uniform(1.2, 1.6)
    if style == 0:
        body = rng.uniform(0.02, 0.025)
        meshes, places = _cactus_column(rng, body, body * rng.uniform(5.5, 7.5))
    elif style == 1:
        body = radius * rng.uniform(0.95, 1.15)
        meshes, places = _cactus_column(rng, body, body * rng.uniform(1.6, 2.1))
    else:
        meshes, places = _cactus_pads(rng, rng.uniform(0.034, 0.042))
    plant = merged(meshes).moved(z=height * 0.85)
    points = np.concatenate(places) + np.array([0, 0, height * 0.85])
    middle = np.stack([0 * points[:, 0], 0 * points[:, 0], np.full(len(points), plant.bounds[:, 2].mean())], -1)
    normals = points - middle + rng.normal(0, 0.012, points.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
    rgb = varied(rng, _mixed(look.rgb, (0.25, 0.45, 0.25), 0.3))
    parts = [*_pot(rng, radius, height), Part(plant, Surface(rgb, texture=textures.noise(rng, rgb, 0.06)))]
    parts.append(Part(_spines(points, normals, 0.008), Surface((0.93, 0.90, 0.75))))
    if rng.random() < 0.5:
        blossom = merged([_leaf(0.018, 0.011, 50, 25, turn=60 * k) for k in range(6)])
        tip = plant.vertices[int(plant.vertices[:, 2].argmax())]
        at = (float(tip[0]), float(tip[1]), float(tip[2]) - 0.001)
        parts.append(
            Part(blossom.moved(*at), Surface(varied(rng, COLOURS[str(rng.choice(["pink", "yellow", "red"]))])))
        )
    return parts


def _flower_head(rng: np.random.Generator, style: int, size: float, rgb: RGB) -> list[Part]:
    """A flower that looks up from the origin; 0 daisy, 1 tulip, 2 rose."""
    petals, turn = [], rng.uniform(0, 360)
    surface = Surface(rgb, texture=_leaf_texture(rgb, veins=False))
    if style == 0:
        count = int(rng.integers(11, 17))
        for ring, rise in ((0, 22), (1, 40)):
            petals += [
                _leaf(
                    size * (1 - 0.15 * ring),
                    size * 0.36,
                    rise,
                    35,
                    widest=0.62,
                    base=0.3,
                    turn=turn + 360 * (k + ring / 2) / count,
                    steps=4,
                )
                for k in range(count)
            ]
        heart = (0.45, 0.25, 0.08) if rgb[0] > 0.8 and rgb[1] > 0.6 and rgb[2] < 0.3 else (0.93, 0.72, 0.10)
        disc = ellipsoid(size * 0.27, size * 0.27, size * 0.14, 20).moved(z=size * 0.1)
        return [Part(merged(petals), surface), Part(disc, Surface(heart, texture=textures.noise(rng, heart, 0.2)))]
    if style == 1:
        for ring in (0, 1):
            petals += [
                _leaf(
                    size * 1.7,
                    size * 1.25,
                    14,
                    -95 - 8 * ring,
                    widest=0.5,
                    base=0.25,
                    fold=0.45,
                    turn=turn + 120 * k + 60 * ring,
                )
                for k in range(3)
            ]
        return [Part(merged(petals), surface)]
    for k in range(20):
        inner = k / 19
        petals.append(
            _leaf(
                size * (1.15 - 0.3 * inner),
                size * 1.0,
                15 + 60 * inner,
                -55 * inner - 15,
                widest=0.65,
                base=0.3,
                fold=0.5,
                turn=turn + 137.5 * k,
                steps=6,
            )
        )
    return [Part(merged(petals), surface)]


@kind(
    "flower",
    colours=("red", "orange", "yellow", "blue", "purple", "pink", "white"),
    synonyms=("flowers", "flower in a vase"),
    hypernyms=("plant", "decoration"),
)
def flower(rng: np.random.Generator, look: Look) -> list[Part]:
    style, count = int(rng.integers(3)), int(rng.choice([1, 3, 4, 5, 6]))
    tall, belly = rng.uniform(0.10, 0.14), rng.uniform(0.02, 0.027)
    neck = belly * rng.uniform(0.5, 0.75)
    outline = [(belly * 0.8, 0), (belly, tall * rng.uniform(0.15, 0.4)), (neck, tall * 0.8), (neck * 1.25, tall)]
    vase = vessel(smooth_curve(outline, 12), 0.0025, 0.006, 28)
    choice = rng.random()
    if choice < 0.5:
        surface = Surface(kind="glass")
    else:
        surface = _painted(varied(rng, look.rgb if choice < 0.7 else COLOURS["white"]), 0.12)
    parts = [Part(vase, surface)]
    green = varied(rng, (0.16, 0.45, 0.14))
    stems: list[Mesh] = []
    for k in range(count):
        a = np.radians(360 * k / count + rng.uniform(-20, 20))
        lean = 0.006 if count == 1 else rng.uniform(0.028, 0.05) * (0.3 if k == 0 and count > 4 else 1)
        top = tall + rng.uniform(0.07, 0.11) - lean * 0.6
        end = np.array([lean * np.cos(a), lean * np.sin(a), top])
        mouth = np.array([0.3 * neck * np.cos(a), 0.3 * neck * np.sin(a), tall])
        path = smooth_curve(np.stack([np.array([0, 0, 0.012]), mouth, end]), 14)
        stems.append(sweep(path, 0.0019, 8))
        head = rng.uniform(0.037, 0.046) * (1.25 if count == 1 else 1.0) * (0.85 if style else 1.0)
        for part in _flower_head(rng, style, head, varied(rng, look.rgb, 0.04)):
            tilted = part.mesh.turned("y", np.degrees(lean) * 14 + rng.uniform(5, 25)).turned("z", np.degrees(a))
            parts.append(replace(part, mesh=tilted.moved(*end)))
        if style != 0 or count == 1:
            at = path[10]
            stems.append(_leaf(0.07, 0.017, rng.uniform(50, 75), 40, turn=rng.uniform(0, 360), at=at))
    return [*parts, Part(merged(stems), Surface(green))]


# ------------------------------------------------------------------------------------------------------------- light


@kind("lamp", colours=PAINTED, synonyms=("table lamp",), hypernyms=("something that gives light", "furniture"))
def lamp(rng: np.random.Generator, look: Look) -> list[Part]:
    height, wide = rng.uniform(0.26, 0.36), rng.uniform(0.075, 0.1)
    shade_height = height * rng.uniform(0.4, 0.5)
    top = wide * rng.choice([rng.uniform(0.5, 0.7), 0.95])
    low = height - shade_height
    bulge = wide * rng.choice([0.0, 0.0, 0.06])
    outer = smooth_curve([(wide, low), ((wide + top) / 2 + bulge, (low + height) / 2), (top, height)], 12)
    shade = lathe(np.concatenate([outer, outer[::-1] - (0.002, 0.0), outer[:1]]))
    lit = look.colour not in ("black", "brown", "gray") and rng.random() < 0.55
    parts = [Part(shade, Surface(_mixed(look.rgb, (0.0, 0.0, 0.0), 0.12), "glowing") if lit else Surface(look.rgb))]
    if lit:
        bulb = ellipsoid(0.02, 0.02, 0.026, 16).moved(z=low + shade_height * 0.45)
        parts.append(Part(bulb, Surface((0.99, 0.93, 0.78), "glowing")))
    foot = rng.uniform(0.045, 0.06)
    styles = [
        [(foot, 0), (foot, 0.01), (0.008, 0.018), (0.006, low)],
        [(foot * 0.7, 0), (foot * 0.95, low * 0.35), (0.028, low * 0.75), (0.012, low * 0.95), (0.01, low)],
        [(foot, 0), (0.02, low * 0.2), (0.03, low * 0.5), (0.014, low * 0.8), (0.02, low * 0.9), (0.008, low)],
    ]
    style = int(rng.integers(3))
    line = np.array(styles[style]) if style == 0 else smooth_curve(styles[style], 30)
    stand = lathe(np.concatenate([[(0, 0)], line, [(0.006, low + shade_height * 0.5), (0, low + shade_height * 0.5)]]))
    same = _painted(look.rgb, 0.15)
    wooden = _wood(rng, varied(rng, (0.55, 0.36, 0.2)))
    metal = Surface(varied(rng, _BRASS if rng.random() < 0.5 else _STEEL), "brushed metal")
    parts.append(Part(stand, (same, same, wooden, metal)[int(rng.integers(4))]))
    spokes = [
        sweep([(0, 0, height - 0.02), (top * c * 0.98, top * s * 0.98, height - 0.006)], 0.0013, 6)
        for c, s in _circle(1, 3)
    ]
    parts.append(Part(merged([*spokes, cylinder(0.004, 0.03).moved(z=height - 0.035)]), metal))
    parts.append(Part(cylinder(0.004, shade_height * 0.6).moved(z=low + shade_height * 0.35), metal))
    return parts


@kind("candle", colours=PAINTED, hypernyms=("something that gives light", "decoration"))
def candle(rng: np.random.Generator, look: Look) -> list[Part]:
    parts: list[Part] = []
    style = int(rng.integers(3))
    if style == 0:  # a pillar, by itself or on a plate
        radius, height, foot = rng.uniform(0.026, 0.036), rng.uniform(0.08, 0.14), 0.0
    else:
        radius, height, foot = rng.uniform(0.011, 0.014), rng.uniform(0.12, 0.17), rng.uniform(0.02, 0.05)
    line = [
        (0, 0),
        (radius, 0),
        (radius, height - 0.003),
        (radius * 0.93, height),
        (radius * 0.8, height - 0.002),
        (0, height - 0.006),
    ]
    if style == 2:
        line[2] = (radius * 0.75, height - 0.003)
        line[3:] = [(radius * 0.65, height), (radius * 0.5, height - 0.002), (0, height - 0.005)]
    body = [lathe(line, 40).moved(z=foot)]
    for _ in range(int(rng.integers(0, 4))):  # wax that ran down
        a, run = rng.uniform(0, 2 * np.pi), height * rng.uniform(0.15, 0.5)
        r = radius * (0.97 if style != 2 else 0.8)
        path = np.array([(r * np.cos(a), r * np.sin(a), foot + height - 0.003 - run * t) for t in np.linspace(0, 1, 8)])
        body.append(sweep(path, np.linspace(0.6, 1.0, 8) * 0.0035, 10))
    parts.append(Part(merged(body), _painted(look.rgb, 0.4)))
    if style:
        wide = rng.uniform(0.035, 0.045)
        cup = [
            (wide, 0),
            (wide, 0.004),
            (0.008, 0.01),
            (0.006, foot * 0.8),
            (radius + 0.004, foot),
            (radius + 0.005, foot + 0.016),
        ]
        holder = lathe([(0, 0), *cup, (radius, foot + 0.016), (radius, foot + 0.001), (0, foot + 0.001)])
        metal = Surface(varied(rng, _BRASS if rng.random() < 0.5 else _STEEL), "brushed metal")
        parts.append(Part(holder, metal if rng.random() < 0.7 else _painted(look.rgb, 0.15)))
    elif rng.random() < 0.5:
        plate = lathe([(0, 0), (radius * 1.3, 0), (radius * 1.55, 0.007), (radius * 1.5, 0.008), (0, 0.003)])
        parts = [Part(part.mesh.moved(z=0.002), part.surface) for part in parts]
        parts.append(Part(plate, Surface(varied(rng, _STEEL), "brushed metal")))
    tip = foot + height
    wick = sweep([(0, 0, tip - 0.008), (0, 0, tip + 0.004), (0.002, 0, tip + 0.009)], 0.0011, 8)
    parts.append(Part(wick, Surface((0.08, 0.07, 0.06))))
    if rng.random() < 0.7:
        flame = lathe(
            smooth_curve([(0, 0), (0.0045, 0.004), (0.0065, 0.011), (0.004, 0.022), (0, 0.034)], 16).clip(0), 20
        )
        parts.append(Part(flame.moved(0.001, 0, tip + 0.003), Surface((0.99, 0.80, 0.35), "glowing")))
    return parts


# --------------------------------------------------------------------------------------------- clocks, frames, mirrors


def _dial(rng: np.random.Generator, ground: RGB, ink: RGB, size: int = 256) -> np.ndarray:
    """A clock's face: marks, numbers and hands."""
    picture, draw = _drawing(size, size, ground)
    middle, font = size / 2, ImageFont.load_default(size * 0.13)
    all_numbers = rng.random() < 0.6

    def spot(turn: float, reach: float) -> tuple[float, float]:
        return middle + size / 2 * reach * np.sin(turn), middle - size / 2 * reach * np.cos(turn)

    for k in range(60):
        turn = np.pi * k / 30
        if k % 5 == 0:
            draw.line([spot(turn, 0.84), spot(turn, 0.93)], fill=_byte(ink), width=size // 50)
        else:
            draw.line([spot(turn, 0.9), spot(turn, 0.93)], fill=_byte(ink), width=size // 128)
    for k in range(1, 13):
        if all_numbers or k % 3 == 0:
            draw.text(spot(np.pi * k / 6, 0.70), str(k), fill=_byte(ink), font=font, anchor="mm")
    minutes = int(rng.integers(720))
    for turn, reach, width in ((2 * np.pi * minutes / 720, 0.45, 20), (2 * np.pi * (minutes % 60) / 60, 0.72, 30)):
        draw.line([spot(turn, -0.1), spot(turn, reach)], fill=_byte(ink), width=size // width)
    turn = rng.uniform(0, 2 * np.pi)
    draw.line([spot(turn, -0.15), spot(turn, 0.8)], fill=_byte((0.85, 0.1, 0.1)), width=size // 90)
    dot = size / 28
    draw.ellipse([middle - dot, middle - dot, middle + dot, middle + dot], fill=_byte(ink))
    return np.array(picture)


@kind(
    "clock",
    colours=PAINTED,
    synonyms=("alarm clock",),
    hypernyms=("something that tells time",),
)
def clock(rng: np.random.Generator, look: Look) -> list[Part]:
    size = rng.uniform(0.05, 0.062)
    dark = look.colour == "black" and rng.random() < 0.5
    ground: RGB = (0.08, 0.08, 0.09) if dark else _mixed(_CREAM, look.rgb, 0.06)
    dial = Surface(texture=_dial(rng, ground, (0.95, 0.95, 0.93) if dark else (0.08, 0.08, 0.1)))
    paint = _painted(look.rgb, 0.25)
    deep = size * rng.uniform(0.75, 1.1)
    if rng.random() < 0.6:  # a round alarm clock on two feet, perhaps with bells
        inner = size * 0.78
        line = [
            (0, deep * 0.9),
            (size * 0.8, deep * 0.9),
            (size * 0.97, deep * 0.75),
            (size, deep * 0.1),
            (size * 0.93, 0),
            (inner, 0.0),
            (inner, 0.006),
            (0, 0.006),
        ]
        body = lathe(line[::-1]).turned("x", -90).moved(0, -deep / 2, 0)
        face = _plate(_circle(inner), 0.002).moved(0, -deep / 2 + 0.0065, 0)
        legs = [
            sweep([(s * size * 0.45, 0, -size * 0.75), (s * size * 0.72, 0, -size * 1.22)], [0.007, 0.005], 12)
            for s in (-1, 1)
        ]
        meshes = [body, *legs]
        parts = [Part(face, dial)]
        metal = Surface(varied(rng, _STEEL), "metal")
        if rng.random() < 0.75:
            bells = [
                lathe(
                    [
                        (0, 0.006),
                        (size * 0.42, 0),
                        (size * 0.36, size * 0.2),
                        (size * 0.2, size * 0.34),
                        (0, size * 0.4),
                    ]
                )
                .turned("y", s * 35)
                .moved(s * size * 0.62, 0, size * 0.92)
                for s in (-1, 1)
            ]
            arch = sweep(
                smooth_curve(
                    [(-0.018, 0, size), (-0.014, 0, size * 1.5), (0.014, 0, size * 1.5), (0.018, 0, size)], 16
                ),
                0.002,
                8,
            )
            meshes += bells
            parts.append(Part(merged([arch, cylinder(0.005, size * 0.35).moved(z=size * 0.97)]), metal))
        parts.append(Part(merged(meshes), paint))
    else:  # a block with rounded edges
        wide = size * rng.choice([1.0, 1.0, 1.3])
        body = rounded_box(2 * wide, deep, 2 * size, size * rng.uniform(0.12, 0.6)).moved(z=-size)
        inner = size * 0.74
        ring = torus(inner, 0.003).turned("x", 90).moved(0, -deep / 2, 0)
        face = _plate(_circle(inner), 0.003).moved(0, -deep / 2 + 0.0015, 0)
        parts = [Part(body, paint), Part(ring, paint), Part(face, dial)]
        if rng.random() < 0.5:
            button = rounded_box(size * 0.7, deep * 0.4, 0.012, 0.004).moved(z=size - 0.004)
            parts.append(Part(button, _painted(_mixed(look.rgb, (0.5, 0.5, 0.5), 0.25))))
    lean = rng.uniform(0, 8)
    return _settled([replace(part, mesh=part.mesh.turned("x", -lean)) for part in parts])


def _settled(parts: list[Part]) -> list[Part]:
    """The parts moved so that their lowest point is on the table and they are centred about the origin."""
    corners = np.stack([part.mesh.bounds for part in parts])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    x, y = (low[:2] + high[:2]) / 2
    return [replace(part, mesh=part.mesh.moved(-float(x), -float(y), -float(low[2]))) for part in parts]


def _landscape(rng: np.random.Generator, size: int = 192) -> np.ndarray:
    """A painted view: sky, sun, ranges of hills, sometimes water."""
    v, u = np.meshgrid(np.linspace(1, 0, size), np.linspace(0, 1, size), indexing="ij")
    skies = [
        ((0.35, 0.62, 0.90), (0.88, 0.93, 0.95)),
        ((0.30, 0.25, 0.50), (0.98, 0.62, 0.40)),
        ((0.55, 0.72, 0.80), (0.98, 0.90, 0.70)),
    ]
    high, low = (np.array(c) for c in skies[int(rng.integers(len(skies)))])
    picture = low + (high - low) * v[..., None]
    sun = rng.uniform(0.2, 0.8), rng.uniform(0.65, 0.85), rng.uniform(0.06, 0.1)
    picture[np.hypot(u - sun[0], v - sun[1]) < sun[2]] = (1.0, 0.93, 0.62)
    front = np.array([(0.16, 0.36, 0.14), (0.30, 0.42, 0.12), (0.45, 0.30, 0.16)][int(rng.integers(3))])
    for k, level in enumerate(np.linspace(0.58, 0.2, int(rng.integers(3, 5)))):
        waves = sum(
            rng.uniform(0.3, 1) / f * np.sin(2 * np.pi * (f * u[0] * rng.uniform(0.8, 1.6) + rng.random()))
            for f in (1, 2, 4, 7)
        )
        ridge = level + 0.09 * np.asarray(waves)
        picture[v < ridge[None]] = front + (low - front) * (0.6 - 0.2 * k)
    if rng.random() < 0.5:
        water = v < 0.2
        picture[water] = (np.array([0.25, 0.45, 0.65]) + 0.06 * np.sin(90 * v + 6 * u)[..., None])[water]
    return _pixels(picture)


def _framed(
    rng: np.random.Generator, face: Surface, frame: Surface, width: float, height: float, rail: float, lean: float
) -> list[Part]:
    """A rectangular frame with a face, leaning back by `lean` degrees against its strut."""
    deep = rng.uniform(0.012, 0.018)
    bevel = float(rng.choice([0.002, deep * 0.45]))
    sides = [rounded_box(rail, deep, height, bevel).moved(s * (width - rail) / 2) for s in (-1, 1)]
    across = [rounded_box(width, deep, rail, bevel).moved(z=z) for z in (0, height - rail)]
    back = rounded_box(width - rail, 0.004, height - rail, 0.001).moved(0, deep / 2 - 0.002, rail / 2)
    inner = _plate(_rectangle(width - 1.6 * rail, height - 1.6 * rail), 0.002).moved(0, 0.001, height / 2)
    parts = [Part(merged([*sides, *across, back]), frame), Part(inner, face)]
    if bevel < 0.003 and rng.random() < 0.5:
        inside = (width - 2 * rail) / 2, (height - 2 * rail) / 2
        edge = [rounded_box(0.003, deep * 0.8, 2 * inside[1], 0.001).moved(s * inside[0], 0, rail) for s in (-1, 1)]
        edge += [
            rounded_box(2 * inside[0], deep * 0.8, 0.003, 0.001).moved(z=z)
            for z in (rail - 0.0015, height - rail - 0.0015)
        ]
        parts.append(Part(merged(edge).moved(y=-0.002), Surface(_BRASS, "brushed metal")))
    parts = [replace(part, mesh=part.mesh.turned("x", -lean)) for part in parts]
    at, a = 0.62 * height, np.radians(lean)
    top = np.array([0.0, at * np.sin(a) + deep / 2, at * np.cos(a)])
    strut = sweep(np.stack([top, np.array([0.0, top[1] + 0.28 * height, 0.004])]), 0.005, 10)
    return _settled([*parts, Part(strut, frame)])


_FRAME_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")


@kind("picture frame", colours=_FRAME_COLOURS, synonyms=("framed picture",), hypernyms=("decoration",))
def picture_frame(rng: np.random.Generator, look: Look) -> list[Part]:
    width, height = rng.uniform(0.14, 0.17), rng.uniform(0.17, 0.22)
    if rng.random() < 0.35:
        width, height = height, width
    rail = min(width, height) * rng.uniform(0.15, 0.2)
    frame = _wood(rng, look.rgb) if look.colour == "brown" else _painted(look.rgb, 0.3)
    face = Surface(kind="glossy", texture=_landscape(rng), roughness=0.25)
    return _framed(rng, face, frame, width, height, rail, rng.uniform(9, 17))


@kind("mirror", colours=_FRAME_COLOURS, hypernyms=("decoration",))
def mirror(rng: np.random.Generator, look: Look) -> list[Part]:
    frame = _wood(rng, look.rgb) if look.colour == "brown" else _painted(look.rgb, 0.25)
    silver = Surface((0.9, 0.9, 0.9), "mirror")
    if rng.random() < 0.4:
        width, height = rng.uniform(0.15, 0.18), rng.uniform(0.2, 0.25)
        return _framed(rng, silver, frame, width, height, width * rng.uniform(0.13, 0.17), rng.uniform(9, 17))
    radius = rng.uniform(0.075, 0.095)  # a round or oval one on a foot
    tall, rail = float(rng.choice([1.0, 1.25])), radius * rng.uniform(0.13, 0.18)
    ring = torus(radius, rail).scaled(1.0, tall, 0.75).turned("x", 90)
    glass = _plate(_circle(radius) * (1.0, tall), 0.003).moved(y=0.001)
    back = _plate(_circle(radius) * (1.0, tall), 0.006).moved(y=0.008)
    parts = [
        replace(part, mesh=part.mesh.turned("x", -rng.uniform(6, 7)))
        for part in (Part(ring, frame), Part(glass, silver), Part(back, frame))
    ]
    low, foot = radius * tall + rail * 0.5, rng.uniform(0.05, 0.065)
    neck = rng.uniform(0.03, 0.06)
    stand = lathe(
        [
            (0, 0),
            (foot, 0),
            (foot, 0.008),
            (0.012, 0.016),
            (0.008, neck * 0.6),
            (0.008, neck + 0.006),
            (0, neck + 0.006),
        ]
    )
    return _settled([*parts, Part(stand.moved(0, -0.006, -low - neck), frame)])


# ------------------------------------------------------------------------------------------------------------- boxes


@kind("basket", colours=("brown", "white", "gray", "yellow"), hypernyms=("container", "decoration"))
def basket(rng: np.random.Generator, look: Look) -> list[Part]:
    top, height = rng.uniform(0.075, 0.1), rng.uniform(0.065, 0.095)
    foot, squash = top * rng.uniform(0.68, 0.9), rng.uniform(0.72, 1.0)
    rows, posts = int(rng.integers(9, 13)), int(rng.integers(13, 18)) * 2
    z = np.linspace(0, 1, rows * 3 + 1)
    radius = foot + (top - foot) * z ** rng.uniform(0.6, 1.1)
    angle = np.linspace(0, 2 * np.pi, posts * 3, endpoint=False)
    over = np.cos(np.pi * np.floor(z * rows * 0.9999))[:, None] * np.cos(posts / 2 * angle)[None]
    strand = np.abs(np.sin(np.pi * z * rows))[:, None]
    r = radius[:, None] + 0.0022 * over * strand + 0.0025 * strand
    around = np.stack([r * np.cos(angle), r * np.sin(angle), np.broadcast_to(z[:, None] * height, r.shape)], -1)
    wall = grid_mesh(around, wrap_v=True)
    wall = replace(wall, faces=wall.faces[:, ::-1].copy())
    lines = 0.80 + 0.28 * strand * (0.65 + 0.35 * over)
    texture = _pixels(np.array(look.rgb) * lines[::-1, :, None] * rng.uniform(0.92, 1.08, (*lines.shape, 1)))
    woven = Surface(look.rgb, texture=texture)
    floor = cylinder(foot + 0.001, 0.006)
    turns = np.linspace(0, 2 * np.pi, 110)
    braid = []
    for phase in (0.0, np.pi):
        twist = 26 * turns + phase
        rim = top + 0.003 + 0.0032 * np.cos(twist)
        path = np.stack([rim * np.cos(turns), rim * np.sin(turns), height + 0.0032 * np.sin(twist)], -1)
        braid.append(sweep(path, 0.0042, 6))
    if rng.random() < 0.65:
        t, rise = np.linspace(0, np.pi, 60), rng.uniform(0.75, 1.1) * top
        for phase in (0.0, np.pi):
            twist = 16 * t + phase
            reach = top + 0.0035 * np.cos(twist)
            path = np.stack(
                [reach * np.cos(t), 0.0035 * np.sin(twist), height - 0.004 + rise * np.sin(t) * reach / top], -1
            )
            braid.append(sweep(path, 0.004, 6))
    plain = Surface(_mixed(look.rgb, (0.0, 0.0, 0.0), 0.08))
    parts = [Part(wall, woven), Part(floor, plain), Part(merged(braid), plain)]
    return [replace(part, mesh=part.mesh.scaled(1.0, squash, 1.0)) for part in parts]


@kind("gift box", colours=PAINTED, synonyms=("present",), hypernyms=("packaging", "container"))
def gift_box(rng: np.random.Generator, look: Look) -> list[Part]:
    x, y = rng.uniform(0.09, 0.13, 2)
    z = rng.uniform(0.06, 0.11)
    second = _second_colour(rng, look)
    paper: np.ndarray | None = None
    if rng.random() < 0.35:
        paper = textures.dots(
            rng, look.rgb, _mixed(look.rgb, (1, 1, 1) if sum(look.rgb) < 2.2 else (0.6, 0.6, 0.6), 0.35)
        )
    wrap = Surface(look.rgb, "glossy", texture=paper, roughness=0.35)
    lid = rng.uniform(0.018, 0.028)
    body = [rounded_box(x, y, z, 0.0015), rounded_box(x + 0.005, y + 0.005, lid, 0.0015).moved(z=z - lid + 0.001)]
    band, out = rng.uniform(0.014, 0.02), 0.0068
    bands = [rounded_box(band, y + out, z + 0.0018, 0.0005), rounded_box(x + out, band, z + 0.0018, 0.0005)]
    loops: list[Mesh] = []
    phi = np.linspace(0, 2 * np.pi, 24)
    count = int(rng.choice([2, 4, 6]))
    for k in range(count):
        size = min(x, y) * rng.uniform(0.42, 0.5)
        long, wide = size * (1 - np.cos(phi)) / 2, size * 0.55 * np.sin(phi) * np.sin(phi / 2)
        path = np.stack([long, 0 * phi, np.abs(long) * 0.45 + wide + 0.004], -1)
        loops.append(_ribbon(path, np.array([0, 1, 0]), band).turned("z", 360 * k / count + 20))
    for turn in (70, 250):
        t = np.linspace(0, 1, 12)
        path = np.stack([0.055 * t, 0.004 * np.sin(6 * t), 0.004 + 0.014 * np.sin(np.pi * t)], -1)
        loops.append(_ribbon(path, np.array([0, 1, 0]), band * 0.8).turned("z", turn))
    knot = ellipsoid(band * 0.6, band * 0.6, band * 0.5, 16).moved(z=0.006)
    ribbon = merged([*bands, merged([*loops, knot]).moved(z=z + 0.001)])
    return [Part(merged(body), wrap), Part(ribbon, _painted(second, 0.3))]


def _printed_box(
    x: float, y: float, z: float, front: np.ndarray, side: np.ndarray, plain: Surface, roughness: float = 0.35
) -> list[Part]:
    sides = box_sides(x, y, z, 0.0012, 2)
    shown = {"front": front, "back": front, "left": side, "right": side}
    parts = [
        Part(sides[name], Surface(kind="glossy", texture=picture, roughness=roughness))
        for name, picture in shown.items()
    ]
    return [*parts, Part(merged([sides["top"], sides["bottom"]]), plain)]


def _bowl_picture(rng: np.random.Generator, rgb: RGB, width: int, height: int) -> np.ndarray:
    """What is inside, as boxes show it: a bowl with rings or flakes."""
    picture, draw = _drawing(width, height, rgb)
    x, y = width / 2, height * 0.45
    reach, deep = width * 0.38, height * 0.42
    other = varied(rng, COLOURS["blue" if rgb[2] < 0.5 else "red" if rgb[0] > 0.7 else "white"])
    draw.pieslice([x - reach, y - deep, x + reach, y + deep], 0, 180, fill=_byte(other))
    draw.ellipse([x - reach, y - deep * 0.35, x + reach, y + deep * 0.35], fill=_byte((0.98, 0.97, 0.93)))
    for _ in range(34):
        a, r = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random()) * 0.85
        cx, cy, s = (
            x + reach * r * np.cos(a),
            y - height * 0.03 + deep * 0.34 * r * np.sin(a),
            width * rng.uniform(0.03, 0.045),
        )
        draw.ellipse([cx - s, cy - s, cx + s, cy + s], fill=_byte(varied(rng, (0.85, 0.60, 0.25))))
        draw.ellipse([cx - s * 0.35, cy - s * 0.35, cx + s * 0.35, cy + s * 0.35], fill=_byte((0.5, 0.3, 0.1)))
    return np.array(picture)


_CEREALS = ("OATS", "CRUNCH", "FLAKES", "POPS", "LOOPS", "MUESLI", "BRAN", "CRISPY", "HONEY", "STARS")


@kind("cereal box", colours=(*PAINTED[:8], "white"), synonyms=("box of cereal",), hypernyms=("packaging", "food"))
def cereal_box(rng: np.random.Generator, look: Look) -> list[Part]:
    x, y, z = rng.uniform(0.13, 0.16), rng.uniform(0.04, 0.055), rng.uniform(0.2, 0.24)
    word, ink = str(rng.choice(_CEREALS)), _ink(look.rgb)
    title = textures.label(rng, word, look.rgb, ink, width=256, height=208, small=("WHOLE GRAIN",))
    front = np.concatenate([title, _bowl_picture(rng, look.rgb, 256, 176)])
    side = textures.label(rng, word, look.rgb, ink, width=128, height=384, small=("300 g",))
    return _printed_box(x, y, z, front, side, _painted(look.rgb))


@kind("tea box", colours=PAINTED, synonyms=("box of tea",), hypernyms=("packaging", "container"))
def tea_box(rng: np.random.Generator, look: Look) -> list[Part]:
    x, y, z = rng.uniform(0.085, 0.11), rng.uniform(0.055, 0.07), rng.uniform(0.07, 0.09)
    ink = _ink(look.rgb)
    blend = str(rng.choice(["GREEN LEAF", "EARL GREY", "MINT", "CHAMOMILE", "ENGLISH", "LEMON"]))
    front = textures.label(rng, "TEA", look.rgb, ink, width=256, height=208, small=(blend,))
    side = textures.label(rng, "TEA", look.rgb, ink, width=192, height=208)
    parts = _printed_box(x, y, z, front, side, _painted(look.rgb))
    if rng.random() < 0.6:
        lid = rounded_box(x + 0.002, y + 0.002, z * 0.16, 0.001).moved(z=z * 0.85)
        parts.append(Part(lid, _painted(_mixed(look.rgb, ink, 0.12))))
    return parts


@kind("tissue box", colours=PAINTED, synonyms=("box of tissues",), hypernyms=("packaging", "container"))
def tissue_box(rng: np.random.Generator, look: Look) -> list[Part]:
    x, y, z = (rng.uniform(0.19, 0.22), rng.uniform(0.1, 0.12), rng.uniform(0.07, 0.09))
    if rng.random() < 0.4:
        x = y = rng.uniform(0.11, 0.125)
        z = rng.uniform(0.11, 0.13)
    pale = _mixed(look.rgb, (1, 1, 1) if sum(look.rgb) < 2.2 else (0.6, 0.65, 0.75), 0.3)
    pattern = (textures.dots, textures.stripes, textures.patches)[int(rng.integers(3))]
    paper = pattern(rng, look.rgb, pale) if rng.random() < 0.7 else None
    box = rounded_box(x, y, z, 0.003)
    slit = extruded(_circle(1.0) * (x * 0.32, y * 0.2), 0.0006).moved(z=z)
    phi = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    s = np.linspace(0, 1, 12)[:, None]
    folds = rng.uniform(0, 6.28, 4)
    flare = 1 + 0.35 * s * np.sin(5 * phi + folds[0]) + 0.15 * s * np.sin(9 * phi + folds[1])
    reach = 0.006 + (0.034 + 0.012 * np.sin(phi + folds[2])) * s**0.8
    tall = rng.uniform(0.055, 0.075) * s * (1 + 0.32 * np.sin(2 * phi + folds[3]) + 0.12 * np.sin(5 * phi))
    lean = rng.uniform(-0.02, 0.02, 2)
    sheet = np.stack(
        [
            reach * flare * np.cos(phi) * (1 + 1.2 * (1 - s)) + lean[0] * s**2,
            0.55 * reach * flare * np.sin(phi) + lean[1] * s**2,
            z - 0.004 + tall,
        ],
        -1,
    )
    tissue = grid_mesh(sheet, wrap_v=True)
    return [
        Part(box, Surface(look.rgb, "glossy", texture=paper, roughness=0.4)),
        Part(slit, Surface(_mixed(look.rgb, (0, 0, 0), 0.7))),
        Part(tissue, Surface((0.96, 0.96, 0.95))),
    ]


@kind(
    "paper towel roll", colours=("white",), materials=("paper",), synonyms=("paper roll",), hypernyms=("kitchenware",)
)
def paper_towel_roll(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.048, 0.06), rng.uniform(0.2, 0.235)
    core, foot = 0.02, 0.0
    on_stand = rng.random() < 0.55
    parts: list[Part] = []
    if on_stand:
        foot, wood = 0.014, _wood(rng, varied(rng, (0.58, 0.38, 0.2)))
        base = lathe([(0, 0), (radius * 1.25, 0), (radius * 1.25, 0.011), (radius * 1.2, 0.014), (0, 0.014)])
        rod = lathe(
            [
                (0, 0),
                (0.008, 0),
                (0.008, height + 0.02),
                (0.014, height + 0.03),
                (0.011, height + 0.045),
                (0, height + 0.05),
            ]
        )
        parts.append(Part(merged([base, rod]), wood))
    line = [
        (core, 0),
        (radius - 0.002, 0),
        (radius, 0.002),
        (radius, height - 0.002),
        (radius - 0.002, height),
        (core, height),
        (core, 0),
    ]
    paper = _pixels(np.array(look.rgb) * _quilt(128)[..., None])
    body = lathe(line)
    body = replace(body, uv=(body.uv * (5, 18)).astype(np.float32)).moved(z=foot)
    tube = lathe(
        [
            (core - 0.002, 0.001),
            (core + 0.001, 0.001),
            (core + 0.001, height + 0.0005),
            (core - 0.002, height + 0.0005),
            (core - 0.002, 0.001),
        ]
    )
    t = np.linspace(0, 1, 14)
    sheet = np.stack([radius * np.cos(t * 0.5) + 0.001 + 0.02 * t**2, radius * np.sin(t * 0.5) + 0.035 * t, 0 * t], -1)
    points = sheet[:, None] + np.array([0, 0, 1.0]) * np.linspace(0.001, height - 0.001, 6)[None, :, None]
    loose = grid_mesh(points).moved(z=foot)
    loose = replace(loose, uv=(loose.uv * (3, 1)).astype(np.float32))
    surface = Surface(look.rgb, texture=paper)
    return [*parts, Part(body, surface), Part(loose, surface), Part(tube.moved(z=foot), Surface((0.62, 0.48, 0.33)))]


def _quilt(size: int) -> np.ndarray:
    """Shades of a pattern of pressed lozenges."""
    v, u = np.meshgrid(np.linspace(0, 4 * np.pi, size), np.linspace(0, 4 * np.pi, size), indexing="ij")
    return 1 - 0.13 * (np.abs(np.sin((u + v) / 2)) < 0.14) - 0.13 * (np.abs(np.sin((u - v) / 2)) < 0.14)


@kind(
    "soap bottle",
    colours=PAINTED,
    materials=("plastic", "ceramic"),
    synonyms=("soap dispenser",),
    hypernyms=("container",),
)
def soap_bottle(rng: np.random.Generator, look: Look) -> list[Part]:
    radius, height = rng.uniform(0.028, 0.036), rng.uniform(0.1, 0.135)
    shoulder = height * rng.uniform(0.74, 0.85)
    line = [
        (radius * 0.96, 0),
        (radius, 0.004),
        (radius, shoulder),
        (radius * 0.75, height * 0.93),
        (0.013, height),
        (0.013, height + 0.008),
    ]
    straight = rng.random() < 0.6
    if not straight:
        line = [
            *smooth_curve(
                [(radius * 0.8, 0), (radius * 1.1, height * 0.3), (radius * 0.8, height * 0.75), (0.014, height)], 24
            ),
            (0.013, height + 0.008),
        ]
    body = lathe(np.concatenate([[(0, 0)], np.array(line), [(0, height + 0.008)]])).scaled(
        1.0, rng.uniform(0.7, 1.0), 1.0
    )
    paint = _painted(look.rgb, 0.12 if look.material == "ceramic" else 0.3)
    metal = Surface(_STEEL, "metal")
    pump_paint = (paint, metal, _painted(COLOURS["white"], 0.3), _painted(look.rgb, 0.3))[int(rng.integers(4))]
    top = height + 0.03
    collar = cylinder(0.014, 0.014).moved(z=height)
    stem = cylinder(0.0045, 0.03).moved(z=height + 0.01)
    head = lathe([(0, top), (0.012, top), (0.0125, top + 0.006), (0.009, top + 0.011), (0, top + 0.012)])
    spout = sweep(
        smooth_curve(
            [(0, 0, top + 0.006), (0.03, 0, top + 0.007), (0.042, 0, top + 0.003), (0.044, 0, top - 0.006)], 14
        ),
        0.0042,
        12,
    )
    parts = [Part(body, paint), Part(merged([collar, stem, head, spout]), pump_paint)]
    if look.material != "ceramic" and straight:  # a label bent around the front of a straight body
        a = np.linspace(-2.3, -0.85, 16)
        squash = float(np.ptp(body.vertices[:, 1]) / np.ptp(body.vertices[:, 0]))
        ring = np.stack([radius * 1.012 * np.cos(a), radius * 1.012 * squash * np.sin(a), 0 * a], -1)
        label = grid_mesh(
            ring[:, None] + np.array([0, 0, 1.0]) * np.linspace(shoulder * 0.22, shoulder * 0.85, 5)[None, :, None]
        )
        label = replace(label, uv=label.uv[:, ::-1].copy())
        ground = _mixed(look.rgb, (1, 1, 1), 0.35)
        parts.append(
            Part(label, Surface(kind="glossy", texture=textures.label(rng, "SOAP", ground, _ink(ground), 192, 256)))
        )
    return parts


# ----------------------------------------------------------------------------------------------------------- to wear


@kind(
    "umbrella",
    colours=PAINTED,
)
def umbrella(rng: np.random.Generator, look: Look) -> list[Part]:
    cloth = Surface(look.rgb)
    handle = _wood(rng, (0.45, 0.26, 0.13)) if rng.random() < 0.6 else _painted((0.08, 0.08, 0.09))
    metal = Surface(_STEEL, "metal")
    if rng.random() < 0.6:
        return _open_umbrella(rng, look, handle, metal)
    length, radius = rng.uniform(0.24, 0.28), rng.uniform(0.022, 0.028)
    t = np.linspace(0, 1, 26)
    profile = np.stack([radius * np.interp(t, [0, 0.06, 0.18, 0.6, 1], [0.55, 0.7, 1.0, 0.75, 0.22]), length * t], -1)
    folds = lathe(profile, 96)
    angle = np.arctan2(folds.vertices[:, 1], folds.vertices[:, 0]) + 9 * folds.vertices[:, 2]
    inward = 1 - 0.3 * np.abs(np.sin(4 * angle)) ** 2
    folds = replace(
        folds, vertices=(folds.vertices * np.stack([inward, inward, 1 + 0 * inward], -1)).astype(np.float32)
    )
    strap = torus(radius * 0.92, 0.003).scaled(1, 1, 2.2).moved(z=length * 0.36)
    shaft = cylinder(0.004, length + 0.09).moved(z=-0.06)
    bend = np.linspace(0, np.pi, 14)
    hook = np.stack([0.022 - 0.022 * np.cos(bend), 0 * bend, -0.085 - 0.022 * np.sin(bend)], -1)
    grip = sweep(np.concatenate([[(0, 0, -0.02)], hook, [(0.044, 0, -0.075)]]), 0.0075, 14)
    tip = cylinder(0.0055, 0.03, 0.002).moved(z=length)
    parts = [Part(folds, cloth), Part(strap, cloth), Part(merged([shaft, tip]), metal), Part(grip, handle)]
    return _settled([replace(part, mesh=part.mesh.turned("x", -90).turned("y", 90)) for part in parts])


def _open_umbrella(rng: np.random.Generator, look: Look, handle: Surface, metal: Surface) -> list[Part]:
    """Lying on its rim and the end of its handle."""
    radius, ribs = rng.uniform(0.14, 0.165), 8
    rise = radius * rng.uniform(0.42, 0.52)
    angle = np.linspace(0, 2 * np.pi, ribs * 8, endpoint=False)
    between = np.abs(np.sin(ribs / 2 * angle))
    s = np.linspace(0, 1, 14)[:, None]
    reach = radius * np.sin(s * 1.25) / np.sin(1.25) * (1 - 0.09 * between * s**2)
    z = -rise * (1 - np.cos(s * 1.25)) / (1 - np.cos(1.25)) * (1 - 0.10 * between * s) - 0.004 * between * s
    canopy = grid_mesh(np.stack([reach * np.cos(angle), reach * np.sin(angle), z + 0 * reach], -1), wrap_v=True)
    shade = np.tile(np.where(np.arange(16) < 1, 0.72, 1.0), ribs)
    if look.colour != "white" and rng.random() < 0.4:
        shade = shade * np.repeat(np.tile([1.0, 0.86], ribs // 2), 16)
    texture = _pixels(np.array(look.rgb) * shade[None, :, None] * np.ones((32, 1, 1)))
    wires = []
    for k in range(ribs):
        c, n = np.cos(2 * np.pi * k / ribs), np.sin(2 * np.pi * k / ribs)
        i = k * 8
        edge = np.stack([reach[:, i] * c, reach[:, i] * n, z[:, i] - 0.002], -1)
        wires += [sweep(edge, 0.0011, 5), sweep([edge[7], (0, 0, -rise * 1.25)], 0.001, 5)]
    length = radius * rng.uniform(1.55, 1.75)
    wires.append(cylinder(0.0035, length).moved(z=-length + 0.02))
    bend = np.linspace(0, np.pi, 12)
    hook = np.stack([0.018 - 0.018 * np.cos(bend), 0 * bend, -length - 0.018 * np.sin(bend)], -1)
    grip = sweep(np.concatenate([[(0, 0, -length + 0.05)], hook, [(0.036, 0, -length + 0.01)]]), 0.006, 12)
    parts = [Part(canopy, Surface(look.rgb, texture=texture)), Part(merged(wires), metal), Part(grip, handle)]
    lean = np.degrees(np.arctan2(radius, length + 0.018 - rise))
    return _settled([replace(part, mesh=part.mesh.turned("z", 22.5).turned("y", 90 - lean)) for part in parts])


@kind("hat", colours=PAINTED, hypernyms=("clothing", "something to wear"))
def hat(rng: np.random.Generator, look: Look) -> list[Part]:
    style = int(rng.integers(3))  # felt hat with a dent, flat straw hat, round sun hat
    crown = rng.uniform(0.075, 0.085)
    brim = crown * (rng.uniform(1.55, 1.75), rng.uniform(1.5, 1.65), rng.uniform(1.8, 2.05))[style]
    tall = crown * (rng.uniform(1.15, 1.4), rng.uniform(0.8, 0.95), rng.uniform(1.0, 1.2))[style]
    flat = [(crown * 0.98, 0.0), (brim, 0.004), (brim + 0.0015, 0.006), (brim, 0.008), (crown * 1.06, 0.006)]
    tops = [
        smooth_curve(
            [(crown, 0.012), (crown * 0.95, tall * 0.6), (crown * 0.8, tall * 0.93), (crown * 0.5, tall), (0, tall)], 24
        ),
        np.array([(crown, 0.008), (crown * 0.97, tall * 0.97), (crown * 0.94, tall), (0, tall)]),
        np.stack(
            [crown * np.cos(np.linspace(0.05, np.pi / 2, 20)), tall * np.sin(np.linspace(0.05, np.pi / 2, 20)) + 0.004],
            -1,
        ),
    ]
    line = np.concatenate([flat[:2], flat[2:3], np.linspace(flat[3], flat[4], 8), tops[style]]).clip(0)
    line[-1, 0] = 0.0
    felt = lathe(line, 72)
    v = felt.vertices.astype(np.float64)
    angle, r = np.arctan2(v[:, 1], v[:, 0]), np.hypot(v[:, 0], v[:, 1])
    out = ((r - crown) / (brim - crown)).clip(0)
    curl = rng.uniform(0.010, 0.022) if style == 0 else rng.uniform(0.0, 0.004)
    v[:, 2] += curl * out**2 * (0.5 - 0.5 * np.cos(2 * angle)) * 2
    if style == 2:
        v[:, 2] += 0.02 * (1 - out) * (r > crown) - 0.0 + 0.004 * out * np.sin(5 * angle)
        v[:, 2] += 0.02 * (r <= crown * 1.0001)
    if style == 0:
        v[:, 2] -= crown * 0.22 * np.exp(-((v[:, 1] / (crown * 0.28)) ** 2)) * np.clip(v[:, 2] / tall, 0, 1) ** 6
    lift = 0.02 if style == 2 else 0.0
    band_height = tall * rng.uniform(0.17, 0.24)
    wide = float(np.interp(0.012 + band_height, tops[style][:, 1], tops[style][:, 0]))
    low = crown * 1.012
    band = lathe(
        [
            (low - 0.004, 0.007),
            (low + 0.001, 0.007),
            (wide * 1.012 + 0.001, 0.01 + band_height),
            (wide * 1.0, 0.01 + band_height),
        ],
        72,
    )
    second = _second_colour(rng, look, (*_VIVID, "black", "brown"))
    squash = rng.uniform(0.84, 0.95) if style == 0 else 1.0
    texture = textures.weave(rng, look.rgb) if style else textures.noise(rng, look.rgb, 0.05)
    felt = replace(felt, vertices=v.astype(np.float32), uv=(felt.uv * ((6, 3) if style else (3, 2))).astype(np.float32))
    parts = [Part(felt, Surface(look.rgb, texture=texture)), Part(band.moved(z=lift), Surface(second))]
    return _settled([replace(part, mesh=part.mesh.scaled(1.0, squash, 1.0)) for part in parts])


_SHOE = np.array(  # height, toe, heel, half width; from the sole to the collar
    [
        (0.016, 0.134, -0.134, 0.043),
        (0.034, 0.136, -0.137, 0.046),
        (0.050, 0.124, -0.137, 0.045),
        (0.062, 0.094, -0.135, 0.042),
        (0.074, 0.056, -0.133, 0.039),
        (0.088, 0.016, -0.131, 0.036),
        (0.102, -0.012, -0.131, 0.034),
        (0.110, -0.024, -0.132, 0.034),
    ]
)


def _shoe_ring(row: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """The outline (N, 3) of a shoe at a height; angle 0 is the toe."""
    height, toe, heel, half = row
    along = (toe + heel) / 2 + (toe - heel) / 2 * np.cos(angles)
    waist = 1 + 0.10 * np.cos(angles) - 0.10 * np.exp(-(((along + 0.02) / 0.05) ** 2))
    side = half * np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** 0.8 * waist
    rise = np.clip((height - 0.06) / 0.05, 0, 1) * (0.010 * np.cos(2 * angles) - 0.006)
    return np.stack([along, side, height + rise], -1)


@kind("shoe", colours=PAINTED, synonyms=("sneaker",), hypernyms=("clothing", "something to wear"))
def shoe(rng: np.random.Generator, look: Look) -> list[Part]:
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    rows = smooth_curve(_SHOE, 26)
    rows[:, 0] = 0.016 + (rows[:, 0] - 0.016) * rng.uniform(0.9, 1.15)
    rings = np.stack([_shoe_ring(row, angles) for row in rows])
    upper = grid_mesh(rings, wrap_v=True)
    upper = replace(upper, faces=upper.faces[:, ::-1].copy())
    pale: RGB = (0.93, 0.93, 0.91) if look.colour != "white" else (0.80, 0.80, 0.80)
    accent = pale if rng.random() < 0.7 else _second_colour(rng, look)
    inner = np.stack(
        [
            _shoe_ring(row * (1, 1, 1, 1) - (drop, thin, -thin, thin), angles)
            for row, drop, thin in (
                (rows[-1], 0.0, 0.0),
                (rows[-1], -0.002, 0.002),
                (rows[-1], 0.0, 0.005),
                (rows[-1], 0.045, 0.006),
            )
        ]
    )
    lining = _loft(inner[::-1])
    lining = replace(lining, faces=lining.faces[:, ::-1].copy())
    thick = rng.uniform(0.022, 0.03)
    under = [
        (0.0, 0.132, -0.130, 0.042),
        (0.003, 0.139, -0.136, 0.046),
        (thick * 0.6, 0.141, -0.139, 0.048),
        (thick, 0.139, -0.139, 0.0475),
    ]
    sole = _loft(np.stack([_shoe_ring(np.array(row), angles) for row in under]))
    laces = []
    for k, t in enumerate(np.linspace(9, 22, 5)):
        row = rows[round(t)] + (0.002, 0.002, 0.0, 0.001)
        reach = np.linspace(-1, 1, 11) * 0.62
        laces.append(sweep(_shoe_ring(row, reach), 0.0024, 8))
        if k < 4:
            after = rows[round(t) + 3] + (0.002, 0.002, 0.0, 0.001)
            for s in (-1, 1):
                start, end = _shoe_ring(row, np.array([s * 0.5]))[0], _shoe_ring(after, np.array([-s * 0.5]))[0]
                laces.append(sweep([start, (start + end) / 2 + (0.003, 0, 0.003), end], 0.002, 6))
    knot = _shoe_ring(rows[22] + (0.004, 0.004, 0, 0), np.array([0.0]))[0]
    phi = np.linspace(0, 2 * np.pi, 16)
    for s in (-1, 1):
        long = 0.017 * (1 - np.cos(phi))
        loop = np.stack([0.008 * np.sin(phi) + long * 0.25, s * long * 0.9, 0.006 * np.sin(phi / 2) - long * 0.35], -1)
        laces.append(sweep(loop + knot, 0.0022, 7))
    tongue = ellipsoid(0.012, 0.024, 0.038, 24).turned("y", -35).moved(rows[-1, 1] + 0.004, 0, rows[-1, 0] - 0.008)
    surface = Surface(look.rgb, texture=_shoe_texture(rng, look.rgb, accent))
    dark = Surface(_mixed(look.rgb, (0.1, 0.1, 0.1), 0.7))
    scale = rng.uniform(0.72, 0.82)
    parts = [
        Part(upper, surface),
        Part(lining, dark),
        Part(sole, Surface(pale, "glossy", roughness=0.5)),
        Part(merged(laces), Surface(pale)),
        Part(tongue, Surface(_mixed(look.rgb, (0, 0, 0), 0.12))),
    ]
    return [replace(part, mesh=part.mesh.scaled(scale)) for part in parts]


def _shoe_texture(rng: np.random.Generator, rgb: RGB, accent: RGB, size: int = 160) -> np.ndarray:
    """u = 0 is the toe, 1/4 and 3/4 the sides; seams, maybe a toe cap, side stripes or a heel patch in `accent`."""
    v, u = np.meshgrid(np.linspace(1, 0, size), np.linspace(0, 1, size), indexing="ij")
    around = np.minimum(u, 1 - u)
    picture = np.ones((size, size, 3)) * np.array(rgb)
    cap = around + 0.12 * v < 0.15
    if rng.random() < 0.5:
        picture[cap] = accent
    else:
        picture[np.abs(around + 0.12 * v - 0.15) < 0.005] = np.array(rgb) * 0.7
    if rng.random() < 0.6:
        for k in range(int(rng.integers(1, 4))):
            slant = around - 0.06 * v - 0.235 - 0.035 * k
            picture[(np.abs(slant) < 0.009) & (v < 0.85)] = accent
    if rng.random() < 0.6:
        picture[(around > 0.46) & (v > 0.25)] = accent
    picture[np.abs(around - 0.42) < 0.004] = np.array(rgb) * 0.7
    return _pixels(picture)
